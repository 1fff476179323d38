internal import Foundation
internal import KubernetesAPI
internal import Maintenance

/// The scheduler, the kubelets and the node controller.
extension World {
    // MARK: Pods as they come and go

    mutating func podChanged(_ name: ObjectName, _ before: JSON?, _ after: JSON?) {
        let old = pods[name]
        guard let after else {
            pods.remove(name)
            unscheduled.remove(name)
            if let old {
                for budget in budgets.covering(old) { coverage[budget.name]?.add(old, -1) }
                capacity.release(old.uid)
                concern(old)
                if !unscheduled.isEmpty { enqueue(.schedule) }
            }
            return
        }
        let new = pods.read(after)
        pods.set(new)
        if let old { for budget in budgets.covering(old) { coverage[budget.name]?.add(old, -1) } }
        for budget in budgets.covering(new) { coverage[budget.name]?.add(new, 1) }
        if old?.isHealthy != new.isHealthy || old?.isTerminating != new.isTerminating || old?.isFinished != new.isFinished || old == nil
            || old?.labels != new.labels
        {
            concern(new)
        }
        if let node = new.node {
            unscheduled.remove(name)
            if old?.node == nil {
                if !new.isFinished { capacity.bind(new.uid, namespace: name.namespace, labels: new.labels, placement: new.placement, to: node) }
                if new.phase == .pending, !deadNodes.contains(node) { schedule(draw(options.startSeconds), .podStarts(name, uid: new.uid)) }
            }
            if new.isFinished, old?.isFinished == false {
                capacity.release(new.uid)
                if !unscheduled.isEmpty { enqueue(.schedule) }
            }
            if new.isTerminating, old?.deletion != new.deletion, !deadNodes.contains(node) {
                schedule(min(Double(new.gracePeriodSeconds), draw(options.stopSeconds)), .podStops(name, uid: new.uid))
            }
        } else if !new.isFinished, !new.isTerminating {
            unscheduled.insert(name)
            enqueue(.schedule)
        }
    }

    /// The owner and the budgets of a pod are to look.
    private mutating func concern(_ pod: PodFacts) {
        if let owner = pod.controller {
            let name = ObjectName(pod.name.namespace, owner.name)
            switch owner.kind {
            case "ReplicaSet": enqueue(.replicaSet(name))
            case "StatefulSet": enqueue(.statefulSet(name))
            case "DaemonSet": enqueue(.daemonSet(name))
            case "Job": enqueue(.job(name))
            default: break
            }
        }
        for budget in budgets.covering(pod) { enqueue(.budget(budget.name)) }
    }

    /// A time about a median, from the cluster's own chance.
    private mutating func draw(_ median: Double) -> Double { median * exp(log(max(1, options.spread)) * (random.unit() * 2 - 1)) }

    // MARK: Scheduler

    mutating func schedulePods() {
        let waiting = unscheduled.compactMap { pods[$0] }.sorted { ($1.placement.priority, $0.name) < ($0.placement.priority, $1.name) }
        // Many pods of one kind that find no place need not look one by one.
        var hopeless: [(placement: PodPlacement, namespace: String, choice: ClusterCapacity.Choice)] = []
        for pod in waiting {
            let known = hopeless.first { $0.placement === pod.placement && $0.namespace == pod.name.namespace }
            let choice = known?.choice ?? capacity.choose(namespace: pod.name.namespace, labels: pod.labels, placement: pod.placement)
            switch choice {
            case .node(let node): bind(pod.name, to: node)
            case .none:
                if known == nil { hopeless.append((pod.placement, pod.name.namespace, choice)) }
                let message = choice.message(nodes: capacity.nodeCount) ?? ""
                let time = now
                setStatus(.pods, pod.name) { status in
                    Self.setCondition(&status, "PodScheduled", false, reason: "Unschedulable", message: message, at: time)
                }
            }
        }
    }

    /// Binds a pod to a node, as the scheduler does by the subresource `binding`.
    mutating func bind(_ name: ObjectName, to node: String) {
        let time = now
        update(.pods, name) { pod in
            pod["spec"]["nodeName"] = .string(node)
            Self.setCondition(&pod["status"], "PodScheduled", true, at: time)
        }
    }

    // MARK: Kubelet

