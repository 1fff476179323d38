import ClusterTwin
import Controller
import Foundation
import KubernetesAPI
import KubernetesClient
import Maintenance
import Operations
import Proving
import Testing

/// `drydock agent` on a system with a real apt and dpkg, ordered over a real connection.
@Suite(.enabled(if: AptRoot.mayRun, Comment(rawValue: AptRoot.missing)), .timeLimit(.minutes(10)))
struct AptAgentTests {
    private struct Bench: Sendable {
        let system: AptRoot
        let client: KubernetesClient

        var agent: NodeAgent { get async throws { try await client.get(NodeAgent.self, ObjectName("", "n1")) } }

        /// The report after the next look.
        func report(until holds: @escaping @Sendable (NodeAgent.Report) -> Bool) async throws -> NodeAgent.Report? {
            let found = try await eventually { () -> NodeAgent.Report? in
                guard let report = try await agent.report, holds(report) else { return nil }
                return report
            }
            if let found { return found }
            return try await agent.report
        }

        func order(_ id: String, _ kind: NodeAgent.Order.Kind, _ choice: PackageChoice? = nil, command: [String] = [], ending bootID: String? = nil)
            async throws
            -> NodeAgent.Progress?
        {
            var order = NodeAgent.Order(id: id, kind: kind, packages: choice, command: command, timeoutSeconds: 120)
            order.bootID = bootID
            try await client.patch(.nodeAgents, ObjectName("", "n1"), .merge(["spec": ["order": order.json]]))
            let ended = try await eventually(within: 90) { () -> NodeAgent.Progress? in
                guard let progress = try await agent.progress, progress.id == id, progress.state != .running else { return nil }
                return progress
            }
            if let ended { return ended }
            return try await agent.progress
        }
    }

    private func withBench(_ prepare: (AptRoot) async throws -> Void, _ body: @escaping @Sendable (Bench) async throws -> Void) async throws {
        try await AptRoot.running { system in
            try await prepare(system)
            try await ServedTwin.running(
                TwinOptions(), speed: 1,
                fill: { twin in
                    for definition in try CustomResources.definitions() { try twin.create(definition) }
                    try twin.create([
                        "apiVersion": .string(Resource.nodeAgents.apiVersion), "kind": "NodeAgent", "metadata": ["name": "n1"],
                        "spec": .object(JSONObject()),
                    ])
                }
            ) { served in
                let access = try Kubeconfig(paths: [served.kubeconfig.path], mustExist: true).access(environment: [:])
                try await CommandRun.Running.whileRunning(
                    BuiltProgram.path, ["agent", "--node", "n1", "--root", system.root.path, "--interval", "1s"],
                    environment: ["KUBECONFIG": served.kubeconfig.path]
                ) { _ in
                    try await KubernetesClient.connected(access) { try await body(Bench(system: system, client: $0)) }
                }
            }
        }
    }

