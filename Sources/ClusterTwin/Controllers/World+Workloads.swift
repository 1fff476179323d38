internal import Foundation
internal import KubernetesAPI
internal import Maintenance

extension World {
    /// How many pods a controller makes at one look (burstReplicas).
    private static let burst = 500

    // MARK: ReplicaSet

    mutating func reconcileReplicaSet(_ name: ObjectName) {
        guard let set = object(.replicaSets, name), set["metadata"]["deletionTimestamp"].isNull, let uid = set["metadata"]["uid"].string else {
            return
        }
        let wanted = set["spec"]["replicas"].count ?? 1
        let have = pods.tallies[uid]?.live ?? 0
        if have < wanted {
            for _ in 0..<min(wanted - have, Self.burst) { makePod(set["spec"]["template"], owner: set, namespace: name.namespace) }
            if wanted - have > Self.burst { enqueue(.replicaSet(name)) }
        }
        if have > wanted {
            let owned = pods.owned(by: uid).filter { !$0.isTerminating && !$0.isFinished }
            for pod in victims(owned, owned.count - wanted) { _ = try? delete(.pods, pod.name, DeleteOptions()) }
        }
        let now = pods.tallies[uid] ?? .init()
        let ready = now.ready
        let generation = set["metadata"]["generation"]
        setStatus(.replicaSets, name) { status in
            status["replicas"] = JSON(now.live)
            status["fullyLabeledReplicas"] = now.live == 0 ? .null : JSON(now.live)
            status["readyReplicas"] = ready == 0 ? .null : JSON(ready)
            status["availableReplicas"] = ready == 0 ? .null : JSON(ready)
            status["observedGeneration"] = generation
        }
    }

    // MARK: Deployment

    mutating func reconcileDeployment(_ name: ObjectName) {
        guard let deployment = object(.deployments, name), deployment["metadata"]["deletionTimestamp"].isNull,
            let uid = deployment["metadata"]["uid"].string
        else { return }
        let template = deployment["spec"]["template"]
        let hash = templateHash(uid, template)
        let wanted = deployment["spec"]["replicas"].count ?? 1
        var sets = (dependents[uid] ?? []).filter { $0.key == .replicaSets }.compactMap { object(.replicaSets, $0.name) }
        let revisions = sets.compactMap { $0["metadata"]["annotations"][Self.revision].string.flatMap { Int($0) } }
        var current = sets.first { $0["metadata"]["labels"]["pod-template-hash"].string == hash }
        if current == nil {
            current = makeReplicaSet(of: deployment, template, hash, revision: (revisions.max() ?? 0) + 1)
            if let current { sets.append(current) }
        }
        guard let new = current else { return }
        // An earlier template that is wanted again is the newest.
        let newest = (revisions.max() ?? 1)
        var number = Int(new["metadata"]["annotations"][Self.revision].string ?? "") ?? newest
        if number < newest {
            number = newest + 1
            update(.replicaSets, new.objectName) { $0["metadata"]["annotations"][Self.revision] = .string("\(number)") }
        }
        let old = sets.filter { $0.objectName != new.objectName }
        if deployment["spec"]["paused"].bool != true { roll(deployment, new, old, wanted) }
        setDeploymentStatus(name, deployment, new, wanted, hash)
        update(.deployments, name) { $0["metadata"]["annotations"][Self.revision] = .string("\(number)") }
    }

    private mutating func templateHash(_ uid: String, _ template: JSON) -> String {
        if let known = templateHashes[uid], known.template == template { return known.hash }
        let hash = Self.hash(template)
        templateHashes[uid] = (template, hash)
        return hash
    }

    private static let revision = "deployment.kubernetes.io/revision"

