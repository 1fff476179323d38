package import Foundation

/// Where runs are written down ahead of every act, so that a run that was killed anywhere is resumed or rolled back, never repeated blindly: a file on
/// this machine, or objects in the cluster.
package protocol RunJournal: Sendable {
    /// For whom runs are begun and taken over here.
    var owner: RunOwner { get }

    /// Begins a run and takes its subject's lock: one run a subject at a time.
    func begin(_ run: RunRecord) async throws

    /// The run with this id.
    func run(_ id: String) async throws -> RunRecord

    /// Takes a run over, to resume it or roll it back.
    /// - Parameters:
    ///   - takingLock: also when nobody here can tell whether its owner lives.
    ///   - reopening: also when it is done.
    func takeOver(_ id: String, takingLock: Bool, reopening: Bool, at now: Date) async throws -> RunRecord

    /// Notes how far a step is.
    func record(_ step: StepRecord, at position: Int, of run: String, now: Date) async throws

    /// Notes that a run ended, which frees its subject unless it only stopped.
    func end(_ id: String, as state: RunState, message: String?, now: Date) async throws
}
