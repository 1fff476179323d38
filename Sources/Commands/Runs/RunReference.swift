internal import ArgumentParser
internal import Journal
internal import Maintenance
internal import Operations

/// Which run of the journal to go on with, and how its cluster is reached.
struct RunReference: ParsableArguments {
    @Argument(help: "The run's id, or how it begins.") var id: String
    @Flag(help: "Also when the run's owner is on another host, so that nobody here can tell whether it lives.") var takeLock = false

    enum Continuation {
        case resume, rollBack

        /// What is taken back is taken back now: the way out must not wait for a window.
        func gate(_ settings: some RunSettings) -> Gate { self == .resume ? settings.gate() : Gate() }

        func carryOut(_ runner: Runner<some RunOperation>, _ id: String, on subject: String, takingLock: Bool) async throws -> RunRecord {
            switch self {
            case .resume: try await runner.resume(id, on: subject, takingLock: takingLock)
            case .rollBack: try await runner.rollBack(id, on: subject, takingLock: takingLock)
            }
        }
    }

    /// Goes on with the run, or takes it back, on whatever it is about.
    func goOn(
        _ continuation: Continuation, _ etcd: EtcdOptions, _ kubernetes: KubernetesOptions, _ probe: ProbeOptions, _ output: OutputOptions
    ) async throws {
        let record = try Journal.ofThisUser().run(id)
        let session = RunSession(output: output, probe: probe)
        if record.operation.hasPrefix("node ") {
            try await NodeRunSession(output: output, probe: probe).goOn(record, continuation, kubernetes, takingLock: takeLock)
        } else if record.operation.hasPrefix("upgrade ") {
            try await UpgradeSession(session: session).goOn(record, continuation, kubernetes, takingLock: takeLock)
        } else if record.operation == "backup restore" {
            try await RestoreSession(session: session).goOn(record, continuation, takingLock: takeLock)
        } else if record.operation.hasPrefix("certs ") || record.operation.hasPrefix("components ") {
            try await CertificateSession(session: session).goOn(record, continuation, takingLock: takeLock)
        } else if record.operation.hasPrefix("lb ") {
            try await LoadBalancerSession(session: session).goOn(record, continuation, takingLock: takeLock)
        } else if record.operation.hasPrefix("etcd ") {
            try await EtcdRunSession(output: output, probe: probe).goOn(record, continuation, etcd, takingLock: takeLock)
        } else {
            throw OperationError(
                .invalid,
                "the run \(record.id) is a `\(record.operation)`, which this version of drydock does not know. Use the version that began it.")
        }
    }
}
