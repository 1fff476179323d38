internal import Maintenance

/// Another image for one component of the control plane, node by node, as restarts are done.
package struct ImagePlan: Sendable {
    /// - Parameters:
    ///   - settings: with all control planes.
    ///   - image: with a tag or a digest.
    ///   - sessionSeconds: how long connections may take to leave a node.
    package static func make(
        _ settings: CertificateSettings, _ nodes: [NodeCertificates], _ component: Component, image: String, sessionSeconds: Double
    ) async throws -> CertificatePlan {
        let reference = ImageReference(image)
        let hasDigest = image.split(separator: "@").count == 2
        guard !reference.name.isEmpty, !reference.tag.isEmpty || hasDigest, !image.contains(where: { $0.isWhitespace || "\"'#".contains($0) }) else {
            throw OperationError(.invalid, "\"\(image)\" is no image with a tag or a digest, such as registry.k8s.io/kube-scheduler:v1.20.15.")
        }
        var settings = settings
        settings.isForced = true
        var made = try await RestartPlan.make(settings, nodes, components: [component], sessionSeconds: sessionSeconds)
        made.plan.operation = "components update"
        var current: [String: String] = [:]
        for node in nodes {
            let path = node.path("manifests/\(component.rawValue).yaml")
            guard let pod = try node.pod(component), let text = node.text(path) else { continue }
            current[node.node] = pod.image
            _ = try StaticPod.replacingImage(of: text, by: image, from: node.place(path))
        }
        try edit(&made.plan, component, image, current, acceptsRisk: settings.acceptsRisk)
        return made
    }

    /// Pure: updates in the places of restarts.
    static func edit(
        _ plan: inout CertificateAction.Plan, _ component: Component, _ image: String, _ current: [String: String], acceptsRisk: Bool
    ) throws {
        let new = ImageReference(image)
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
            guard !acceptsRisk else { return step }
            func refuse(_ why: String) { plan.refusals.append("\(node): \(why) --accept-risk does it all the same.") }
            let reference = ImageReference(old)
            if new.name != reference.name { refuse("\(new.name) is another program than \(reference.name), by its name.") }
            guard let new = new.version, let was = reference.version else { return step }
            if (new.major, new.minor) != (was.major, was.minor) {
                refuse(
                    "\(was) to \(new) is another minor, which is an upgrade of the cluster: components follow one another in an order, and so do their flags."
                )
            } else if component == .etcd, new < was {
                refuse("\(was) to \(new) is a way back, which etcd's data may not go.")
            }
            return step
        }
        if !isDue {
            plan.steps = []
            plan.remarks = ["\(component.rawValue) has the image \(image) everywhere"]
        }
        plan.refusals = Array(Set(plan.refusals)).sorted()
    }
}
