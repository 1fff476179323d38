internal import Foundation
internal import Journal
internal import Maintenance
internal import Operations

extension Journal {
    /// The journal of who runs the program.
    static func ofThisUser() throws -> Journal { try Journal(path: Journal.defaultPath(environment: ProcessInfo.processInfo.environment)) }
}

extension OutputOptions {
    /// Tells a person what happens in a run, line by line.
    var tellRun: @Sendable (RunEvent) -> Void {
        { event in
            switch event {
            case .began(let run): remark("run \(run)")
            case .step(let position, let count, let title): remark("[\(position)/\(count)] \(title)")
            case .waiting(let reasons): remark("      waiting: \(reasons.joined(separator: "; "))")
            case .note(let note): remark("      \(note)")
            case .ended(_, let state, let result):
                remark("      \(state == .alreadySo ? "already so" : state.rawValue)\(result.map { ": \($0)" } ?? "")")
            }
        }
    }
}
