/// The way from one version of Kubernetes to another: over every minor, since control planes and kubelets may not skip one.
package struct UpgradePath: Sendable, Equatable {
    /// One minor after the other; the last is the target.
    package var hops: [KubernetesVersion]

    /// - Parameters:
    ///   - current: of the oldest control plane.
    ///   - target: the version that is wanted.
    ///   - between: which patch to take of each minor on the way: the newest that is to be had.
    /// - Throws: `MaintenanceError` for a way that does not exist, with the reason.
    package init(from current: KubernetesVersion, to target: KubernetesVersion, between: (Int) -> KubernetesVersion?) throws {
        guard current.major == target.major else {
            throw MaintenanceError("from \(current) to \(target) there is no way: the major version changes.")
        }
        guard target >= current else {
            throw MaintenanceError(
                "\(target) is older than \(current). A control plane cannot be downgraded; `drydock upgrade rollback` takes a run back.")
        }
        var hops: [KubernetesVersion] = []
        if target.minor - current.minor > 1 {
            for minor in (current.minor + 1)..<target.minor {
                guard let version = between(minor), version.minor == minor else {
                    throw MaintenanceError(
                        "on the way to \(target) lies v\(current.major).\(minor), and nobody offers it. Name the patch with --via v\(current.major).\(minor).N."
                    )
                }
                hops.append(version)
            }
        }
        if target > current { hops.append(target) }
        self.hops = hops
    }
}
