internal import Etcd
internal import Maintenance

/// The plan out of NOSPACE: remove history, defragment every member, make sure that there is room, take the alarm back, prove that a write
/// goes through.
package struct SpaceRecoveryPlan: Sendable {
    /// Revisions of history to keep.
    package var keepRevisions: Int64 = 0
    /// Below this share of its quota every database has to be before the alarm is taken back.
    package var threshold = 0.8
    package var acceptsRisk = false

    package init() {}

    package func make(_ view: ClusterView) throws -> EtcdAction.Plan {
        var defrag = DefragPlan()
        defrag.keepRevisions = keepRevisions
        defrag.acceptsRisk = acceptsRisk || view.isIdleForLackOfSpace
        // In this outage what is left has to do.
        defrag.leavesOutDead = view.quorum.spare >= 0 && view.alarms.contains { $0.kind == .noSpace }
        var plan = try defrag.make(view)
        if view.leader == nil { plan.refusals.append("no member leads: there is no quorum, and nothing can be changed. Bring members back first.") }
        plan.operation = "etcd recover-space"
        if !view.alarms.contains(where: { $0.kind == .noSpace }) { plan.remarks.append("no NOSPACE alarm stands: space is reclaimed all the same") }
        let percent = Int(threshold * 100)
        plan.steps += [
            .init(
                id: "require-space", title: "make sure that every member is below \(percent) % of its quota", target: "all members",
                reason: "an alarm that is taken back too early comes back with the next write", effect: "none",
                undo: .nothing(because: "it only looks"), isDisruptive: false, action: .requireSpace(share: threshold)),
            .init(
                id: "disarm", title: "take the NOSPACE alarm back", target: "the cluster", reason: "the alarm stands until it is taken back",
                effect: "writes are accepted again", undo: .nothing(because: "the servers raise it again by themselves when space runs out"),
                isDisruptive: false, action: .disarmNoSpace),
            .init(
                id: "prove-write", title: "prove that a write goes through", target: "the cluster", reason: "that is what this is for",
                effect: "one key is written and deleted", undo: .nothing(because: "the key is deleted"), isDisruptive: false, action: .proveWrite),
        ]
        return plan
    }
}
