internal import Foundation
internal import KubernetesAPI

/// What the API server adds to objects that do not say it (k8s.io/kubernetes/pkg/apis/*/defaults.go), as far as something here looks at it.
enum Defaults {
    static func apply(to object: inout JSON, _ key: KindKey) {
        switch key {
        case .pods:
            podSpec(&object["spec"])
            tolerations(&object["spec"])
            if object["status"]["phase"].isNull {
                object["status"]["phase"] = "Pending"
                object["status"]["qosClass"] = .string(qualityOfService(object["spec"]))
            }
        case .deployments:
            set(&object["spec"], "replicas", 1)
            set(&object["spec"], "revisionHistoryLimit", 10)
            set(&object["spec"], "progressDeadlineSeconds", 600)
            if object["spec"]["strategy"]["type"].isNull { object["spec"]["strategy"]["type"] = "RollingUpdate" }
            if object["spec"]["strategy"]["type"].string == "RollingUpdate" {
                set(&object["spec"]["strategy"]["rollingUpdate"], "maxSurge", "25%")
                set(&object["spec"]["strategy"]["rollingUpdate"], "maxUnavailable", "25%")
            }
            template(&object)
        case .replicaSets:
            set(&object["spec"], "replicas", 1)
            template(&object)
        case .statefulSets:
            set(&object["spec"], "replicas", 1)
            set(&object["spec"], "podManagementPolicy", "OrderedReady")
            set(&object["spec"], "revisionHistoryLimit", 10)
            if object["spec"]["updateStrategy"]["type"].isNull {
                object["spec"]["updateStrategy"] = ["type": "RollingUpdate", "rollingUpdate": ["partition": 0]]
            }
            template(&object)
        case .daemonSets:
            set(&object["spec"], "revisionHistoryLimit", 10)
            if object["spec"]["updateStrategy"]["type"].isNull {
                object["spec"]["updateStrategy"] = ["type": "RollingUpdate", "rollingUpdate": ["maxUnavailable": 1]]
            }
            template(&object)
        case .jobs:
            set(&object["spec"], "completions", 1)
            set(&object["spec"], "parallelism", 1)
            set(&object["spec"], "backoffLimit", 6)
            if object["spec"]["selector"].isNull, let name = object["metadata"]["name"].string {
                object["spec"]["selector"] = ["matchLabels": ["job-name": .string(name)]]
                object["spec"]["template"]["metadata"]["labels"]["job-name"] = .string(name)
            }
            template(&object)
        case .namespaces:
            if object["spec"]["finalizers"].isNull { object["spec"]["finalizers"] = ["kubernetes"] }
            set(&object["status"], "phase", "Active")
            if let name = object["metadata"]["name"].string { object["metadata"]["labels"]["kubernetes.io/metadata.name"] = .string(name) }
        case KindKey(group: "", plural: "services"):
            set(&object["spec"], "type", "ClusterIP")
            set(&object["spec"], "sessionAffinity", "None")
            if object["spec"]["clusterIP"].isNull { object["spec"]["clusterIP"] = "None" }
            object["spec"]["ports"] = .array(
                object["spec"]["ports"].elements.map {
                    var port = $0
                    set(&port, "protocol", "TCP")
                    if port["targetPort"].isNull { port["targetPort"] = port["port"] }
                    return port
                })
            if object["spec"]["ports"].elements.isEmpty { object["spec"]["ports"] = .null }
        case KindKey(group: "", plural: "secrets"):
            set(&object, "type", "Opaque")
            for entry in object["stringData"].object?.members ?? [] {
                object["data"][entry.name] = .string(Data((entry.value.string ?? "").utf8).base64EncodedString())
            }
            object["stringData"] = .null
        default: break
        }
    }

    static func emptyStatus(_ key: KindKey) -> JSON {
        switch key {
        case .budgets: ["disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0]
        case .replicaSets, .statefulSets: ["replicas": 0]
        case .daemonSets: ["currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0]
        default: .object(JSONObject())
        }
    }

    private static func set(_ object: inout JSON, _ name: String, _ value: JSON) {
        if object[name].isNull { object[name] = value }
    }

    private static func template(_ object: inout JSON) { podSpec(&object["spec"]["template"]["spec"]) }

    private static func podSpec(_ spec: inout JSON) {
        guard spec.object != nil else { return }
        set(&spec, "restartPolicy", "Always")
        set(&spec, "terminationGracePeriodSeconds", 30)
        set(&spec, "dnsPolicy", "ClusterFirst")
        set(&spec, "schedulerName", "default-scheduler")
        if spec["securityContext"].isNull { spec["securityContext"] = .object(JSONObject()) }
        for list in ["containers", "initContainers"] {
            guard let containers = spec[list].array else { continue }
            spec[list] = .array(
                containers.map { container in
                    var container = container
                    set(&container, "terminationMessagePath", "/dev/termination-log")
                    set(&container, "terminationMessagePolicy", "File")
                    let isLatest = (container["image"].string ?? "").hasSuffix(":latest") || !(container["image"].string ?? "").contains(":")
                    set(&container, "imagePullPolicy", isLatest ? "Always" : "IfNotPresent")
                    if container["resources"].isNull { container["resources"] = .object(JSONObject()) }
                    if let ports = container["ports"].array {
                        container["ports"] = .array(
                            ports.map {
                                var port = $0
                                set(&port, "protocol", "TCP")
                                return port
                            })
                    }
                    return container
                })
        }
    }

    /// Five minutes on a node that is not ready (admission plugin DefaultTolerationSeconds).
    private static func tolerations(_ spec: inout JSON) {
        var tolerations = spec["tolerations"].elements
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let isThere = tolerations.contains { ($0["key"].string ?? "") == key || $0["key"].isNull && $0["operator"].string == "Exists" }
            if !isThere { tolerations.append(["key": .string(key), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300]) }
        }
        spec["tolerations"] = .array(tolerations)
    }

    private static func qualityOfService(_ spec: JSON) -> String {
        let containers = spec["containers"].elements
        let resources = containers.map { $0["resources"] }
        if resources.allSatisfy({ $0["requests"].isNull && $0["limits"].isNull }) { return "BestEffort" }
        let isGuaranteed = resources.allSatisfy { resource in
            ["cpu", "memory"].allSatisfy { name in
                let limit = resource["limits"][name]
                return !limit.isNull && (resource["requests"][name].isNull || resource["requests"][name].quantity == limit.quantity)
            }
        }
        return isGuaranteed ? "Guaranteed" : "Burstable"
    }
}
