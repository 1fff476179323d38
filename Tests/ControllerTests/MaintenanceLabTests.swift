import Foundation
import KubernetesAPI
import Maintenance
import Operations
import Proving
import Testing

/// The controller and its agents as pods of our own image, on real Debian hosts with systemd, apt and kubelets.
@Suite(.enabled(if: RealNodes() != nil, Comment(rawValue: RealNodes.missing)), .timeLimit(.minutes(40)))
struct MaintenanceLabTests {
    @Test func `Every real node is updated and booted anew, one after the other, while workloads stay up`() async throws {
        let lab = try await RealNodes.settled()
        let nodes = try await lab.kubectl("get", "nodes", "-o", "name").split(separator: "\n").map { String($0.dropFirst("node/".count)) }
        try await BuiltProgram.withFolder { folder in
            let image = try await lab.load(in: folder)
            for node in nodes { try await prepare(lab, node) }
            let before = try await boots(lab)
            let manifests = folder.appendingPathComponent("manifests").path
            let made = try await BuiltProgram.run([
                "manifests", "controller", "--kubernetes-version", "1.20", "--image", image, "--output-dir", manifests, "--max-unavailable",
                "20%",
                "--maintenance-window", "0 0 * * *", "--maintenance-duration", "24h", "--time-zone", "UTC",
                "--api-server", RealNodes.apiServer,
            ])
            try #require(made.status == 0, "\(made.errors)")
            let workload = folder.appendingPathComponent("workload.yaml")
            try Data(Self.workload.utf8).write(to: workload)
            try await lab.kubectl("apply", "-f", workload.path)
            try await lab.kubectl("rollout", "status", "deployment/web", "--timeout=120s")
            try await lab.kubectl("apply", "--server-side", "-k", manifests)

            let began = ContinuousClock.now
            var most = 0
            var order: [String] = []
            var broken: [String] = []
            var last = ""
            _ = try await eventually(within: 1500, every: 1) { () -> Bool? in
                guard let seen = try? await look(lab) else { return nil }
                most = max(most, seen.cordoned.count)
                for node in seen.cordoned where !order.contains(node) { order.append(node) }
                if seen.healthy < 2 { broken.append("\(seen.healthy) pods of web are ready while \(seen.cordoned) is away") }
                if seen.story != last { print("\(Int((ContinuousClock.now - began).seconds)) s: \(seen.story)") }
                last = seen.story
                return seen.failed || Set(order) == Set(nodes) && seen.cordoned.isEmpty && seen.isCurrent ? true : nil
            }
            let story = try await lab.kubectl("get", "nodemaintenances,maintenanceruns,nodeagents")
            #expect(most == 1, "one node at a time: 20 % of \(nodes.count)")
            #expect(broken.isEmpty, "\(broken)")
            let after = try await boots(lab)
            for node in nodes {
                #expect(after[node] != before[node], "\(node) did not boot anew\n\(story)")
                #expect(try await lab.on(node, "dpkg-query -W -f '${Version}' drydock-test") == "2")
                #expect(try await lab.on(node, "dpkg-query -W -f '${Version}' kubelet") == "1.20.2-00", "the kubelet is an upgrade's affair")
                #expect(try await lab.on(node, "test -e /run/reboot-required && echo there || echo gone") == "gone\n")
            }
            #expect(order.suffix(nodes.filter { $0.hasPrefix("cp") }.count).allSatisfy { $0.hasPrefix("cp") }, "control planes last: \(order)")
            print(story)
            let logs = try await lab.run(["kubectl", "-n", "drydock", "logs", "-l", "app.kubernetes.io/component=drydock-controller", "--tail=60"])
            #expect(!logs.output.contains(#""level":"error""#), "\(logs.output)")
            try await lab.kubectl("delete", "-k", manifests, "--wait=false")
            try await lab.kubectl("delete", "-f", workload.path, "--wait=false")
        }
    }

    private struct Sight {
        var cordoned: [String] = []
        var healthy = 0
        var story = ""
        var isCurrent = false
        var failed = false
    }

    private func look(_ lab: RealNodes) async throws -> Sight {
        var sight = Sight()
        let nodes = try JSON(parsing: try await lab.kubectl("get", "nodes", "-o", "json"))
        sight.cordoned = nodes["items"].elements.map { Node($0) }.filter(\.isUnschedulable).map(\.name).sorted()
        let pods = try JSON(parsing: try await lab.kubectl("get", "pods", "-l", "app=web", "-o", "json"))
        sight.healthy = pods["items"].elements.count { Pod($0).isReady && Pod($0).deletion == nil }
        let status = try JSON(parsing: try await lab.kubectl("get", "nodemaintenance", "default", "-o", "json"))["status"]
        let step = status["nodes"][0]["step"].string.map { ", \($0)" } ?? ""
        sight.story = "\(status["phase"].string ?? "new"): \(status["current"].count ?? 0) current, \(status["pending"].count ?? 0) pending\(step)"
        sight.isCurrent = status["current"].count == nodes["items"].elements.count && status["inWork"].count == 0
        sight.failed = status["failed"].count ?? 0 > 0
        if sight.failed { sight.story += " \(status["nodes"])" }
        return sight
    }

    private func boots(_ lab: RealNodes) async throws -> [String: String] {
        let nodes = try JSON(parsing: try await lab.kubectl("get", "nodes", "-o", "json"))
        return Dictionary(nodes["items"].elements.map { (Node($0).name, Node($0).bootID) }, uniquingKeysWith: { $1 })
    }

    /// A package that has an update, and a reboot that is required.
    private func prepare(_ lab: RealNodes, _ node: String) async throws {
        try await lab.on(
            node,
            """
            set -e
            rm -rf /srv/drydock-test; mkdir -p /srv/drydock-test; cd /srv/drydock-test
            for version in 1 2; do
                mkdir -p b$version/DEBIAN
                printf 'Package: drydock-test\\nVersion: %s\\nArchitecture: all\\nMaintainer: nobody <nobody@example.com>\\nDescription: of a test\\n' $version >b$version/DEBIAN/control
                dpkg-deb --root-owner-group -b b$version drydock-test_$version.deb >/dev/null
            done
            for file in *.deb; do dpkg-deb -f $file | grep -v '^$'; echo "Filename: ./$file"; echo "Size: $(stat -c %s $file)"; echo "SHA256: $(sha256sum $file | cut -d' ' -f1)"; echo; done >Packages
            echo 'deb [trusted=yes] file:/srv/drydock-test ./' >/etc/apt/sources.list.d/drydock-test.list
            dpkg -i drydock-test_1.deb >/dev/null
            touch /run/reboot-required; echo drydock-test >/run/reboot-required.pkgs
            """)
    }

    private static let workload = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web}
        spec:
          replicas: 3
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec:
              terminationGracePeriodSeconds: 1
              tolerations:
                - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
              containers:
                - {name: main, image: "k8s.gcr.io/pause:3.2", imagePullPolicy: IfNotPresent}
        ---
        apiVersion: policy/v1beta1
        kind: PodDisruptionBudget
        metadata: {name: web}
        spec:
          minAvailable: 2
          selector: {matchLabels: {app: web}}

        """
}
