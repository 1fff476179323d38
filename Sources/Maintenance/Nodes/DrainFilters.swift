package import Foundation

/// Which pods of a node a drain takes away: kubectl's five filters, in its order and with its words.
///
/// The first filter that leaves a pod alone ends the chain; otherwise the last one's warning counts.
package struct DrainFilters: Sendable, Codable, Equatable {
    /// Take pods that no controller would make anew.
    package var force = false
    package var ignoreDaemonSets = false
    package var deleteEmptyDirData = false
    /// Do not wait for a pod that has been going for longer than this after its grace period, seconds; 0 to wait for all.
    package var skipWaitForDeleteTimeoutSeconds = 0.0

    package init() {}

    /// Of pods by which nodes are worked on, which stay until the work is over.
    package static let nodeShellLabel = "drydock.dev/node-shell"

    package enum Verdict: Sendable, Equatable {
        case take(warning: String?)
        /// It stays, and the drain goes on.
        case leave(warning: String?)
        /// The drain of the node does not begin.
        case refuse(String)
    }

    package func verdict(on pod: PodFacts, at now: Date) -> Verdict {
        if skipWaitForDeleteTimeoutSeconds > 0, let deletion = pod.deletion, now.timeIntervalSince(deletion) > skipWaitForDeleteTimeoutSeconds {
            return .leave(warning: nil)
        }
        var warning: String?
        if pod.controller?.kind == "DaemonSet", !pod.isFinished {
            if pod.controllerExists {
                guard ignoreDaemonSets else { return .refuse("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)") }
                return .leave(warning: "ignoring DaemonSet-managed Pods")
            }
            let missing = "daemonsets.apps \"\(pod.controller?.name ?? "")\" not found"
            guard force else { return .refuse(missing) }
            warning = missing
        }
        if pod.isMirror || pod.labels[Self.nodeShellLabel] != nil { return .leave(warning: nil) }
        if pod.hasEmptyDir, !pod.isFinished {
            guard deleteEmptyDirData else { return .refuse("Pods with local storage (use --delete-emptydir-data to override)") }
            warning = "deleting Pods with local storage"
        }
        if pod.controller == nil, !pod.isFinished {
            guard force else { return .refuse("Pods that declare no controller (use --force to override)") }
            warning = "deleting Pods that declare no controller"
        }
        return .take(warning: warning)
    }

    /// What the filters say of the pods of one node.
    package struct Outcome: Sendable, Equatable {
        package var taken: [PodFacts] = []
        /// Message and the pods that it is about.
        package var warnings: [String: [ObjectName]] = [:]
        package var refusals: [String: [ObjectName]] = [:]

        /// `cannot delete Pods with local storage (use …): ns/a, ns/b`, a line a reason.
        package var refusalLines: [String] { refusals.sorted { $0.key < $1.key }.map { "cannot delete \($0.key): \(Self.list($0.value))" } }

        /// `ignoring DaemonSet-managed Pods: ns/a; …`, nil for none.
        package var warningLine: String? {
            warnings.isEmpty ? nil : warnings.sorted { $0.key < $1.key }.map { "\($0.key): \(Self.list($0.value))" }.joined(separator: "; ")
        }

        private static func list(_ names: [ObjectName]) -> String { names.sorted().map(\.description).joined(separator: ", ") }
    }

    package func sort(_ pods: some Sequence<PodFacts>, at now: Date) -> Outcome {
        var outcome = Outcome()
        for pod in pods {
            switch verdict(on: pod, at: now) {
            case .take(let warning):
                outcome.taken.append(pod)
                if let warning { outcome.warnings[warning, default: []].append(pod.name) }
            case .leave(let warning):
                if let warning { outcome.warnings[warning, default: []].append(pod.name) }
            case .refuse(let reason): outcome.refusals[reason, default: []].append(pod.name)
            }
        }
        return outcome
    }
}
