internal import ArgumentParser
internal import Etcd
internal import Foundation
internal import Maintenance
internal import Operations

struct EtcdMembersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members", abstract: "List the members, and say how many may fail.")

    @OptionGroup(title: "etcd") var etcd: EtcdOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    private struct Report: Encodable {
        struct Row: Encodable {
            var id: String
            var name: String
            var isStarted: Bool
            var isLearner: Bool
            var isLeader: Bool
            var isHealthy: Bool
            var peerURLs: [String]
            var clientURLs: [String]
            var problem: String?
        }

        var clusterID: String
        var quorum: String
        /// How many healthy voters may fail before the cluster stops.
        var spare: Int
        var members: [Row]
    }

    func run() async throws {
        let view = try await EtcdClient.connected(try etcd.configuration()) { try await ClusterView.read($0) }
        let report = Report(
            clusterID: view.clusterID.memberText, quorum: view.quorum.description, spare: view.quorum.spare,
            members: view.members.map { member in
                .init(
                    id: member.member.id.memberText, name: member.member.name, isStarted: member.member.isStarted, isLearner: member.member.isLearner,
                    isLeader: member.isLeader, isHealthy: member.isHealthy, peerURLs: member.member.peerURLs, clientURLs: member.member.clientURLs,
                    problem: member.complaint)
            })
        try output.emit(report) {
            var table = TextTable(["ID", "NAME", "ROLE", "HEALTH", "PEER URLS", "CLIENT URLS"])
            for member in report.members {
                let role = member.isLearner ? "learner" : member.isLeader ? "leader" : "voter"
                let health = !member.isStarted ? "not started" : member.isHealthy ? "healthy" : "unhealthy"
                table.add([
                    member.id, member.name.isEmpty ? "-" : member.name, role, Terminal.paint(health, member.isHealthy ? .green : .red),
                    member.peerURLs.joined(separator: ","), member.clientURLs.joined(separator: ","),
                ])
            }
            return "\(table.text)\n\n\(report.quorum)"
        }
    }
}

struct EtcdMemberCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "member",
        abstract: "Change the membership, with the quorum arithmetic done first.",
        discussion:
            "Refuses (exit code 4) what would leave the cluster without quorum, or one failure away from losing it, unless --accept-risk is given.",
        subcommands: [Add.self, Remove.self, Promote.self, Replace.self, List.self]
    )

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a member, which starts later.")

        @Flag(help: "As a learner: it gets the data and does not count for the quorum until it is promoted.") var learner = false
        @OptionGroup var newMember: NewMember
        @OptionGroup var arguments: EtcdRunArguments

        func run() async throws {
            try await arguments.change(.add(peerURLs: newMember.peerURLs, isLearner: learner))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a member.")

        @Argument(help: "The member's name or ID.") var name: String
        @OptionGroup var arguments: EtcdRunArguments

        func run() async throws { try await arguments.change(.remove(name)) }
    }

    struct Promote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a learner a voter, once it has caught up.")

        @Argument(help: "The learner's name or ID.") var name: String
        @OptionGroup var arguments: EtcdRunArguments

        func run() async throws { try await arguments.change(.promote(name)) }
    }

    struct Replace: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a new member in the place of another.",
            discussion: """
                Adds a learner, waits until it has been started and has caught up, promotes it, removes the old member, and compares the data of \
                all. etcd adds no member while a voter is not connected: one that is dead for good is removed first, with --remove-first.
                """)

        @Argument(help: "The name or ID of the member that goes.") var name: String
        @OptionGroup var newMember: NewMember
        @Flag(help: "The old member is dead for good: remove it before the new one is added, as etcd demands.") var removeFirst = false
        @Option(help: ArgumentHelp("How long to wait for the new member to start and catch up. (default: 10m)", valueName: "duration"))
        var joinTimeout: DurationArgument?
        @OptionGroup var arguments: EtcdRunArguments

        func run() async throws {
            try await arguments.change(.replace(name, peerURLs: newMember.peerURLs, removesFirst: removeFirst), joinTimeout: joinTimeout)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The same as `drydock etcd members`, under etcdctl's name.")

        @OptionGroup(title: "etcd") var etcd: EtcdOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func run() async throws {
            var command = EtcdMembersCommand()
            command.etcd = etcd
            command.output = output
            try await command.run()
        }
    }
}

/// Where a member that is to join listens for the others.
struct NewMember: ParsableArguments {
    @Option(
        name: [.customLong("peer-url"), .customLong("peer-urls")],
        help: "Where the new member listens for the others; several separated by commas.")
    var peerURL: String

    var peerURLs: [String] { peerURL.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } }
}

extension EtcdRunArguments {
    fileprivate func change(_ change: MembershipPlan.Change, joinTimeout: DurationArgument? = nil) async throws {
        let plan = MembershipPlan(change, acceptsRisk: options.acceptRisk)
        try await run(joinTimeout: joinTimeout) { try plan.make($0) }
    }
}
