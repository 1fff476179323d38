internal import ArgumentParser
internal import Operations

/// What every command has that can disturb an etcd cluster: how its run is bounded, how the cluster is reached, how the result is printed.
struct EtcdRunArguments: ParsableArguments {
    @OptionGroup(title: "Run") var options: RunOptions
    @OptionGroup(title: "etcd") var etcd: EtcdOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    /// Makes a plan from what the cluster says, and carries it out unless this is a rehearsal.
    func run(
        joinTimeout: DurationArgument? = nil, toleratesNoSpace: Bool = false, quota: SizeArgument? = nil,
        plan make: @escaping @Sendable (ClusterView) throws -> EtcdAction.Plan
    ) async throws {
        try await EtcdRunSession(output: output, probe: options.gate.probe).run(
            try etcd.configuration(), options, joinTimeout: joinTimeout?.duration, toleratesNoSpace: toleratesNoSpace, quota: quota?.bytes, plan: make
        )
    }
}
