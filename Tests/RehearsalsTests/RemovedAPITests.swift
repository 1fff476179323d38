import ClusterTwin
import Foundation
import KubernetesAPI
import KubernetesClient
import Maintenance
import ObjectStore
import Operations
import Testing

/// `drydock upgrade plan` and APIs that go, on twins that serve what each release serves.
struct RemovedAPITests {
    private static let rows = APILifecycle.table

    private func twin(_ minor: Int) throws -> Twin {
        var options = TwinOptions()
        (options.minor, options.writesLeases) = (minor, false)
        let twin = Twin(options: options)
        twin.addNodes(2, controlPlanes: 1)
        return twin
    }

    /// As who applies it would: a request in that version, which leaves the version in metadata.managedFields; a review in that version, which leaves a
    /// trace in the API server's metrics.
    private func use(_ row: APILifecycle, of twin: Twin) async throws {
        let resource = Resource(
            group: row.group, version: row.version, plural: row.plural, kind: row.kind, isNamespaced: row.scope == .namespaced)
        var object: JSON = ["apiVersion": .string(row.groupVersion), "kind": .string(row.kind), "metadata": ["name": .string("a-\(row.plural)")]]
        if row.kind == "CustomResourceDefinition" {
            object["metadata"]["name"] = "as.example.com"
            object["spec"] = [
                "group": "example.com", "scope": "Namespaced", "names": ["plural": "as", "kind": "A"],
                "versions": [["name": "v1", "served": true, "storage": true, "schema": ["openAPIV3Schema": ["type": "object"]]]],
            ]
        }
        if row.kind == "PodDisruptionBudget" { object["spec"] = ["maxUnavailable": 1, "selector": ["matchLabels": ["a": "b"]]] }
        let path = resource.path(namespace: resource.isNamespaced ? "default" : nil)
        let response = try await TwinTransport(twin, time: .system).send(APIRequest(.post, path, query: ["fieldManager": "kubectl"], body: object))
        guard (200..<300).contains(response.status) else { throw APIStatus(response) }
    }

