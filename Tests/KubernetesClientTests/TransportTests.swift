import Foundation
import ClusterTwin
import KubernetesAPI
@testable import KubernetesClient
import Maintenance
import Proving
import Testing

/// TLS as it is spoken to a real server: etcd, whose HTTP answers are JSON too, and which asks for client certificates.
@Suite(.timeLimit(.minutes(40)))
struct TransportTests {
    private func version(_ access: ClusterAccess) async throws -> String? {
        try await HTTPTransport.connected(access) { try await $0.send(APIRequest(.get, "/version")).body["etcdserver"].string }
    }

    private func refusal(_ access: ClusterAccess) async -> KubernetesError? {
        do {
            _ = try await version(access)
            return nil
        } catch {
            let own = error as? KubernetesError
            #expect(own != nil, "\(error)")
            return own
        }
    }

    @Test func `A server is asked with a client certificate, and trusted only by its authority and its name`() async throws {
        try await LocalEtcdCluster.running(.init(usesTLS: true)) { cluster in
            var access = ClusterAccess(server: try #require(URL(string: cluster.members[0].clientURL)))
            access.authority = .file(cluster.authorityFile)
            let client = try cluster.issueClientCertificate(notAfter: Date().addingTimeInterval(3600))
            access.certificate = .file(client.certificate)
            access.key = .file(client.key)
            #expect(try await version(access)?.hasPrefix("3.") == true)

            // By an address that the certificate does not name.
            let proxy = try CuttingProxy(target: try #require(access.server.port), after: .max, fault: .cut, host: 2)
            var other = access
            other.server = try #require(URL(string: "https://127.0.0.2:\(proxy.port)"))
            #expect(await refusal(other)?.code == .tls)
            other.tlsServerName = "elsewhere.example"
            #expect(await refusal(other)?.code == .tls)
            other.tlsServerName = "localhost"
            #expect(try await version(other) != nil, "the certificate has this name")
            other = access
            other.authority = .file(client.certificate)
            #expect(await refusal(other)?.code == .tls)
            other.authority = .file("/nowhere/ca.crt")
            #expect(await refusal(other)?.code == .configuration)
            other = access
            (other.certificate, other.key) = (nil, nil)
            #expect(await refusal(other) != nil, "the server wants a certificate")
            let key = try Data(contentsOf: URL(fileURLWithPath: client.key))
            other.certificate = .bytes(Array(key))
            other.key = .bytes(Array(key))
            let unusable = await refusal(other)
            #expect(unusable?.code == .configuration)
            #expect(unusable?.description.contains(String(decoding: key.dropFirst(40).prefix(20), as: UTF8.self)) == false)

            // The certificate that a credential plugin hands out.
            let pem = JSON.string(try String(contentsOfFile: client.certificate, encoding: .utf8))
            let answer: JSON = [
                "kind": "ExecCredential",
                "status": ["clientCertificateData": pem, "clientKeyData": .string(String(decoding: key, as: UTF8.self))],
            ]
            let file = cluster.folder.appendingPathComponent("credential.json")
            try Data(answer.bytes()).write(to: file)
            other = access
            (other.certificate, other.key) = (nil, nil)
            other.bearer = .plugin(
                CredentialPlugin(
                    command: "cat", arguments: [file.path], environment: [:], apiVersion: "client.authentication.k8s.io/v1", cluster: .null, hint: nil
                ))
            #expect(try await version(other) != nil)
        }
    }

    @Test func `Nobody there, a cut answer and a credential in the clear each say what to do`() async throws {
        let port = try FreePorts.take(1)[0]
        let nobody = await refusal(ClusterAccess(server: try #require(URL(string: "http://127.0.0.1:\(port)"))))
        #expect(nobody?.code == .unavailable && nobody?.description.contains("127.0.0.1:\(port)") == true)
        var clear = ClusterAccess(server: try #require(URL(string: "http://192.0.2.1:6443")))
        clear.bearer = .token("secret")
        let refused = await refusal(clear)
        #expect(
            refused?.code == .configuration && refused?.description.contains("Use https") == true && refused?.description.contains("secret") == false)
        try await ServedTwin.running(fill: { $0.addNodes(20) }) { served in
            let access = try Kubeconfig(paths: [served.kubeconfig.path], mustExist: true).access(environment: [:])
            let proxy = try CuttingProxy(target: try #require(access.server.port), after: 500, fault: .cut)
            let cut = ClusterAccess(server: try #require(URL(string: "http://127.0.0.1:\(proxy.port)")))
            let error = await #expect(throws: KubernetesError.self) {
                try await HTTPTransport.connected(cut) { _ = try await $0.send(APIRequest(.get, "/api/v1/nodes")) }
            }
            #expect(error?.code == .unavailable)
        }
    }

    @Test func `A pod's log is read as it comes`() async throws {
        let pod: JSON = [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": "talker", "namespace": "default"],
            "spec": ["containers": [["name": "main", "image": "a:1"]]],
        ]
        try await ServedTwin.running(
            speed: 50,
            fill: {
                $0.addNodes(1)
                try $0.create(pod)
            }
        ) { served in
            let access = try Kubeconfig(paths: [served.kubeconfig.path], mustExist: true).access(environment: [:])
            try await KubernetesClient.connected(access) { client in
                while try await client.find(Pod.self, ObjectName("default", "talker"))?.isReady != true {}
                var text: [UInt8] = []
                try await client.logs(of: ObjectName("default", "talker"), tailLines: 10) { text += $0 }
                #expect(!text.isEmpty)
                let missing = await #expect(throws: APIStatus.self) { try await client.logs(of: ObjectName("default", "nobody")) { _ in } }
                #expect(missing?.isNotFound == true)
            }
        }
    }
}
