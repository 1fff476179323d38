internal import KubernetesAPI
internal import KubernetesClient
internal import KubernetesRuntime
package import Maintenance
internal import Operations

/// The NodeMaintenance that an environment describes, for who wants no custom resources: MAX_UNAVAILABLE, MAINTENANCE_WINDOW (a cron schedule),
/// MAINTENANCE_DURATION and TZ.
package struct DefaultMaintenance: Sendable {
    package static let name = "default"

    let maxUnavailable: IntOrPercent
    /// The spec of a MaintenanceWindow; nil for any time.
    let window: JSON?

    /// - Returns: nil when the environment says nothing of maintenance.
    /// - Throws: `MaintenanceError` that names the variable.
    package init?(environment: [String: String]) throws(MaintenanceError) {
        let schedule = environment["MAINTENANCE_WINDOW"].flatMap { $0.isEmpty ? nil : $0 }
        let share = environment["MAX_UNAVAILABLE"].flatMap { $0.isEmpty ? nil : $0 }
        guard schedule != nil || share != nil else { return nil }
        guard let value = IntOrPercent(share ?? "1") else {
            throw MaintenanceError("MAX_UNAVAILABLE is \"\(share ?? "")\", neither a number nor a percentage such as 20%")
        }
        maxUnavailable = value
        guard let schedule else {
            window = nil
            return
        }
        let spec: JSON = [
            "timeZone": .string(environment["TZ"].flatMap { $0.isEmpty ? nil : $0 } ?? "UTC"),
            "openings": [
                [
                    "schedule": .string(schedule),
                    "duration": .string(environment["MAINTENANCE_DURATION"].flatMap { $0.isEmpty ? nil : $0 } ?? "4h"),
                ]
            ],
        ]
        do throws(MaintenanceError) { _ = try Window(spec: spec) } catch {
            throw MaintenanceError("MAINTENANCE_WINDOW, MAINTENANCE_DURATION and TZ make no window: \(error)")
        }
        window = spec
    }

    /// Writes it into the cluster, where there is no NodeMaintenance of somebody else's.
    func apply(to view: MaintenanceView) async throws {
        guard view.maintenances.values.allSatisfy({ $0.objectName.name == Self.name }) else { return }
        let labels: JSON = ["app.kubernetes.io/managed-by": "drydock"]
        if let window {
            try await apply(
                .maintenanceWindows,
                [
                    "apiVersion": .string(Resource.maintenanceWindows.apiVersion), "kind": "MaintenanceWindow",
                    "metadata": ["name": .string(Self.name), "labels": labels], "spec": window,
                ], view)
        }
        var spec: JSON = ["maxUnavailable": .string(maxUnavailable.description)]
        if case .count(let count) = maxUnavailable { spec["maxUnavailable"] = JSON(count) }
        if window != nil { spec["windows"] = [.string(Self.name)] }
        try await apply(
            .nodeMaintenances,
            [
                "apiVersion": .string(Resource.nodeMaintenances.apiVersion), "kind": "NodeMaintenance",
                "metadata": ["name": .string(Self.name), "labels": labels], "spec": spec,
            ], view)
    }

    private func apply(_ resource: Resource, _ object: JSON, _ view: MaintenanceView) async throws {
        try await view.client.patch(resource, object.objectName, .apply(object, manager: "drydock-environment", force: true))
    }
}
