import ClusterTwin
import KubernetesAPI
import KubernetesClient
import Maintenance
import Proving
import Testing

struct DiscoveryTests {
    /// A twin that does not know the aggregated form of discovery, as servers before 1.26, whatever its version is.
    private struct Legacy: KubernetesTransport {
        let inner: any KubernetesTransport

        func send(_ request: APIRequest) async throws -> APIResponse {
            var request = request
            request.accept = "application/json"
            return try await inner.send(request)
        }

        func stream(_ request: APIRequest, _ receive: (JSON) async throws -> Void) async throws { try await inner.stream(request, receive) }
        func text(_ request: APIRequest, _ receive: ([UInt8]) async throws -> Void) async throws { try await inner.text(request, receive) }
    }

    private func discover(minor: Int, legacy: Bool = false) async throws -> Discovery {
        var options = TwinOptions()
        options.minor = minor
        let transport = TwinTransport(Twin(options: options), time: .system)
        return try await KubernetesClient(transport: legacy ? Legacy(inner: transport) : transport, rate: nil).discover()
    }

    @Test func `Both forms of discovery say the same`() async throws {
        let (aggregated, legacy) = (try await discover(minor: 30), try await discover(minor: 30, legacy: true))
        #expect(aggregated.groups.map(\.group).sorted() == legacy.groups.map(\.group).sorted())
        for (key, served) in legacy.served {
            let other = try #require(aggregated.served[key])
            #expect(served.map(\.name).sorted() == other.map(\.name).sorted(), "\(key)")
            for one in served { #expect(other.contains { $0.resource == one.resource && $0.name == one.name }, "\(key) \(one.name)") }
        }
    }

    @Test(arguments: [(20, "v1beta1", "v1beta1"), (21, "v1", "v1beta1"), (22, "v1", "v1"), (30, "v1", "v1")])
    func `The version of budgets and that of evictions are each found where they stand`(_ minor: Int, budgets: String, eviction: String) async throws
    {
        let discovery = try await discover(minor: minor)
        #expect(try discovery.resource(.podDisruptionBudgets, versions: ["v1", "v1beta1"]).version == budgets)
        #expect(discovery.evictionVersion == eviction)
        let error = #expect(throws: KubernetesError.self) {
            try discovery.resource(Resource(group: "none.example", version: "v1", plural: "things", kind: "Thing", isNamespaced: true))
        }
        #expect(error?.code == .unsupported && error?.description.contains("things.none.example") == true)
    }

    @Test func `A group whose own server is away hides no other, and is named when it is needed`() async throws {
        struct Broken: KubernetesTransport {
            let inner: any KubernetesTransport

            func send(_ request: APIRequest) async throws -> APIResponse {
                var request = request
                request.accept = "application/json"
                guard request.path == "/apis/policy/v1" else { return try await inner.send(request) }
                return APIResponse(status: 404, body: .string("the server is away"))
            }

            func stream(_ request: APIRequest, _ receive: (JSON) async throws -> Void) async throws {}
            func text(_ request: APIRequest, _ receive: ([UInt8]) async throws -> Void) async throws {}
        }
        let client = KubernetesClient(transport: Broken(inner: TwinTransport(Twin(), time: .system)), rate: nil)
        let discovery = try await client.discover()
        #expect(try discovery.resource(.deployments).version == "v1")
        let error = #expect(throws: KubernetesError.self) { try discovery.resource(.podDisruptionBudgets) }
        #expect(error?.code == .unavailable && error?.description.contains("the server is away") == true)
    }
}
