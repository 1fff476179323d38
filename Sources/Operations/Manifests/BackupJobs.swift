package import Maintenance
internal import Yams

/// CronJobs and Jobs by which a cluster backs itself up, as YAML: those of the scenarios, in a form that API servers accept.
///
/// The pods talk to etcd alone and never to the Kubernetes API, so they have no service account's token.
package struct BackupJobs: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Every six hours to a volume.
        case volume
        /// Every night to S3.
        case s3
        /// Every week, the newest backup of a location.
        case drill
        /// Once, on a control-plane node.
        case restore
    }

    package var namespace = "kube-system"
    /// With drydock in it; the drill's and the restore's also with etcd and a shell.
    package var image: String
    package var location = "s3://cluster-backups"
    package var cluster = "kubernetes"
    package var recipients: [String] = []
    package var retentionDays = 30
    /// Of the claim.
    package var claim = "etcd-backup-pvc"
    package var storage = "10Gi"
    /// The secret with the credentials of S3, as variables.
    package var credentials = "drydock-s3"
    /// The secret with `identity`, an age identity.
    package var identity = "drydock-identity"
    package var timeZone: String?
    package var schedule: CronSchedule?
    /// What the restore Job restores.
    package var file = "backup-20231201.tar.gz"
    /// Of Kubernetes: CronJobs are batch/v1 since 1.21, and have a time zone since 1.25.
    package var minor: Int

    package init(image: String, minor: Int) {
        self.image = image
        self.minor = minor
    }

    /// The manifests, `---` between them.
    package func text(_ kinds: [Kind]) throws -> String {
        if timeZone != nil, minor < 25 {
            throw OperationError(
                .invalid,
                "CronJobs have a time zone since Kubernetes 1.25, and this is for 1.\(minor). Write the schedule in the time of the controller manager."
            )
        }
        return try kinds.flatMap { kind in try objects(kind).map { try Node.text(of: $0) } }.joined(separator: "---\n")
    }

    private func objects(_ kind: Kind) throws -> [Node] {
        switch kind {
        case .volume:
            return [
                persistentVolumeClaim,
                cronJob(
                    "etcd-backup", schedule: "0 */6 * * *",
                    etcdPod(
                        createArguments, environment: [("BACKUP_LOCATION", .quoted("/backup"))],
                        mounts: [mount("backup", "/backup")],
                        volumes: [.map([("name", "backup"), ("persistentVolumeClaim", .map([("claimName", Node(claim))]))])])),
            ]
        case .s3:
            return [
                cronJob(
                    "cluster-backup", schedule: "0 2 * * *",
                    etcdPod(createArguments, environment: [("BACKUP_LOCATION", .quoted(location))], secret: credentials, mounts: [], volumes: []))
            ]
        case .drill: return [cronJob("backup-drill", schedule: "0 4 * * 0", drillPod)]
        case .restore:
            let template = podTemplate(restorePod)
            return [
                .map([
                    ("apiVersion", "batch/v1"), ("kind", "Job"), ("metadata", metadata("cluster-restore")),
                    ("spec", .map([("backoffLimit", "0"), ("template", template)])),
                ])
            ]
        }
    }

    /// Keys are kept only where they are encrypted.
    private var createArguments: [String] {
        ["backup", "create", "--prune"] + recipients.flatMap { ["--recipient", $0] } + (recipients.isEmpty ? [] : ["--host", "local"])
    }

    // MARK: Objects

    private func metadata(_ name: String) -> Node {
        .map([("name", Node(name)), ("namespace", Node(namespace)), ("labels", labels)])
    }

    private var labels: Node { .map([("app.kubernetes.io/name", "drydock"), ("app.kubernetes.io/managed-by", "drydock")]) }

    private var persistentVolumeClaim: Node {
        .map([
            ("apiVersion", "v1"), ("kind", "PersistentVolumeClaim"), ("metadata", metadata(claim)),
            (
                "spec",
                .map([
                    ("accessModes", .list(["ReadWriteOnce"])), ("resources", .map([("requests", .map([("storage", Node(storage))]))])),
                ])
            ),
        ])
    }

    private func cronJob(_ name: String, schedule usual: String, _ pod: Node) -> Node {
        var spec: [(String, Node)] = [("schedule", .quoted(schedule?.description ?? usual))]
        if let timeZone { spec.append(("timeZone", .quoted(timeZone))) }
        spec += [
            // One that is still at work is not joined by another, and one that was missed is made up for within the hour.
            ("concurrencyPolicy", "Forbid"), ("startingDeadlineSeconds", "3600"), ("successfulJobsHistoryLimit", "3"),
            ("failedJobsHistoryLimit", "1"),
            (
                "jobTemplate",
                .map([("spec", .map([("backoffLimit", "2"), ("activeDeadlineSeconds", "7200"), ("template", podTemplate(pod))]))])
            ),
        ]
        return .map([
            ("apiVersion", minor < 21 ? "batch/v1beta1" : "batch/v1"), ("kind", "CronJob"), ("metadata", metadata(name)), ("spec", .map(spec)),
        ])
    }

    private func podTemplate(_ pod: Node) -> Node { .map([("metadata", .map([("labels", labels)])), ("spec", pod)]) }

    // MARK: Pods

    /// A pod beside a member of etcd, with the certificates of its host.
    private func etcdPod(
        _ args: [String], environment: [(String, Node)], secret: String? = nil, mounts: [Node], volumes: [Node]
    ) -> Node {
        let pki = "/etc/kubernetes/pki/etcd"
        return pod(
            [
                ("hostNetwork", "true"), ("dnsPolicy", "ClusterFirstWithHostNet"),
                ("nodeSelector", .map([("node-role.kubernetes.io/control-plane", .quoted(""))])),
                ("tolerations", tolerations),
            ], args,
            environment: environment + [
                ("RETENTION_DAYS", .quoted("\(retentionDays)")), ("CLUSTER_NAME", .quoted(cluster)),
                ("ETCDCTL_ENDPOINTS", .quoted("https://127.0.0.1:2379")), ("ETCDCTL_CACERT", .quoted("\(pki)/ca.crt")),
                ("ETCDCTL_CERT", .quoted("\(pki)/server.crt")), ("ETCDCTL_KEY", .quoted("\(pki)/server.key")),
            ], secret: secret,
            // The keys are root's; nothing else of root is needed.
            user: 0, capabilities: [],
            mounts: (recipients.isEmpty
                ? [mount("etcd-certs", pki, readOnly: true)]
                : [mount("kubernetes", "/etc/kubernetes", readOnly: true), mount("kubelet", "/var/lib/kubelet", readOnly: true)]) + mounts,
            volumes: (recipients.isEmpty
                ? [hostPath("etcd-certs", pki)] : [hostPath("kubernetes", "/etc/kubernetes"), hostPath("kubelet", "/var/lib/kubelet")]) + volumes)
    }

    private var drillPod: Node {
        pod(
            [], ["backup", "drill", "latest", "--identity", "/identity/identity", "--scratch", "/scratch"],
            environment: [("BACKUP_LOCATION", .quoted(location)), ("CLUSTER_NAME", .quoted(cluster))], secret: credentials, user: 65532,
            capabilities: [],
            mounts: [mount("identity", "/identity", readOnly: true), mount("scratch", "/scratch")],
            volumes: [
                .map([("name", "identity"), ("secret", .map([("secretName", Node(identity)), ("defaultMode", "288")]))]),
                .map([("name", "scratch"), ("emptyDir", .map([("sizeLimit", "20Gi")]))]),
            ])
    }

    /// A pod that moves static manifests and data of its own host, and sees the host's processes end.
    private var restorePod: Node {
        pod(
            [
                ("hostNetwork", "true"), ("hostPID", "true"), ("dnsPolicy", "ClusterFirstWithHostNet"),
                ("nodeSelector", .map([("node-role.kubernetes.io/control-plane", .quoted(""))])), ("tolerations", tolerations),
            ], ["backup", "restore", "--host", "local", "--identity", "/identity/identity", "--accept-loss"],
            environment: [
                ("BACKUP_LOCATION", .quoted(location)), ("BACKUP_FILE", .quoted(file)), ("XDG_STATE_HOME", .quoted("/var/lib/drydock")),
            ], secret: credentials, user: 0, capabilities: ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SYS_PTRACE"],
            mounts: [
                mount("identity", "/identity", readOnly: true), mount("kubernetes", "/etc/kubernetes"), mount("etcd", "/var/lib/etcd"),
                mount("state", "/var/lib/drydock"),
            ],
            volumes: [
                .map([("name", "identity"), ("secret", .map([("secretName", Node(identity)), ("defaultMode", "256")]))]),
                hostPath("kubernetes", "/etc/kubernetes"), hostPath("etcd", "/var/lib/etcd", made: true),
                hostPath("state", "/var/lib/drydock", made: true),
            ])
    }

    private func pod(
        _ more: [(String, Node)], _ args: [String], environment: [(String, Node)], secret: String?, user: Int, capabilities: [String],
        mounts: [Node], volumes: [Node]
    ) -> Node {
        var caps: [(String, Node)] = [("drop", .list(["ALL"]))]
        if !capabilities.isEmpty { caps.append(("add", .list(capabilities.map { Node($0) }))) }
        var container: [(String, Node)] = [
            ("name", "drydock"), ("image", Node(image)), ("args", .list(args.map { .quoted($0) })),
            ("env", .list(environment.map { name, value in .map([("name", Node(name)), ("value", value)]) })),
        ]
        if let secret { container.append(("envFrom", .list([.map([("secretRef", .map([("name", Node(secret)), ("optional", "true")]))])]))) }
        container += [
            (
                "resources",
                .map([
                    ("requests", .map([("cpu", "100m"), ("memory", "128Mi")])), ("limits", .map([("memory", "512Mi")])),
                ])
            ),
            (
                "securityContext",
                .map([("allowPrivilegeEscalation", "false"), ("readOnlyRootFilesystem", "true"), ("capabilities", .map(caps))])
            ),
            ("volumeMounts", .list(mounts + [mount("tmp", "/tmp")])),
        ]
        var context: [(String, Node)] = [("runAsUser", Node("\(user)")), ("runAsGroup", Node("\(user)"))]
        if user != 0 { context += [("runAsNonRoot", "true"), ("fsGroup", Node("\(user)"))] }
        context.append(("seccompProfile", .map([("type", "RuntimeDefault")])))
        return .map(
            [("restartPolicy", "Never"), ("automountServiceAccountToken", "false"), ("priorityClassName", "system-cluster-critical")] + more + [
                ("securityContext", .map(context)), ("containers", .list([.map(container)])),
                ("volumes", .list(volumes + [.map([("name", "tmp"), ("emptyDir", .map([]))])])),
            ])
    }

    private var tolerations: Node {
        .list(
            ["control-plane", "master"].map {
                .map([("key", Node("node-role.kubernetes.io/\($0)")), ("operator", "Exists"), ("effect", "NoSchedule")])
            })
    }

    private func mount(_ name: String, _ path: String, readOnly: Bool = false) -> Node {
        .map([("name", Node(name)), ("mountPath", Node(path))] + (readOnly ? [("readOnly", "true")] : []))
    }

    private func hostPath(_ name: String, _ path: String, made: Bool = false) -> Node {
        .map([("name", Node(name)), ("hostPath", .map([("path", Node(path)), ("type", made ? "DirectoryOrCreate" : "Directory")]))])
    }
}
