/// A certificate that kubeadm looks after: where it is, and who signs it (kubeadm's certificate list, 1.20 to 1.31).
package struct KubeadmCertificate: Sendable, Equatable {
    /// The authorities of a control plane.
    package enum Authority: String, Sendable, Codable, CaseIterable {
        case cluster = "ca"
        case etcd = "etcd-ca"
        case frontProxy = "front-proxy-ca"

        /// Below kubeadm's certificate folder, without an ending.
        var path: String {
            switch self {
            case .cluster: "ca"
            case .etcd: "etcd/ca"
            case .frontProxy: "front-proxy-ca"
            }
        }
    }

    package enum Place: Sendable, Equatable {
        /// `pki/NAME.crt` and `.key`.
        case pair(String)
        /// A kubeconfig that holds both.
        case kubeconfig(String)
    }

    /// As kubeadm names it.
    package var name: String
    package var place: Place
    package var authority: Authority
    /// What kubeadm lists only where it is there: clusters of older versions, or nodes that joined, have none.
    package var isOptional = false

    /// Sorted by name, as kubeadm prints them.
    package static let all: [KubeadmCertificate] = [
        .init(name: "admin.conf", place: .kubeconfig("admin.conf"), authority: .cluster),
        .init(name: "apiserver", place: .pair("apiserver"), authority: .cluster),
        .init(name: "apiserver-etcd-client", place: .pair("apiserver-etcd-client"), authority: .etcd),
        .init(name: "apiserver-kubelet-client", place: .pair("apiserver-kubelet-client"), authority: .cluster),
        .init(name: "controller-manager.conf", place: .kubeconfig("controller-manager.conf"), authority: .cluster),
        .init(name: "etcd-healthcheck-client", place: .pair("etcd/healthcheck-client"), authority: .etcd),
        .init(name: "etcd-peer", place: .pair("etcd/peer"), authority: .etcd),
        .init(name: "etcd-server", place: .pair("etcd/server"), authority: .etcd),
        .init(name: "front-proxy-client", place: .pair("front-proxy-client"), authority: .frontProxy),
        .init(name: "scheduler.conf", place: .kubeconfig("scheduler.conf"), authority: .cluster),
        .init(name: "super-admin.conf", place: .kubeconfig("super-admin.conf"), authority: .cluster, isOptional: true),
    ]

    package static func named(_ name: String) -> KubeadmCertificate? { all.first { $0.name == name } }

    /// How long it is valid when it is new, seconds: kubeadm's year.
    package static let validity = 365.0 * 86400

    /// The certificate's file below the folder of kubeadm's files.
    package var certificatePath: String {
        switch place {
        case .pair(let base): "pki/\(base).crt"
        case .kubeconfig(let name): name
        }
    }

    /// Of the key; the kubeconfig itself where that holds it.
    package var keyPath: String {
        switch place {
        case .pair(let base): "pki/\(base).key"
        case .kubeconfig(let name): name
        }
    }
}

extension KubeadmCertificate.Authority {
    package var certificatePath: String { "pki/\(path).crt" }
    package var keyPath: String { "pki/\(path).key" }
}
