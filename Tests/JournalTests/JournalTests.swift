import Foundation
import Maintenance
import Proving
import SystemPackage
import Testing

@testable import Journal

private func run(_ id: String, subject: String = "etcd cluster 1", owner: RunOwner = .current) -> RunRecord {
    RunRecord(
        id: id, operation: "etcd defrag", subject: subject, state: .running, startedAt: Date(timeIntervalSince1970: 1), updatedAt: Date(),
        owner: owner,
        plan: "{}", settings: "{}", steps: [StepRecord(id: "a", title: "do a"), StepRecord(id: "b", title: "do b")])
}

private func withJournal(_ body: (Journal, FilePath) async throws -> Void) async throws {
    try await BuiltProgram.withFolder { folder in
        let path = FilePath(folder.path).appending("state/drydock/journal.sqlite")
        try await body(try Journal(path: path), path)
    }
}

@Suite struct JournalTests {
    @Test func `What was recorded is read back, by another process too`() async throws {
        try await withJournal { journal, path in
            try journal.begin(run("one"))
            var step = StepRecord(
                id: "a", title: "do a", state: .started, attempts: 1, startedAt: Date(timeIntervalSince1970: 5), evidence: ["k": "v"])
            try journal.record(step, at: 0, of: "one", now: Date())
            #expect(try Journal(path: path).run("one").steps[0] == step)
            step.state = .done
            step.endedAt = Date(timeIntervalSince1970: 6)
            step.result = "was done"
            try journal.record(step, at: 0, of: "one", now: Date())
            try journal.end("one", as: .done, message: nil, now: Date())
            let read = try Journal(path: path).run("o")
            #expect(read.steps[0] == step && read.steps[1].state == .pending && read.state == .done)
        }
    }

    @Test func `The journal is nobody else's to read`() async throws {
        try await withJournal { journal, path in
            try journal.begin(run("one"))
            for (file, mode) in [(path, 0o600), (FilePath(path.string + "-wal"), 0o600), (path.removingLastComponent(), 0o700)] {
                let attributes = try FileManager.default.attributesOfItem(atPath: file.string)
                #expect(attributes[.posixPermissions] as? Int == mode, "\(file)")
            }
        }
    }

    @Test func `One unfinished run a subject: the second is told whose the first is, and the way out`() async throws {
        try await withJournal { journal, path in
            try journal.begin(run("one"))
            #expect { try Journal(path: path).begin(run("two")) } throws: { "\($0)".contains("process \(getpid())") && "\($0)".contains("at work") }
            try journal.begin(run("other", subject: "etcd cluster 2"))
            try journal.end("one", as: .stopped, message: "it was tired", now: Date())
            #expect { try journal.begin(run("two")) } throws: { "\($0)".contains("it was tired") && "\($0)".contains("drydock runs resume one") }
            _ = try journal.takeOver("one", takingLock: false, at: Date())
            try journal.end("one", as: .done, message: nil, now: Date())
            try journal.begin(run("two"))
        }
    }

    @Test func `A run whose process is gone may be taken over; one that lives may not; one elsewhere only when a person says so`() async throws {
        try await withJournal { journal, _ in
            var owner = RunOwner.current
            try journal.begin(run("alive", subject: "a"))
            #expect { try journal.takeOver("alive", takingLock: true, at: Date()) } throws: { "\($0)".contains("is at work") }
            owner.processStart += 1
            try journal.begin(run("reused", subject: "b", owner: owner))
            #expect(try journal.takeOver("reused", takingLock: false, at: Date()).owner == .current)
            owner = .current
            owner.bootID = "another boot"
            try journal.begin(run("rebooted", subject: "c", owner: owner))
            _ = try journal.takeOver("rebooted", takingLock: false, at: Date())
            owner = .current
            owner.host = "elsewhere"
            try journal.begin(run("remote", subject: "d", owner: owner))
            #expect { try journal.takeOver("remote", takingLock: false, at: Date()) } throws: { "\($0)".contains("--take-lock") }
            #expect { try journal.end("remote", as: .done, message: nil, now: Date()) } throws: { "\($0)".contains("no longer this process's") }
            _ = try journal.takeOver("remote", takingLock: true, at: Date())
            try journal.end("remote", as: .done, message: nil, now: Date())
            #expect { try journal.takeOver("remote", takingLock: true, at: Date()) } throws: { "\($0)".contains("is over") }
        }
    }

    @Test func `A file that is no journal is refused, and left alone`() async throws {
        try await BuiltProgram.withFolder { folder in
            let file = folder.appendingPathComponent("journal.sqlite")
            try Data("not a database at all, but long enough to be looked at".utf8).write(to: file)
            #expect { try Journal(path: FilePath(file.path)) } throws: { "\($0)".contains("cannot open the journal") }
            #expect(try Data(contentsOf: file).count == 54)
        }
    }

    @Test func `Of many processes that begin at once one wins`() async throws {
        try await withJournal { _, path in
            let winners = await withTaskGroup(of: Bool.self) { group in
                for index in 0..<8 {
                    group.addTask { (try? Journal(path: path).begin(run("run-\(index)"))) != nil }
                }
                var count = 0
                for await won in group where won { count += 1 }
                return count
            }
            #expect(winners == 1)
        }
    }

    @Test(arguments: [
        (["XDG_STATE_HOME": "/var/state", "HOME": "/root"], "/var/state/drydock/journal.sqlite"),
        (["HOME": "/root"], "/root/.local/state/drydock/journal.sqlite"),
        (["XDG_STATE_HOME": "relative", "HOME": "/h"], "/h/.local/state/drydock/journal.sqlite"),
    ])
    func `The journal lives where XDG says`(environment: [String: String], path: String) throws {
        #expect(try Journal.defaultPath(environment: environment).string == path)
    }
}
