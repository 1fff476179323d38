import EtcdStorage
import Foundation
import KubernetesAPI
import KubernetesClient
import Maintenance
import Operations
import Proving
import SystemPackage
import Testing

/// What a real kube-apiserver keeps in its etcd is read as the server itself reads it, and a rehearsal is made of it.
struct StoredObjectSuite: Sendable {
    let client: KubernetesClient
    let etcd: String
    let folder: URL
    let environment: [String: String]

    private static let stored: [(resource: Resource, name: String)] = [
        (.namespaces, "namespaces"), (.nodes, "minions"), (.deployments, "deployments"), (.statefulSets, "statefulsets"),
        (.daemonSets, "daemonsets"), (.replicaSets, "replicasets"), (.pods, "pods"), (.configMaps, "configmaps"), (.jobs, "jobs"),
        (Resource(group: "policy", version: "v1beta1", plural: "poddisruptionbudgets", kind: "PodDisruptionBudget"), "poddisruptionbudgets"),
    ]

    func run() async throws {
        for (resource, object) in Self.objects { try await client.create(resource, object) }
        let worker = try #require(try await client.list(Node.self).first).name
        try await client.patch(.nodes, .init("", worker), .merge(["metadata": ["labels": ["node-role.kubernetes.io/control-plane": ""]]]))
        let isPlaced = try await eventually(within: 120) {
            try await client.list(.pods, namespace: "stored").count { Pod($0).nodeName != nil } >= 4 ? true : nil
        }
        try #require(isPlaced == true)
        let (kept, snapshot) = try #require(try await eventually(within: 300) { try await quietSnapshot() }, "some kind was never quiet")
        try await readsAsTheServer(snapshot, kept)
        let rehearsal = ["rehearse", "upgrade", "--from", snapshot, "--to", "v1.21.0"]
        let blocked = try await BuiltProgram.run(rehearsal, environment: ["HOME": folder.path])
        #expect(blocked.status == 4 && blocked.output.contains("Pods with local storage"), "\(blocked.status) \(blocked.output)\(blocked.errors)")
        let rehearsed = try await BuiltProgram.run(rehearsal + ["--delete-emptydir-data", "--force"], environment: ["HOME": folder.path])
        #expect([0, 3].contains(rehearsed.status) && rehearsed.output.contains("the upgrade takes"), "\(rehearsed.output)\(rehearsed.errors)")
        #expect(rehearsed.output.contains(worker) && rehearsed.output.contains("done"), "\(rehearsed.output)")
        for (file, said) in [("nothing", "there is no file"), (".", "there is no file"), ("zip", "neither a snapshot of etcd nor text")] {
            let path = folder.appendingPathComponent(file).path
            if file == "zip" { try Data([0x1f, 0x8b, 0xff, 0xfe]).write(to: URL(fileURLWithPath: path)) }
            let refused = try await BuiltProgram.run(["rehearse", "upgrade", "--from", path, "--to", "v1.21.0"], environment: ["HOME": folder.path])
            #expect(refused.status == 2 && refused.errors.contains(said), "\(refused.status) \(refused.errors)")
        }
        var damaged = try Data(contentsOf: URL(fileURLWithPath: snapshot))
        damaged[damaged.count / 2] ^= 1
        try damaged.write(to: URL(fileURLWithPath: snapshot))
        let refused = try await BuiltProgram.run(rehearsal, environment: ["HOME": folder.path])
        #expect(refused.status == 2 && refused.errors.contains("is damaged"), "\(refused.status) \(refused.errors)")
    }

    /// A snapshot, and what the server said before it and after it alike; nil when of some kind that was nothing.
    private func quietSnapshot() async throws -> (kept: [String: JSON], path: String)? {
        let path = folder.appendingPathComponent("\(UUID()).db").path
        let before = try await objects()
        let saved = try await BuiltProgram.run(["snapshot", "save", path, "--endpoints", etcd], environment: environment)
        try #require(saved.status == 0, "\(saved.errors)")
        let after = try await objects()
        let kept = before.filter { after[$0]?["metadata"]["resourceVersion"] == $1["metadata"]["resourceVersion"] }
        guard Self.stored.allSatisfy({ stored in kept.keys.contains { $0.hasPrefix("/registry/\(stored.name)/") } }) else {
            try FileManager.default.removeItem(atPath: path)
            return nil
        }
        return (kept, path)
    }