    private mutating func makeReplicaSet(of deployment: JSON, _ template: JSON, _ hash: String, revision: Int) -> JSON? {
        var template = template
        template["metadata"]["labels"]["pod-template-hash"] = .string(hash)
        var selector = deployment["spec"]["selector"]
        selector["matchLabels"]["pod-template-hash"] = .string(hash)
        let name = "\(deployment["metadata"]["name"].string ?? "")-\(hash)"
        var set: JSON = ["apiVersion": "apps/v1", "kind": "ReplicaSet"]
        set["metadata"]["name"] = .string(name)
        set["metadata"]["namespace"] = deployment["metadata"]["namespace"]
        set["metadata"]["labels"] = template["metadata"]["labels"]
        set["metadata"]["annotations"][Self.revision] = .string("\(revision)")
        set["metadata"]["ownerReferences"] = [Self.owner(deployment)]
        set["spec"] = ["replicas": 0, "selector": selector, "template": template]
        return try? create(.replicaSets, set, namespace: deployment["metadata"]["namespace"].string ?? "")
    }

    /// One move of a rolling update: up as far as maxSurge goes, down as far as maxUnavailable goes.
    private mutating func roll(_ deployment: JSON, _ new: JSON, _ old: [JSON], _ wanted: Int) {
        func replicas(_ set: JSON) -> Int { set["spec"]["replicas"].count ?? 0 }
        func available(_ set: JSON) -> Int { set["status"]["availableReplicas"].count ?? 0 }
        func scale(_ set: JSON, to count: Int) -> Bool {
            guard replicas(set) != count else { return false }
            update(.replicaSets, set.objectName) {
                $0["spec"]["replicas"] = JSON(count)
                $0["metadata"]["generation"] = .integer(($0["metadata"]["generation"].integer ?? 0) + 1)
            }
            return true
        }
        let oldReplicas = old.map(replicas).reduce(0, +)
        if deployment["spec"]["strategy"]["type"].string == "Recreate" {
            for set in old { _ = scale(set, to: 0) }
            let left = old.contains { !pods.owned(by: $0["metadata"]["uid"].string ?? "").isEmpty }
            if !left { _ = scale(new, to: wanted) }
            return
        }
        let strategy = deployment["spec"]["strategy"]["rollingUpdate"]
        var surge = (strategy["maxSurge"].intOrPercent ?? .percent(25)).value(of: wanted, roundingUp: true)
        var unavailable = (strategy["maxUnavailable"].intOrPercent ?? .percent(25)).value(of: wanted, roundingUp: false)
        if surge <= 0, unavailable <= 0 { (surge, unavailable) = (0, 1) }
        // Without others the number is simply what is wanted.
        if oldReplicas == 0 {
            _ = scale(new, to: wanted)
            return
        }
        let total = oldReplicas + replicas(new)
        if replicas(new) > wanted { if scale(new, to: wanted) { return } }
        let room = wanted + surge - total
        if replicas(new) < wanted, room > 0, scale(new, to: min(wanted, replicas(new) + room)) { return }
        let least = wanted - unavailable
        let newMissing = replicas(new) - available(new)
        var spare = total - least - newMissing
        guard spare > 0 else { return }
        // Those of the old that do not serve anyway go first.
        for set in old where spare > 0 {
            let dead = min(spare, replicas(set) - available(set))
            if dead > 0, scale(set, to: replicas(set) - dead) { spare -= dead }
        }
        let serving = (old + [new]).map(available).reduce(0, +)
        var mayGo = min(spare, serving - least)
        for set in old.sorted(by: { $0.objectName < $1.objectName }) where mayGo > 0 {
            let count = min(mayGo, object(.replicaSets, set.objectName).map(replicas) ?? 0)
            if count > 0, let set = object(.replicaSets, set.objectName), scale(set, to: replicas(set) - count) { mayGo -= count }
        }
    }

