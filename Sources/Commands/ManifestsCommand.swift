internal import ArgumentParser
internal import Controller
internal import Foundation
internal import Maintenance
internal import Operations

struct ManifestsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manifests", abstract: "Print Kubernetes manifests that run drydock in a cluster.", subcommands: [Backup.self, Controller.self])

    struct Backup: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print CronJobs and Jobs that back a cluster up, rehearse restores and restore it.",
            discussion: """
                volume: every six hours to a PersistentVolumeClaim. s3: every night to S3. drill: every week. restore: a Job that restores the one \
                control-plane node that it runs on; for more than one, run `drydock backup restore` from outside. `kubectl apply -f -` takes them.
                """)

        enum Kind: String, ExpressibleByArgument, CaseIterable {
            case volume, s3, drill, restore, all

            var kinds: [BackupJobs.Kind] { self == .all ? [.volume, .s3, .drill] : [BackupJobs.Kind(rawValue: rawValue) ?? .s3] }
        }

        @Argument(help: "Which; all leaves the restore out.") var kind = Kind.all
        @Option(help: "An image with drydock, a shell and tar, for drills also with etcd.") var image = "drydock:\(Version.current)"
        @Option(help: "Where they run.") var namespace = "kube-system"
        @Option(help: ArgumentHelp("For which Kubernetes: 1.20 knows CronJobs as batch/v1beta1.", valueName: "1.x")) var kubernetesVersion = "1.25"
        @Option(help: "The location of the backups, for S3.") var location = "s3://cluster-backups"
        @Option(help: "As the cluster is called in the stores.") var cluster = "kubernetes"
        @Option(help: ArgumentHelp("Who can read the backups; may be repeated.", valueName: "age1…")) var recipient: [String] = []
        @Option(help: "RETENTION_DAYS.") var retentionDays = 30
        @Option(help: "Another schedule than the usual one.", transform: { try CronSchedule($0) }) var schedule: CronSchedule?
        @Option(help: "Of the schedule, since Kubernetes 1.25.") var timeZone: String?
        @Option(help: "The PersistentVolumeClaim of volume.") var claim = "etcd-backup-pvc"
        @Option(help: "Its size.") var storage = "10Gi"
        @Option(help: "The secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; it need not be there.") var credentialsSecret = "drydock-s3"
        @Option(help: "The secret with the age identity, as `identity`.") var identitySecret = "drydock-identity"
        @Option(help: "The archive that restore restores. (BACKUP_FILE)") var file = "backup-20231201.tar.gz"
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() throws {
            let minor = try ManifestsCommand.minor(of: kubernetesVersion)
            if let timeZone, TimeZone(identifier: timeZone) == nil { throw ValidationError("This machine does not know the time zone \(timeZone).") }
            var jobs = BackupJobs(image: image, minor: minor)
            (jobs.namespace, jobs.location, jobs.cluster, jobs.recipients) = (namespace, location, cluster, recipient)
            (jobs.retentionDays, jobs.schedule, jobs.timeZone, jobs.claim) = (retentionDays, schedule, timeZone, claim)
            (jobs.storage, jobs.credentials, jobs.identity, jobs.file) = (storage, credentialsSecret, identitySecret, file)
            if recipient.isEmpty, kind.kinds.contains(.s3) || kind.kinds.contains(.volume) {
                output.remark(
                    "warning: without --recipient the backups are not encrypted, so they have etcd alone: whoever reads the store reads every secret of the cluster, and the authorities' keys are not kept."
                )
            }
            print(try jobs.text(kind.kinds), terminator: "")
        }
    }

    struct Controller: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print what runs the maintenance controller and its agents: resources, roles, Deployment, DaemonSet, policies.",
            discussion: """
                `drydock manifests controller --output-dir drydock && kubectl apply --server-side -k drydock`, or without a folder as one stream: \
                `drydock manifests controller | kubectl apply --server-side -f -`. Undo: `kubectl delete` in the place of `apply`.
                """)

        @Option(help: "An image with drydock.") var image = "drydock:\(Version.current)"
        @Option(help: "Where it runs.") var namespace = "drydock"
        @Option(help: "How many controllers; one of them leads.") var replicas = 2
        @Option(help: ArgumentHelp("For which Kubernetes: rules in CEL need 1.25.", valueName: "1.x")) var kubernetesVersion = "1.29"
        @Option(help: "MAX_UNAVAILABLE, for a default NodeMaintenance without custom resources.") var maxUnavailable: String?
        @Option(help: "MAINTENANCE_WINDOW, a cron schedule.") var maintenanceWindow: String?
        @Option(help: "MAINTENANCE_DURATION.") var maintenanceDuration: String?
        @Option(help: "TZ, of the window.") var timeZone: String?
        @Option(
            help: ArgumentHelp(
                "Where the API is, for pods that are not to depend on its service; the API server's certificate must have the name.",
                valueName: "host:port"))
        var apiServer: String?
        @Flag(help: "Let it also carry ClusterUpgrades out: it may then run privileged Jobs, and so is root on every host.") var upgrades = false
        @Flag(help: "Also a ServiceMonitor, for Prometheus' operator.") var serviceMonitor = false
        @Option(help: "Write a folder for kustomize, and print nothing.") var outputDir: String?

        func run() throws {
            var manifests = ControllerManifests(image: image, minor: try ManifestsCommand.minor(of: kubernetesVersion))
            (manifests.namespace, manifests.replicas, manifests.withServiceMonitor) = (namespace, replicas, serviceMonitor)
            manifests.withUpgrades = upgrades
            let variables = [
                ("MAX_UNAVAILABLE", maxUnavailable), ("MAINTENANCE_WINDOW", maintenanceWindow), ("MAINTENANCE_DURATION", maintenanceDuration),
                ("TZ", timeZone),
            ]
            manifests.environment = variables.compactMap { name, value in value.map { (name, $0) } }
            if let apiServer {
                let address = try MetricsServer.Address(apiServer)
                manifests.apiServer = (address.host, address.port)
            }
            // What the controller would refuse is refused here.
            _ = try DefaultMaintenance(
                environment: Dictionary(manifests.environment.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 }))
            guard let outputDir else {
                print(try manifests.text(), terminator: "")
                return
            }
            try FileManager.default.createDirectory(atPath: outputDir, withIntermediateDirectories: true)
            for (name, text) in try manifests.files() {
                try Data(text.utf8).write(to: URL(fileURLWithPath: outputDir).appendingPathComponent(name), options: .atomic)
            }
        }
    }

    static func minor(of version: String) throws -> Int {
        let parts = version.split(separator: ".").map(String.init)
        guard parts.count >= 2, ["1", "v1"].contains(parts[0]), let minor = Int(parts[1]) else {
            throw ValidationError("--kubernetes-version is like 1.20.")
        }
        return minor
    }
}