    /// By their keys in etcd.
    private func objects() async throws -> [String: JSON] {
        var found: [String: JSON] = [:]
        for (resource, name) in Self.stored {
            for object in try await client.list(resource) {
                let place = object.objectName
                found["/registry/\(name)/\(place.namespace.isEmpty ? "" : "\(place.namespace)/")\(place.name)"] = object
            }
        }
        return found
    }

    private func readsAsTheServer(_ snapshot: String, _ kept: [String: JSON]) async throws {
        let values = try await SnapshotValues(reading: FilePath(snapshot), under: Self.stored.map { "/registry/\($0.name)/" }).values
        var compared = Set<String>()
        var generator = SystemRandomNumberGenerator()
        for (key, object) in kept {
            let value = try #require(values[key], "\(key)")
            var read = try StoredObject.decode(value, key: key)
            var expected = object
            // The server takes it from etcd's revision; and says in lists what they are lists of.
            for field in ["resourceVersion", "selfLink"] {
                expected["metadata"][field] = .null
                read["metadata"][field] = .null
            }
            compared.insert(read["kind"].string ?? "")
            for field in ["kind", "apiVersion"] {
                expected[field] = .null
                read[field] = .null
            }
            #expect(Self.pruned(read) == Self.pruned(expected), "\(key)")
            // Whatever becomes of the bytes: an error or an object.
            for _ in 0..<20 {
                var broken = value
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    broken[Int.random(in: 4..<broken.count, using: &generator)] = .random(in: 0...255, using: &generator)
                }
                _ = try? StoredObject.decode(Array(broken.prefix(Int.random(in: 0...broken.count, using: &generator))), key: key)
                _ = try? StoredObject.decode(broken, key: key)
            }
        }
        #expect(
            compared == [
                "Namespace", "Node", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "ConfigMap", "PodDisruptionBudget", "Job",
            ])
        // Repeated fields cost what they are long, not its square.
        let began = ContinuousClock.now
        let finalizers = (0..<400_000).flatMap { _ in [0x72, 0] as [UInt8] }
        func message(_ field: UInt8, _ bytes: [UInt8]) -> [UInt8] {
            var length: [UInt8] = []
            var rest = bytes.count
            repeat {
                length.append(UInt8(rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
                rest >>= 7
            } while rest > 0
            return [field << 3 | 2] + length + bytes
        }
        let type = message(1, message(1, Array("extensions/v1beta1".utf8)) + message(2, Array("ReplicaSet".utf8)))
        let long = try StoredObject.decode([0x6b, 0x38, 0x73, 0] + type + message(2, message(1, finalizers)), key: "long")
        #expect(long["metadata"]["finalizers"].elements.count == 400_000 && ContinuousClock.now - began < .seconds(20))
        for (value, said) in [
            (Array("k8s:enc:aescbc:v1:key1:x".utf8), "encrypted"), ([0xd9, 0xd9, 0xf7, 0xa0], "CBOR"),
            (Array("what".utf8), "neither protobuf nor JSON"),
            ([0x6b, 0x38, 0x73, 0, 0x0a, 0x7f], "damaged"), ([], "neither"),
        ] {
            let error = #expect(throws: OperationError.self) { try StoredObject.decode(value, key: "/registry/pods/a/b") }
            #expect(error?.description.contains(said) == true && error?.description.contains("/registry/pods/a/b") == true)
        }
    }

    /// Without what protobuf does not tell from nothing.
    private static func pruned(_ value: JSON) -> JSON {
        switch value {
        case .object(let object):
            let members = object.members.map { JSONObject.Member(name: $0.name, value: pruned($0.value)) }.filter { !$0.value.isNull }
            return members.isEmpty ? .null : .object(JSONObject(members))
        case .array(let elements): return elements.isEmpty ? .null : .array(elements.map(pruned))
        case .string(""), .integer(0), .bool(false): return .null
        default: return value
        }
    }

    // MARK: Objects of many fields

    private static let template: JSON = [
        "metadata": ["labels": ["app": "stored"], "annotations": ["a": "ä", "empty": ""]],
        "spec": [
            "terminationGracePeriodSeconds": 0, "shareProcessNamespace": true, "automountServiceAccountToken": false,
            "nodeSelector": ["kubernetes.io/os": "linux"],
            "securityContext": ["runAsUser": 0, "fsGroup": 2000, "supplementalGroups": [1, 2, 70000]],
            "hostAliases": [["ip": "10.0.0.1", "hostnames": ["a", "b"]]],
            "tolerations": [["operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3]],
            "affinity": [
                "podAntiAffinity": [
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        [
                            "weight": 7,
                            "podAffinityTerm": [
                                "topologyKey": "kubernetes.io/hostname",
                                "labelSelector": ["matchExpressions": [["key": "app", "operator": "In", "values": ["stored", "x"]]]],
                            ],
                        ]
                    ]
                ]
            ],
            "volumes": [
                ["name": "scratch", "emptyDir": JSON.object(JSONObject())],
                ["name": "limited", "emptyDir": ["medium": "Memory", "sizeLimit": "10Mi"]],
                ["name": "files", "configMap": ["name": "stored", "optional": true, "items": [["key": "k", "path": "p", "mode": 256]]]],
                ["name": "host", "hostPath": ["path": "/tmp", "type": ""]],
                [
                    "name": "all",
                    "projected": ["sources": [["downwardAPI": ["items": [["path": "x", "fieldRef": ["fieldPath": "metadata.name"]]]]]]],
                ],
            ],
            "containers": [
                [
                    "name": "main", "image": "registry.k8s.io/pause:3.2", "command": ["/pause"], "args": ["", "-x"],
                    "ports": [["containerPort": 8080, "name": "http"]],
                    "env": [["name": "A", "value": "1"], ["name": "B", "valueFrom": ["fieldRef": ["fieldPath": "status.podIP"]]]],
                    "envFrom": [["prefix": "P_", "configMapRef": ["name": "stored", "optional": true]]],
                    "resources": ["requests": ["cpu": "10m", "memory": "1Mi"], "limits": ["cpu": "1"]],
                    "volumeMounts": [["name": "scratch", "mountPath": "/s", "readOnly": true, "subPath": "q"]],
                    "livenessProbe": ["httpGet": ["path": "/", "port": "http", "httpHeaders": [["name": "H", "value": "v"]]], "periodSeconds": 3],
                    "readinessProbe": ["exec": ["command": ["true"]], "failureThreshold": 2],
                    "startupProbe": ["tcpSocket": ["port": 8080]],
                    "lifecycle": ["preStop": ["exec": ["command": ["sleep", "1"]]]],
                    "securityContext": ["capabilities": ["add": ["NET_ADMIN"], "drop": ["ALL"]], "allowPrivilegeEscalation": false],
                ]
            ],
        ],
    ]

    private static let objects: [(Resource, JSON)] = {
        func meta(_ name: String) -> JSON { ["name": .string(name), "namespace": "stored", "labels": ["app": "stored"]] }
        let selector: JSON = ["matchLabels": ["app": "stored"]]
        var job = template
        job["spec"]["restartPolicy"] = "Never"
        return [
            (.namespaces, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "stored"]]),
            (
                .configMaps,
                [
                    "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("stored"), "data": ["k": "v", "none": ""],
                    "binaryData": ["b": "AAEC/w=="],
                    "immutable": true,
                ]
            ),
            (
                .deployments,
                [
                    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("stored"),
                    "spec": [
                        "replicas": 2, "selector": selector, "template": template,
                        "strategy": ["rollingUpdate": ["maxSurge": "25%", "maxUnavailable": 0]],
                    ],
                ]
            ),
            (
                .statefulSets,
                [
                    "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta("stored"),
                    "spec": [
                        "replicas": 1, "serviceName": "stored", "selector": selector, "template": template,
                        "updateStrategy": ["type": "RollingUpdate", "rollingUpdate": ["partition": 0]],
                    ],
                ]
            ),
            (
                .daemonSets,
                ["apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta("stored"), "spec": ["selector": selector, "template": template]]
            ),
            (
                .jobs,
                [
                    "apiVersion": "batch/v1", "kind": "Job", "metadata": meta("stored"),
                    "spec": ["backoffLimit": 0, "suspend": false, "template": job],
                ]
            ),
            (
                Resource(group: "policy", version: "v1beta1", plural: "poddisruptionbudgets", kind: "PodDisruptionBudget"),
                [
                    "apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": meta("stored"),
                    "spec": ["minAvailable": "50%", "selector": selector],
                ]
            ),
        ]
    }()
}
