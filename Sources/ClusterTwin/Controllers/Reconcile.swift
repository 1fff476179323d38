internal import Foundation
internal import KubernetesAPI
internal import Maintenance

/// Something that a controller is to look at.
enum Reconcile: Hashable, Sendable {
    case schedule
    case deployment(ObjectName)
    case replicaSet(ObjectName)
    case statefulSet(ObjectName)
    case daemonSet(ObjectName)
    case job(ObjectName)
    case budget(ObjectName)
    case namespace(String)
    case node(String)
    /// What belonged to the object with this uid.
    case garbage(String)
}

extension World {
    /// Lets a controller look soon; asked several times before that, it looks once.
    mutating func enqueue(_ reconcile: Reconcile) {
        guard pendingReconciles.insert(reconcile).inserted else { return }
        schedule(options.controllerSeconds * (1 + random.unit()), .reconcile(reconcile))
    }

    mutating func carryOut(_ action: TimedAction) {
        switch action {
        case .reconcile(let reconcile):
            pendingReconciles.remove(reconcile)
            self.reconcile(reconcile)
        case .podStarts(let name, let uid): podStarts(name, uid)
        case .podReady(let name, let uid): podReady(name, uid)
        case .podStops(let name, let uid): podStops(name, uid)
        case .podCompletes(let name, let uid): podCompletes(name, uid)
        case .heartbeat(let node): heartbeat(node)
        case .monitorNodes: monitorNodes()
        case .nodeUnheard(let node): nodeUnheard(node)
        case .nodeBoots(let node): nodeBoots(node)
        case .taintEviction(let name, let uid): evictForTaint(name, uid)
        case .endWatch(let id): endWatch(id)
        case .bookmark(let id): bookmark(id)
        }
    }

    private mutating func reconcile(_ reconcile: Reconcile) {
        switch reconcile {
        case .schedule: schedulePods()
        case .deployment(let name): reconcileDeployment(name)
        case .replicaSet(let name): reconcileReplicaSet(name)
        case .statefulSet(let name): reconcileStatefulSet(name)
        case .daemonSet(let name): reconcileDaemonSet(name)
        case .job(let name): reconcileJob(name)
        case .budget(let name): reconcileBudget(name)
        case .namespace(let name): reconcileNamespace(name)
        case .node(let name): reconcileNode(name)
        case .garbage(let uid): collectGarbage(uid)
        }
    }

    /// Tells the controllers whom a change concerns. Called for every change of every object.
    mutating func changed(_ key: KindKey, _ name: ObjectName, from before: JSON?, to after: JSON?) {
        track(key, name, before, after)
        switch key {
        case .pods: podChanged(name, before, after)
        case .nodes: nodeChanged(name.name, before, after)
        case .deployments:
            if after != nil { enqueue(.deployment(name)) } else { templateHashes[before?["metadata"]["uid"].string ?? ""] = nil }
        case .replicaSets:
            if after != nil { enqueue(.replicaSet(name)) }
            if let owner = (after ?? before)?.controller, owner.kind == "Deployment" { enqueue(.deployment(ObjectName(name.namespace, owner.name))) }
        case .statefulSets where after != nil: enqueue(.statefulSet(name))
        case .daemonSets where after != nil: enqueue(.daemonSet(name))
        case .jobs where after != nil: enqueue(.job(name))
        case .budgets:
            budgetChanged(name, after)
            if after != nil, before?["metadata"]["generation"] != after?["metadata"]["generation"] { enqueue(.budget(name)) }
        case .namespaces: if after?["metadata"]["deletionTimestamp"].isNull == false { enqueue(.namespace(name.name)) }
        case .definitions: definitionChanged(before, after)
        default: break
        }
        if after == nil, let uid = before?["metadata"]["uid"].string, dependents[uid] != nil { enqueue(.garbage(uid)) }
        // An object of a namespace that is going: the namespace may be able to go now.
        if after == nil, !name.namespace.isEmpty,
            object(.namespaces, ObjectName("", name.namespace))?["metadata"]["deletionTimestamp"].isNull == false
        {
            enqueue(.namespace(name.namespace))
        }
    }

    private mutating func budgetChanged(_ name: ObjectName, _ after: JSON?) {
        guard let budget = after.map({ PodDisruptionBudget($0).budget }) else {
            budgets.remove(name)
            coverage[name] = nil
            return
        }
        let before = budgets.set(budget)
        if before == nil || before?.selector != budget.selector {
            var own = Coverage()
            for pod in pods.inNamespace(name.namespace) where budget.covers(pod) { own.add(pod, 1) }
            coverage[name] = own
        }
    }

    private mutating func track(_ key: KindKey, _ name: ObjectName, _ before: JSON?, _ after: JSON?) {
        let old = before?["metadata"]["ownerReferences"] ?? .null
        let new = after?["metadata"]["ownerReferences"] ?? .null
        guard old != new else { return }
        let place = ObjectPlace(key: key, name: name)
        for owner in old.elements { if let uid = owner["uid"].string { dependents[uid]?.remove(place) } }
        for owner in new.elements { if let uid = owner["uid"].string { dependents[uid, default: []].insert(place) } }
    }

