internal import Foundation
internal import Maintenance

extension RunTime {
    /// Returns when nobody complains any more.
    /// - Parameter complaint: what is missing still; what it throws is a complaint as well.
    /// - Throws: `OperationError` `.stopped` with the last complaint.
    func wait(
        within seconds: Double, every pause: Duration = .milliseconds(500), notify: (String) -> Void = { _ in },
        for complaint: () async throws -> String?
    ) async throws {
        let limit = now().addingTimeInterval(seconds)
        // What is over in a moment is of no interest.
        var (told, tellAt) = ("", now().addingTimeInterval(5))
        while true {
            let found: String?
            do { found = try await complaint() } catch let error as CancellationError { throw error } catch { found = "\(error)" }
            guard let found else { return }
            if now() > tellAt, found != told {
                notify("waiting: \(found)")
                (told, tellAt) = (found, now().addingTimeInterval(5))
            }
            guard now() < limit else { throw OperationError(.stopped, "\(found), after \(seconds.wholeSeconds) s") }
            try await sleep(pause)
        }
    }
}
