package import Foundation
package import KubernetesAPI
package import KubernetesClient
internal import Maintenance
internal import NodeAccess

/// What runs where, in which version: the control plane, the nodes, the network, and the load balancers in front; and what does not fit together.
package struct ComponentsReport: Codable, Sendable, Equatable {
    package struct Row: Codable, Sendable, Equatable {
        /// The node, or the load balancer.
        package var node: String
        package var component: String
        package var version: String
        package var image: String?
        /// `Ready`, `NotReady`, the phase of a pod that is not ready, ``absent``, or what a load balancer is.
        package var state: String
        package var restarts: Int?
        package var startedAt: Date?

        /// Of what other control planes run: the API has no pod of it here. Its kubelet is away, or has not told the API of its static pods yet.
        package static let absent = "Absent"
        /// Why it is not as it should be; nil when it is.
        package var complaint: String? {
            switch state {
            case "Ready", "active", "stands by": nil
            case Self.absent: "the API has no pod of it"
            default: "it is not ready (\(state))"
            }
        }
    }

    package struct Finding: Codable, Sendable, Equatable {
        package var node: String
        package var component: String
        package var problem: String
    }

    package var rows: [Row] = []
    package var findings: [Finding] = []

    /// In the order in which they are shown; what else runs in kube-system comes after them.
    private static let order = [
        "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "container runtime", "kube-proxy", "coredns",
    ]

    /// Asks the cluster.
    package static func read(_ client: KubernetesClient) async throws -> ComponentsReport {
        let nodes = try await client.list(Node.self)
        let pods = try await client.list(Pod.self, namespace: "kube-system")
        return ComponentsReport(nodes: nodes.map(\.json), pods: pods.map(\.json))
    }

    /// Pure.
    package init(nodes: [JSON], pods: [JSON]) {
        for node in nodes {
            let info = node["status"]["nodeInfo"]
            let name = node["metadata"]["name"].string ?? ""
            let ready = node["status"]["conditions"].elements.first { $0["type"] == "Ready" }?["status"] == "True"
            rows.append(.init(node: name, component: "kubelet", version: info["kubeletVersion"].string ?? "", state: ready ? "Ready" : "NotReady"))
            rows.append(
                .init(
                    node: name, component: "container runtime", version: info["containerRuntimeVersion"].string ?? "",
                    state: ready ? "Ready" : "NotReady"))
        }
        for pod in pods {
            guard let name = Self.component(pod) else { continue }
            let status = pod["status"]["containerStatuses"].elements.first ?? .null
            let image = pod["spec"]["containers"].elements.first?["image"].string ?? ""
            let isReady = pod["status"]["conditions"].elements.first { $0["type"] == "Ready" }?["status"] == "True"
            rows.append(
                .init(
                    node: pod["spec"]["nodeName"].string ?? "", component: name, version: ImageReference(image).tag, image: image,
                    state: isReady ? "Ready" : pod["status"]["phase"].string ?? "NotReady", restarts: status["restartCount"].integer.map { Int($0) },
                    startedAt: Timestamp.date(status["state"]["running"]["startedAt"].string)))
        }
        let controlPlanes = nodes.map(Node.init).filter(\.isControlPlane).map(\.name)
        for component in Component.allCases.map(\.rawValue) {
            let seen = Set(rows.filter { $0.component == component }.map(\.node))
            guard !seen.isEmpty else { continue }
            for node in controlPlanes where !seen.contains(node) {
                rows.append(.init(node: node, component: component, version: "", state: Row.absent))
            }
        }
        rows.sort { (Self.place($0.component), $0.component, $0.node) < (Self.place($1.component), $1.component, $1.node) }
        judge()
    }

    private static func place(_ component: String) -> Int { order.firstIndex(of: component) ?? order.count }

    /// kubeadm's static pods have the label `component`; add-ons have others.
    private static func component(_ pod: JSON) -> String? {
        let labels = pod["metadata"]["labels"].strings
        if let component = labels["component"] { return component }
        if labels["k8s-app"] == "kube-dns" { return "coredns" }
        guard let owner = pod["metadata"]["ownerReferences"].elements.first, owner["kind"] == "DaemonSet" || labels["k8s-app"] != nil else {
            return nil
        }
        return labels["k8s-app"] ?? labels["app.kubernetes.io/name"] ?? labels["app"] ?? owner["name"].string
    }

    private mutating func judge() {
        let servers = rows.filter { $0.component == "kube-apiserver" }.compactMap { KubernetesVersion($0.version) }
        for row in rows {
            func find(_ problem: String) { findings.append(.init(node: row.node, component: row.component, problem: problem)) }
            if let complaint = row.complaint { find(complaint) }
            if let restarts = row.restarts, restarts >= 5, let started = row.startedAt, Date().timeIntervalSince(started) < 3600 {
                find("it has restarted \(restarts) times, the last time within the hour")
            }
            if let kind = VersionSkew.Component(rawValue: row.component), let version = KubernetesVersion(row.version),
                let complaint = VersionSkew.complaint(kind, version, servers: servers)
            {
                find(complaint)
            }
            if row.component == "container runtime",
                let kubelet = rows.first(where: { $0.component == "kubelet" && $0.node == row.node }).flatMap({ KubernetesVersion($0.version) }),
                let complaint = VersionSkew.complaint(runtime: row.version, kubelet: kubelet)
            {
                find(complaint)
            }
        }
        for component in ["etcd", "kube-proxy", "coredns", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
            let versions = Dictionary(grouping: rows.filter { $0.component == component && !$0.version.isEmpty }, by: \.version)
            guard versions.count > 1 else { continue }
            let text = versions.sorted { $0.key < $1.key }.map { "\($0.key) on \($0.value.map(\.node).sorted().joined(separator: ", "))" }
            findings.append(.init(node: "", component: component, problem: "several versions run: \(text.joined(separator: "; "))"))
        }
    }

    /// A load balancer in front, and keepalived beside it where there is one.
    package mutating func add(_ loadBalancer: LoadBalancer) async throws {
        let view = try await LoadBalancerView.read(loadBalancer)
        let isServing = view.backends.allSatisfy { $0.servers.contains(where: \.takesTraffic) }
        rows.append(.init(node: view.loadBalancer, component: "haproxy", version: view.version, state: isServing ? "Ready" : "NotReady"))
        if !isServing { findings.append(.init(node: view.loadBalancer, component: "haproxy", problem: "a backend serves nobody")) }
        let keepalived = try await loadBalancer.access.text("if command -v keepalived >/dev/null; then keepalived --version 2>&1 | head -1; fi")
        let words = keepalived.split(whereSeparator: \.isWhitespace)
        guard words.count > 1 else { return }
        rows.append(
            .init(node: view.loadBalancer, component: "keepalived", version: String(words[1]), state: view.isActive == true ? "active" : "stands by"))
    }
}
