package import KubernetesAPI
package import Maintenance

extension Window {
    /// Of the spec of a MaintenanceWindow.
    /// - Throws: `MaintenanceError` for what is none; it names the place.
    package init(spec: JSON) throws(MaintenanceError) { try self.init(Self.text(of: spec)) }

    /// Several together: open when any of them is, and closed in the blackouts of all.
    package init(specs: [JSON]) throws(MaintenanceError) {
        var texts: [String] = []
        for spec in specs { texts.append(try Self.text(of: spec)) }
        try self.init(texts.joined(separator: "; "))
    }

    private static func text(of spec: JSON) throws(MaintenanceError) -> String {
        let zone = spec["timeZone"].string ?? "UTC"
        _ = try Self.zone(zone)
        var parts: [String] = []
        for opening in spec["openings"].elements {
            let (schedule, duration) = (opening["schedule"].string ?? "", opening["duration"].string ?? "")
            let words = schedule.split(separator: " ")
            guard !schedule.contains(";"), words.count == 5 || words.count == 1 && schedule.hasPrefix("@"), !duration.contains(" ") else {
                throw MaintenanceError("the schedule \"\(schedule)\" has not the five fields of a CronJob's")
            }
            parts.append("\(schedule) \(duration) \(zone)")
        }
        for blackout in spec["blackouts"].elements {
            parts.append("not \(blackout["from"].string ?? "")..\(blackout["through"].string ?? "") \(zone)")
        }
        guard !parts.isEmpty else { throw MaintenanceError("it has no openings") }
        return parts.joined(separator: "; ")
    }
}

extension Window {
    /// All that a spec names in `windows`; nil where it names none.
    /// - Parameter windows: the specs of the MaintenanceWindows, by name.
    init?(namedBy spec: JSON, among windows: [String: JSON]) throws(MaintenanceError) {
        var specs: [JSON] = []
        for name in spec["windows"].elements.compactMap(\.string) {
            guard let window = windows[name] else { throw MaintenanceError("spec.windows names \(name), and there is no such MaintenanceWindow") }
            do throws(MaintenanceError) { _ = try Window(spec: window) } catch {
                throw MaintenanceError("the MaintenanceWindow \(name) is not valid: \(error)")
            }
            specs.append(window)
        }
        guard !specs.isEmpty else { return nil }
        try self.init(specs: specs)
    }
}

extension MaintenancePolicy {
    /// Of a NodeMaintenance.
    /// - Parameter windows: the specs of the MaintenanceWindows, by name.
    /// - Throws: `MaintenanceError` that names the field.
    package init(_ object: JSON, windows: [String: JSON]) throws(MaintenanceError) {
        let spec = object["spec"]
        self.init(name: object["metadata"]["name"].string ?? "")
        if !spec["nodeSelector"].isNull { selector = try Self.selector(spec["nodeSelector"], "spec.nodeSelector") }
        maxUnavailable = try Self.maxUnavailable(spec) ?? maxUnavailable
        window = try Window(namedBy: spec, among: windows)
        pause = Self.pause(of: object)
        try readOrder(spec["order"])
        try readDrain(spec["drain"])
        try readAction(spec["action"])
        if let text = spec["reboot"].string { reboot = try Self.choice(text, "spec.reboot") }
        for (index, check) in spec["checks"].elements.enumerated() { checks.append(try Self.check(check, "spec.checks[\(index)]")) }
        if let text = spec["onFailure"]["action"].string { onFailure = try Self.choice(text, "spec.onFailure.action") }
        retries = max(0, spec["onFailure"]["retries"].count ?? 0)
        soakSeconds = try Self.seconds(spec["soak"], "spec.soak") ?? soakSeconds
        canaries = max(0, spec["canaries"].count ?? 0)
        expectedNodeSeconds = try Self.seconds(spec["timeouts"]["node"], "spec.timeouts.node") ?? expectedNodeSeconds
        actionTimeoutSeconds = try Self.seconds(spec["timeouts"]["action"], "spec.timeouts.action") ?? actionTimeoutSeconds
        rebootTimeoutSeconds = try Self.seconds(spec["timeouts"]["reboot"], "spec.timeouts.reboot") ?? rebootTimeoutSeconds
        healthTimeoutSeconds = try Self.seconds(spec["timeouts"]["health"], "spec.timeouts.health") ?? healthTimeoutSeconds
        for (index, pods) in spec["blockingPods"].elements.enumerated() {
            blockingPods.append(try Self.selector(pods, "spec.blockingPods[\(index)]"))
        }
        if let url = spec["prometheus"]["url"].string {
            let rule = AlertRule(
                url: url, ignore: spec["prometheus"]["ignoreAlerts"].string, countsPending: spec["prometheus"]["countPending"].bool ?? false)
            if let ignore = rule.ignore, (try? Regex(ignore)) == nil {
                throw MaintenanceError("spec.prometheus.ignoreAlerts is no regular expression: \(ignore)")
            }
            alerts = rule
        }
        alertmanager = spec["alertmanager"]["url"].string
        for (index, target) in spec["notifications"].elements.enumerated() {
            notifications.append(
                Notification(
                    url: target["url"].string, urlFile: target["urlFile"].string,
                    format: try target["format"].string.map { text throws(MaintenanceError) in
                        try Self.choice(text, "spec.notifications[\(index)].format")
                    } ?? .generic))
        }
    }

