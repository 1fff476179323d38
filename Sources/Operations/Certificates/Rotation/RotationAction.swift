/// What is done to put new authorities into the place of old ones.
package enum RotationAction: Codable, Sendable, Equatable {
    /// Makes the new authorities, and lays them aside on the first node with their keys.
    case prepare
    case discard
    /// The files of a phase.
    case write(node: String, RotationPhase)
    case putBack(node: String, RotationPhase)
    /// Puts the files of a phase back on a node, and has a component read them.
    case restartBefore(node: String, RotationPhase, Component)
    /// Tells those who join (kube-public/cluster-info) and aggregated API servers (kube-system/extension-apiserver-authentication).
    case publish(TrustedAuthorities)
    /// The files by which a load balancer verifies API servers, loaded, with what was asked of its servers at run time.
    case balancer(String, TrustedAuthorities, desired: [LoadBalancerAction.Desired], healthy: [String])
    case restartKubelet(node: String)
    case restartWorkload(Workload)
    /// Looks at every node before the next phase.
    case verify(RotationPhase)
}
