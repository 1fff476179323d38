internal import Etcd
package import Foundation
package import KubernetesAPI
package import KubernetesClient
package import Maintenance
internal import NodeAccess

/// One thing that is looked at before an upgrade, and how it stands.
package struct UpgradeCheck: Codable, Sendable, Equatable {
    package enum State: String, Codable, Sendable {
        case passed
        case warning
        /// It forbids the upgrade.
        case blocker
        /// Nobody could look.
        case unknown
    }

    /// `removed APIs`.
    package var name: String
    package var state: State
    /// In a line.
    package var found: String
    package var findings: [HostFinding]

    /// What is critical blocks.
    init(_ name: String, _ found: String, _ findings: [HostFinding] = [], isUnknown: Bool = false) {
        self.name = name
        self.found = found
        self.findings = findings.sorted()
        state = findings.contains { $0.severity == .critical } ? .blocker : !findings.isEmpty ? .warning : isUnknown ? .unknown : .passed
    }
}

/// What an upgrade is judged by: read once, judged without asking anybody.
package struct UpgradeFacts: Sendable {
    package var nodes: [Node] = []
    package var hosts: [HostFacts] = []
    package var components = ComponentsReport(nodes: [], pods: [])
    /// The static pods of control planes.
    package var controlPlanePods: [JSON] = []
    package var unready: [(workload: String, complaint: String)] = []
    package var pods: [PodFacts] = []
    package var search = APIUseSearch()
    package var webhooks: [JSON] = []
    package var apiServices: [JSON] = []
    /// Deployments, StatefulSets and DaemonSets: kind and object.
    package var workloads: [(kind: String, object: JSON)] = []
    /// Services that have somebody behind them, `namespace/name`.
    package var servedServices: Set<ObjectName> = []
    package var forecast: DrainForecast?
    package var etcd: EtcdAudit?
    package var etcdMembers = 0
    package var certificates: CertificateReport?
    /// The newest backup: when it was made, read back, and rehearsed.
    package var backup: (createdAt: Date, verifiedAt: Date?, drilledAt: Date?)?
    package var looksForBackup = false
    /// Of kubeadm's configuration; nil where it has none.
    package var imageRepository: String?
    package var window: Window?
    package var expectedSeconds = 0.0
    package var longestStepSeconds = 0.0
    /// What could not be read.
    package var gaps: [String] = []

    package init() {}

    /// Reads what the cluster itself tells; the nodes' hosts and etcd are read by who reaches them.
    package mutating func read(_ client: KubernetesClient) async throws {
        let facts = try await ClusterFacts.read(client)
        nodes = facts.nodes.sorted { $0.name < $1.name }
        pods = facts.pods
        let system = try await client.list(Pod.self, namespace: "kube-system").map(\.json)
        components = ComponentsReport(nodes: nodes.map(\.json), pods: system)
        controlPlanePods = system.filter { $0["metadata"]["labels"].strings["tier"] == "control-plane" }
        workloads = try await Self.rolling(client)
        unready = Self.complaints(of: workloads)
        for kind in ["mutating", "validating"] {
            webhooks += await list(
                client,
                Resource(group: "admissionregistration.k8s.io", plural: "\(kind)webhookconfigurations", kind: "", isNamespaced: false))
        }
        apiServices = await list(client, Resource(group: "apiregistration.k8s.io", plural: "apiservices", kind: "APIService", isNamespaced: false))
        for endpoints in await list(client, Resource(plural: "endpoints", kind: "Endpoints")) {
            let isServed = endpoints["subsets"].elements.contains { !$0["addresses"].elements.isEmpty }
            if isServed { servedServices.insert(endpoints.objectName) }
        }
        try await search.search(client)
        do {
            if let text = try await ClusterConfiguration.findText(client) {
                search.read(file: text, "ConfigMap \(ClusterConfiguration.place)")
                imageRepository = try ClusterConfiguration(parsing: text, from: ClusterConfiguration.place).imageRepository
            }
        } catch { gaps.append("\(error)") }
    }

    /// Those that roll out.
    static func rolling(_ client: KubernetesClient) async throws -> [(kind: String, object: JSON)] {
        var found: [(kind: String, object: JSON)] = []
        for kind in Workload.rolling {
            found += try await client.list(Workload(kind: kind, name: ObjectName("", "")).resource).map { (kind, $0) }
        }
        return found
    }

    /// Workloads that are not whole, and what they lack.
    static func complaints(of workloads: [(kind: String, object: JSON)]) -> [(workload: String, complaint: String)] {
        workloads.compactMap { kind, object in
            let workload = Workload(kind: kind, name: object.objectName)
            return workload.rollout(of: object).map { ("\(workload)", $0) }
        }
    }

    /// A kind that a release, or a twin, may not have.
    private mutating func list(_ client: KubernetesClient, _ resource: Resource) async -> [JSON] {
        do { return try await client.list(resource) } catch {
            if (error as? APIStatus)?.isNotFound != true { gaps.append("\(resource.qualifiedPlural): \(error)") }
            return []
        }
    }

    /// What the API servers were asked for since they started; one by one where they are reached, or the one that answers.
    package mutating func readRequests(_ client: KubernetesClient, _ hosts: [ControlPlaneHost]) async {
        if hosts.isEmpty {
            do {
                let text = try await client.send(APIRequest(.get, "/metrics", accept: "text/plain"))
                search.read(metrics: text.string ?? "", of: "an API server")
            } catch { gaps.append("/metrics of the API server: \(error)") }
            return
        }
        let probe = ControlPlaneProbe(hosts)
        for host in hosts {
            guard let server = host.server else { continue }
            do {
                guard let text = try await probe.metrics(of: host, server) else { continue }
                search.read(metrics: text, of: "the API server of \(host.name)")
            } catch { gaps.append("/metrics of the API server of \(host.name): \(error)") }
        }
    }

    package mutating func readEtcd(_ hosts: [ControlPlaneHost]) async {
        do {
            (etcd, etcdMembers) = try await ControlPlaneProbe(hosts).withEtcd { client in
                let view = try await ClusterView.read(client, .reads)
                var audit = EtcdAudit()
                audit.judge(view)
                return (audit, view.voters.count)
            }
        } catch { gaps.append("etcd: \(error)") }
    }
}
