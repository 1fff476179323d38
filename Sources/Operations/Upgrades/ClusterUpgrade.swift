internal import Foundation
package import KubernetesAPI
package import Maintenance
package import NodeAccess

/// The custom resource ClusterUpgrade: what version the cluster is to have, and in its status the run that takes it there, or was last.
package struct ClusterUpgrade: KubernetesObject {
    package static let resource = Resource.clusterUpgrades
    package var json: JSON
    package init(_ json: JSON) { self.json = json }

    /// Nil where no run has begun.
    package var state: RunState? { json["status"]["state"].string.flatMap(RunState.init) }
    package var owner: String { json["status"]["owner"].string ?? "" }
    package var message: String { json["status"]["message"].string ?? "" }
    package var isUnfinished: Bool { state.map { !$0.isOver } ?? false }
    /// Whether it waits for a person.
    package var isFailed: Bool { json["status"]["failed"].bool ?? false }
    package var isPaused: Bool { json["spec"]["paused"].bool ?? false }
    package var isTakenBack: Bool { json["spec"]["rollBack"].bool ?? false }
    package var generation: Int { json["metadata"]["generation"].count ?? 0 }
    package var observedGeneration: Int? { json["status"]["observedGeneration"].count }

    /// Of this spec: another one is another upgrade, whose copies and Jobs are others.
    package var tag: String {
        let plain = name.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        return "\(plain.prefix(30))-\(generation)-\(uid.filter { $0.isLetter || $0.isNumber }.prefix(8))"
    }

    /// Of which spec a run was whose tag this is.
    package static func generation(ofTag tag: String) -> Int? { tag.split(separator: "-").dropLast().last.flatMap { Int($0) } }

    /// Without what is most of its bytes.
    package func withoutPlan() -> ClusterUpgrade {
        var json = json
        for field in ["plan", "settings", "steps"] { json["status"][field] = .null }
        json["metadata"]["managedFields"] = .null
        return ClusterUpgrade(json)
    }

    /// When it may work; nil for any time.
    /// - Parameter windows: the MaintenanceWindows that there are.
    /// - Throws: `MaintenanceError` for a window that is not there, or cannot be read.
    package func window(among windows: [JSON]) throws -> Window? {
        try Window(namedBy: json["spec"], among: Dictionary(windows.map { ($0.objectName.name, $0["spec"]) }, uniquingKeysWith: { $1 }))
    }

    /// What is asked, for nodes that are reached as `reach` says.
    /// - Throws: `MaintenanceError` that names the field.
    package func request(_ window: Window?, reach: @escaping @Sendable (String) throws -> NodeAccess) throws -> UpgradeRequest {
        let spec = json["spec"]
        let version = try Self.version(spec["version"], "spec.version")
        var options = DrainMachine.Options()
        options.filters.ignoreDaemonSets = true
        options.filters.force = spec["drain"]["force"].bool ?? false
        options.filters.deleteEmptyDirData = spec["drain"]["deleteEmptyDirData"].bool ?? false
        options.timeoutSeconds = try MaintenancePolicy.seconds(spec["drain"]["timeout"], "spec.drain.timeout") ?? 0
        options.returns = true
        let patience = try MaintenancePolicy.seconds(spec["stepTimeout"], "spec.stepTimeout") ?? 600
        var drain = NodeRunSettings(
            options: options, maxUnavailable: try MaintenancePolicy.maxUnavailable(spec) ?? .count(1), respectsQuorum: true,
            patienceSeconds: patience, mark: "upgrade \(tag)",
            reason: "upgrade to \(version)")
        drain.gracePeriodSeconds = spec["drain"]["gracePeriodSeconds"].count
        var request = UpgradeRequest(
            target: version, via: try spec["via"].elements.map { try Self.version($0, "spec.via") }, tag: tag, folders: CertificateFolders(),
            hosts: nil,
            reach: reach, loadBalancers: [], holdsTraffic: false, sessionSeconds: 0, drain: drain, canaries: max(0, spec["canaries"].count ?? 1),
            soakSeconds: try MaintenancePolicy.seconds(spec["soak"], "spec.soak") ?? 0, backup: try backup(), hooks: [],
            ignoredPreflightErrors: spec["ignorePreflightErrors"].string, patienceSeconds: patience,
            lockSeconds: try MaintenancePolicy.seconds(spec["lockTimeout"], "spec.lockTimeout") ?? 300, window: window, maxSeconds: nil)
        request.waived = Set(spec["waive"].elements.compactMap(\.string))
        return request
    }

    private func backup() throws -> UpgradeBackup? {
        let spec = json["spec"]["backup"]
        guard !spec.isNull else {
            guard json["spec"]["noBackup"] == true else { throw MaintenanceError("spec has neither backup nor noBackup: true") }
            return nil
        }
        func words(_ field: String) -> [String] { spec[field].elements.compactMap(\.string) }
        let backup = UpgradeBackup(
            locations: words("locations"), cluster: spec["cluster"].string ?? "kubernetes", recipients: words("recipients"),
            identityFiles: words("identityFiles"), acceptsPlainKeys: spec["acceptPlainKeys"].bool ?? false)
        guard !backup.recipients.isEmpty || backup.acceptsPlainKeys else {
            throw MaintenanceError(
                "spec.backup has no recipients: the backup has the keys of the cluster's authorities, unless acceptPlainKeys says that they may lie open"
            )
        }
        guard backup.recipients.isEmpty || !backup.identityFiles.isEmpty else {
            throw MaintenanceError("spec.backup has recipients and no identityFiles: nobody sees whether it can be read")
        }
        return backup
    }

    private static func version(_ json: JSON, _ place: String) throws -> KubernetesVersion {
        guard let version = json.string.flatMap(KubernetesVersion.init) else {
            throw MaintenanceError("\(place) is \(json), no version like v1.24.17")
        }
        return version
    }
}