    /// A release of Helm's as its Secret keeps it.
    private func release(_ rows: [APILifecycle], minor: Int) throws -> JSON {
        let documents = rows.map { "apiVersion: \($0.groupVersion)\nkind: \($0.kind)\nmetadata:\n  name: a-\($0.plural)\n" }
        let json: JSON = ["name": "old", "manifest": .string(documents.map { "---\n# Source: old/templates/a.yaml\n\($0)" }.joined())]
        var gzip = try GzipCompressor()
        let packed = try gzip.update(Array(json.description.utf8)[...]) + gzip.finish()
        return [
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": [
                "name": "sh.helm.release.v1.old.v1", "namespace": "default", "labels": ["owner": "helm", "status": "deployed", "name": "old"],
            ],
            "data": ["release": .string(Data(Data(packed).base64EncodedString().utf8).base64EncodedString())],
        ]
    }

    private func named(_ checks: [UpgradeCheck]) -> Set<String> {
        Set(checks.filter { $0.name.contains("removed APIs") }.flatMap(\.findings).filter { $0.problem.contains("is without it") }.map(\.subject))
    }

    @Test(arguments: 22...37)
    func `Every API that the target is without is found, whatever shows that it is used`(target: Int) async throws {
        let gone = Self.rows.filter { $0.isRemoved(in: target) }
        let twin = try twin(max(20, target - 1))
        // What the cluster of now still serves is used by requests; what was gone before is left over in a release of Helm's, and files are files.
        let served = gone.filter { row in
            row.isServed(in: max(20, target - 1)) && !row.isAlpha
                && (row.scope == .namespaced || row.scope == .cluster || row.scope == .virtual && row.kind.hasSuffix("Review"))
                && row.groupVersion != "admission.k8s.io/v1beta1" && row.kind != "ImageReview"
        }
        for row in served { try await use(row, of: twin) }
        let rest = gone.filter { row in !served.contains(row) }
        try twin.create(try release(rest.filter { $0.scope != .file }, minor: target))
        let files = rest.filter { $0.scope == .file }.map { "apiVersion: \($0.groupVersion)\nkind: \($0.kind)\n" }
        let found = named(try await twin.upgradeChecks(to: target, files: files))
        let wanted = Set(gone.map { "\($0.groupVersion) \($0.kind)" })
        #expect(wanted.subtracting(found).isEmpty, "not found: \(wanted.subtracting(found).sorted())")
        #expect(found.subtracting(wanted).isEmpty, "found, and not gone: \(found.subtracting(wanted).sorted())")
        #expect(
            !gone.isEmpty && (target < 22 || !served.isEmpty || ![22, 25, 26, 27, 29, 32].contains(target)), "nothing was asked for by a request")
    }

    @Test(arguments: 22...37)
    func `On a clean cluster nothing is found`(target: Int) async throws {
        let twin = try twin(max(20, target - 1))
        for row in Self.rows {
            // What is written in the version that stays.
            guard let replacement = row.replacement, row.replacementSince.map({ $0 <= max(20, target - 1) }) == true, row.scope == .namespaced,
                row.kind != "Event",
                let stays = Optional(replacement), APILifecycle.find(stays, row.kind).map({ !$0.isDeprecated(in: target) }) ?? true
            else { continue }
            let parts = stays.split(separator: "/").map(String.init)
            guard parts.count == 2 else { continue }
            let resource = Resource(group: parts[0], version: parts[1], plural: row.plural, kind: row.kind)
            let object: JSON = [
                "apiVersion": .string(stays), "kind": .string(row.kind), "metadata": ["name": .string("b-\(row.plural)-\(row.version)")],
                "spec": [
                    "selector": ["matchLabels": ["a": "b"]],
                    "template": ["metadata": ["labels": ["a": "b"]], "spec": ["containers": [["name": "a", "image": "a"]]]],
                ],
            ]
            _ = try await TwinTransport(twin, time: .system).send(
                APIRequest(.post, resource.path(namespace: "default"), query: ["fieldManager": "kubectl"], body: object))
        }
        let found = try await twin.upgradeChecks(to: target).filter { $0.name.contains("removed APIs") }
        #expect(found.allSatisfy { $0.findings.isEmpty }, "\(found)")
    }

    @Test func `Rows where sources disagree say so`() throws {
        let row = try #require(APILifecycle.find("networking.k8s.io/v1alpha1", "ClusterCIDR"))
        #expect(row.removed == 29 && row.remark == "marker says 1.31")
        #expect(Self.rows.filter { $0.removed != nil }.count > 120, "\(Self.rows.count) rows")
    }

    @Test func `An audit log names who still asks, and with what`() {
        var search = APIUseSearch()
        search.read(
            auditLine: """
                {"kind":"Event","apiVersion":"audit.k8s.io/v1","user":{"username":"system:serviceaccount:ci:deployer"},"userAgent":"helm/v3.2.0 (linux/amd64)",\
                "objectRef":{"resource":"poddisruptionbudgets","namespace":"a","name":"b","apiGroup":"policy","apiVersion":"v1beta1"},"annotations":{"k8s.io/deprecated":"true","k8s.io/removed-release":"1.25"}}
                """)
        #expect(search.uses.map(\.who) == ["system:serviceaccount:ci:deployer with helm/v3.2.0"])
        search.read(
            auditLine: "{\"kind\":\"Event\",\"user\":{\"username\":\"alice\"},\"userAgent\":\"kubectl/v1.18.2 (linux/amd64) kubernetes/52c56ce\"}")
        #expect(search.kubectls == [KubernetesVersion(major: 1, minor: 18, patch: 2): ["alice"]])
        search.read(auditLine: "{\"k8s.io/deprecated\": broken")
        #expect(search.uses.count == 1)
    }

    @Test func `A release that cannot be read is told of, and hides no other`() async throws {
        let twin = try twin(24)
        try twin.create(try release(Self.rows.filter { $0.groupVersion == "policy/v1beta1" && $0.kind == "PodDisruptionBudget" }, minor: 25))
        var broken = try release([], minor: 25)
        broken["metadata"]["name"] = "sh.helm.release.v1.broken.v1"
        broken["data"]["release"] = "bm8="
        try twin.create(broken)
        let checks = try await twin.upgradeChecks(to: 25)
        #expect(named(checks) == ["policy/v1beta1 PodDisruptionBudget"])
        #expect(checks.contains { $0.state == .unknown && $0.found.contains("cannot be read") }, "\(checks.map(\.found))")
    }
}
