internal import Foundation
internal import KubernetesAPI
package import KubernetesClient
package import Maintenance

/// What stands in the way of a version, or should be known before.
package struct UpgradeInspection: Sendable {
    package let client: KubernetesClient
    package let settings: UpgradeSettings
    package let target: KubernetesVersion

    package func findings() async throws -> [HostFinding] { [] }
}
