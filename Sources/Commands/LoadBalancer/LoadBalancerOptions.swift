internal import ArgumentParser
internal import HAProxy
internal import NodeAccess
internal import Operations

/// Which load balancers, and how HAProxy is reached on them.
struct LoadBalancerOptions: ParsableArguments {
    @OptionGroup var hosts: HostOptions

    @Option(
        help: ArgumentHelp(
            "HAProxy's stats socket as its host knows it: a path, or HOST:PORT. (default: the configuration's)", valueName: "socket"),
        transform: { try RuntimeAddress($0) })
    var socket: RuntimeAddress?

    @Option(
        help: ArgumentHelp("The socket of HAProxy's master. (default: \(LoadBalancer.usualMaster), where that is)", valueName: "socket"),
        transform: { try RuntimeAddress($0) })
    var masterSocket: RuntimeAddress?

    @Option(help: ArgumentHelp("The file that HAProxy was started with. (default: \(LoadBalancer.usualConfiguration))", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("HAProxy's program on its host.", valueName: "program"))
    var haproxy = "haproxy"

    /// This machine, unless somebody names hosts.
    func loadBalancers() async throws -> [LoadBalancer] {
        var found: [LoadBalancer] = []
        for place in try hosts.nodesOrThisMachine() {
            found.append(try await .find(place, socket: socket, master: masterSocket, configuration: config, program: haproxy))
        }
        return found
    }
}