    /// Deletes what belonged to an object that is gone, and to nobody else.
    private mutating func collectGarbage(_ uid: String) {
        for place in (dependents[uid] ?? []).sorted(by: { $0.name < $1.name }) {
            guard let object = object(place.key, place.name) else { continue }
            let others = object["metadata"]["ownerReferences"].elements.filter { $0["uid"].string != uid }
            if others.isEmpty {
                _ = try? delete(place.key, place.name, DeleteOptions())
            } else {
                update(place.key, place.name) { $0["metadata"]["ownerReferences"] = .array(others) }
            }
        }
        dependents[uid] = nil
    }

    private mutating func reconcileNamespace(_ name: String) {
        guard let namespace = object(.namespaces, ObjectName("", name)), !namespace["metadata"]["deletionTimestamp"].isNull else { return }
        var isEmpty = true
        for key in kinds.keys.sorted(by: { ($0.group, $0.plural) < ($1.group, $1.plural) }) where kinds[key]?.resource.isNamespaced == true {
            for own in sortedNames(key) where own.namespace == name {
                isEmpty = false
                if object(key, own)?["metadata"]["deletionTimestamp"].isNull != false { _ = try? delete(key, own, DeleteOptions()) }
            }
        }
        if isEmpty { remove(.namespaces, ObjectName("", name)) }
    }

    // MARK: What controllers share

    /// Sets `status`, and writes only when that changes something.
    mutating func setStatus(_ key: KindKey, _ name: ObjectName, _ change: (inout JSON) -> Void) {
        update(key, name) { object in change(&object["status"]) }
    }

    /// A condition, whose time is that of its last change.
    static func setCondition(_ status: inout JSON, _ type: String, _ value: Bool, reason: String = "", message: String = "", at now: Date) {
        let text = value ? "True" : "False"
        var conditions = status["conditions"].elements
        let stamp = JSON.string(Timestamp.time(now))
        var condition: JSON = ["type": .string(type), "status": .string(text), "lastTransitionTime": stamp]
        if !reason.isEmpty { condition["reason"] = .string(reason) }
        if !message.isEmpty { condition["message"] = .string(message) }
        if let index = conditions.firstIndex(where: { $0["type"].string == type }) {
            if conditions[index]["status"].string == text { condition["lastTransitionTime"] = conditions[index]["lastTransitionTime"] }
            conditions[index] = condition
        } else {
            conditions.append(condition)
        }
        status["conditions"] = .array(conditions)
    }

    static func owner(_ object: JSON) -> JSON {
        [
            "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true,
        ]
    }

    /// Makes a pod of a template.
    mutating func makePod(_ template: JSON, owner: JSON, namespace: String, name: String? = nil, change: (inout JSON) -> Void = { _ in }) {
        var pod: JSON = ["apiVersion": "v1", "kind": "Pod"]
        pod["metadata"]["labels"] = template["metadata"]["labels"]
        pod["metadata"]["annotations"] = template["metadata"]["annotations"]
        pod["metadata"]["ownerReferences"] = [Self.owner(owner)]
        pod["metadata"]["namespace"] = .string(namespace)
        if let name {
            pod["metadata"]["name"] = .string(name)
        } else {
            pod["metadata"]["generateName"] = .string("\(owner["metadata"]["name"].string ?? "")-")
        }
        pod["spec"] = template["spec"]
        change(&pod)
        _ = try? create(.pods, pod, namespace: namespace)
    }

    /// Which of the pods that are too many go first: those that have no node, are not ready, are the youngest.
    func victims(_ pods: [PodFacts], _ count: Int) -> [PodFacts] {
        guard count > 0 else { return [] }
        func rank(_ pod: PodFacts) -> (Int, Int, String, ObjectName) {
            (
                pod.node == nil ? 0 : 1, pod.isReady ? 1 : 0, object(.pods, pod.name)?["metadata"]["creationTimestamp"].string ?? "", pod.name
            )
        }
        return Array(
            pods.map { ($0, rank($0)) }.sorted {
                ($0.1.0, $0.1.1) != ($1.1.0, $1.1.1) ? ($0.1.0, $0.1.1) < ($1.1.0, $1.1.1) : ($0.1.2, $0.1.3) > ($1.1.2, $1.1.3)
            }.map(\.0).prefix(count))
    }

    /// A hash of a pod template, as its pods carry it.
    static func hash(_ template: JSON) -> String {
        var hash: UInt32 = 0x811c_9dc5
        for byte in template.bytes() { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        let letters = Array("bcdfghjklmnpqrstvwxz2456789")
        var text = ""
        for _ in 0..<9 {
            text.append(letters[Int(hash % UInt32(letters.count))])
            hash = hash / UInt32(letters.count) &+ hash << 13
        }
        return text
    }
}
