internal import ArgumentParser
internal import Maintenance
internal import Operations

struct EtcdDefragCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "defrag",
        abstract: "Give the free space in the members' databases back to the disk.",
        discussion: """
            Followers go first, one at a time; the leader goes last, after leadership has moved to the follower that is most up to date. Before \
            each member the gate asks: every other member healthy, a quorum without this one, raft lag closed, reads fast, no new alarm, the \
            window open. The run stops at the first member that does not come back. Without a rule every member is defragmented.
            """
    )

    @Option(help: ArgumentHelp("Leave out members whose database is smaller, such as 500MiB.", valueName: "size"))
    var minSize: SizeArgument?

    @Option(help: ArgumentHelp("Leave out members of which a smaller share is free, such as 0.3 or 30%.", valueName: "share"))
    var minFragmentation: ShareArgument?

    @Option(
        help: ArgumentHelp(
            "Only members for which this holds: dbSize, dbSizeInUse, dbSizeFree, dbQuota (bytes), dbQuotaUsage, fragmentation (fractions).",
            valueName: "expression"))
    var rule: String?

    @Option(help: "Only this member, by name or ID; may be repeated.")
    var member: [String] = []

    @Flag(help: "Remove history first, so that its space can be given back, too.")
    var compact = false

    @Option(help: "How many revisions of history --compact keeps.")
    var keepRevisions: Int64 = 1000

    @Option(help: ArgumentHelp("The members' quota, for rules, where they do not tell it.", valueName: "bytes"))
    var etcdStorageQuotaBytes: SizeArgument?

    @OptionGroup var arguments: EtcdRunArguments

    func validate() throws {
        if keepRevisions < 0 { throw ValidationError("--keep-revisions cannot be negative.") }
        do { if let rule { _ = try DefragRule(rule) } } catch { throw ValidationError("--rule: \(error)") }
    }

    func run() async throws {
        var plan = DefragPlan()
        plan.rule = try rule.map { try DefragRule($0) }
        plan.minSize = minSize?.bytes
        plan.minFragmentation = minFragmentation?.share
        plan.only = member
        plan.keepRevisions = compact ? keepRevisions : nil
        plan.quota = etcdStorageQuotaBytes?.bytes
        plan.acceptsRisk = arguments.options.acceptRisk
        try await arguments.run { [plan] in try plan.make($0) }
    }
}

struct EtcdRecoverSpaceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover-space",
        abstract: "Lead a cluster out of NOSPACE.",
        discussion: """
            Removes history, defragments every member, makes sure that each is below --threshold of its quota, takes the alarm back, and proves \
            that a write goes through.
            """
    )

    @Option(help: "How many revisions of history to keep.")
    var keepRevisions: Int64 = 0

    @Option(help: ArgumentHelp("The share of its quota that every database must be below before the alarm is taken back.", valueName: "share"))
    var threshold = ShareArgument(share: 0.8)

    @Option(help: ArgumentHelp("The members' quota, where they do not tell it.", valueName: "bytes"))
    var etcdStorageQuotaBytes: SizeArgument?

    @OptionGroup var arguments: EtcdRunArguments

    func validate() throws {
        if keepRevisions < 0 { throw ValidationError("--keep-revisions cannot be negative.") }
    }

    func run() async throws {
        var plan = SpaceRecoveryPlan()
        plan.keepRevisions = keepRevisions
        plan.threshold = threshold.share
        plan.acceptsRisk = arguments.options.acceptRisk
        try await arguments.run(toleratesNoSpace: true, quota: etcdStorageQuotaBytes) { [plan] in try plan.make($0) }
    }
}
