package import Foundation

/// Tells what has changed at load balancers since they were looked at last. Pure.
package struct ServerWatch: Sendable {
    package struct Change: Codable, Sendable, Equatable {
        package var time: Date
        package var loadBalancer: String
        /// `backend/server`, or `haproxy` itself.
        package var server: String
        /// How it was, and is; nil where it was, or is, not known.
        package var from: String?
        package var to: String?
    }

    /// By load balancer and server.
    private var known: [String: [String: String]] = [:]

    package init() {}

    /// - Parameter view: nil when it did not answer; its servers are taken to be as they were.
    package mutating func see(_ loadBalancer: String, _ view: LoadBalancerView?, at now: Date) -> [Change] {
        let old = known[loadBalancer] ?? [:]
        var new = old
        if let view {
            new = Dictionary(view.servers.map { ($0.reference, Self.text($0)) }, uniquingKeysWith: { first, _ in first })
        } else {
            new["haproxy"] = "does not answer"
        }
        known[loadBalancer] = new
        return Set(old.keys).union(new.keys).sorted().filter { old[$0] != new[$0] }.map { server in
            Change(time: now, loadBalancer: loadBalancer, server: server, from: old[server], to: new[server])
        }
    }

    private static func text(_ server: LoadBalancerView.Server) -> String {
        let weight = server.weight == server.initialWeight ? "" : ", weight \(server.weight)"
        return "\(server.statusText)\(weight), \(server.address)"
    }
}