    mutating func podStarts(_ name: ObjectName, _ uid: String) {
        guard let pod = pods[name], pod.uid == uid, let node = pod.node, !deadNodes.contains(node), !pod.isTerminating, pod.phase == .pending else {
            return
        }
        addressCount += 1
        let address = "10.\(64 + addressCount >> 16 & 63).\(addressCount >> 8 & 255).\(addressCount & 255)"
        let stamp = JSON.string(Timestamp.time(now))
        let time = now
        update(.pods, name) { object in
            let containers = object["spec"]["containers"].elements
            object["status"]["phase"] = "Running"
            object["status"]["startTime"] = stamp
            object["status"]["podIP"] = .string(address)
            object["status"]["podIPs"] = [["ip": .string(address)]]
            object["status"]["hostIP"] = .string("192.0.2.1")
            object["status"]["containerStatuses"] = .array(
                containers.map { container in
                    [
                        "name": container["name"], "image": container["image"], "imageID": "", "ready": false, "started": true, "restartCount": 0,
                        "state": ["running": ["startedAt": stamp]], "lastState": [:],
                    ]
                })
            Self.setCondition(&object["status"], "Initialized", true, at: time)
            Self.setCondition(&object["status"], "Ready", false, reason: "ContainersNotReady", at: time)
            Self.setCondition(&object["status"], "ContainersReady", false, reason: "ContainersNotReady", at: time)
        }
        schedule(draw(options.readySeconds), .podReady(name, uid: uid))
        if pod.controller?.kind == "Job" { schedule(draw(options.jobSeconds), .podCompletes(name, uid: uid)) }
    }

    mutating func podReady(_ name: ObjectName, _ uid: String) {
        guard let pod = pods[name], pod.uid == uid, let node = pod.node, !deadNodes.contains(node), !pod.isTerminating, pod.phase == .running else {
            return
        }
        // A pod may be told never to be ready, to try what happens then.
        guard object(.pods, name)?["metadata"]["annotations"]["twin.drydock.dev/never-ready"].isNull != false else { return }
        setReady(name, true)
    }

    private mutating func setReady(_ name: ObjectName, _ isReady: Bool) {
        let time = now
        setStatus(.pods, name) { status in
            status["containerStatuses"] = .array(
                status["containerStatuses"].elements.map {
                    var container = $0
                    container["ready"] = .bool(isReady)
                    return container
                })
            Self.setCondition(&status, "Ready", isReady, reason: isReady ? "" : "ContainersNotReady", at: time)
            Self.setCondition(&status, "ContainersReady", isReady, reason: isReady ? "" : "ContainersNotReady", at: time)
        }
    }

    mutating func podStops(_ name: ObjectName, _ uid: String) {
        guard let pod = pods[name], pod.uid == uid, pod.isTerminating, pod.node.map({ !deadNodes.contains($0) }) ?? true else { return }
        removeOrFinalize(.pods, name)
    }

    mutating func podCompletes(_ name: ObjectName, _ uid: String) {
        guard let pod = pods[name], pod.uid == uid, pod.phase == .running, !pod.isTerminating, pod.node.map({ !deadNodes.contains($0) }) ?? false
        else { return }
        let stamp = JSON.string(Timestamp.time(now))
        let time = now
        setStatus(.pods, name) { status in
            status["phase"] = "Succeeded"
            status["containerStatuses"] = .array(
                status["containerStatuses"].elements.map {
                    var container = $0
                    container["ready"] = false
                    container["state"] = ["terminated": ["exitCode": 0, "reason": "Completed", "finishedAt": stamp]]
                    return container
                })
            Self.setCondition(&status, "Ready", false, reason: "PodCompleted", at: time)
            Self.setCondition(&status, "ContainersReady", false, reason: "PodCompleted", at: time)
        }
    }

    // MARK: Nodes

    mutating func nodeChanged(_ name: String, _ before: JSON?, _ after: JSON?) {
        guard let after else {
            capacity.removeNode(name)
            heartbeats[name] = nil
            for pod in pods.onNode(name) { remove(.pods, pod.name) }
            return
        }
        let facts = Node(after).facts
        let old = before.map { Node($0).facts }
        if old != facts { capacity.set(facts) }
        if before == nil {
            if faults.lostNodes.contains(name) { deadNodes.insert(name) }
            heartbeats[name] = now
            if options.writesLeases { schedule(options.leaseSeconds * random.unit(), .heartbeat(node: name)) }
            for set in sortedNames(.daemonSets) { enqueue(.daemonSet(set)) }
        }
        if old?.isUnschedulable != facts.isUnschedulable { enqueue(.node(name)) }
        if old?.labels != facts.labels || old?.taints != facts.taints { for set in sortedNames(.daemonSets) { enqueue(.daemonSet(set)) } }
        if old != facts, !unscheduled.isEmpty { enqueue(.schedule) }
    }

