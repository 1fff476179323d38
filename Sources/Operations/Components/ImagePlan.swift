internal import Maintenance

/// Another image for one component of the control plane, node by node, as restarts are done.
package struct ImagePlan: Sendable {
    /// - Parameters:
    ///   - settings: with all control planes.
    ///   - image: with a tag or a digest.
    ///   - sessionSeconds: how long connections may take to leave a node.
    package static func make(
        _ settings: CertificateSettings, _ nodes: [NodeCertificates], _ component: Component, image: String, sessionSeconds: Double
    ) async throws -> RestartPlan.Made {
        let isReference = image.split(separator: "/").last?.contains { ":@".contains($0) } ?? false
        guard isReference, !image.contains(where: { $0.isWhitespace || "\"'#".contains($0) }) else {
            throw OperationError(.invalid, "\"\(image)\" is no image with a tag or a digest, such as registry.k8s.io/kube-scheduler:v1.20.15.")
        }
        var settings = settings
        settings.isForced = true
        var made = try await RestartPlan.make(settings, nodes, components: [component], sessionSeconds: sessionSeconds)
        made.plan.operation = "components update"
        var current: [String: String] = [:]
        for node in nodes { current[node.node] = try node.pod(component)?.image }
        try edit(&made.plan, component, image, current, acceptsRisk: settings.acceptsRisk)
        return made
    }

    /// Pure: updates in the places of restarts.
    static func edit(
        _ plan: inout CertificateAction.Plan, _ component: Component, _ image: String, _ current: [String: String], acceptsRisk: Bool
    ) throws {
        let new = KubernetesVersion(tag(of: image))
        var isDue = false
        plan.steps = plan.steps.map(RestartPlan.reversible).map { step in
            guard case .restart(let node, component) = step.action, let old = current[node] else { return step }
            isDue = isDue || old != image
            var step = step
            step.id = "update \(node) \(component.rawValue)"
            step.title = "give \(component.rawValue) on \(node) the image \(image)"
            step.reason = "it has \(old)"
            step.undo = .by(.update(node: node, component, image: old), title: "give it \(old) again")
            step.action = .update(node: node, component, image: image)
            if component != .etcd, let new, let was = KubernetesVersion(tag(of: old)), (new.major, new.minor) != (was.major, was.minor), !acceptsRisk
            {
                plan.refusals.append(
                    "\(node): \(was) to \(new) is another minor, which is an upgrade of the cluster: components follow one another in an order, and so do their flags. --accept-risk does it all the same."
                )
            }
            return step
        }
        if !isDue {
            plan.steps = []
            plan.remarks = ["\(component.rawValue) has the image \(image) everywhere"]
        }
        plan.refusals = Array(Set(plan.refusals)).sorted()
    }

    /// What comes after the name; empty for a digest.
    static func tag(of image: String) -> String {
        let name = image.prefix { $0 != "@" }
        guard let colon = name.lastIndex(of: ":"), !name[colon...].contains("/") else { return "" }
        return String(name[name.index(after: colon)...])
    }
}
