internal import Foundation
internal import KubernetesAPI
internal import Maintenance

extension UpgradeChecks {
    /// What people and programs have written in versions that go.
    var removedAPIs: UpgradeCheck {
        let sources: Set<APIUse.Source> = [.object, .managedFields, .lastApplied, .registration, .helm, .manifest, .file]
        return apis("removed APIs", sources, none: "nothing is written in a version that goes")
    }

    /// Who still asks.
    var callers: UpgradeCheck { apis("callers of removed APIs", [.requests, .audit], none: "nobody asked for a version that goes") }

    private struct Key: Hashable {
        var groupVersion: String
        var kind: String
        var source: APIUse.Source
    }

    private func apis(_ name: String, _ sources: Set<APIUse.Source>, none: String) -> UpgradeCheck {
        let groups = Dictionary(grouping: facts.search.uses.filter { sources.contains($0.source) }) {
            Key(groupVersion: $0.groupVersion, kind: $0.kind, source: $0.source)
        }
        var findings: [HostFinding] = []
        var removed: Set<String> = []
        for (key, uses) in groups {
            guard let lifecycle = APILifecycle.find(key.groupVersion, key.kind) else { continue }
            let isGone = lifecycle.isRemoved(in: target.minor)
            guard isGone || lifecycle.isDeprecated(in: target.minor) else { continue }
            let subject = "\(key.groupVersion) \(key.kind)"
            // What drydock itself asks for to look for objects it may have been alone; the objects are found in any case.
            if key.source == .requests, facts.search.own.contains(subject) { continue }
            if isGone { removed.insert(subject) }
            let who = uses.compactMap(\.who)
            let last = uses.compactMap(\.at).max()
            var problem =
                "\(isGone ? "1.\(lifecycle.removed ?? 0) is without it" : "it is deprecated\(lifecycle.removed.map { ", and gone in 1.\($0)" } ?? "")"); "
            problem += Self.text(key.source, uses.count) + " " + list(uses.map(\.place), 3)
            if !who.isEmpty { problem += ", by \(list(who, 3))" }
            if let last { problem += ", last at \(last.formatted(.iso8601))" }
            if let remark = lifecycle.remark { problem += " (\(remark))" }
            // Who asks the metric does not say.
            let isHard =
                isGone && key.source != .requests
                && (lifecycle.replacement == nil || [.object, .registration, .helm, .manifest, .file, .audit].contains(key.source))
            findings.append((isHard ? critical : warning)("cluster", subject, problem, Self.remedy(lifecycle, key.source)))
        }
        let found =
            findings.isEmpty
            ? none : "\(removed.count) kinds are gone in 1.\(target.minor)" + (findings.count > removed.count ? "; \(findings.count) findings" : "")
        return UpgradeCheck(name, found, findings)
    }

    private static func text(_ source: APIUse.Source, _ count: Int) -> String {
        switch source {
        case .object: "\(count) objects:"
        case .managedFields: "written to \(count) objects:"
        case .lastApplied: "applied to \(count) objects:"
        case .requests: "asked for at"
        case .audit: "asked for in the"
        case .registration: "registered by"
        case .helm: "in"
        case .manifest, .file: "in"
        }
    }

    private static func remedy(_ lifecycle: APILifecycle, _ source: APIUse.Source) -> String {
        let instead =
            lifecycle.replacement.map { "use \($0)\(lifecycle.replacementSince.map { " (since 1.\($0))" } ?? "")" }
            ?? "there is nothing in its place: do without"
        switch source {
        case .object: return instead + ", and delete the objects before"
        case .managedFields, .lastApplied: return instead + "; the object itself is served in the new version, whoever writes it has to change"
        case .requests: return instead + "; an audit log names who asks (--audit-log)"
        case .helm: return instead + " in the chart, and upgrade the release before the cluster (or `helm mapkubeapis`)"
        case .registration: return instead + ": let the webhook take AdmissionReview v1"
        case .file: return instead + " (kubeadm config migrate, where it is kubeadm's)"
        case .audit, .manifest: return instead
        }
    }

    var webhooks: UpgradeCheck {
        var findings: [HostFinding] = []
        var count = 0
        for configuration in facts.webhooks {
            for webhook in configuration["webhooks"].elements {
                count += 1
                let name = "webhook \(configuration.objectName.name)/\(webhook["name"].string ?? "")"
                let fails = webhook["failurePolicy"].string != "Ignore"
                let service = webhook["clientConfig"]["service"]
                let place = ObjectName(service["namespace"].string ?? "", service["name"].string ?? "")
                if !service.isNull, !facts.servedServices.contains(place) {
                    let problem = "nobody answers behind its service \(place)\(fails ? ", and what it cannot judge is refused" : "")"
                    findings.append((fails ? critical : warning)("cluster", name, problem, "bring its pods back, or delete the configuration"))
                }
                let takesAll = webhook["rules"].elements.contains { rule in
                    let resources = rule["resources"].elements.compactMap(\.string)
                    return resources.contains { ["*", "*/*", "pods", "nodes", "pods/*"].contains($0) }
                }
                let isBounded =
                    !webhook["namespaceSelector"]["matchExpressions"].elements.isEmpty || !webhook["namespaceSelector"]["matchLabels"].strings.isEmpty
                if fails, takesAll, !isBounded {
                    findings.append(
                        warning(
                            "cluster", name, "it judges the pods of kube-system, too: while it is away no static pod's mirror and no add-on comes up",
                            "leave kube-system out with a namespaceSelector, or run it twice"))
                }
            }
        }
        return UpgradeCheck("webhooks", count == 0 ? "none" : "\(count) webhooks", findings)
    }

    var aggregatedAPIs: UpgradeCheck {
        let services = facts.apiServices.filter { !$0["spec"]["service"].isNull }
        let findings = services.compactMap { service -> HostFinding? in
            let available = service["status"]["conditions"].elements.first { $0["type"].string == "Available" }
            guard available?["status"].string != "True" else { return nil }
            return critical(
                "cluster", "apiservice \(service.objectName.name)",
                "its server does not answer: \(available?["message"].string ?? "nobody knows why")",
                "bring it back, or delete it: namespaces cannot be deleted meanwhile")
        }
        return UpgradeCheck("aggregated APIs", services.isEmpty ? "none" : "\(services.count - findings.count) of \(services.count) answer", findings)
    }
}
