package import Foundation
internal import GRDB
package import Maintenance
package import SystemPackage

/// The runs of this machine, in one SQLite file: written ahead of every act, so that a run that was killed anywhere is resumed or rolled back,
/// never repeated blindly.
///
/// WAL mode with synchronous=FULL: what `record` returned from is on the disk. One run a subject at a time, among all processes that share
/// the file: beginning a run and taking its subject's lock are one transaction.
package final class Journal: RunJournal {
    /// What the journal is about to write or has written; tests end the process there.
    package struct Boundary: Sendable, Equatable, CustomStringConvertible {
        package enum Side: String, Sendable { case before, after }
        package var side: Side
        package var what: String

        package var description: String { "\(side.rawValue) \(what)" }
    }

    /// Told of every boundary of a run. Nobody listens in the shipped program; the proof that a run survives a kill at each of them does.
    @TaskLocal package static var onBoundary: (@Sendable (Boundary) -> Void)?

    private let database: DatabaseQueue
    package let path: FilePath
    /// For whom runs are begun and taken over here: this process.
    package let owner: RunOwner

    /// `$XDG_STATE_HOME/drydock/journal.sqlite`, or below `~/.local/state` (XDG Base Directory Specification).
    package static func defaultPath(environment: [String: String]) throws(JournalError) -> FilePath {
        if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") { return FilePath(state).appending("drydock/journal.sqlite") }
        guard let home = environment["HOME"], home.hasPrefix("/") else {
            throw JournalError(.system, "there is no place for the journal: neither XDG_STATE_HOME nor HOME is set. Set one of them.")
        }
        return FilePath(home).appending(".local/state/drydock/journal.sqlite")
    }

    /// Opens the journal, and makes it where there is none: the folder 0700, the file 0600.
    package init(path: FilePath, owner: RunOwner = .current) throws(JournalError) {
        self.path = path
        self.owner = owner
        do {
            try FileManager.default.createDirectory(
                atPath: path.removingLastComponent().string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            // SQLite gives its other files the mode of this one.
            let file = try FileDescriptor.open(path, .readWrite, options: [.create], permissions: .ownerReadWrite)
            try file.close()
            var configuration = Configuration()
            configuration.busyMode = .timeout(10)
            configuration.journalMode = .wal
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            database = try DatabaseQueue(path: path.string, configuration: configuration)
            try Self.migrate(database)
        } catch {
            throw JournalError(
                .system, "cannot open the journal \(path): \(error). Check that this user may write there, and that the disk has room.")
        }
    }

    /// Another process may be making the same tables: then they are there at the second look.
    private static func migrate(_ database: DatabaseQueue) throws {
        for _ in 0..<4 {
            do { return try migrator.migrate(database) } catch is DatabaseError { continue }
        }
        try migrator.migrate(database)
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("runs and steps") { database in
            try database.execute(
                sql: """
                    CREATE TABLE run (
                        id TEXT PRIMARY KEY, operation TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, startedAt REAL NOT NULL,
                        updatedAt REAL NOT NULL, message TEXT, owner TEXT NOT NULL, plan TEXT NOT NULL, settings TEXT NOT NULL
                    ) STRICT;
                    CREATE UNIQUE INDEX oneUnfinishedRunPerSubject ON run (subject) WHERE state IN ('running', 'stopped');
                    CREATE TABLE step (
                        run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE, position INTEGER NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL,
                        state TEXT NOT NULL, attempts INTEGER NOT NULL, startedAt REAL, endedAt REAL, evidence TEXT NOT NULL, result TEXT,
                        PRIMARY KEY (run, position)
                    ) STRICT;
                    """)
        }
        // A plan may have megabytes, and a row is read and written as a whole: at every step.
        migrator.registerMigration("plans apart") { database in
            try database.execute(
                sql: """
                    CREATE TABLE plan (run TEXT PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE, plan TEXT NOT NULL, settings TEXT NOT NULL) STRICT;
                    INSERT INTO plan (run, plan, settings) SELECT id, plan, settings FROM run;
                    ALTER TABLE run DROP COLUMN plan;
                    ALTER TABLE run DROP COLUMN settings;
                    """)
        }
        migrator.registerMigration("notes and pauses") { database in
            try database.execute(
                sql: """
                    CREATE TABLE note (
                        run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE, at REAL NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL
                    ) STRICT;
                    CREATE INDEX notesOfRun ON note (run, kind, at);
                    CREATE TABLE pause (run TEXT PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE, by TEXT NOT NULL, at REAL NOT NULL) STRICT;
                    """)
        }
        return migrator
    }

    // MARK: Writing

    /// Begins a run and takes its subject's lock.
    /// - Throws: `.locked` when another run of the subject is not over; the message names its owner and the way out.
    package func begin(_ run: RunRecord) throws {
        try write("begin \(run.id)") { database in
            try Self.checkFree(run.subject, database)
            try Self.insert(run, into: database)
        }
    }

    /// Takes an unfinished run over, to resume it or roll it back: allowed when it stopped or its owner is gone.
    /// - Parameters:
    ///   - takingLock: also when its owner is on another host, so that nobody here can tell whether it lives.
    ///   - reopening: also when it is done, and nothing else works on its subject.
    package func takeOver(_ id: String, takingLock: Bool, reopening: Bool = false, at now: Date) throws -> RunRecord {
        try write("take over \(id)") { database in
            guard var run = try Self.runs(database, where: "id = ?", [id]).first else { throw Self.missing(id) }
            if reopening, run.state == .done {
                try Self.checkFree(run.subject, database)
                // What a later run did stands on what this one did.
                let later = try Self.runs(
                    database, where: "subject = ? AND startedAt > ? AND state = 'done'", [run.subject, run.startedAt.timeIntervalSince1970])
                if let newest = later.first {
                    throw JournalError(
                        .locked, "the run \(newest.id) came after \(id). Take that one back first: `drydock runs rollback \(newest.id)`.")
                }
            } else if run.state.isOver {
                throw JournalError(.invalid, "the run \(id) is over: \(run.state.rawValue). There is nothing to go on with.")
            }
            try Self.checkMayTake(run, takingLock: takingLock)
            run.state = .running
            run.owner = owner
            run.updatedAt = now
            try database.execute(sql: "DELETE FROM pause WHERE run = ?", arguments: [id])
            try Self.update(run, in: database)
            return run
        }
    }

    /// Notes how far a step is.
    /// - Throws: `.locked` when this process does not carry the run out any more.
    package func record(_ step: StepRecord, at position: Int, of run: String, now: Date) throws {
        try write("\(step.state.rawValue) \(step.id)") { database in
            try checkOwns(run, database)
            try database.execute(
                sql: "UPDATE step SET state = ?, attempts = ?, startedAt = ?, endedAt = ?, evidence = ?, result = ? WHERE run = ? AND position = ?",
                arguments: [
                    step.state.rawValue, step.attempts, step.startedAt?.timeIntervalSince1970, step.endedAt?.timeIntervalSince1970,
                    try Self.json(step.evidence), step.result, run, position,
                ])
            try database.execute(sql: "UPDATE run SET updatedAt = ? WHERE id = ?", arguments: [now.timeIntervalSince1970, run])
        }
    }

    /// Notes that a run ended, which frees its subject unless it only stopped.
    /// - Throws: `.locked` when this process does not carry the run out any more.
    package func end(_ id: String, as state: RunState, message: String?, now: Date) throws {
        try write("\(state.rawValue) \(id)") { database in
            try checkOwns(id, database)
            try Self.end(id, as: state, message: message, now: now, in: database)
        }
    }

    private static func end(_ id: String, as state: RunState, message: String?, now: Date, in database: Database) throws {
        try database.execute(
            sql: "UPDATE run SET state = ?, message = ?, updatedAt = ? WHERE id = ?",
            arguments: [state.rawValue, message, now.timeIntervalSince1970, id])
    }

    /// A process whose lock was taken must not write over what its successor writes.
    private func checkOwns(_ id: String, _ database: Database) throws {
        // The run's row alone: it is asked before every write, and a run may have thousands of steps.
        guard let row = try Row.fetchOne(database, sql: "SELECT state, owner FROM run WHERE id = ?", arguments: [id]) else { throw Self.missing(id) }
        let owner: RunOwner = try Self.decode(row["owner"])
        let state: String = row["state"]
        guard state == RunState.running.rawValue, owner == self.owner else {
            throw JournalError(.locked, "the run \(id) is no longer this process's: it is \(state), of \(owner.text). Nothing further was done.")
        }
    }

    /// Declares a run over that nobody will resume.
    package func abandon(_ id: String, takingLock: Bool, now: Date) throws {
        try write("abandon \(id)") { database in
            guard let run = try Self.runs(database, where: "id = ?", [id]).first else { throw Self.missing(id) }
            guard !run.state.isOver else { throw JournalError(.invalid, "the run \(id) is over: \(run.state.rawValue).") }
            try Self.checkMayTake(run, takingLock: takingLock)
            try Self.end(id, as: .abandoned, message: run.message, now: now, in: database)
        }
    }

    // MARK: Notes

    /// Keeps something about a run: what was found before it, what it ran on nodes, what a probe saw.
    /// - Parameters:
    ///   - kind: what it is, for who reads it.
    ///   - content: JSON; without secrets.
    package func note(_ kind: String, _ content: String, of run: String, at now: Date) throws {
        try translating {
            try database.write { database in
                try database.execute(
                    sql: "INSERT INTO note (run, at, kind, content) VALUES (?,?,?,?)", arguments: [run, now.timeIntervalSince1970, kind, content])
            }
        }
    }

    /// The notes of a kind, the oldest first.
    package func notes(_ kind: String, of run: String) throws -> [(at: Date, content: String)] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT at, content FROM note WHERE run = ? AND kind = ? ORDER BY at, rowid", arguments: [run, kind]).map
            { row in
                (Date(timeIntervalSince1970: row["at"]), row["content"])
            }
        }
    }

    /// Asks a run to stop before it disturbs the next thing; who carries it out sees that.
    /// - Throws: `.invalid` when it is not at work.
    package func pause(_ id: String, by person: String, at now: Date) throws {
        try translating {
            try database.write { database in
                guard let run = try Self.runs(database, where: "id = ?", [id]).first else { throw Self.missing(id) }
                guard run.state == .running, run.owner.isAlive != false else {
                    throw JournalError(
                        .invalid,
                        "the run \(id) is not at work: it is \(run.state.rawValue)\(run.state == .running ? ", and its process is gone" : "").")
                }
                try database.execute(
                    sql: "INSERT OR REPLACE INTO pause (run, by, at) VALUES (?,?,?)", arguments: [id, person, now.timeIntervalSince1970])
            }
        }
    }

    /// Who asked a run to stop; nil when nobody has.
    package func pauseRequest(_ id: String) throws -> String? {
        try read { try String.fetchOne($0, sql: "SELECT by FROM pause WHERE run = ?", arguments: [id]) }
    }

    private static func checkFree(_ subject: String, _ database: Database) throws {
        if let other = try runs(database, where: "subject = ? AND state IN ('running', 'stopped')", [subject]).first {
            throw JournalError(.locked, explain(other))
        }
    }

    // MARK: Reading

    /// - Throws: `.locked` when a run of the subject is not over; the message names its owner and the way out.
    package func checkFree(_ subject: String) throws { try read { try Self.checkFree(subject, $0) } }

    /// All runs, newest first.
    package func runs(limit: Int = 1000) throws -> [RunRecord] {
        try read { try Self.runs($0, where: "1 ORDER BY startedAt DESC LIMIT ?", [limit]) }
    }

    /// The run with this id, or the only one whose id begins with it.
    package func run(_ id: String) throws -> RunRecord {
        guard !id.isEmpty else { throw Self.missing("\"\"") }
        let found = try read { try Self.runs($0, where: "substr(id, 1, length(?1)) = ?1", [id]) }
        if let exact = found.first(where: { $0.id == id }) { return exact }
        guard found.count <= 1 else { throw JournalError(.invalid, "\(found.count) runs begin with \(id): write more of it.") }
        guard let run = found.first else { throw Self.missing(id) }
        return run
    }

    private static func missing(_ id: String) -> JournalError {
        JournalError(.invalid, "there is no run \(id) in this journal. `drydock runs list` shows what there is.")
    }

    private static func checkMayTake(_ run: RunRecord, takingLock: Bool) throws {
        guard run.state == .running else { return }
        switch run.owner.isAlive {
        case true?: throw JournalError(.locked, "the run \(run.id) is at work: \(run.owner.text). Wait for it, or end that process first.")
        case nil where !takingLock:
            throw JournalError(
                .locked,
                "the run \(run.id) was begun by \(run.owner.text); from here nobody can tell whether it is at work. Make sure that it is not, and add --take-lock."
            )
        default: return
        }
    }

    private static func explain(_ run: RunRecord) -> String {
        let started = "the run \(run.id) (\(run.operation)), begun at \(run.startedAt.formatted(.iso8601))"
        let wayOut =
            "`drydock runs resume \(run.id)` goes on with it, `drydock runs rollback \(run.id)` takes it back, `drydock runs abandon \(run.id)` declares it over."
        switch (run.state, run.owner.isAlive) {
        case (.running, true?): return "\(started), is at work on \(run.subject): \(run.owner.text). Wait for it."
        case (.running, false?): return "\(started), holds \(run.subject), and its owner is gone (\(run.owner.text)). \(wayOut)"
        case (.running, nil): return "\(started), holds \(run.subject) from another host (\(run.owner.text)). If it is dead there: \(wayOut)"
        default: return "\(started), is not finished: \(run.message ?? "it stopped"). \(wayOut)"
        }
    }

    // MARK: SQL

    private func write<Result>(_ what: String, _ body: (Database) throws -> Result) throws -> Result {
        Self.onBoundary?(Boundary(side: .before, what: what))
        let result = try translating { try database.write(body) }
        Self.onBoundary?(Boundary(side: .after, what: what))
        return result
    }

    private func read<Result>(_ body: (Database) throws -> Result) throws -> Result { try translating { try database.read(body) } }

    private func translating<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as DatabaseError {
            throw JournalError(
                .system, "the journal \(path) cannot be read or written: \(error). Nothing further was done. Check the disk, then resume.")
        }
    }

    private static func insert(_ run: RunRecord, into database: Database) throws {
        try database.execute(
            sql: "INSERT INTO run (id, operation, subject, state, startedAt, updatedAt, message, owner) VALUES (?,?,?,?,?,?,?,?)",
            arguments: [
                run.id, run.operation, run.subject, run.state.rawValue, run.startedAt.timeIntervalSince1970, run.updatedAt.timeIntervalSince1970,
                run.message, try json(run.owner),
            ])
        try database.execute(sql: "INSERT INTO plan (run, plan, settings) VALUES (?,?,?)", arguments: [run.id, run.plan, run.settings])
        for (position, step) in run.steps.enumerated() {
            try database.execute(
                sql: "INSERT INTO step (run, position, id, title, state, attempts, evidence) VALUES (?,?,?,?,?,?,?)",
                arguments: [run.id, position, step.id, step.title, step.state.rawValue, step.attempts, try json(step.evidence)])
        }
    }

    private static func update(_ run: RunRecord, in database: Database) throws {
        try database.execute(
            sql: "UPDATE run SET state = ?, owner = ?, updatedAt = ? WHERE id = ?",
            arguments: [run.state.rawValue, try json(run.owner), run.updatedAt.timeIntervalSince1970, run.id])
    }

    private static func runs(_ database: Database, where condition: String, _ arguments: StatementArguments) throws -> [RunRecord] {
        try Row.fetchAll(database, sql: "SELECT * FROM run JOIN plan ON plan.run = run.id WHERE \(condition)", arguments: arguments).map { row in
            let id: String = row["id"]
            let steps = try Row.fetchAll(database, sql: "SELECT * FROM step WHERE run = ? ORDER BY position", arguments: [id])
            return RunRecord(
                id: id, operation: row["operation"], subject: row["subject"], state: RunState(rawValue: row["state"]) ?? .stopped,
                startedAt: Date(timeIntervalSince1970: row["startedAt"]), updatedAt: Date(timeIntervalSince1970: row["updatedAt"]),
                message: row["message"], owner: try decode(row["owner"]), plan: row["plan"], settings: row["settings"],
                steps: try steps.map(stepRecord))
        }
    }

    private static func stepRecord(_ row: Row) throws -> StepRecord {
        func date(_ column: String) -> Date? { (row[column] as Double?).map(Date.init(timeIntervalSince1970:)) }
        return StepRecord(
            id: row["id"], title: row["title"], state: StepState(rawValue: row["state"]) ?? .started, attempts: row["attempts"],
            startedAt: date("startedAt"), endedAt: date("endedAt"), evidence: try decode(row["evidence"]), result: row["result"])
    }

    private static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    private static func decode<Value: Decodable>(_ text: String) throws -> Value { try JSONDecoder().decode(Value.self, from: Data(text.utf8)) }
}
