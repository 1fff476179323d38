internal import Foundation
internal import Journal
internal import Maintenance
internal import NodeAccess
internal import Operations
internal import Synchronization

/// Keeps in the journal what happens around a run: who began it, what it ran on nodes, what a probe saw; and sees when somebody asks it to pause.
final class RunChronicle: Sendable {
    /// The kinds of notes.
    enum Kind: String {
        case person, command, probe, checks, loss
    }

    /// Somebody began, resumed or took back a run.
    struct Person: Codable, Sendable, Equatable {
        var who: String
        var did: String
    }

    private let journal: Journal
    private let run = Mutex<String?>(nil)
    /// What is kept about the run once it has begun.
    private let first: [(Kind, String)]

    /// - Parameters:
    ///   - checks: what was found before.
    ///   - loss: what it makes undone.
    init(_ journal: Journal, checks: [UpgradeCheck]? = nil, loss: DataLoss? = nil) {
        self.journal = journal
        let notes: [(Kind, String?)] = [(.checks, checks.flatMap { try? Self.json($0) }), (.loss, loss.flatMap { try? Self.json($0) })]
        first = notes.compactMap { kind, text in text.map { (kind, $0) } }
    }

    func notice(_ event: RunEvent) {
        guard case .began(let id, let how) = event else { return }
        run.withLock { $0 = id }
        for (kind, content) in first { keep(kind, content) }
        if let text = try? Self.json(Person(who: CordonMark.currentUser, did: how.rawValue)) { keep(.person, text) }
    }

    func record(_ command: RemoteCommand) { if let text = try? Self.json(command) { keep(.command, text) } }

    func record(_ report: ProbeReport) { if let text = try? Self.json(report) { keep(.probe, text) } }

    /// For the gate: whether somebody asked the run to stop here.
    var observations: [GateCheck] {
        guard let id = run.withLock({ $0 }), let person = try? journal.pauseRequest(id) else { return [] }
        return [GateCheck("pause", .fails, "\(person) asked the run to stop here")]
    }

    /// What is kept is for those who read it later: a run must not end because of it.
    private func keep(_ kind: Kind, _ content: String) {
        guard let id = run.withLock({ $0 }) else { return }
        try? journal.note(kind.rawValue, content, of: id, at: Date())
    }

    private static func json(_ value: some Encodable) throws -> String { String(decoding: try JSONEncoder().encode(value), as: UTF8.self) }
}

extension Journal {
    /// What was kept of a run; what cannot be read is left out.
    func kept<Note: Decodable>(_ kind: RunChronicle.Kind, of run: String, as type: Note.Type) throws -> [(at: Date, note: Note)] {
        try notes(kind.rawValue, of: run).compactMap { at, content in
            (try? JSONDecoder().decode(Note.self, from: Data(content.utf8))).map { (at, $0) }
        }
    }
}
