import ClusterTwin
import Foundation
import KubernetesAPI
import KubernetesClient
import Maintenance
import Operations
import Testing

extension Twin {
    /// A client that asks this twin.
    var client: KubernetesClient { KubernetesClient(transport: TwinTransport(self, time: .system), rate: nil, time: .system) }

    /// What `drydock upgrade plan --cluster-only` says of it.
    func upgradeChecks(to minor: Int, files: [String] = []) async throws -> [UpgradeCheck] {
        var request = UpgradeRequest(
            target: KubernetesVersion(major: 1, minor: minor, patch: 0), via: [], tag: "test", folders: CertificateFolders(), hosts: nil,
            reach: { _ in throw OperationError(.invalid, "no host is asked") }, loadBalancers: [], holdsTraffic: false, sessionSeconds: 0,
            drain: NodeRunSettings(), canaries: 1, soakSeconds: 0, backup: nil, hooks: [], ignoredPreflightErrors: nil, patienceSeconds: 60,
            lockSeconds: 60, window: nil, maxSeconds: nil)
        request.manifests = files.enumerated().map { ("file-\($0).yaml", $1) }
        return try await request.inspect(client).checks
    }
}

/// What the checks before an upgrade say of clusters that are not as they should be.
struct UpgradeChecksTests {
    private func kubeadmTwin() throws -> Twin {
        var options = TwinOptions()
        (options.minor, options.writesLeases) = (23, false)
        let twin = Twin(options: options)
        twin.addNodes(3, controlPlanes: 2)
        try twin.installKubeadm(KubernetesVersion(major: 1, minor: 23, patch: 0))
        twin.advance(to: twin.now.addingTimeInterval(60))
        return twin
    }

    @Test func `A control plane of which the API has no static pod blocks`() async throws {
        let twin = try kubeadmTwin()
        #expect(try await twin.upgradeChecks(to: 24).first { $0.name == "components" }?.found == "11 of 11 ready")
        let node = try #require(try await twin.client.list(Node.self).first(where: \.isControlPlane)).name
        try await twin.client.delete(.pods, ObjectName("kube-system", "kube-apiserver-\(node)"), DeleteOptions(gracePeriodSeconds: 0))
        let check = try #require(try await twin.upgradeChecks(to: 24).first { $0.name == "components" })
        #expect(check.state == .blocker)
        #expect(check.findings.map { "\($0.subject) on \($0.host): \($0.problem)" } == ["kube-apiserver on \(node): the API has no pod of it"])
    }

    @Test func `kubeadm's configuration that cannot be read is told of`() async throws {
        let twin = try kubeadmTwin()
        let broken: JSON = ["data": ["ClusterConfiguration": "{kind: ["]]
        try await twin.client.patch(.configMaps, ObjectName("kube-system", "kubeadm-config"), .merge(broken))
        let checks = try await twin.upgradeChecks(to: 24)
        #expect(checks.contains { $0.state == .unknown && $0.found.contains("kubeadm-config cannot be read") }, "\(checks.map(\.found))")
    }
}
