internal import ClusterPKI
internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
package import Maintenance

/// What kubeadm was told of a cluster, as far as it is used here: the document `ClusterConfiguration` (v1beta1 to v1beta4).
package struct ClusterConfiguration: Sendable, Equatable {
    package var controlPlaneEndpoint: String?
    package var serviceSubnet = "10.96.0.0/12"
    package var dnsDomain = "cluster.local"
    package var apiServerNames: [String] = []
    package var etcdServerNames: [String] = []
    package var etcdPeerNames: [String] = []
    /// Where images come from; nil when nobody said so.
    package var imageRepository: String?
    package var kubernetesVersion: KubernetesVersion?

    /// - Throws: `OperationError` `.invalid` when the text holds no such document.
    package init(parsing text: String, from place: String) throws {
        let documents: [JSON]
        do { documents = try YAMLText.documents(text) } catch { throw OperationError(.invalid, "\(place) cannot be read: \(error)") }
        guard let document = documents.first(where: { $0["kind"] == "ClusterConfiguration" }) else {
            throw OperationError(.invalid, "\(place) holds no ClusterConfiguration of kubeadm's.")
        }
        func strings(_ value: JSON) -> [String] { value.elements.compactMap(\.string) }
        controlPlaneEndpoint = document["controlPlaneEndpoint"].string.flatMap { $0.isEmpty ? nil : $0 }
        serviceSubnet = document["networking"]["serviceSubnet"].string ?? serviceSubnet
        dnsDomain = document["networking"]["dnsDomain"].string ?? dnsDomain
        apiServerNames = strings(document["apiServer"]["certSANs"])
        etcdServerNames = strings(document["etcd"]["local"]["serverCertSANs"])
        etcdPeerNames = strings(document["etcd"]["local"]["peerCertSANs"])
        imageRepository = document["imageRepository"].string.flatMap { $0.isEmpty ? nil : $0 }
        kubernetesVersion = document["kubernetesVersion"].string.flatMap { KubernetesVersion($0) }
    }

    /// As the cluster keeps it: the ConfigMap kube-system/kubeadm-config.
    /// - Throws: `OperationError` `.invalid` where there is none.
    package static func read(_ client: KubernetesClient) async throws -> ClusterConfiguration {
        guard let found = try await find(client) else {
            throw OperationError(.invalid, "the cluster has no ConfigMap kube-system/kubeadm-config: kubeadm did not make it. Give --config FILE.")
        }
        return found
    }

    /// The same; nil where kubeadm did not make the cluster.
    static func find(_ client: KubernetesClient) async throws -> ClusterConfiguration? {
        guard let text = try await findText(client) else { return nil }
        return try ClusterConfiguration(parsing: text, from: place)
    }

    /// The document, unread.
    static func findText(_ client: KubernetesClient) async throws -> String? {
        try await client.find(.configMaps, ObjectName("kube-system", "kubeadm-config")).map { $0["data"]["ClusterConfiguration"].string ?? "" }
    }

    /// Where it stands.
    static let place = "kube-system/kubeadm-config"

    /// The names that kubeadm would give a certificate; nil for those without.
    /// - Parameter old: whose names tell the node's own.
    func names(of kind: KubeadmCertificate, old: X509Certificate, on node: NodeCertificates) throws -> SubjectNames? {
        switch kind.name {
        case "apiserver":
            guard let address = try node.pod(.apiServer)?.flags["advertise-address"] else {
                throw OperationError(
                    .invalid,
                    "the manifest of kube-apiserver on \(node.node) has no --advertise-address, so nobody knows which address belongs into its certificate."
                )
            }
            guard let service = NodeCertificates.firstAddress(String(serviceSubnet.split(separator: ",").first ?? "")) else {
                throw OperationError(.invalid, "the service subnet \(serviceSubnet) is none that is understood here.")
            }
            let own = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.\(dnsDomain)"]
            return SubjectNames(Self.unique([node.hostName(old)] + own + [host].compactMap(\.self) + [service, address] + apiServerNames))
        case "etcd-server", "etcd-peer":
            guard let pod = try node.pod(.etcd), let address = pod.flags["initial-advertise-peer-urls"].flatMap(NodeCertificates.host(of:)) else {
                throw OperationError(.invalid, "the manifest of etcd on \(node.node) has no --initial-advertise-peer-urls.")
            }
            let more = kind.name == "etcd-server" ? etcdServerNames : etcdPeerNames
            return SubjectNames(Self.unique([pod.flags["name"] ?? node.node, "localhost", address, "127.0.0.1", "::1"] + more))
        default: return nil
        }
    }

    private var host: String? { controlPlaneEndpoint.flatMap { NodeCertificates.host(of: $0.contains("://") ? $0 : "https://\($0)") } }

    private static func unique(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.filter { seen.insert($0).inserted }
    }
}

extension NodeCertificates {
    /// The node's own name in its API server's certificate: the name without a dot that is not Kubernetes'.
    func hostName(_ old: X509Certificate) -> String {
        let name = (try? pod(.etcd))??.flags["name"]
        return name ?? old.names.filter { $0 != "kubernetes" && !$0.contains(".") && !$0.contains(":") }.sorted().first ?? node
    }
}
