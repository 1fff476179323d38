internal import Foundation
package import Maintenance

extension Pod {
    /// Seconds; nil for a pod that has been ready, not ready and ready again: it says since when it is well, not how long its start took.
    private static func startup(from start: Date?, to ready: Date?) -> Double? {
        guard let start, let ready, ready.timeIntervalSince(start) <= longestStartup else { return nil }
        return max(0, ready.timeIntervalSince(start))
    }

    private static let longestStartup = 900.0

    /// What a drain has to know.
    /// - Parameter placement: of the pod's template, where it is known already.
    package func facts(placement known: PodPlacement? = nil) -> PodFacts {
        let started = Timestamp.date(json["status"]["startTime"].string) ?? creation
        let ready = condition("Ready")
        let readySince = ready?["status"].string == "True" ? Timestamp.date(ready?["lastTransitionTime"].string) : nil
        var facts = PodFacts(
            name: objectName, uid: uid, node: nodeName, phase: PodFacts.Phase(rawValue: phase) ?? .unknown,
            isReady: ready?["status"].string == "True",
            deletion: deletion, gracePeriodSeconds: metadata["deletionGracePeriodSeconds"].count.map { max(0, $0) } ?? gracePeriodSeconds,
            controller: controller.map { PodFacts.Controller(kind: $0.qualifiedKind, name: $0.name, uid: $0.uid) }, isMirror: isMirror,
            hasEmptyDir: hasEmptyDir,
            labels: labels, startupSeconds: Self.startup(from: started, to: readySince),
            placement: known ?? PodPlacement(self))
        if facts.node == nil, let scheduled = condition("PodScheduled") {
            facts.isUnschedulable = scheduled["status"].string == "False" && scheduled["reason"].string == "Unschedulable"
        }
        return facts
    }
}

extension PodPlacement {
    package convenience init(_ pod: Pod) { self.init(spec: pod.json["spec"], requests: pod.requests) }

    /// From a pod's spec.
    package convenience init(spec: JSON, requests: Resources) {
        let affinity = spec["affinity"]
        let terms = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"].array
        func neighbours(_ kind: String) -> [Neighbour] {
            affinity[kind]["requiredDuringSchedulingIgnoredDuringExecution"].elements.compactMap { term in
                guard let key = term["topologyKey"].string, let selector = LabelSelector(term["labelSelector"]) else { return nil }
                return Neighbour(topologyKey: key, namespaces: term["namespaces"].elements.compactMap(\.string), selector: selector)
            }
        }
        self.init(
            requests: requests, nodeSelector: spec["nodeSelector"].strings,
            nodeTerms: terms.map { $0.compactMap { LabelSelector(term: $0) } }, tolerations: spec["tolerations"].elements.map(Toleration.init),
            spreads: spec["topologySpreadConstraints"].elements.compactMap { spread in
                guard spread["whenUnsatisfiable"].string != "ScheduleAnyway", let key = spread["topologyKey"].string,
                    let selector = LabelSelector(spread["labelSelector"])
                else { return nil }
                return Spread(maxSkew: spread["maxSkew"].count ?? 1, topologyKey: key, selector: selector)
            }, affinity: neighbours("podAffinity"), antiAffinity: neighbours("podAntiAffinity"), priority: spec["priority"].count ?? 0)
    }
}

extension Node {
    /// What a drain has to know.
    package var facts: NodeFacts {
        NodeFacts(
            name: name, labels: labels, taints: taints, isUnschedulable: isUnschedulable, isReady: isReady, isControlPlane: isControlPlane,
            zone: zone,
            allocatable: allocatable)
    }
}

/// policy PodDisruptionBudget, v1 or v1beta1.
package struct PodDisruptionBudget: KubernetesObject {
    package static let resource = Resource.podDisruptionBudgets
    package var json: JSON
    package init(_ json: JSON) { self.json = json }

    package var budget: DisruptionBudget {
        let spec = json["spec"]
        let status = json["status"]
        var selector = LabelSelector(spec["selector"])
        // An empty selector matches nothing in v1beta1, and every pod of the namespace in v1.
        if selector?.requirements.isEmpty == true, json["apiVersion"].string == "policy/v1beta1" { selector = nil }
        var numbers = DisruptionBudget.Status(
            currentHealthy: status["currentHealthy"].count ?? 0, desiredHealthy: status["desiredHealthy"].count ?? 0,
            expectedPods: status["expectedPods"].count ?? 0)
        numbers.disruptionsAllowed = status["disruptionsAllowed"].count ?? 0
        let condition = condition("DisruptionAllowed")
        return DisruptionBudget(
            name: objectName, selector: selector, minAvailable: spec["minAvailable"].intOrPercent,
            maxUnavailable: spec["maxUnavailable"].intOrPercent,
            alwaysAllowsUnhealthy: spec["unhealthyPodEvictionPolicy"].string == "AlwaysAllow",
            isObserved: (status["observedGeneration"].integer ?? 0) >= generation,
            failure: condition?["reason"].string == "SyncFailed" ? condition?["message"].string ?? "SyncFailed" : nil, status: numbers)
    }
}
