/// What is to be kept true of a set of nodes, and how: the spec of a NodeMaintenance, read and checked.
package struct MaintenancePolicy: Sendable, Equatable {
    package enum Action: Sendable, Equatable, Codable {
        /// Apply the updates that the node's package manager has.
        case osUpdate(PackageChoice)
        /// Only boot anew.
        case reboot
        /// Run a command on the host.
        case command([String])
        /// Only drain: somebody else does the work, while health checks hold the node.
        case none
    }

    package enum RebootRule: String, Sendable, Equatable, Codable, CaseIterable {
        case ifNeeded = "IfNeeded"
        case always = "Always"
        case never = "Never"
    }

    package enum FailureRule: String, Sendable, Equatable, Codable, CaseIterable {
        /// Stop the rollout; the node stays cordoned.
        case pause = "Pause"
        /// Try the node again, so often as `retries` says, then pause.
        case retry = "Retry"
        /// Give the node back as far as it can be taken back, then pause.
        case rollBack = "RollBack"
    }

    /// A question about a node or what runs beside it.
    package struct HealthCheck: Sendable, Equatable, Codable {
        package enum Question: Sendable, Equatable, Codable {
            /// GET; a status of 200 to 399 is well. `{node}` and `{address}` stand for the node's name and internal address.
            case http(url: String)
            /// Run on the host; exit code 0 is well.
            case command([String])
        }

        package enum Moment: String, Sendable, Equatable, Codable, CaseIterable {
            case before = "Before"
            case during = "During"
            case after = "After"
        }

        package var name: String
        package var question: Question
        package var moments: Set<Moment>
        package var timeoutSeconds: Double

        package init(name: String, question: Question, moments: Set<Moment> = Set(Moment.allCases), timeoutSeconds: Double = 10) {
            self.name = name
            self.question = question
            self.moments = moments
            self.timeoutSeconds = timeoutSeconds
        }
    }

    /// Which firing alerts of Prometheus hold nodes up.
    package struct AlertRule: Sendable, Equatable, Codable {
        /// Of Prometheus: `http://prometheus.monitoring:9090`.
        package var url: String
        /// Alerts whose names match as a whole do not count; a regular expression.
        package var ignore: String?
        /// Whether alerts that are pending count, too.
        package var countsPending: Bool

        package init(url: String, ignore: String? = nil, countsPending: Bool = false) {
            self.url = url
            self.ignore = ignore
            self.countsPending = countsPending
        }
    }

    package struct Notification: Sendable, Equatable, Codable {
        package enum Format: String, Sendable, Equatable, Codable, CaseIterable {
            case generic = "Generic"
            case slack = "Slack"
        }

        /// Where to; nil where `urlFile` has it.
        package var url: String?
        /// A file that has the URL, since many are secrets.
        package var urlFile: String?
        package var format: Format

        package init(url: String? = nil, urlFile: String? = nil, format: Format = .generic) {
            self.url = url
            self.urlFile = urlFile
            self.format = format
        }
    }

    /// How nodes are drained.
    package struct Drain: Sendable, Equatable {
        package var options = DrainMachine.Options()
        package var podSelector: LabelSelector?
        /// Seconds; nil for each pod's own.
        package var gracePeriodSeconds: Int?

        package init() {}
    }

    package var name: String
    package var selector = LabelSelector.everything
    package var maxUnavailable = IntOrPercent.count(1)
    /// Nil for any time.
    package var window: Window?
    package var order = NodeOrder()
    package var action = Action.osUpdate(PackageChoice())
    package var reboot = RebootRule.ifNeeded
    /// Nil to leave pods where they are.
    package var drain: Drain? = Drain()
    package var checks: [HealthCheck] = []
    package var onFailure = FailureRule.pause
    package var retries = 0
    /// How long a node is watched before it takes pods again, and the next begins, seconds.
    package var soakSeconds = 0.0
    /// How many nodes go before all others.
    package var canaries = 0
    /// How long a node is expected to take before one has been seen to, seconds.
    package var expectedNodeSeconds = 900.0
    /// How long an update or a command may take, seconds.
    package var actionTimeoutSeconds = 1800.0
    /// How long a node may take from the order to boot until its kubelet is back, seconds.
    package var rebootTimeoutSeconds = 900.0
    /// How long the checks after the work may take to pass, seconds.
    package var healthTimeoutSeconds = 600.0
    /// Nodes with pods of these labels wait.
    package var blockingPods: [LabelSelector] = []
    package var alerts: AlertRule?
    /// Of Alertmanager, for silences; nil for none.
    package var alertmanager: String?
    package var notifications: [Notification] = []
    /// Why nothing begins; nil when it may.
    package var pause: String?

    package init(name: String) { self.name = name }

    /// Whether nodes are served in rounds, one each window, and not as they need it: what is done has no need that shows.
    package var isByRounds: Bool {
        switch action {
        case .command, .none: true
        case .reboot, .osUpdate: reboot == .always
        }
    }
}

/// Which packages an update is about.
package struct PackageChoice: Sendable, Equatable, Codable {
    /// Only those that mend a vulnerability.
    package var securityOnly = false
    /// Also the kubelet, kubeadm and the container runtime, whose versions are an upgrade's affair.
    package var includesKubernetes = false
    /// Names that are left alone.
    package var exclude: [String] = []

    package init() {}

    /// What belongs to Kubernetes on a node, by the names that its packages have had.
    package static let kubernetes: Set<String> = [
        "kubelet", "kubeadm", "kubectl", "kubernetes-cni", "cri-tools", "containerd", "containerd.io", "containernetworking-plugins", "runc", "cri-o",
        "docker-ce", "docker-ce-cli", "docker.io", "moby-engine", "moby-containerd", "moby-runc",
    ]

    /// Whether a package is to be updated, held or not.
    package func takes(_ name: String, isSecurity: Bool) -> Bool {
        (isSecurity || !securityOnly) && (includesKubernetes || !Self.kubernetes.contains(name)) && !exclude.contains(name)
    }
}
