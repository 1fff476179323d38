internal import ArgumentParser
internal import ClusterPKI
internal import Foundation
internal import KubernetesClient
internal import Maintenance
internal import Operations

extension KeyAlgorithm: ExpressibleByArgument {}

struct CertificatesRenewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew",
        abstract: "Renew certificates of control-plane nodes by the authorities that are there.",
        discussion: """
            Makes new keys, keeps everything else that the old certificates say, copies them aside first, and replaces each file in one step. \
            What uses them is restarted by `drydock certs restart`. `drydock runs rollback` puts the old ones back.

            Where another authority signs: --csr-dir writes keys and requests, and nothing on the nodes; --signed-dir takes the certificates that came back \
            (NODE/NAME.crt beside NODE/NAME.key), held against their keys, authorities, subjects and usages.
            """)

    @Argument(help: "Certificates as kubeadm names them. (default: all)") var names: [String] = []
    @Flag(help: "Print the plan, and do nothing.") var dryRun = false
    @Flag(help: "Give them the names that the cluster's kubeadm-config says, instead of those that they have.") var fromConfig = false
    @Option(help: ArgumentHelp("The same from a file of kubeadm's.", valueName: "file")) var config: String?
    @Option(help: ArgumentHelp("The kind of the new keys. (default: as it was)", valueName: "rsa|ecdsa")) var key: KeyAlgorithm?
    @Option(help: "How long they are valid, days; no longer than their authority.") var days = 365
    @Option(help: ArgumentHelp("Write requests there for another authority, and do nothing else.", valueName: "folder")) var csrDir: String?
    @Option(help: ArgumentHelp("Take what another authority has signed from there.", valueName: "folder")) var signedDir: String?
    @OptionGroup(title: "Run") var gate: GateOptions
    @OptionGroup(title: "Nodes") var options: CertificateOptions
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard (1...36500).contains(days) else { throw ValidationError("--days is between 1 and 36500.") }
        guard csrDir == nil || signedDir == nil else { throw ValidationError("Give --csr-dir or --signed-dir: certificates come after requests.") }
    }

    private func clusterConfiguration() async throws -> ClusterConfiguration? {
        if let config { return try ClusterConfiguration(parsing: try TextFile.read(config), from: config) }
        guard fromConfig else { return nil }
        return try await KubernetesClient.connected(try kubernetes.access) { try await ClusterConfiguration.read($0) }
    }

    func run() async throws {
        let nodes = try await options.read()
        let tag = RunTag.make()
        var settings = CertificateSettings(
            nodes: try options.nodes(), folders: try options.folders(), tag: tag, algorithm: key, validSeconds: Double(days) * 86400,
            window: gate.window, maxSeconds: gate.maxSeconds)
        settings.signedFolder = signedDir.map { URL(fileURLWithPath: $0).path }
        let made = try RenewalPlan.make(
            settings, nodes, names: names, configuration: try await clusterConfiguration(), isRequest: csrDir != nil,
            at: Date())
        if let csrDir {
            try request(made, nodes, in: URL(fileURLWithPath: csrDir).path)
            return
        }
        let session = RunSession(output: output, probe: gate.probe)
        guard try session.accepts(made.plan, isRehearsal: dryRun) else { return }
        let run = try await CertificateSession(session: session).begin(made)
        output.remark("`drydock runs rollback \(run.id)` puts the old ones back")
    }

    private func request(_ made: CertificatePlan, _ nodes: [NodeCertificates], in folder: String) throws {
        let written = try SignedFolder(path: folder).request(made, nodes, isRehearsal: dryRun)
        struct Report: Encodable {
            var folder: String
            var requests: [String]
        }
        try output.emit(Report(folder: folder, requests: written)) {
            let list = written.map { "  \($0)" }.joined(separator: "\n")
            return "\(dryRun ? "would write" : "wrote") \(written.count) requests, and their keys, to \(folder):\n\(list)\n"
                + "put each certificate beside its request as .crt, then `drydock certs renew --signed-dir \(folder)`"
        }
    }
}
