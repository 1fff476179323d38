internal import ArgumentParser
internal import Foundation
internal import KubernetesClient
internal import Maintenance
internal import Operations

struct UpgradeApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Upgrade the cluster: backup, control planes one at a time, then the workers.",
        discussion: """
            Nodes are reached by ssh under their names, unless --host says otherwise; nothing of drydock has to be there. Several minors are gone over one \
            after the other. What is begun on a node is brought to its end; a run that stops between nodes goes on with `drydock upgrade resume`.
            """)

    @Flag(help: "Print the plan, and do nothing.") var dryRun = false
    @Flag(help: "Also where no other API server or etcd member is there meanwhile.") var acceptRisk = false
    @Flag(help: "When the window closes, wait for the next one and go on.") var stay = false
    @OptionGroup var options: UpgradeOptions

    func validate() throws {
        if stay, options.gate.window == nil { throw ValidationError("--stay needs a --window.") }
    }

    func run() async throws {
        var request = try await options.request(RunTag.make())
        request.acceptsRisk = acceptRisk
        let session = RunSession(output: options.output, probe: options.gate.probe)
        try await KubernetesClient.connected(try options.kubernetes.access) { [request] client in
            let made = try await request.make(client)
            if dryRun, let left = await NodeShell.removeAll(of: made.settings.nodes, client) { options.output.remark(left) }
            guard try session.accepts(made.plan, isRehearsal: dryRun) else { return }
            let upgrade = UpgradeSession(session: session)
            try await upgrade.overWindows(stay ? made.settings.window : nil, options.kubernetes) { _ = try await upgrade.begin(client, made) }
        }
    }
}
