internal import Foundation
internal import Journal
internal import Maintenance
internal import Operations

extension Journal {
    /// The journal of who runs the program.
    static func ofThisUser() throws -> Journal { try Journal(path: Journal.defaultPath(environment: ProcessInfo.processInfo.environment)) }
}

extension OutputOptions {
    /// Prints what a run did. One that stopped has a report, too; its error comes after it.
    /// - Returns: the run, if there was one.
    @discardableResult
    func report(_ result: Result<RunRecord, any Error>, of journal: Journal, probe: ReadProbe.Report? = nil, availability: ProbeReport? = nil) throws
        -> RunRecord?
    {
        let run: RunRecord?
        switch result {
        case .success(let record): run = record
        case .failure(let error): run = error is OperationError ? try journal.runs(limit: 100).first { $0.owner == journal.owner } : nil
        }
        guard let run else { return nil }
        let report = RunReport(run, probe: probe, availability: availability)
        try emit(report) { report.text }
        return run
    }

    /// Tells a person what happens in a run, line by line.
    var tellRun: @Sendable (RunEvent) -> Void {
        { event in
            switch event {
            case .began(let run, _): remark("run \(run)")
            case .step(let position, let count, let title): remark("[\(position)/\(count)] \(title)")
            case .waiting(let reasons): remark("      waiting: \(reasons.joined(separator: "; "))")
            case .note(let note): remark("      \(note)")
            case .ended(_, let state, let result):
                remark("      \(state == .alreadySo ? "already so" : state.rawValue)\(result.map { ": \($0)" } ?? "")")
            }
        }
    }
}