    /// The taint that goes with `spec.unschedulable` (node lifecycle controller).
    mutating func reconcileNode(_ name: String) {
        let stamp = JSON.string(Timestamp.time(now))
        update(.nodes, ObjectName("", name)) { node in
            var taints = node["spec"]["taints"].elements.filter { $0["key"].string != Taint.unschedulable.key }
            if node["spec"]["unschedulable"].bool == true {
                taints.append(["key": .string(Taint.unschedulable.key), "effect": "NoSchedule", "timeAdded": stamp])
            }
            node["spec"]["taints"] = taints.isEmpty ? .null : .array(taints)
        }
    }

    mutating func heartbeat(_ name: String) {
        guard object(.nodes, ObjectName("", name)) != nil else { return }
        if options.writesLeases { schedule(options.leaseSeconds, .heartbeat(node: name)) }
        guard !deadNodes.contains(name) else { return }
        heartbeats[name] = now
        if Node(object(.nodes, ObjectName("", name)) ?? .null).isReady == false { nodeReturns(name) }
        if options.writesLeases { renewLease(name) }
    }

    /// The kubelet says that it lives.
    mutating func renewLease(_ name: String) {
        guard !deadNodes.contains(name), object(.nodes, ObjectName("", name)) != nil else { return }
        let stamp = JSON.string(Timestamp.microTime(now))
        let lease = ObjectName("kube-node-lease", name)
        if object(.leases, lease) == nil {
            let new: JSON = [
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": ["name": .string(name), "namespace": "kube-node-lease"],
                "spec": ["holderIdentity": .string(name), "leaseDurationSeconds": 40, "renewTime": stamp],
            ]
            _ = try? create(.leases, new, namespace: "kube-node-lease")
        } else {
            update(.leases, lease) { $0["spec"]["renewTime"] = stamp }
        }
    }

    /// Nodes that were not heard for too long are not ready, and their pods are not either.
    mutating func monitorNodes() {
        schedule(options.nodeMonitorSeconds, .monitorNodes)
        for name in heartbeats.keys.sorted() {
            guard let heard = heartbeats[name], now.timeIntervalSince(heard) > options.nodeGraceSeconds else { continue }
            nodeUnheard(name)
        }
    }

    /// A node was not heard for too long.
    mutating func nodeUnheard(_ name: String) {
        guard deadNodes.contains(name), let node = object(.nodes, ObjectName("", name)), Node(node).condition("Ready")?["status"].string != "Unknown"
        else { return }
        let stamp = JSON.string(Timestamp.time(now))
        update(.nodes, ObjectName("", name)) { node in
            node["status"]["conditions"] = .array(
                node["status"]["conditions"].elements.map {
                    var condition = $0
                    if condition["type"].string == "Ready" {
                        condition["status"] = "Unknown"
                        condition["reason"] = "NodeStatusUnknown"
                        condition["message"] = "Kubelet stopped posting node status."
                        condition["lastTransitionTime"] = stamp
                    }
                    return condition
                })
            var taints = node["spec"]["taints"].elements
            for effect in ["NoSchedule", "NoExecute"] {
                taints.append(["key": "node.kubernetes.io/unreachable", "effect": .string(effect), "timeAdded": stamp])
            }
            node["spec"]["taints"] = .array(taints)
        }
        let taint = Taint(key: "node.kubernetes.io/unreachable", effect: "NoExecute")
        for pod in pods.onNode(name).sorted(by: { $0.name < $1.name }) where !pod.isFinished {
            setReady(pod.name, false)
            let tolerations = pod.placement.tolerations.filter { $0.tolerates(taint) }
            if tolerations.isEmpty {
                schedule(0, .taintEviction(pod.name, uid: pod.uid))
            } else if let least = tolerations.compactMap(\.seconds).min() {
                schedule(least, .taintEviction(pod.name, uid: pod.uid))
            }
        }
    }

