internal import ArgumentParser
internal import Journal
internal import Maintenance

/// Which run of the journal to go on with, and how its cluster is reached.
struct RunReference: ParsableArguments {
    @Argument(help: "The run's id, or how it begins.") var id: String
    @Flag(help: "Also when the run's owner is on another host, so that nobody here can tell whether it lives.") var takeLock = false

    enum Continuation { case resume, rollBack }

    /// Goes on with the run, or takes it back, on whatever it is about.
    func goOn(_ continuation: Continuation, _ etcd: EtcdOptions, _ output: OutputOptions) async throws {
        let record = try Journal.ofThisUser().run(id)
        if record.operation.hasPrefix("node ") {
            try await NodeRunSession(output: output).goOn(record, continuation, takingLock: takeLock)
        } else {
            try await EtcdRunSession(output: output).goOn(record, continuation, etcd, takingLock: takeLock)
        }
    }
}
