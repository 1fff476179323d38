internal import Foundation
internal import KubernetesAPI
internal import Maintenance

/// Objects as rows, as `kubectl get` prints them (meta.k8s.io/v1 Table).
enum Tables {
    private struct Column {
        var name: String
        var type = "string"
        /// 0 for always, 1 for `-o wide`.
        var priority = 0
    }

    static func table(_ objects: [JSON], _ rendering: Rendering, resourceVersion: String, now: Double) -> JSON {
        let columns = columns(rendering)
        return [
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": ["resourceVersion": .string(resourceVersion)],
            "columnDefinitions": .array(
                columns.map {
                    [
                        "name": .string($0.name), "type": .string($0.type), "format": .string($0.name == "Name" ? "name" : ""), "description": "",
                        "priority": JSON($0.priority),
                    ]
                }),
            "rows": .array(
                objects.map { object in
                    var row: JSON = ["cells": .array(cells(object, rendering, now))]
                    switch rendering.includesObject {
                    case "None": break
                    case "Object": row["object"] = rendering.object(object)
                    default: row["object"] = Rendering.metadata(object)
                    }
                    return row
                }),
        ]
    }

    private static func columns(_ rendering: Rendering) -> [Column] {
        func make(_ names: String...) -> [Column] {
            names.map { name in
                name.hasPrefix("+") ? Column(name: String(name.dropFirst()), priority: 1) : Column(name: name)
            }
        }
        switch rendering.kind.key {
        case .pods: return make("Name", "Ready", "Status", "Restarts", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates")
        case .nodes:
            return make(
                "Name", "Status", "Roles", "Age", "Version", "+Internal-IP", "+External-IP", "+OS-Image", "+Kernel-Version", "+Container-Runtime")
        case .deployments: return make("Name", "Ready", "Up-to-date", "Available", "Age", "+Containers", "+Images", "+Selector")
        case .replicaSets: return make("Name", "Desired", "Current", "Ready", "Age", "+Containers", "+Images", "+Selector")
        case .statefulSets: return make("Name", "Ready", "Age", "+Containers", "+Images")
        case .daemonSets:
            return make(
                "Name", "Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector", "Age", "+Containers", "+Images", "+Selector")
        case .jobs: return make("Name", "Completions", "Duration", "Age", "+Containers", "+Images", "+Selector")
        case .budgets: return make("Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age")
        case .namespaces: return make("Name", "Status", "Age")
        case .leases: return make("Name", "Holder", "Age")
        case .definitions: return make("Name", "Created At")
        case KindKey(group: "", plural: "services"): return make("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector")
        case KindKey(group: "", plural: "configmaps"): return make("Name", "Data", "Age")
        case KindKey(group: "", plural: "secrets"): return make("Name", "Type", "Data", "Age")
        case KindKey(group: "", plural: "serviceaccounts"): return make("Name", "Secrets", "Age")
        case KindKey(group: "", plural: "events"):
            return make("Last Seen", "Type", "Reason", "Object", "+Subobject", "+Source", "Message", "+First Seen", "+Count", "+Name")
        default:
            let own = rendering.kind.columns[rendering.version] ?? []
            return make("Name")
                + own.map {
                    Column(
                        name: $0["name"].string ?? "", type: $0["type"].string == "date" ? "string" : $0["type"].string ?? "string",
                        priority: $0["priority"].count ?? 0)
                } + (own.contains { $0["name"].string == "Age" } ? [] : make("Age"))
        }
    }

    private static func cells(_ object: JSON, _ rendering: Rendering, _ now: Double) -> [JSON] {
        let metadata = object["metadata"]
        let (spec, status) = (object["spec"], object["status"])
        let name = metadata["name"]
        let age = JSON.string(self.age(metadata["creationTimestamp"], now))
        func number(_ value: JSON) -> JSON { value.isNull ? 0 : value }
        func text(_ value: Int64?) -> String { "\(value ?? 0)" }
        let template = spec["template"]["spec"]["containers"].elements
        let containers = JSON.string(template.compactMap { $0["name"].string }.joined(separator: ","))
        let images = JSON.string(template.compactMap { $0["image"].string }.joined(separator: ","))
        let selector = JSON.string(LabelSelector(spec["selector"])?.text ?? "<none>")
        switch rendering.kind.key {
        case .pods: return pod(object, name, age)
        case .nodes: return node(object, name, age)
        case .deployments:
            return [
                name, .string("\(text(status["readyReplicas"].integer))/\(text(spec["replicas"].integer))"), number(status["updatedReplicas"]),
                number(status["availableReplicas"]), age, containers, images, selector,
            ]
        case .replicaSets:
            return [name, number(spec["replicas"]), number(status["replicas"]), number(status["readyReplicas"]), age, containers, images, selector]
        case .statefulSets:
            return [name, .string("\(text(status["readyReplicas"].integer))/\(text(spec["replicas"].integer))"), age, containers, images]
        case .daemonSets:
            let labels = template.isEmpty ? [:] : spec["template"]["spec"]["nodeSelector"].strings
            return [
                name, number(status["desiredNumberScheduled"]), number(status["currentNumberScheduled"]), number(status["numberReady"]),
                number(status["updatedNumberScheduled"]), number(status["numberAvailable"]),
                .string(labels.isEmpty ? "<none>" : labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")), age,
                containers, images, selector,
            ]
        case .jobs:
            let begin = Timestamp.date(status["startTime"].string)?.timeIntervalSince1970
            let end = Timestamp.date(status["completionTime"].string)?.timeIntervalSince1970 ?? now
            return [
                name, .string("\(text(status["succeeded"].integer))/\(text(spec["completions"].integer))"),
                .string(begin.map { duration(end - $0) } ?? ""), age, containers, images, selector,
            ]
        case .budgets:
            func rule(_ value: JSON) -> JSON { value.isNull ? "N/A" : .string(value.string ?? "\(value)") }
            return [name, rule(spec["minAvailable"]), rule(spec["maxUnavailable"]), number(status["disruptionsAllowed"]), age]
        case .namespaces: return [name, status["phase"], age]
        case .leases: return [name, spec["holderIdentity"].isNull ? "" : spec["holderIdentity"], age]
        case .definitions: return [name, metadata["creationTimestamp"]]
        case KindKey(group: "", plural: "services"):
            let ports = spec["ports"].elements.map { "\($0["port"])/\($0["protocol"].string ?? "TCP")" }
            return [
                name, spec["type"], spec["clusterIP"], "<none>", .string(ports.isEmpty ? "<none>" : ports.joined(separator: ",")), age,
                .string(spec["selector"].strings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")),
            ]
        case KindKey(group: "", plural: "configmaps"):
            return [name, JSON((object["data"].object?.count ?? 0) + (object["binaryData"].object?.count ?? 0)), age]
        case KindKey(group: "", plural: "secrets"): return [name, object["type"], JSON(object["data"].object?.count ?? 0), age]
        case KindKey(group: "", plural: "serviceaccounts"): return [name, JSON(object["secrets"].elements.count), age]
        case KindKey(group: "", plural: "events"):
            let about = object["involvedObject"]
            return [
                .string(self.age(object["lastTimestamp"], now)), object["type"], object["reason"],
                .string("\((about["kind"].string ?? "").lowercased())/\(about["name"].string ?? "")"),
                about["fieldPath"].isNull ? "" : about["fieldPath"],
                .string([object["source"]["component"].string, object["source"]["host"].string].compactMap(\.self).joined(separator: ", ")),
                object["message"], .string(self.age(object["firstTimestamp"], now)), number(object["count"]), name,
            ]
        default:
            let own = rendering.kind.columns[rendering.version] ?? []
            let cells = own.map { column -> JSON in
                let value = at(column["jsonPath"].string ?? "", object)
                return column["type"].string == "date" ? .string(self.age(value, now)) : value.isNull ? "" : value
            }
            return [name] + cells + (own.contains { $0["name"].string == "Age" } ? [] : [age])
        }
    }

    private static func pod(_ object: JSON, _ name: JSON, _ age: JSON) -> [JSON] {
        let status = object["status"]
        let containers = status["containerStatuses"].elements
        let total = object["spec"]["containers"].elements.count
        let ready = containers.count { $0["ready"].bool ?? false }
        var reason = status["phase"].string ?? ""
        if let terminated = containers.compactMap({ $0["state"]["terminated"]["reason"].string }).first { reason = terminated }
        if !object["metadata"]["deletionTimestamp"].isNull { reason = "Terminating" }
        func or(_ value: JSON) -> JSON { value.isNull ? "<none>" : value }
        return [
            name, .string("\(ready)/\(total)"), .string(reason), .integer(containers.map { $0["restartCount"].integer ?? 0 }.reduce(0, +)), age,
            or(status["podIP"]), or(object["spec"]["nodeName"]), "<none>", "<none>",
        ]
    }

    private static func node(_ object: JSON, _ name: JSON, _ age: JSON) -> [JSON] {
        let node = Node(object)
        var states: [String] = []
        switch node.condition("Ready")?["status"].string {
        case "True": states.append("Ready")
        case "False": states.append("NotReady")
        default: states.append("NotReady")
        }
        if node.isUnschedulable { states.append("SchedulingDisabled") }
        let info = object["status"]["nodeInfo"]
        let address = object["status"]["addresses"].elements.first { $0["type"].string == "InternalIP" }?["address"] ?? "<none>"
        return [
            name, .string(states.joined(separator: ",")), .string(node.roles.isEmpty ? "<none>" : node.roles.joined(separator: ",")), age,
            info["kubeletVersion"], address, "<none>", info["osImage"], info["kernelVersion"], info["containerRuntimeVersion"],
        ]
    }

    /// A simple JSON path: `.spec.replicas`, `.status.conditions[0].type`.
    private static func at(_ path: String, _ object: JSON) -> JSON {
        var value = object
        for part in path.split(separator: ".") {
            let pieces = part.split(separator: "[")
            guard let first = pieces.first else { return .null }
            value = value[String(first)]
            for piece in pieces.dropFirst() { value = Int(piece.dropLast()).map { value[$0] } ?? .null }
        }
        return value
    }

    private static func age(_ stamp: JSON, _ now: Double) -> String {
        guard let date = Timestamp.date(stamp.string) else { return "<unknown>" }
        return duration(now - date.timeIntervalSince1970)
    }

    /// As kubectl writes it: `42s`, `3m7s`, `12m`, `5h3m`, `26h`, `9d` (apimachinery's duration.HumanDuration).
    static func duration(_ seconds: Double) -> String {
        let total = Int(max(0, min(seconds, 1e12)))
        let (minutes, hours, days) = (total / 60, total / 3600, total / 86400)
        func two(_ large: Int, _ unit: String, _ small: Int, _ lesser: String) -> String {
            small == 0 ? "\(large)\(unit)" : "\(large)\(unit)\(small)\(lesser)"
        }
        switch total {
        case ..<120: return "\(total)s"
        case ..<600: return two(minutes, "m", total % 60, "s")
        case ..<10_800: return "\(minutes)m"
        case ..<28_800: return two(hours, "h", minutes % 60, "m")
        case ..<172_800: return "\(hours)h"
        case ..<691_200: return two(days, "d", hours % 24, "h")
        case ..<63_072_000: return "\(days)d"
        default: return two(days / 365, "y", days % 365, "d")
        }
    }
}