    /// Of a NodeMaintenance, among the MaintenanceWindows that there are.
    package init(_ object: JSON, among windows: [JSON]) throws(MaintenanceError) {
        try self.init(object, windows: Dictionary(windows.map { ($0.objectName.name, $0["spec"]) }, uniquingKeysWith: { $1 }))
    }

    /// Why a NodeMaintenance begins nothing; nil when it may.
    package static func pause(of object: JSON) -> String? {
        if let reason = object["metadata"]["annotations"][Annotations.pause].string { return reason.isEmpty ? "by annotation" : reason }
        return object["spec"]["paused"].bool == true ? "spec.paused" : nil
    }

    static func maxUnavailable(_ spec: JSON) throws(MaintenanceError) -> IntOrPercent? {
        guard !spec["maxUnavailable"].isNull else { return nil }
        guard let value = spec["maxUnavailable"].intOrPercent else {
            throw MaintenanceError("spec.maxUnavailable is \(spec["maxUnavailable"]), neither a number nor a percentage")
        }
        return value
    }

    private mutating func readOrder(_ json: JSON) throws(MaintenanceError) {
        if let text = json["zones"].string { order.zones = try Self.choice(text, "spec.order.zones") }
        for (index, selector) in json["first"].elements.enumerated() {
            order.first.append(try Self.selector(selector, "spec.order.first[\(index)]"))
        }
        order.priorityLabel = json["priorityLabel"].string
        order.controlPlaneLast = json["controlPlaneLast"].bool ?? true
    }

    private mutating func readDrain(_ json: JSON) throws(MaintenanceError) {
        guard json["enabled"].bool ?? true else {
            drain = nil
            return
        }
        var terms = Drain()
        terms.options.returns = true
        terms.options.filters.ignoreDaemonSets = true
        terms.options.filters.force = json["force"].bool ?? false
        terms.options.filters.deleteEmptyDirData = json["deleteEmptyDirData"].bool ?? true
        terms.options.filters.skipWaitForDeleteTimeoutSeconds = Double(max(0, json["skipWaitForDeleteTimeoutSeconds"].count ?? 0))
        terms.options.timeoutSeconds = try Self.seconds(json["timeout"], "spec.drain.timeout") ?? 1800
        terms.options.awaitsReplacements = json["awaitReplacements"].bool ?? true
        terms.options.replacementSeconds = try Self.seconds(json["replacementTimeout"], "spec.drain.replacementTimeout") ?? 300
        terms.options.disablesEviction = json["disableEviction"].bool ?? false
        terms.gracePeriodSeconds = json["gracePeriodSeconds"].count
        if !json["podSelector"].isNull { terms.podSelector = try Self.selector(json["podSelector"], "spec.drain.podSelector") }
        drain = terms
    }

