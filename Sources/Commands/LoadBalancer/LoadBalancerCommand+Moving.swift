internal import ArgumentParser
internal import Foundation
internal import HAProxy
internal import Maintenance
internal import Operations

/// What every command has that moves traffic.
struct TrafficOptions: ParsableArguments {
    @Flag(help: "Print the plan, and do nothing.") var dryRun = false
    @OptionGroup var gate: GateOptions
    @Option(help: ArgumentHelp("How long a server may take to be well.", valueName: "duration"))
    var settleTimeout: DurationArgument = .init(seconds: 60)
    @OptionGroup(title: "HAProxy") var options: LoadBalancerOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    /// Makes a plan from what the load balancers say, and carries it out unless this is a rehearsal.
    /// - Returns: nil when nothing was carried out.
    @discardableResult
    func run(_ make: (TrafficPlan) throws -> LoadBalancerAction.Plan) async throws -> RunRecord? {
        let loadBalancers = try await options.loadBalancers()
        let settings = LoadBalancerRunSettings(
            loadBalancers: loadBalancers, window: gate.window, maxSeconds: gate.maxSeconds, settleSeconds: settleTimeout.duration.seconds)
        var views: [LoadBalancerView] = []
        for loadBalancer in loadBalancers { views.append(try await LoadBalancerView.read(loadBalancer)) }
        let plan = try make(TrafficPlan(views: views, subject: settings.subject))
        let session = RunSession(output: output, probe: gate.probe)
        guard try session.accepts(plan, isRehearsal: dryRun) else { return nil }
        return try await LoadBalancerSession(session: session).begin(plan, settings)
    }
}

struct LoadBalancerDrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Take new connections away from a server, and wait for those that are there.",
        discussion: """
            Kubelets and controllers keep their connections for ever, so sessions rarely end by themselves: after --deadline they stay, or are shut down with \
            --shutdown-sessions. The last server of a backend that takes traffic is never drained (exit code 4). Exit code 3: drained, and sessions are left.
            """)

    @Argument(help: "BACKEND/SERVER, or a server's name in every backend that has it.") var server: String
    @Flag(help: "Wait until its sessions have ended.") var wait = false
    @Option(help: ArgumentHelp("How long they may take.", valueName: "duration")) var deadline: DurationArgument = .init(seconds: 60)
    @Flag(help: "Cut off what is left after the deadline: it connects anew, elsewhere.") var shutdownSessions = false
    @Flag(help: "Then put it into maintenance: no checks either.") var maint = false
    @OptionGroup(title: "Run") var traffic: TrafficOptions

    func run() async throws {
        let isWaiting = wait || shutdownSessions || maint
        let run = try await traffic.run {
            try $0.drain(
                server, waitSeconds: isWaiting ? deadline.duration.seconds : nil, then: shutdownSessions ? .shutDown : .leave, isMaint: maint)
        }
        if run?.steps.contains(where: { $0.result?.contains("go on after") ?? false }) == true { throw Outcome(status: .findings) }
    }
}

struct LoadBalancerReadyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ready", abstract: "Open a server again, and wait until it takes traffic.")

    @Argument(help: "BACKEND/SERVER, or a server's name in every backend that has it.") var server: String
    @OptionGroup(title: "Run") var traffic: TrafficOptions

    func run() async throws { try await traffic.run { try $0.ready(server) } }
}

struct LoadBalancerMaintCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maint", abstract: "Put a server into maintenance at once: no connections, no checks.",
        discussion: "`lb drain --wait --maint` lets those finish who are connected.")

    @Argument(help: "BACKEND/SERVER, or a server's name in every backend that has it.") var server: String
    @OptionGroup(title: "Run") var traffic: TrafficOptions

    func run() async throws { try await traffic.run { try $0.maint(server) } }
}

struct LoadBalancerWeightCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weight", abstract: "Change a server's share of new connections.")

    @Argument(help: "BACKEND/SERVER, or a server's name in every backend that has it.") var server: String
    @Argument(help: "0 to 256, or a share of what the configuration says: 50%.") var weight: String
    @OptionGroup(title: "Run") var traffic: TrafficOptions

    func run() async throws { try await traffic.run { try $0.weight(server, weight) } }
}

struct LoadBalancerAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a server at run time.",
        discussion:
            "It is made like the others of its backend: by the keywords of the configuration, `default-server` included, which HAProxy leaves out here."
    )

    @Argument(help: "BACKEND/SERVER.") var server: String
    @Argument(help: "HOST:PORT.") var address: String
    @Option(help: ArgumentHelp("The server to be like. (default: the backend's first)", valueName: "server")) var like: String?
    @Option(help: ArgumentHelp("Keywords, as on a `server` line, instead.", valueName: "keywords")) var keywords: String?
    @OptionGroup(title: "Run") var traffic: TrafficOptions

    func run() async throws {
        let words: [String]
        if let keywords {
            words = keywords.split(separator: " ").map(String.init)
        } else {
            words = try await traffic.options.loadBalancers()[0].keywords(like: like, for: server)
        }
        try await traffic.run { try $0.add(server, address: address, keywords: words) }
    }
}

struct LoadBalancerRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Drain a server, and delete it at run time.")

    @Argument(help: "BACKEND/SERVER, or a server's name in every backend that has it.") var server: String
    @Option(help: ArgumentHelp("How long its sessions may take to end; then they are cut off.", valueName: "duration"))
    var deadline: DurationArgument = .init(seconds: 60)
    @OptionGroup(title: "Run") var traffic: TrafficOptions

    func run() async throws { try await traffic.run { try $0.remove(server, waitSeconds: deadline.duration.seconds, then: .shutDown) } }
}