    /// The pods of a node that does not come back are deleted; their end nobody there can confirm.
    mutating func evictForTaint(_ name: ObjectName, _ uid: String) {
        guard let pod = pods[name], pod.uid == uid, let node = pod.node, deadNodes.contains(node) else { return }
        _ = try? delete(.pods, name, DeleteOptions())
    }

    /// A node's kubelet dies, or lives again.
    mutating func setAlive(_ node: String, _ isAlive: Bool) {
        if isAlive, !faults.lostNodes.contains(node) {
            deadNodes.remove(node)
            heartbeat(node)
        } else {
            deadNodes.insert(node)
            if !options.writesLeases { schedule(options.nodeGraceSeconds + options.nodeMonitorSeconds / 2, .nodeUnheard(node)) }
        }
    }

    /// A node goes down, and is back after a time, booted anew; one that is lost stays away.
    mutating func reboot(_ node: String, seconds: Double) {
        setAlive(node, false)
        schedule(seconds, .nodeBoots(node))
    }

    mutating func nodeBoots(_ name: String) {
        guard !faults.lostNodes.contains(name) else { return }
        let uid = makeUID()
        setAlive(name, true)
        // What ran starts anew, also where nobody has missed the node.
        for pod in pods.onNode(name).sorted(by: { $0.name < $1.name }) where pod.isReady && !pod.isTerminating {
            setReady(pod.name, false)
            schedule(draw(options.readySeconds), .podReady(pod.name, uid: pod.uid))
        }
        update(.nodes, ObjectName("", name)) { $0["status"]["nodeInfo"]["bootID"] = .string(uid) }
    }

    private mutating func nodeReturns(_ name: String) {
        let time = now
        update(.nodes, ObjectName("", name)) { node in
            Self.setCondition(&node["status"], "Ready", true, reason: "KubeletReady", message: "kubelet is posting ready status", at: time)
            let taints = node["spec"]["taints"].elements.filter { $0["key"].string != "node.kubernetes.io/unreachable" }
            node["spec"]["taints"] = taints.isEmpty ? .null : .array(taints)
        }
        for pod in pods.onNode(name).sorted(by: { $0.name < $1.name }) {
            if pod.isTerminating {
                schedule(draw(options.stopSeconds), .podStops(pod.name, uid: pod.uid))
            } else if pod.phase == .pending {
                schedule(draw(options.startSeconds), .podStarts(pod.name, uid: pod.uid))
            } else if pod.phase == .running {
                schedule(draw(options.readySeconds), .podReady(pod.name, uid: pod.uid))
            }
        }
    }

    // MARK: Making nodes

    /// A node as a kubelet registers it.
    static func node(
        _ name: String, cpu: String = "4", memory: String = "16Gi", pods: Int = 110, labels: [String: String] = [:], now: Date, minor: Int
    ) -> JSON {
        let stamp = JSON.string(Timestamp.time(now))
        func condition(_ type: String, _ status: String, _ reason: String) -> JSON {
            ["type": .string(type), "status": .string(status), "reason": .string(reason), "lastHeartbeatTime": stamp, "lastTransitionTime": stamp]
        }
        var all = labels
        all["kubernetes.io/hostname"] = name
        all["kubernetes.io/os"] = "linux"
        all["kubernetes.io/arch"] = "amd64"
        let amounts: JSON = ["cpu": .string(cpu), "memory": .string(memory), "pods": .string("\(pods)")]
        return [
            "apiVersion": "v1", "kind": "Node", "metadata": ["name": .string(name), "labels": JSON(all)], "spec": [:],
            "status": [
                "capacity": amounts, "allocatable": amounts,
                "conditions": [
                    condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                    condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                    condition("PIDPressure", "False", "KubeletHasSufficientPID"), condition("Ready", "True", "KubeletReady"),
                ],
                "addresses": [["type": "InternalIP", "address": "192.0.2.1"], ["type": "Hostname", "address": .string(name)]],
                "nodeInfo": [
                    "kubeletVersion": .string("v1.\(minor).0"), "kubeProxyVersion": .string("v1.\(minor).0"), "osImage": "drydock twin",
                    "containerRuntimeVersion": "twin://1", "kernelVersion": "0", "operatingSystem": "linux", "architecture": "amd64",
                    "bootID": .string("boot-of-\(name)"), "machineID": .string(name), "systemUUID": .string(name),
                ],
            ],
        ]
    }
}
