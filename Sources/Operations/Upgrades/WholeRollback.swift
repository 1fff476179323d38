internal import Etcd
internal import HAProxy
internal import Foundation
package import Maintenance
internal import NodeAccess
internal import ObjectStore

/// The way back over a whole upgrade: kubelets and packages node by node, as they were; then etcd's data, the static pods and the files of the control
/// planes from the backup that the upgrade began with, all at once, since an older API server is not meant to read what a newer one has written.
package struct WholeRollback: Sendable {
    /// Of the upgrade that is taken back.
    package let run: RunRecord
    package let settings: UpgradeSettings
    private let plan: UpgradeAction.Plan

    /// - Throws: `OperationError` `.refused` for a run that has changed nothing, or has no backup.
    package init(_ run: RunRecord) throws {
        self.run = run
        plan = try Runner<UpgradeRun>.plan(of: run)
        settings = try UpgradeSettings(of: run)
        guard run.operation == "upgrade apply" else {
            throw OperationError(.refused, "the run \(run.id) is a `\(run.operation)`: only an upgrade can be taken back whole.")
        }
        guard run.state != .rolledBack else { throw OperationError(.refused, "the run \(run.id) was taken back already.") }
        guard let result = zip(plan.steps, run.steps).first(where: { $0.action == .backup && $1.state.isOver })?.1.result, settings.backup != nil
        else {
            throw OperationError(.refused, "the run \(run.id) made no backup: etcd's data cannot go back. --keep-data goes back without it.")
        }
        if let name = settings.control.nodes.first(where: \.needsCluster)?.name {
            throw OperationError(
                .refused,
                "\(name) is reached by a Job of the cluster, whose API is away while etcd's data is exchanged. --keep-data goes back without that."
            )
        }
        backup = result
    }

    /// The backup's id.
    package let backup: String

    /// What would be lost, asked of etcd itself.
    /// - Returns: nil when etcd does not answer.
    package func loss(_ manifest: BackupManifest) async -> DataLoss? {
        do { return try await countLoss(manifest) } catch { return nil }
    }

    private func countLoss(_ manifest: BackupManifest) async throws -> DataLoss {
        let (keys, revision) = try await ControlPlaneProbe(settings.control.hosts).withEtcd { try await $0.keys(writtenAfter: manifest.revision) }
        return DataLoss(backup: backup, backupRevision: manifest.revision, revision: revision, keys: keys)
    }

    /// A node that the upgrade has changed, or begun to.
    private struct Touched {
        var node: String
        var before: KubernetesVersion
        var after: KubernetesVersion
        /// Whether its kubelet, or what that reads, was changed; otherwise it has a newer kubeadm alone.
        var hasKubelet = false
    }

    private var touched: [Touched] {
        var found: [Touched] = []
        for (step, record) in zip(plan.steps, run.steps) where record.state != .pending && record.state != .undone {
            func touch(_ node: String, _ before: KubernetesVersion, _ after: KubernetesVersion, hasKubelet: Bool) {
                if let index = found.firstIndex(where: { $0.node == node }) {
                    found[index].after = after
                    found[index].hasKubelet = found[index].hasKubelet || hasKubelet
                } else {
                    found.append(Touched(node: node, before: before, after: after, hasKubelet: hasKubelet))
                }
            }
            switch (step.action, step.undo) {
            case (.packages(let node, _, let after), .by(.packages(_, _, let before), _)): touch(node, before, after, hasKubelet: false)
            case (.kubelet(let node, let after), .by(.kubeletBack(_, let before, _), _)),
                (.configuration(let node, let after), .by(.putBack(_, let before, _, _), _)):
                touch(node, before, after, hasKubelet: true)
            default: break
            }
        }
        return found
    }

    /// What the upgrade has drained at load balancers and not opened again.
    private var drained: [LoadBalancerAction.Target] {
        var found: [LoadBalancerAction.Target] = []
        for (step, record) in zip(plan.steps, run.steps) where record.state.isOver || record.state == .started {
            switch step.action {
            case .traffic(.set(let target, .drain)): found.append(target)
            case .traffic(.set(let target, .ready)) where record.state.isOver: found.removeAll { $0 == target }
            default: break
            }
        }
        return found
    }

    /// - Parameters:
    ///   - restored: the restore of the backup, on the same hosts.
    ///   - subject: the cluster's.
    ///   - loss: what is lost; nil where nobody can tell.
    ///   - apiAnswers: whether nodes can be drained now.
    package func make(
        _ restored: RestorePlan.Made, subject: String, loss: DataLoss?, apiAnswers: Bool,
        acceptsLoss: Bool
    ) -> (
        plan: UpgradeAction.Plan, settings: UpgradeSettings
    ) {
        var settings = settings
        settings.restore = restored.settings
        // The way back does not wait for a window.
        (settings.control.window, settings.control.maxSeconds) = (nil, nil)
        var back = UpgradeAction.Plan(
            operation: "upgrade rollback", subject: subject, steps: [], parallel: max(plan.parallel ?? 1, restored.plan.parallel ?? 1))
        let workers = touched.filter { !settings.isControlPlane($0.node) }
        let controlPlanes = touched.filter { settings.isControlPlane($0.node) }
        let nodes = (workers.reversed() + controlPlanes.reversed()).flatMap { steps($0) }
        if apiAnswers {
            back.steps += nodes
        } else {
            back.remarks.append("the API does not answer: etcd's data goes back first, and the kubelets, which cannot be drained now, after it")
        }
        if touched.contains(where: { $0.hasKubelet && $0.after.minor - $0.before.minor > ($0.before.minor < 25 ? 2 : 3) }) {
            back.refusals.append(
                "the upgrade went over so many minors that the old kubelets do not work with the API servers of now: go back with --keep-data, minor by minor."
            )
        }
        back.steps += restored.plan.steps.map { step in
            var step = step.map { UpgradeAction.restore($0) }
            step.id = "restore: \(step.id)"
            return step
        }
        if !apiAnswers { back.steps += nodes }
        for entry in controlPlanes + workers { back.steps.append(prove(entry.node, entry.before)) }
        back.steps += drained.map { target in
            UpgradeAction.Step(
                id: "ready \(target.loadBalancer) \(target.server)", title: "open \(target.server) on \(target.loadBalancer)", target: target.server,
                reason: "the upgrade has drained it", effect: "new connections, once its checks pass",
                undo: .by(.traffic(.set(target, .drain)), title: "drain it again"), isDisruptive: false, action: .traffic(.set(target, .ready)))
        }
        back.remarks += restored.plan.remarks + (loss?.lines ?? [])
        back.refusals += restored.plan.refusals
        if !acceptsLoss {
            let what =
                loss.map { "\($0.revisions) revisions that were written since the backup" }
                ?? "what was written since the backup, which nobody can count,"
            back.refusals.append("\(what) would be lost (see above). If that is meant, add --accept-loss.")
        }
        return (back, settings)
    }

    private func steps(_ entry: Touched) -> [UpgradeAction.Step] {
        typealias Step = UpgradeAction.Step
        let (name, before, after) = (entry.node, entry.before, entry.after)
        let kubeadm = Step(
            id: "kubeadm \(name)", title: "install kubeadm \(before) on \(name)", target: name, reason: "the upgrade is taken back", effect: "none",
            undo: .by(.packages(node: name, ["kubeadm"], after), title: "install kubeadm \(after) on \(name)"), expectedSeconds: 30,
            isDisruptive: false,
            action: .packages(node: name, ["kubeadm"], before))
        guard entry.hasKubelet else { return [kubeadm] }
        return [
            Step(
                id: "empty \(name)", title: "cordon and drain \(name)", target: name, reason: "a kubelet of another minor starts on an empty node",
                effect: "its pods are evicted, as their budgets allow", undo: .by(.nodes(.uncordon(node: name)), title: "uncordon \(name)"),
                expectedSeconds: 180, isDisruptive: true, action: .empty(node: name)),
            Step(
                id: "kubelet \(name)", title: "install kubelet and kubectl \(before) on \(name) with their files, and start the kubelet anew",
                target: name,
                reason: "the upgrade is taken back", effect: "the node says nothing for some seconds; no pod of a workload is on it",
                undo: .by(.kubelet(node: name, after), title: "install kubelet and kubectl \(after) on \(name)"), expectedSeconds: 60,
                isDisruptive: true,
                isOwed: true, action: .kubeletBack(node: name, to: before, from: firstHop ?? after)),
            Step(
                id: "uncordon \(name)", title: "uncordon \(name)", target: name, reason: "it is well", effect: "new pods may come",
                undo: .by(.empty(node: name), title: "cordon and drain \(name) again"), isDisruptive: true, isOwed: true,
                action: .nodes(.uncordon(node: name))), kubeadm,
        ]
    }

    private var firstHop: KubernetesVersion? {
        plan.steps.lazy.compactMap { step -> KubernetesVersion? in
            guard case .inspect(let version) = step.action else { return nil }
            return version
        }.first
    }

    private func prove(_ name: String, _ version: KubernetesVersion) -> UpgradeAction.Step {
        .init(
            id: "prove \(name)", title: "see that \(name) is well, and of \(version)", target: name, reason: "it is over when it is", effect: "none",
            undo: .nothing(because: "it only looks"), expectedSeconds: 60, isDisruptive: false, action: .prove(node: name, version))
    }
}