    @Test func `Updates are applied, what is held or belongs to Kubernetes stays, and a package that fails leaves everything consistent`()
        async throws
    {
        try await withBench { system in
            for name in ["alpha", "held", "kubelet", "bad", "needs-kubelet"] { try await system.offer(name, "1") }
            try await system.offer("secure", "1", isSecurity: true)
            try await system.run(
                "apt-get -qq update; apt-get -qq -y install alpha held kubelet bad secure needs-kubelet >/dev/null; apt-mark hold held >/dev/null")
            for name in ["alpha", "held", "kubelet"] { try await system.offer(name, "2") }
            try await system.offer("secure", "2", isSecurity: true)
            try await system.offer("needs-kubelet", "2", depends: "kubelet (>= 2)")
            try await system.offer("bad", "2", configure: "echo it cannot be >&2; exit 1")
        } _: { bench in
            let system = bench.system
            let report = try #require(try await bench.report { !$0.packages.isEmpty })
            #expect(report.packageManager == "apt" && report.message == nil && !report.rebootRequired)
            let seen = report.packages.map { "\($0.name) \($0.from) \($0.to) \($0.isHeld) \($0.isSecurity)" }
            #expect(
                seen == [
                    "secure 1 2 false true", "alpha 1 2 false false", "bad 1 2 false false", "held 1 2 true false", "kubelet 1 2 false false",
                    "needs-kubelet 1 2 false false",
                ])

            var security = PackageChoice()
            security.securityOnly = true
            let first = try await bench.order("one", .update, security)
            #expect(first?.state == .done, "\(first?.message ?? "")")
            #expect(try await system.versions("secure", "alpha") == ["secure 2", "alpha 1"])

            let second = try await bench.order("two", .update, PackageChoice())
            #expect(second?.state == .failed)
            #expect(second?.message.contains("bad 2") == true && second?.message.contains("back at 1") == true, "\(second?.message ?? "")")
            #expect(second?.message.contains("needs-kubelet: kubelet would change, and is not to be touched") == true, "\(second?.message ?? "")")
            #expect(try await system.versions("alpha") == ["alpha 2"], "what can be updated is")
            #expect(try await system.versions("held", "kubelet", "bad") == ["held 1", "kubelet 1", "bad 1"])
            #expect(try await system.run("dpkg --audit") == "", "dpkg finds nothing half done")
            let left = try await bench.report { report in report.packages.first { $0.name == "needs-kubelet" }?.isHeld == true }
            #expect(left?.updates(PackageChoice()).map(\.name) == ["bad"], "what is left is due no more: \(left?.packages ?? [])")

            // An order is carried out once.
            try await system.offer("alpha", "3")
            _ = try await bench.report { $0.packages.contains { $0.to == "3" } }
            #expect(try await system.versions("alpha") == ["alpha 2"])

            try await system.offer("bad", "3")
            var rest = PackageChoice()
            rest.exclude = ["needs-kubelet"]
            let third = try await bench.order("three", .update, rest)
            #expect(third?.state == .done, "\(third?.message ?? "")")
            #expect(try await system.versions("bad", "alpha", "kubelet") == ["bad 3", "alpha 3", "kubelet 1"])

            var all = PackageChoice()
            all.includesKubernetes = true
            let fourth = try await bench.order("four", .update, all)
            #expect(fourth?.state == .done, "\(fourth?.message ?? "")")
            #expect(try await system.versions("kubelet", "needs-kubelet", "held") == ["kubelet 2", "needs-kubelet 2", "held 1"])
            let end = try #require(try await bench.report { $0.packages.count == 1 })
            #expect(end.packages.map(\.name) == ["held"])
        }
    }

    @Test func `A reboot that is required is reported with its reasons, and commands run in the host's own root`() async throws {
        try await withBench { system in
            try await system.offer("alpha", "1")
            try await system.run(
                "mkdir -p /run; touch /run/reboot-required; printf 'linux-image-1\\nlibc6\\nlibc6\\n' >/run/reboot-required.pkgs; echo host >/the-host"
            )
        } _: { bench in
            let report = try #require(try await bench.report { $0.rebootRequired })
            #expect(report.rebootReasons == ["libc6", "linux-image-1"])
            #expect(!report.bootID.isEmpty)
            let read = try await bench.order("read", .command, command: ["cat", "/the-host"])
            #expect(read?.state == .done && read?.message == "host")
            let failed = try await bench.order("fail", .command, command: ["sh", "-c", "echo it is broken; exit 3"])
            #expect(failed?.state == .failed && failed?.message.contains("it is broken") == true && failed?.message.contains("3") == true)
            let quoted = try await bench.order("quote", .command, command: ["printf", "%s", "a b'c\"$HOME"])
            #expect(quoted?.message == "a b'c\"$HOME")
        }
    }

    @Test func `A reboot is for one boot: one that is over is not ended again, and an order that names none is refused`() async throws {
        try await withBench { system in
            try await system.run("printf '#!/bin/sh\\necho $1 >>/ordered\\n' >/usr/bin/systemctl; chmod +x /usr/bin/systemctl; : >/ordered")
        } _: { bench in
            let nameless = try await bench.order("nameless", .reboot)
            #expect(nameless?.state == .refused && nameless?.message == "the order does not say which boot it ends")
            let over = try await bench.order("over", .reboot, ending: "a boot before this")
            #expect(over?.state == .done && over?.message == "booted anew")
            #expect(try await bench.system.run("cat /ordered") == "")
        }
    }

    @Test func `An apt that was cut off is finished before anything else`() async throws {
        try await withBench { system in
            try await system.offer("alpha", "1")
            try await system.offer("beta", "1", configure: "test -e /ready")
            try await system.run("apt-get -qq update; apt-get -qq -y install alpha >/dev/null; apt-get -qq -y install beta >/dev/null 2>&1 || :")
            try await system.offer("alpha", "2")
        } _: { bench in
            let report = try #require(try await bench.report { $0.message != nil })
            #expect(report.message?.contains("beta") == true, "what is half done is told: \(report.message ?? "")")
            try await bench.system.run("touch /ready")
            let done = try await bench.order("go", .update, PackageChoice())
            #expect(done?.state == .done, "\(done?.message ?? "")")
            #expect(try await bench.system.versions("beta", "alpha") == ["beta 1", "alpha 2"])
            #expect(try await bench.system.run("dpkg --audit") == "")
        }
    }
}
