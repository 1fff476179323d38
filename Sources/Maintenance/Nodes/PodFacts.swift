package import Foundation

/// What a drain has to know of a pod.
package struct PodFacts: Sendable, Equatable {
    /// The owner that manages it.
    package struct Controller: Sendable, Hashable {
        package var kind: String
        package var name: String
        package var uid: String

        package init(kind: String, name: String, uid: String) {
            self.kind = kind
            self.name = name
            self.uid = uid
        }
    }

    package enum Phase: String, Sendable {
        case pending = "Pending"
        case running = "Running"
        case succeeded = "Succeeded"
        case failed = "Failed"
        case unknown = "Unknown"
    }

    package var name: ObjectName
    package var uid: String
    /// The node that it is bound to; nil while it waits for one.
    package var node: String?
    package var phase: Phase
    package var isReady: Bool
    /// The scheduler has found no node for it.
    package var isUnschedulable = false
    /// When it is to be gone, once it is asked to go: the time of the request and the grace period.
    package var deletion: Date?
    /// Seconds that it is given to end.
    package var gracePeriodSeconds: Int
    package var controller: Controller?
    /// For a DaemonSet's pod: whether the DaemonSet is still there.
    package var controllerExists: Bool
    package var isMirror: Bool
    package var hasEmptyDir: Bool
    package var labels: [String: String]
    /// How long it took from its start to Ready, seconds, where it tells.
    package var startupSeconds: Double?
    package var placement: PodPlacement

    package init(
        name: ObjectName, uid: String, node: String? = nil, phase: Phase = .running, isReady: Bool = true, deletion: Date? = nil,
        gracePeriodSeconds: Int = 30, controller: Controller? = nil, controllerExists: Bool = true, isMirror: Bool = false, hasEmptyDir: Bool = false,
        labels: [String: String] = [:], startupSeconds: Double? = nil, placement: PodPlacement = .anywhere
    ) {
        self.name = name
        self.uid = uid
        self.node = node
        self.phase = phase
        self.isReady = isReady
        self.deletion = deletion
        self.gracePeriodSeconds = gracePeriodSeconds
        self.controller = controller
        self.controllerExists = controllerExists
        self.isMirror = isMirror
        self.hasEmptyDir = hasEmptyDir
        self.labels = labels
        self.startupSeconds = startupSeconds
        self.placement = placement
    }

    package var isFinished: Bool { phase == .succeeded || phase == .failed }
    package var isTerminating: Bool { deletion != nil }
    /// Whether it counts for its budget and its workload.
    package var isHealthy: Bool { isReady && deletion == nil && !isFinished }
}

/// What a drain has to know of a node.
package struct NodeFacts: Sendable, Equatable {
    package var name: String
    package var labels: [String: String]
    package var taints: [Taint]
    package var isUnschedulable: Bool
    package var isReady: Bool
    package var isControlPlane: Bool
    /// Empty where nobody says.
    package var zone: String
    package var allocatable: Resources

    package init(
        name: String, labels: [String: String] = [:], taints: [Taint] = [], isUnschedulable: Bool = false, isReady: Bool = true,
        isControlPlane: Bool = false, zone: String = "", allocatable: Resources = Resources(cpu: 4000, memory: 8 << 30, pods: 110)
    ) {
        self.name = name
        self.labels = labels
        self.taints = taints
        self.isUnschedulable = isUnschedulable
        self.isReady = isReady
        self.isControlPlane = isControlPlane
        self.zone = zone
        self.allocatable = allocatable
    }
}
