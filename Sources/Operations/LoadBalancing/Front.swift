internal import HAProxy
internal import Maintenance

/// What load balancers in front of an API server are to do while it is away: send nothing there, and then again.
struct Front {
    private(set) var away: [LoadBalancerAction.Step] = []
    private(set) var back: [LoadBalancerAction.Step] = []
    private(set) var refusals: [String] = []
    private(set) var remarks: [String] = []

    /// - Parameters:
    ///   - views: of all load balancers.
    ///   - name: of the node.
    ///   - address: of its API server.
    ///   - sessionSeconds: how long connections may take to leave.
    init(_ views: [LoadBalancerView], of name: String, _ address: String, _ settings: CertificateSettings, _ sessionSeconds: Double) throws {
        for view in views {
            let servers = view.servers.filter { Self.isServer($0, of: name, address) }
            if servers.isEmpty {
                refusals.append(
                    "\(view.loadBalancer) has no server that is \(name), by name or by the address \(address): it cannot be drained there.")
            }
            for server in servers {
                guard server.mode == .ready else {
                    remarks.append("\(server.reference) is in \(server.mode.rawValue) on \(view.loadBalancer), and stays so")
                    continue
                }
                let traffic = TrafficPlan(views: [view], subject: settings.subject)
                // The last server that takes traffic is refused here already.
                let drained = try traffic.drain(server.reference, waitSeconds: sessionSeconds, then: .leave, isMaint: false)
                away += drained.steps
                refusals += drained.refusals
                back += try traffic.ready(server.reference).steps
            }
        }
    }

    private static func isServer(_ server: LoadBalancerView.Server, of node: String, _ address: String) -> Bool {
        if server.name == node { return true }
        let host = server.address.lastIndex(of: ":").map { server.address[..<$0] } ?? server.address[...]
        return !address.isEmpty && (host == address || host == "[\(address)]")
    }
}