    private mutating func readAction(_ json: JSON) throws(MaintenanceError) {
        guard let object = json.object, let member = object.members.first else { return }
        guard object.count == 1 else { throw MaintenanceError("spec.action says \(object.names.joined(separator: " and ")), and one thing is meant") }
        switch member.name {
        case "osUpdate": action = .osUpdate(PackageChoice(member.value))
        case "reboot": action = .reboot
        case "command":
            let words = member.value["command"].elements.compactMap(\.string)
            guard !words.isEmpty else { throw MaintenanceError("spec.action.command.command is empty") }
            action = .command(words)
        case "none": action = .none
        default: throw MaintenanceError("spec.action.\(member.name) is unknown")
        }
    }

    private static func check(_ json: JSON, _ place: String) throws(MaintenanceError) -> HealthCheck {
        let question: HealthCheck.Question
        if let url = json["http"]["url"].string {
            question = .http(url: url)
        } else {
            let words = json["command"].elements.compactMap(\.string)
            guard !words.isEmpty else { throw MaintenanceError("\(place) has neither http nor command") }
            question = .command(words)
        }
        var moments: Set<HealthCheck.Moment> = []
        for text in json["when"].elements.compactMap(\.string) { moments.insert(try choice(text, "\(place).when")) }
        return HealthCheck(
            name: json["name"].string ?? place, question: question, moments: moments.isEmpty ? Set(HealthCheck.Moment.allCases) : moments,
            timeoutSeconds: try seconds(json["timeout"], "\(place).timeout") ?? 10)
    }

    // MARK: Values

    private static func selector(_ json: JSON, _ place: String) throws(MaintenanceError) -> LabelSelector {
        guard let selector = LabelSelector(json) else { throw MaintenanceError("\(place) is no label selector") }
        return selector
    }

    static func seconds(_ json: JSON, _ place: String) throws(MaintenanceError) -> Double? {
        guard let text = json.string else { return nil }
        guard let seconds = Duration.seconds(inGoText: text), seconds <= Window.longest else {
            throw MaintenanceError("\(place) is \(text), no time like 90s, 15m or 1h30m, or more than a week")
        }
        return seconds
    }

    private static func choice<Value: RawRepresentable<String> & CaseIterable>(_ text: String, _ place: String) throws(MaintenanceError) -> Value {
        guard let value = Value(rawValue: text) else {
            throw MaintenanceError("\(place) is \(text), and \(Value.allCases.map(\.rawValue).joined(separator: ", ")) are known")
        }
        return value
    }
}

/// What drydock writes on nodes, and reads there.
package enum Annotations {
    /// On a node, a NodeMaintenance or the controller's namespace: nothing begins there, for the reason that it says.
    package static let pause = "drydock.dev/pause"
    /// On a NodeMaintenance: when a person asked for a round.
    package static let requested = "drydock.dev/requested-at"
    /// On a node: when each NodeMaintenance was done with it, JSON by name.
    package static let maintained = "drydock.dev/maintained"
    /// On a MaintenanceRun: a person wants it to go on, or to be given up.
    package static let resume = "drydock.dev/resume"
    package static let abort = "drydock.dev/abort"
    /// The label of a MaintenanceRun that names its NodeMaintenance.
    package static let maintenance = "drydock.dev/maintenance"
    /// Of cluster-autoscaler: it does not take the node away meanwhile.
    package static let scaleDownDisabled = "cluster-autoscaler.kubernetes.io/scale-down-disabled"
    /// On a node: the autoscaler's annotation is ours.
    package static let ownsScaleDown = "drydock.dev/scale-down-disabled"
}
