internal import ArgumentParser
internal import ClusterPKI
internal import Foundation
internal import KubernetesClient
internal import NodeAccess
internal import Operations

struct CertificatesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certs",
        abstract: "Look after the certificates of a control plane: check, renew, restart what uses them, replace authorities.",
        subcommands: [
            CertificatesCheckCommand.self, CertificatesRenewCommand.self, CertificatesRestartCommand.self, CertificatesRotateCommand.self,
            CertificatesExportCommand.self,
        ])
}

/// Which control-plane nodes, and where their files are.
struct CertificateOptions: ParsableArguments {
    @OptionGroup var hosts: HostOptions

    @Option(help: ArgumentHelp("kubeadm's folder on the nodes.", valueName: "folder")) var kubernetesDir = "/etc/kubernetes"
    @Option(help: ArgumentHelp("The kubelet's folder on the nodes.", valueName: "folder")) var kubeletDir = "/var/lib/kubelet"

    /// This machine, unless somebody names hosts.
    func nodes() throws -> [NodeAccess] { try hosts.nodesOrThisMachine() }

    func folders(_ others: [String] = []) throws -> CertificateFolders {
        func clean(_ path: String) -> String {
            let absolute = hosts.hosts.isEmpty ? URL(fileURLWithPath: path).path : path
            return absolute.count > 1 && absolute.hasSuffix("/") ? String(absolute.dropLast()) : absolute
        }
        let all = [kubernetesDir, kubeletDir] + others
        guard all.map(clean).allSatisfy({ $0.hasPrefix("/") }) else { throw ValidationError("Paths on other hosts are absolute.") }
        return CertificateFolders(kubernetes: clean(kubernetesDir), kubelet: clean(kubeletDir), others: others.map(clean))
    }

    /// Reads every node.
    func read(_ others: [String] = []) async throws -> [NodeCertificates] {
        var found: [NodeCertificates] = []
        for node in try nodes() { found.append(try await .read(node, folders(others))) }
        return found
    }
}

struct CertificatesCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Show every certificate of control-plane nodes and when it expires, and judge it.",
        discussion: """
            The first tables say what `kubeadm certs check-expiration` says. Below stand what it does not list, and what is wrong: signatures and keys that do not fit, \
            names by which a server is called and its certificate is not good for, weak keys, secrets that others can read. \
            Exit code 3 when something expires within --warn-days, or is wrong.
            """)

    @Option(help: "What has fewer days left is told, and exit code 3.") var warnDays = 30.0
    @Option(
        name: .customLong("kubeconfig-file"),
        help: ArgumentHelp("Also this kubeconfig or certificate on the nodes; may be repeated.", valueName: "file"))
    var others: [String] = []
    @Flag(help: "Also those in the cluster: of webhooks, API services and TLS Secrets.") var cluster = false
    @OptionGroup(title: "Nodes") var options: CertificateOptions
    @OptionGroup(title: "Kubernetes") var kubernetes: KubernetesOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard (0...36500).contains(warnDays) else { throw ValidationError("--warn-days is between 0 and 36500.") }
    }

    func run() async throws {
        let nodes = try await options.read(others)
        let now = Date()
        var report = CertificateReport(nodes, warnSeconds: warnDays * 86400, at: now)
        if cluster {
            let found = try await KubernetesClient.connected(try kubernetes.access) { try await ClusterCertificates.read($0) }
            found.add(to: &report, warnSeconds: warnDays * 86400, at: now)
        }
        try output.emit(report) { [report] in CertificateText(report, isSeveral: cluster || nodes.count > 1).text }
        if !report.findings.isEmpty { throw Outcome(status: .findings) }
    }
}

/// Certificates for people: kubeadm's columns.
struct CertificateText {
    let text: String

    init(_ report: CertificateReport, isSeveral: Bool) {
        func table(_ first: String, _ rows: [CertificateReport.Row], showsSigner: Bool) -> String {
            var header = [first, "EXPIRES", "RESIDUAL TIME"] + (showsSigner ? ["CERTIFICATE AUTHORITY"] : []) + ["EXTERNALLY MANAGED"]
            if isSeveral { header.insert("NODE", at: 0) }
            var table = TextTable(header)
            for row in rows {
                var cells = [row.expires == nil ? "!MISSING! \(row.name)" : row.name, row.expires.map(Self.expiry) ?? "", row.residual]
                if showsSigner { cells.append(row.ca) }
                cells.append(row.expires == nil ? "" : row.externallyManaged ? "yes" : "no")
                if isSeveral { cells.insert(row.node, at: 0) }
                table.add(cells)
            }
            return table.text
        }
        let kubeadms = report.rows.filter(\.isKubeadms)
        var parts = [
            table("CERTIFICATE", kubeadms.filter { !$0.isAuthority }, showsSigner: true),
            table("CERTIFICATE AUTHORITY", kubeadms.filter(\.isAuthority), showsSigner: false),
        ]
        let others = report.rows.filter { !$0.isKubeadms }
        if !others.isEmpty { parts.append(table("OTHER CERTIFICATE", others, showsSigner: true)) }
        if !report.findings.isEmpty { parts.append(FindingTable.text(report.findings, showsHosts: isSeveral)) }
        text = parts.joined(separator: "\n\n")
    }

    /// `Nov 22, 2027 10:42 UTC`, as kubeadm prints it.
    static func expiry(_ date: Date) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "MMM dd, yyyy HH:mm 'UTC'"
        return formatter.string(from: date)
    }
}

struct CertificatesExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export-metrics",
        abstract: "Tell Prometheus when the certificates expire, and what is wrong.",
        discussion: """
            Prints the text format; --textfile writes it for the node exporter's collector, whole or not at all; --listen serves /metrics, and looks anew at each scrape.
            """)

    @Option(help: ArgumentHelp("Write there.", valueName: "file")) var textfile: String?
    @Option(help: ArgumentHelp("Serve there until interrupted.", valueName: "address")) var listen: String?
    @Option(name: .customLong("kubeconfig-file"), help: ArgumentHelp("Also this file on the nodes; may be repeated.", valueName: "file"))
    var others: [String] = []
    @OptionGroup(title: "Nodes") var options: CertificateOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        if let listen {
            let server = MetricsServer(address: try MetricsServer.Address(listen))
            try await server.run { (try? await metrics()) ?? CertificateReport.unreadable }
        } else if let textfile {
            let text = (try? await metrics()) ?? CertificateReport.unreadable
            do { try Data(text.utf8).write(to: URL(fileURLWithPath: textfile), options: .atomic) } catch {
                throw OperationError(.stopped, "cannot write \(textfile): \(error.localizedDescription)")
            }
        } else {
            print(try await metrics(), terminator: "")
        }
    }

    private func metrics() async throws -> String {
        CertificateReport(try await options.read(others), warnSeconds: 30 * 86400, at: Date()).metrics
    }
}
