internal import Foundation
internal import Journal
internal import KubernetesAPI
internal import KubernetesClient
package import Maintenance
internal import NodeAccess

/// Carries a plan out: for each step the gate, then check, act and verify, written ahead to the journal.
///
/// A step whose act began and whose end nobody knows is checked first and acts again only when it is not already so. What fails stops the run;
/// it keeps its subject until it is resumed, rolled back or abandoned.
package struct Runner<Operation: RunOperation>: Sendable {
    package let operation: Operation
    package let journal: any RunJournal
    /// As it is at the moment: windows change while a run waits.
    package let gate: @Sendable () -> Gate
    /// How long the gate may make a step wait.
    package let patience: Duration
    /// How often the gate is asked meanwhile.
    package let pause: Duration
    package let time: RunTime
    package let notify: @Sendable (RunEvent) -> Void

    package init(
        operation: Operation, journal: any RunJournal, gate: @escaping @Sendable () -> Gate, patience: Duration,
        pause: Duration = .milliseconds(250), time: RunTime = .system,
        notify: @escaping @Sendable (RunEvent) -> Void
    ) {
        self.operation = operation
        self.journal = journal
        self.gate = gate
        self.patience = patience
        self.pause = pause
        self.time = time
        self.notify = notify
    }

    /// Begins a run with `plan` and carries it out.
    /// - Parameters:
    ///   - id: of the run, where the journal names runs itself; nil to make one.
    ///   - settings: what `resume` needs to know besides the plan, JSON without secrets.
    /// - Returns: the run's record when it is done.
    package func begin(_ plan: Plan<Operation.Action>, id: String? = nil, settings: String) async throws -> RunRecord {
        guard plan.refusals.isEmpty else { throw OperationError(.refused, plan.refusals.joined(separator: "\n")) }
        let now = time.now()
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let run = RunRecord(
            id: id ?? Self.identifier(plan.operation, at: now), operation: plan.operation, subject: plan.subject, state: .running, startedAt: now,
            updatedAt: now, owner: journal.owner, plan: String(decoding: try encoder.encode(plan), as: UTF8.self), settings: settings,
            steps: plan.steps.map { StepRecord(id: $0.id, title: $0.title) })
        try await journal.begin(run)
        notify(.began(run: run.id, .began))
        return try await finish(run.id, plan, run.steps)
    }

    /// Goes on with a run that stopped or whose process is gone.
    /// - Parameter subject: what the operation has reached; it must be what the run is about.
    package func resume(_ id: String, on subject: String, takingLock: Bool) async throws -> RunRecord {
        let before = try await journal.run(id)
        try Self.check(before, isAbout: subject)
        guard !before.steps.contains(where: { $0.state == .undone }) else {
            throw OperationError(.refused, "the run \(id) is being rolled back. Go on with `drydock runs rollback \(id)`, or abandon it.")
        }
        let run = try await journal.takeOver(id, takingLock: takingLock, reopening: false, at: time.now())
        notify(.began(run: run.id, .resumed))
        return try await finish(run.id, try Self.plan(of: run), run.steps)
    }

    /// Takes the steps of a run back, the last first.
    package func rollBack(_ id: String, on subject: String, takingLock: Bool) async throws -> RunRecord {
        let before = try await journal.run(id)
        try Self.check(before, isAbout: subject)
        let plan = try Self.plan(of: before)
        for (step, record) in zip(plan.steps, before.steps) {
            if case .impossible(let reason) = step.undo, record.state == .done || record.state == .started {
                throw OperationError(.refused, "the run \(id) cannot be taken back: \"\(step.title)\" was done, and \(reason)")
            }
        }
        let run = try await journal.takeOver(
            id, takingLock: takingLock, reopening: operation.canUndoWhenDone, at: time.now())
        notify(.began(run: run.id, .tookBack))
        try await stopping(run.id, command: "rollback") {
            func isDone(_ position: Int) -> Bool { run.steps[position].state == .done || run.steps[position].state == .started }
            for position in plan.steps.indices.reversed() where isDone(position) {
                // What followed a step because something waited for it was taken back a moment ago: now this step is waited for.
                let next = plan.steps.indices.first {
                    $0 > position && plan.steps[$0].isDisruptive && plan.steps[$0].lane == plan.steps[position].lane
                }
                let isOwed = next.map { plan.steps[$0].isOwed == true && run.steps[$0].state != .pending } ?? false
                try await takeBack(plan.steps[position], run.steps[position], at: position, of: plan.steps.count, isOwed: isOwed, run: run.id)
            }
        }
        try await journal.end(run.id, as: .rolledBack, message: nil, now: time.now())
        return try await journal.run(run.id)
    }

    private static func check(_ run: RunRecord, isAbout subject: String) throws {
        guard run.subject == subject else {
            throw OperationError(
                .refused,
                "the run \(run.id) is about \(run.subject), and what was reached is \(subject). Check --endpoints, or --kubeconfig and --context.")
        }
    }

    /// The plan that a run began with.
    package static func plan(of run: RunRecord) throws -> Plan<Operation.Action> {
        do { return try JSONDecoder().decode(Plan<Operation.Action>.self, from: Data(run.plan.utf8)) } catch {
            throw OperationError(
                .invalid, "the plan of the run \(run.id) cannot be read: \(error). It was made by another version of drydock; abandon it.")
        }
    }

    // MARK: Steps

    private func finish(_ run: String, _ plan: Plan<Operation.Action>, _ records: [StepRecord]) async throws -> RunRecord {
        try await stopping(run) {
            var position = 0
            while position < plan.steps.count {
                let end = plan.steps[position...].firstIndex { $0.lane == nil } ?? plan.steps.count
                if end > position {
                    try await carryOutLanes(position..<end, plan, records, run: run)
                    position = end
                } else {
                    try await carryOut(position, plan, records, run: run)
                    position += 1
                }
            }
        }
        try await journal.end(run, as: .done, message: nil, now: time.now())
        return try await journal.run(run)
    }

    private func carryOut(_ position: Int, _ plan: Plan<Operation.Action>, _ records: [StepRecord], run: String) async throws {
        guard !records[position].state.isOver else { return }
        let step = plan.steps[position]
        notify(.step(position: position + 1, count: plan.steps.count, title: step.title))
        let record = try await carryOut(step, records[position], at: position, run: run)
        notify(.ended(title: step.title, state: record.state, result: record.result))
    }

    /// Works on several lanes at once, as many as the plan allows. When one fails, those at work come to their end, and no other begins.
    private func carryOutLanes(_ positions: Range<Int>, _ plan: Plan<Operation.Action>, _ records: [StepRecord], run: String) async throws {
        let lanes = Dictionary(grouping: positions.filter { !records[$0].state.isOver }) { plan.steps[$0].lane }.values
        var waiting = lanes.sorted { $0[0] < $1[0] }[...]
        var failures: [any Error] = []
        await withTaskGroup(of: LaneEnd.self) { group in
            func beginNext() {
                guard failures.isEmpty, let lane = waiting.popFirst() else { return }
                group.addTask {
                    do {
                        for position in lane { try await carryOut(position, plan, records, run: run) }
                        return LaneEnd(error: nil)
                    } catch { return LaneEnd(error: error) }
                }
            }
            for _ in 0..<max(1, min(plan.parallel ?? 1, lanes.count)) { beginNext() }
            while let end = await group.next() {
                if let error = end.error { failures.append(error) }
                beginNext()
            }
        }
        guard let first = failures.first else { return }
        guard failures.count > 1, !(first is JournalError), !Task.isCancelled else { throw first }
        throw OperationError((first as? OperationError)?.code ?? .stopped, failures.map { "\($0)" }.joined(separator: "; "))
    }

    private struct LaneEnd: Sendable {
        var error: (any Error)?
    }

    private func carryOut(_ step: Step<Operation.Action>, _ earlier: StepRecord, at position: Int, run: String) async throws -> StepRecord {
        var record = earlier
        let wasBegun = earlier.state == .started
        if let how = try await operation.isAlreadySo(step, evidence: wasBegun ? earlier.evidence : nil) {
            record.state = wasBegun ? .done : .alreadySo
            record.result = how
        } else {
            try await passGate(before: step)
            // What somebody began before may have come to its end while the gate was closed.
            if wasBegun, let how = try await operation.isAlreadySo(step, evidence: earlier.evidence) {
                record.state = .done
                record.result = how
                return try await finish(step, record, at: position, run: run)
            }
            record.evidence = try await operation.evidence(before: step)
            record.state = .started
            record.attempts += 1
            record.startedAt = time.now()
            try await journal.record(record, at: position, of: run, now: time.now())
            do { record.result = try await operation.act(step) { notify(.note($0)) } } catch  where operation.changedNothing(error) {
                // A definite no: the step is as it was before.
                try await journal.record(earlier, at: position, of: run, now: time.now())
                throw error
            }
            record.state = .done
        }
        return try await finish(step, record, at: position, run: run)
    }

    private func finish(_ step: Step<Operation.Action>, _ ended: StepRecord, at position: Int, run: String) async throws -> StepRecord {
        var record = ended
        try await operation.verify(step)
        record.endedAt = time.now()
        try await journal.record(record, at: position, of: run, now: time.now())
        return record
    }

    private func takeBack(
        _ step: Step<Operation.Action>, _ record: StepRecord, at position: Int, of count: Int, isOwed: Bool, run: String
    ) async throws {
        var record = record
        if case .by(let action, let title) = step.undo {
            notify(.step(position: position + 1, count: count, title: title))
            let back = Step(
                id: "undo \(step.id)", title: title, target: step.target, reason: "the run is rolled back", effect: step.effect,
                undo: .nothing(because: "it is an undo"), expectedSeconds: step.expectedSeconds, isDisruptive: step.isDisruptive, isOwed: isOwed,
                action: action)
            if try await operation.isAlreadySo(back, evidence: nil) == nil {
                try await passGate(before: back)
                record.result = try await operation.act(back) { notify(.note($0)) }
                try await operation.verify(back)
            }
        }
        record.state = .undone
        record.endedAt = time.now()
        try await journal.record(record, at: position, of: run, now: time.now())
        notify(.ended(title: step.title, state: .undone, result: step.undo.text))
    }

    /// Returns when the gate lets the step begin.
    private func passGate(before step: Step<Operation.Action>) async throws {
        guard step.isDisruptive else { return }
        let limit = time.now().addingTimeInterval(patience.seconds)
        var reported: [String] = []
        while true {
            let checks = try await operation.checks(before: step)
            let (gate, now) = (step.isOwed == true ? Gate() : gate(), time.now())
            switch gate.decide(expectedSeconds: step.expectedSeconds, now: now, checks: checks) {
            case .go: return
            case .stop(let reasons):
                throw OperationError(
                    gate.windowComplaint(expectedSeconds: step.expectedSeconds, now: now) == nil ? .refused : .closed,
                    "the gate does not let \"\(step.title)\" begin: \(reasons.joined(separator: "; "))")
            case .wait(let reasons):
                guard time.now() < limit else {
                    throw OperationError(
                        .held, "the gate did not open for \"\(step.title)\" within \(patience.text): \(reasons.joined(separator: "; "))")
                }
                if reasons != reported { notify(.waiting(reasons)) }
                reported = reasons
                try await time.sleep(pause)
            }
        }
    }

    /// Whatever ends the work early is written down, with the way to go on.
    private func stopping(_ run: String, command: String = "resume", _ work: () async throws -> Void) async throws {
        do { try await work() } catch let error as JournalError {
            throw error
        } catch {
            let why = error is CancellationError || Task.isCancelled ? "it was interrupted" : "\(error)"
            let code = (error as? OperationError)?.code ?? (Self.isLost(error) ? .unreachable : .stopped)
            let separator = why.hasSuffix(".") ? "" : "."
            guard try await journal.run(run).steps.contains(where: { $0.attempts > 0 || $0.state == .undone }) else {
                try await journal.end(run, as: .cancelled, message: why, now: time.now())
                throw OperationError(code, "the run \(run) ended before it changed anything: \(why)\(separator)")
            }
            try await journal.end(run, as: .stopped, message: why, now: time.now())
            throw OperationError(
                code, "the run \(run) stopped: \(why)\(separator) When the cause is gone, `drydock runs \(command) \(run)` goes on with it.")
        }
    }

    /// Whether a node or the API could not be reached.
    private static func isLost(_ error: any Error) -> Bool {
        switch error {
        case let error as NodeError: error.code == .unreachable
        case let error as KubernetesError: error.isTransient
        case let error as APIStatus: error.isTransient
        default: false
        }
    }

    private static func identifier(_ operation: String, at now: Date) -> String {
        let time = now.formatted(
            .iso8601.year().month().day().dateSeparator(.omitted).time(includingFractionalSeconds: false).timeSeparator(.omitted))
        let tail = String(UInt16.random(in: 0...UInt16.max), radix: 16)
        let name = operation.split(separator: " ").last.map(String.init) ?? operation
        return "\(name)-\(time)-\(String(repeating: "0", count: 4 - tail.count))\(tail)"
    }
}

extension Duration {
    var text: String { seconds < 10 ? "\((seconds * 100).rounded() / 100) s" : "\(seconds.wholeSeconds) s" }
}
