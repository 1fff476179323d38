internal import ArgumentParser
internal import ClusterPKI
internal import Foundation
internal import Maintenance
internal import Operations

extension KubeadmCertificate.Authority: ExpressibleByArgument {}

struct CertificatesRotateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate-ca",
        abstract: "Put new certificate authorities into the place of old ones, on every node, without an interruption.",
        discussion: """
            One run in phases, each looked at on every node before the next: everybody trusts both (trust); everybody presents what the new authorities have \
            signed (reissue); the new ones sign from now on (switch); nobody trusts the old ones any more (drop). Between the phases everything is restarted as \
            by `drydock certs restart`, and kubelets, load balancers that verify API servers, cluster-info and the workloads that read the authority follow.

            Name every node of the cluster, workers too, each with --host. With --keep-old the old authorities stay trusted, so that the new admin.conf \
            can be handed out; --drop-old does the rest. Exit code 3 of --status: somebody still presents or trusts an old one.
            """)

    @Argument(help: "Authorities: ca, etcd-ca, front-proxy-ca. (default: all)") var authorities: [KubeadmCertificate.Authority] = []
    @Flag(help: "Show who presents and trusts which authority, and do nothing.") var status = false
    @Flag(help: "Leave out the last phase: the old authorities stay trusted.") var keepOld = false
    @Flag(help: "Only the last phase, after --keep-old.") var dropOld = false
    @Flag(name: .customLong("no-workloads"), help: "Do not restart workloads: they have to be, between --keep-old and --drop-old.")
    var leavesWorkloads = false
    @Option(help: ArgumentHelp("The kind of the new keys. (default: as they were)", valueName: "rsa|ecdsa")) var key: KeyAlgorithm?
    @Option(help: "How long the new authorities are valid, days.") var days = 3650
    @Option(help: "How long what they sign is valid, days.") var leafDays = 365
    @Option(
        name: .customLong("kubeconfig-file"),
        help: ArgumentHelp("Also this kubeconfig on the nodes; may be repeated.", valueName: "file"))
    var others: [String] = []
    @OptionGroup var options: RestartOptions

    func validate() throws {
        guard (1...36500).contains(days), (1...36500).contains(leafDays) else {
            throw ValidationError("--days and --leaf-days are between 1 and 36500.")
        }
        guard !status || !(options.dryRun || keepOld || dropOld) else { throw ValidationError("--status stands alone.") }
        guard !keepOld || !dropOld else { throw ValidationError("Give --keep-old or --drop-old: one comes after the other.") }
    }

    func run() async throws {
        let nodes = try await options.nodes.read(others)
        let chosen = authorities.isEmpty ? KubeadmCertificate.Authority.allCases : Array(Set(authorities)).sorted { $0.rawValue < $1.rawValue }
        var settings = try await options.settings(others)
        (settings.algorithm, settings.validSeconds, settings.isForced) = (key, Double(leafDays) * 86400, true)
        if status {
            let status = try await RotationStatus.read(settings, nodes, chosen)
            try options.output.emit(status) { RotationText.table(status) }
            if status.isMixed { throw Outcome(status: .findings) }
            return
        }
        let made = try await RotationPlan.make(
            settings, nodes,
            .init(
                authorities: chosen, validSeconds: Double(days) * 86400, sessionSeconds: options.front.lbDrain.duration.seconds,
                part: keepOld ? .keepOld : dropOld ? .dropOld : .all, restartsWorkloads: !leavesWorkloads),
            at: Date())
        try await options.carryOut(made)
    }
}

/// Who presents and trusts which authority, for people.
enum RotationText {
    static func table(_ status: RotationStatus) -> String {
        var table = TextTable(["NODE", "AUTHORITY", "TRUSTED", "SIGNS", "PRESENTS THE OLD ONE"])
        for row in status.rows {
            table.add([
                row.node, row.authority, row.trusted.map { "\($0.name) (\($0.fingerprint.prefix(8)))" }.joined(separator: ", "), row.signs ?? "-",
                row.presentsOld.isEmpty ? "nobody" : Terminal.paint(row.presentsOld.joined(separator: ", "), .yellow),
            ])
        }
        return table.text
    }
}