    private mutating func setDeploymentStatus(_ name: ObjectName, _ deployment: JSON, _ new: JSON, _ wanted: Int, _ hash: String) {
        guard let uid = deployment["metadata"]["uid"].string else { return }
        let sets = (dependents[uid] ?? []).filter { $0.key == .replicaSets }.compactMap { object(.replicaSets, $0.name) }
        func sum(_ field: String) -> Int { sets.map { $0["status"][field].count ?? 0 }.reduce(0, +) }
        let (total, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"))
        let updated = (object(.replicaSets, new.objectName) ?? new)["status"]["replicas"].count ?? 0
        let unavailable = max(0, max(total, wanted) - available)
        let strategy = deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"].intOrPercent ?? .percent(25)
        let least = wanted - strategy.value(of: wanted, roundingUp: false)
        let isWhole = updated == wanted && total == wanted && available == wanted
        func number(_ value: Int) -> JSON { value == 0 ? .null : JSON(value) }
        let time = now
        setStatus(.deployments, name) { status in
            status["observedGeneration"] = deployment["metadata"]["generation"]
            status["replicas"] = number(total)
            status["updatedReplicas"] = number(updated)
            status["readyReplicas"] = number(ready)
            status["availableReplicas"] = number(available)
            status["unavailableReplicas"] = number(unavailable)
            let isAvailable = available >= least
            Self.setCondition(
                &status, "Available", isAvailable, reason: isAvailable ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                message: isAvailable ? "Deployment has minimum availability." : "Deployment does not have minimum availability.", at: time)
            let set = new["metadata"]["name"].string ?? ""
            Self.setCondition(
                &status, "Progressing", true, reason: isWhole ? "NewReplicaSetAvailable" : "ReplicaSetUpdated",
                message: isWhole ? "ReplicaSet \"\(set)\" has successfully progressed." : "ReplicaSet \"\(set)\" is progressing.", at: time)
        }
    }

    // MARK: StatefulSet

    mutating func reconcileStatefulSet(_ name: ObjectName) {
        guard let set = object(.statefulSets, name), set["metadata"]["deletionTimestamp"].isNull, let uid = set["metadata"]["uid"].string else {
            return
        }
        let wanted = set["spec"]["replicas"].count ?? 1
        let hash = "\(name.name)-\(Self.hash(set["spec"]["template"]))"
        let isParallel = set["spec"]["podManagementPolicy"].string == "Parallel"
        func pod(_ ordinal: Int) -> ObjectName { ObjectName(name.namespace, "\(name.name)-\(ordinal)") }
        let owned = pods.owned(by: uid)
        // One that ended is made anew.
        for dead in owned where dead.isFinished && !dead.isTerminating { _ = try? delete(.pods, dead.name, DeleteOptions()) }
        var isWaiting = false
        for ordinal in 0..<max(0, wanted) {
            if let own = pods[pod(ordinal)] {
                if !own.isHealthy, !isParallel {
                    isWaiting = true
                    break
                }
                continue
            }
            makePod(set["spec"]["template"], owner: set, namespace: name.namespace, name: pod(ordinal).name) { pod in
                pod["metadata"]["labels"]["controller-revision-hash"] = .string(hash)
                pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = pod["metadata"]["name"]
                pod["spec"]["hostname"] = pod["metadata"]["name"]
            }
            if !isParallel {
                isWaiting = true
                break
            }
        }
        func ordinal(_ pod: PodFacts) -> Int { pod.name.name.split(separator: "-").last.flatMap { Int($0) } ?? 0 }
        let surplus = owned.filter { ordinal($0) >= wanted }.sorted { ordinal($0) > ordinal($1) }
        if !isWaiting {
            for pod in isParallel ? surplus[...] : surplus.prefix(1) where !pod.isTerminating { _ = try? delete(.pods, pod.name, DeleteOptions()) }
            // A new template, one pod after the other from the end.
            if surplus.isEmpty, set["spec"]["updateStrategy"]["type"].string != "OnDelete", owned.allSatisfy(\.isHealthy),
                let late = owned.filter({ $0.labels["controller-revision-hash"] != hash }).max(by: { ordinal($0) < ordinal($1) })
            {
                _ = try? delete(.pods, late.name, DeleteOptions())
            }
        }
        let now = pods.owned(by: uid)
        let live = now.filter { !$0.isTerminating }
        let updated = live.count { $0.labels["controller-revision-hash"] == hash }
        let ready = now.count(where: \.isHealthy)
        setStatus(.statefulSets, name) { status in
            status["observedGeneration"] = set["metadata"]["generation"]
            status["replicas"] = JSON(now.count)
            status["readyReplicas"] = ready == 0 ? .null : JSON(ready)
            status["availableReplicas"] = JSON(ready)
            status["currentReplicas"] = updated == 0 ? .null : JSON(updated)
            status["updatedReplicas"] = updated == 0 ? .null : JSON(updated)
            status["updateRevision"] = .string(hash)
            if updated == wanted { status["currentRevision"] = .string(hash) }
        }
    }

    // MARK: DaemonSet

    /// What DaemonSets' pods do not mind (daemon controller's default tolerations).
    private static let daemonTolerations: JSON = .array(
        [
            ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"), ("memory-pressure", "NoSchedule"),
            ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"),
        ].map { ["key": .string("node.kubernetes.io/\($0.0)"), "operator": "Exists", "effect": .string($0.1)] })

    mutating func reconcileDaemonSet(_ name: ObjectName) {
        guard let set = object(.daemonSets, name), set["metadata"]["deletionTimestamp"].isNull, let uid = set["metadata"]["uid"].string else {
            return
        }
        var template = set["spec"]["template"]
        let hash = Self.hash(template)
        template["spec"]["tolerations"] = .array(template["spec"]["tolerations"].elements + Self.daemonTolerations.elements)
        let placement = PodPlacement(spec: template["spec"], requests: Pod(["spec": template["spec"]]).requests)
        var byNode: [String: [PodFacts]] = [:]
        for pod in pods.owned(by: uid) { if let node = pod.node { byNode[node, default: []].append(pod) } }
        var desired = 0
        for node in sortedNames(.nodes).map(\.name) {
            let own = byNode.removeValue(forKey: node) ?? []
            // Its own pods stand in the way of none.
            let obstacle = own.isEmpty ? capacity.obstacle(on: node, placement: placement) : capacity.mismatch(on: node, placement: placement)
            guard obstacle == nil else {
                for pod in own where !pod.isTerminating && obstacle?.contains("selector") == true {
                    _ = try? delete(.pods, pod.name, DeleteOptions())
                }
                continue
            }
            desired += 1
            for pod in own where pod.isFinished && !pod.isTerminating { _ = try? delete(.pods, pod.name, DeleteOptions()) }
            if own.isEmpty {
                makePod(template, owner: set, namespace: name.namespace) { pod in
                    pod["metadata"]["labels"]["controller-revision-hash"] = .string(hash)
                    pod["spec"]["nodeName"] = .string(node)
                }
            }
        }
        for pod in byNode.values.joined() where !pod.isTerminating { _ = try? delete(.pods, pod.name, DeleteOptions()) }
        var live = pods.owned(by: uid).filter { !$0.isTerminating }
        // One at a time, and only while all others are well (maxUnavailable 1).
        if set["spec"]["updateStrategy"]["type"].string != "OnDelete", live.count == desired, live.allSatisfy(\.isHealthy),
            let old = live.firstIndex(where: { $0.labels["controller-revision-hash"] != hash })
        {
            _ = try? delete(.pods, live[old].name, DeleteOptions())
            live.remove(at: old)
        }
        let ready = live.count(where: \.isHealthy)
        setStatus(.daemonSets, name) { status in
            status["observedGeneration"] = set["metadata"]["generation"]
            status["currentNumberScheduled"] = JSON(live.count)
            status["desiredNumberScheduled"] = JSON(desired)
            status["numberMisscheduled"] = 0
            status["numberReady"] = JSON(ready)
            status["numberAvailable"] = ready == 0 ? .null : JSON(ready)
            status["numberUnavailable"] = desired == ready ? .null : JSON(desired - ready)
            status["updatedNumberScheduled"] = JSON(live.count { $0.labels["controller-revision-hash"] == hash })
        }
    }

    // MARK: Job

    mutating func reconcileJob(_ name: ObjectName) {
        guard let job = object(.jobs, name), job["metadata"]["deletionTimestamp"].isNull, let uid = job["metadata"]["uid"].string else { return }
        let owned = pods.owned(by: uid)
        let succeeded = owned.count { $0.phase == .succeeded }
        let failed = owned.count { $0.phase == .failed }
        let active = owned.filter { !$0.isFinished && !$0.isTerminating }
        let completions = job["spec"]["completions"].count ?? 1
        let parallelism = job["spec"]["parallelism"].count ?? 1
        let isComplete = succeeded >= completions
        let wanted = isComplete ? 0 : max(0, min(parallelism, completions - succeeded))
        if active.count < wanted { for _ in active.count..<wanted { makePod(job["spec"]["template"], owner: job, namespace: name.namespace) } }
        let count = pods.owned(by: uid).count { !$0.isFinished && !$0.isTerminating }
        let stamp = JSON.string(Timestamp.time(now))
        let time = now
        setStatus(.jobs, name) { status in
            if status["startTime"].isNull { status["startTime"] = stamp }
            status["active"] = count == 0 ? .null : JSON(count)
            status["succeeded"] = succeeded == 0 ? .null : JSON(succeeded)
            status["failed"] = failed == 0 ? .null : JSON(failed)
            if isComplete, status["completionTime"].isNull {
                status["completionTime"] = stamp
                Self.setCondition(&status, "Complete", true, at: time)
            }
        }
    }

    // MARK: PodDisruptionBudget

    /// How long an eviction that was granted counts though the pod is still there, seconds.
    private static let disruptionSeconds = 120.0

    mutating func reconcileBudget(_ name: ObjectName) {
        guard let object = object(.budgets, name), let budget = budgets[name] else { return }
        let coverage = coverage[name] ?? Coverage()
        var disrupted = JSONObject()
        for entry in object["status"]["disruptedPods"].object?.members ?? [] {
            guard let pod = pods[ObjectName(name.namespace, entry.name)], !pod.isTerminating, let at = Timestamp.date(entry.value.string),
                now.timeIntervalSince(at) < Self.disruptionSeconds
            else { continue }
            disrupted.set(entry.name, entry.value)
        }
        let granted = disrupted.names.count { pods[ObjectName(name.namespace, $0)]?.isHealthy ?? false }
        let healthy = coverage.healthy - granted
        let scale = coverage.ownerless > 0 ? nil : coverage.owners.keys.map { replicas(of: $0, in: name.namespace) }.reduce(0, +)
        let expectation = budget.expectation(matched: coverage.pods, scale: scale)
        let numbers = DisruptionBudget.Status(
            currentHealthy: healthy, desiredHealthy: expectation?.desired ?? 0, expectedPods: expectation?.expected ?? coverage.pods)
        let allowed = expectation == nil ? 0 : numbers.disruptionsAllowed
        let time = now
        let minor = self.minor
        setStatus(.budgets, name) { status in
            status["observedGeneration"] = object["metadata"]["generation"]
            status["disruptedPods"] = disrupted.isEmpty ? .null : .object(disrupted)
            status["currentHealthy"] = JSON(numbers.currentHealthy)
            status["desiredHealthy"] = JSON(numbers.desiredHealthy)
            status["expectedPods"] = JSON(numbers.expectedPods)
            status["disruptionsAllowed"] = JSON(allowed)
            guard minor >= 21 else { return }
            Self.setCondition(
                &status, "DisruptionAllowed", allowed > 0,
                reason: expectation == nil ? "SyncFailed" : allowed > 0 ? "SufficientPods" : "InsufficientPods",
                message: expectation == nil ? "found no controllers for pods" : "", at: time)
        }
    }

    /// The replicas that a controller is asked for.
    private func replicas(of controller: PodFacts.Controller, in namespace: String) -> Int {
        let key: KindKey? =
            switch controller.kind {
            case "ReplicaSet": .replicaSets
            case "StatefulSet": .statefulSets
            default: nil
            }
        guard let key else { return 0 }
        let own = object(key, ObjectName(namespace, controller.name))
        // A Deployment's number counts, not that of one of its sets, which changes as it rolls.
        if let deployment = own?.controller, deployment.kind == "Deployment",
            let parent = object(.deployments, ObjectName(namespace, deployment.name))
        {
            return parent["spec"]["replicas"].count ?? 1
        }
        return own?["spec"]["replicas"].count ?? 0
    }
}
