package import Foundation
internal import Synchronization

/// A lab that is upgraded by the built program, with workloads and budgets on it, and somebody who looks at them all the while.
package struct UpgradeLab: Sendable {
    package let lab: RealNodes
    /// Of the journal, the backups and the reports.
    package let state: URL
    /// Of the workloads.
    package let namespace: String

    package static let controlPlanes = ["cp1", "cp2", "cp3"]
    package static let nodes = controlPlanes + ["w1", "w2"]

    package var store: String { state.appendingPathComponent("store").path }
    private var environment: [String: String] {
        ["HOME": state.path, "XDG_STATE_HOME": state.path, "KUBECONFIG": "\(lab.folder)/admin.conf"]
    }

    package static func with(_ lab: RealNodes, in state: URL, _ body: (UpgradeLab) async throws -> Void) async throws {
        let desk = UpgradeLab(lab: lab, state: state, namespace: "shop-\(UInt16.random(in: 0...UInt16.max))")
        try await desk.fill()
        do { try await body(desk) } catch {
            _ = try? await lab.kubectl("delete", "namespace", desk.namespace, "--timeout", "60s")
            throw error
        }
        try await lab.kubectl("delete", "namespace", desk.namespace, "--timeout", "300s")
    }

    private func fill() async throws {
        try await lab.kubectl("create", "namespace", namespace)
        for (name, replicas) in [("web", "4"), ("db", "2")] {
            try await lab.kubectl("-n", namespace, "create", "deployment", name, "--image", "k8s.gcr.io/pause:3.2", "--replicas", replicas)
        }
        let budgets = state.appendingPathComponent("budgets.yaml")
        try Data(
            """
            apiVersion: policy/v1beta1
            kind: PodDisruptionBudget
            metadata: {name: web}
            spec: {minAvailable: 3, selector: {matchLabels: {app: web}}}
            ---
            apiVersion: policy/v1beta1
            kind: PodDisruptionBudget
            metadata: {name: db}
            spec: {maxUnavailable: 1, selector: {matchLabels: {app: db}}}

            """.utf8
        ).write(to: budgets)
        try await lab.kubectl("-n", namespace, "apply", "-f", budgets.path)
        for name in ["web", "db"] { try await lab.kubectl("-n", namespace, "rollout", "status", "deployment/\(name)", "--timeout", "120s") }
    }

    package func drydock(_ words: [String]) async throws -> CommandRun {
        try await lab.run([BuiltProgram.path] + words, environment: environment)
    }

    /// The same, while it runs.
    package func running(_ words: [String]) throws -> CommandRun.Running {
        try CommandRun.Running("\(lab.folder)/run", [BuiltProgram.path] + words, environment: environment)
    }

    package var front: [String] {
        [
            "--lb-socket", "\(lab.folder)/haproxy.sock", "--lb-config", "\(lab.folder)/haproxy.cfg", "--lb-drain", "3s", "--lb-hold", "--ssh-config",
            lab.sshConfig,
        ]
    }

    package var probe: [String] { ["--probe", "--probe-rate", "20", "--probe-timeout", "30s"] }

    /// kubeadm's own checks do not hold in nested hosts.
    package func apply(to version: String) -> [String] {
        ["upgrade", "apply", "--to", version, "--ignore-preflight-errors", "all", "--location", store, "--cluster", "lab", "--accept-plain-keys"]
            + front + probe
    }

    /// What is not of a version, or not as it should be; empty when all is.
    package func complaints(at version: String) async throws -> [String] {
        var complaints: [String] = []
        let nodes = try await lab.kubectl(
            "get", "nodes", "--no-headers", "-o",
            "custom-columns=N:.metadata.name,V:.status.nodeInfo.kubeletVersion,U:.spec.unschedulable,R:.status.conditions[?(@.type==\"Ready\")].status"
        )
        for line in nodes.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.count != 4 || words[1] != version || words[2] != "<none>" || words[3] != "True" { complaints.append(String(line)) }
        }
        let pods = try await lab.kubectl(
            "-n", "kube-system", "get", "pods", "--no-headers", "-o", "custom-columns=N:.metadata.name,I:.spec.containers[0].image")
        for line in pods.split(separator: "\n") where line.hasPrefix("kube-") && !line.hasSuffix(":\(version)") { complaints.append(String(line)) }
        for node in Self.nodes {
            let held = try await lab.on(node, "apt-mark showhold").split(separator: "\n").sorted()
            if held != ["kubeadm", "kubectl", "kubelet"] { complaints.append("\(node): held are \(held)") }
            let packages = try await lab.on(node, "dpkg-query -W -f '${Package} ${Version}\\n' kubeadm kubectl kubelet")
            for line in packages.split(separator: "\n") where !line.hasSuffix(" \(version.dropFirst())-00") { complaints.append("\(node): \(line)") }
        }
        let balancer = try await drydock(["lb", "status", "--config", "\(lab.folder)/haproxy.cfg", "--socket", "\(lab.folder)/haproxy.sock"])
        if !balancer.output.contains("3 of 3 take traffic") { complaints.append(balancer.output) }
        return complaints
    }

    /// What happens when a run comes to a step for the first time.
    package struct Trouble: Sendable {
        package var name: String
        /// The beginning of the step's title.
        var step: String
        var after: Duration
        var body: @Sendable (RealNodes) async throws -> Void

        package init(_ name: String, at step: String, after: Duration = .zero, _ body: @escaping @Sendable (RealNodes) async throws -> Void) {
            (self.name, self.step, self.after, self.body) = (name, step, after, body)
        }
    }

    /// Carries an upgrade out in as many lives as it needs: some end by a kill, some by what happens on the nodes.
    /// - Parameters:
    ///   - kills: the numbers of the steps, in order, at most ten seconds after whose beginning a life is killed, whatever it does by then.
    ///   - mend: told what a life said that stopped, before the next one goes on.
    /// - Returns: how the last life ended, how many there were and how many waited for the window, and the kills and the troubles that did not come about.
    package func struggle(
        apply: [String], through troubles: [Trouble], kills: [Int], mend: (String) async throws -> Void
    ) async throws -> (status: Int32, lives: Int, waits: Int, kills: [Int], left: [String]) {
        var (troubles, kills, lives, waits, status) = (troubles, kills[...], 0, 0, Int32(-1))
        print("to be killed at the steps \(kills.map(String.init).joined(separator: ", "))")
        while lives < 40, status != 0 {
            lives += 1
            let running = try running(lives == 1 ? apply : ["upgrade", "resume", "--stay"] + probe)
            var killAt: ContinuousClock.Instant?
            while running.isRunning {
                let said = running.errorsSoFar
                if let index = troubles.firstIndex(where: { said.contains("] \($0.step)") }) {
                    let trouble = troubles.remove(at: index)
                    print("life \(lives): \(trouble.name)")
                    try await Task.sleep(for: trouble.after)
                    try await trouble.body(lab)
                }
                let step = said.split(separator: "\n").last { $0.hasPrefix("[") } ?? ""
                if killAt == nil, let due = kills.first, let number = Int(step.dropFirst().prefix(while: \.isNumber)), number >= due {
                    killAt = .now + .milliseconds(Int.random(in: 0...10_000))
                }
                if let killAt, ContinuousClock.now > killAt {
                    print("life \(lives): killed at \(step)")
                    running.send(SIGKILL)
                    kills.removeFirst()
                    break
                }
                try await Task.sleep(for: .milliseconds(200))
            }
            let run = await running.finish()
            status = run.status
            if let waited = run.errors.split(separator: "\n").first(where: { $0.contains("the window is closed; ") }) {
                print("life \(lives): \(waited)")
                waits += 1
            }
            guard status != 0, status != 128 + SIGKILL else { continue }
            print("life \(lives) stopped: \(run.errors.suffix(700))")
            try await mend(String(run.errors.suffix(700)))
        }
        return (status, lives, waits, Array(kills), troubles.map(\.name))
    }

    /// Looks at the budgets every second for as long as `body` works.
    /// - Returns: what was below what a budget wants, and how often was looked.
    package func watchingBudgets<Result>(_ body: () async throws -> Result) async throws -> (result: Result, broken: Set<String>, looks: Int) {
        let seen = Mutex<(broken: Set<String>, looks: Int)>(([], 0))
        let watcher = Task {
            let columns = "custom-columns=N:.metadata.name,H:.status.currentHealthy,W:.status.desiredHealthy"
            let words = ["kubectl", "--request-timeout", "5s", "-n", namespace, "get", "pdb", "--no-headers", "-o", columns]
            while !Task.isCancelled {
                if let text = try? await lab.run(words), text.status == 0 {
                    for line in text.output.split(separator: "\n") {
                        let words = line.split(separator: " ").map(String.init)
                        guard words.count == 3, let healthy = Int(words[1]), let wanted = Int(words[2]) else { continue }
                        if healthy < wanted { seen.withLock { _ = $0.broken.insert("\(words[0]): \(healthy) healthy, \(wanted) wanted") } }
                    }
                    seen.withLock { $0.looks += 1 }
                }
                try? await Task.sleep(for: .seconds(1))
            }
        }
        defer { watcher.cancel() }
        let result = try await body()
        let (broken, looks) = seen.withLock { $0 }
        return (result, broken, looks)
    }
}
