internal import Foundation
package import Maintenance

/// What a run was asked for besides its plan; the journal keeps it as JSON, so that the run can be resumed. Never a secret.
package protocol RunSettings: Codable, Sendable {
    /// When steps may begin; nil for any time.
    var window: Window? { get }
    /// How long the run may take each time that it is begun or resumed, seconds; nil for as long as it takes.
    var maxSeconds: Double? { get }
}

extension RunSettings {
    /// As the journal keeps it.
    package func json() throws -> String { String(decoding: try JSONEncoder().encode(self), as: UTF8.self) }

    /// The settings that a run was begun with.
    package init(of run: RunRecord) throws {
        do { self = try JSONDecoder().decode(Self.self, from: Data(run.settings.utf8)) } catch {
            throw OperationError(.invalid, "the settings of the run \(run.id) cannot be read: \(error). It was made by another version; abandon it.")
        }
    }

    /// The gate of a run that begins or goes on at `time`.
    package func gate(_ time: RunTime = .system) -> Gate { Gate(window: window, maxSeconds: maxSeconds, from: time.now()) }
}
