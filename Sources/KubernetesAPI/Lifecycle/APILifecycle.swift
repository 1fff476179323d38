/// When an API of Kubernetes came, was deprecated and went: one kind of one version of a group.
///
/// From the life-cycle markers of k8s.io/api (Kubernetes 1.37), and from what was in that repository at each release where a marker says otherwise or is
/// missing: types that were deleted are served by nobody, whatever their marker said. Kinds of files (kubeadm's, the scheduler's, audit policies) by the
/// release notes.
package struct APILifecycle: Sendable, Equatable {
    /// What kind of thing it is.
    package enum Scope: Character, Sendable {
        case namespaced = "n"
        case cluster = "c"
        /// Asked for, and kept nowhere: reviews, subresources.
        case virtual = "v"
        /// Of files on hosts; no API server serves it.
        case file = "f"
    }

    /// `policy/v1beta1`; `v1` for the core group.
    package var groupVersion: String
    package var kind: String
    /// Minor releases; nil where nobody says.
    package var introduced: Int?
    package var deprecated: Int?
    /// The first release without it; nil for one that is still there.
    package var removed: Int?
    /// `policy/v1`; nil where nothing takes its place.
    package var replacement: String?
    package var replacementSince: Int?
    package var scope: Scope
    /// Whether API servers serve it only when somebody asks for it (--runtime-config, a feature gate).
    package var isAlpha: Bool
    /// Where sources disagree.
    package var remark: String?

    package var group: String { groupVersion.contains("/") ? String(groupVersion.prefix { $0 != "/" }) : "" }
    package var version: String { String(groupVersion.split(separator: "/").last ?? "") }

    /// The name in paths, by the rule that all of them follow.
    package var plural: String {
        let name = kind.lowercased()
        if name.hasSuffix("parameters") { return name }
        if name.hasSuffix("s") { return name + "es" }
        return name.hasSuffix("y") ? name.dropLast() + "ies" : name + "s"
    }

    package func isServed(in minor: Int) -> Bool { (introduced ?? 0) <= minor && removed.map { minor < $0 } ?? true }
    package func isRemoved(in minor: Int) -> Bool { removed.map { $0 <= minor } ?? false }
    package func isDeprecated(in minor: Int) -> Bool { deprecated.map { $0 <= minor } ?? false }

    /// All that were ever deprecated, since 1.16.
    package static let table: [APILifecycle] = rows.split(separator: "\n").flatMap(parse)

    private static let index = Dictionary(table.map { ("\($0.groupVersion) \($0.kind)", $0) }, uniquingKeysWith: { first, _ in first })

    package static func find(_ groupVersion: String, _ kind: String) -> APILifecycle? { index["\(groupVersion) \(kind)"] }

    private static func parse(_ line: Substring) -> [APILifecycle] {
        let cells = line.split(separator: "|", omittingEmptySubsequences: false).map { $0.trimmed }
        guard cells.count >= 8, let mark = cells[7].first, let scope = Scope(rawValue: mark) else { return [] }
        func text(_ index: Int) -> String? { cells[index] == "-" ? nil : cells[index] }
        return cells[1].split(separator: " ").map { kind in
            APILifecycle(
                groupVersion: cells[0], kind: String(kind), introduced: Int(cells[2]), deprecated: Int(cells[3]), removed: Int(cells[4]),
                replacement: text(5), replacementSince: Int(cells[6]), scope: scope, isAlpha: cells[7].hasSuffix("a"),
                remark: cells.count > 8 ? cells[8] : nil)
        }
    }

    /// group/version | kinds | introduced | deprecated | removed | replacement | since | scope, a for off by default | where sources disagree
    private static let rows = """
        apps/v1beta1 | ControllerRevision | 7 | 8 | 16 | apps/v1 | 9 | n
        apps/v1beta1 | Deployment | 6 | 8 | 16 | apps/v1 | 9 | n
        apps/v1beta1 | DeploymentRollback | 6 | 8 | 16 | apps/v1 | - | v
        apps/v1beta1 | Scale | 6 | 8 | 16 | autoscaling/v1 | 2 | v
        apps/v1beta1 | StatefulSet | 5 | 8 | 16 | apps/v1 | 9 | n
        apps/v1beta2 | ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet | 8 | 9 | 16 | apps/v1 | 9 | n
        apps/v1beta2 | Scale | 8 | 9 | 16 | autoscaling/v1 | 2 | v
        extensions/v1beta1 | DaemonSet Deployment | 1 | 8 | 16 | apps/v1 | 9 | n
        extensions/v1beta1 | DeploymentRollback | 2 | 8 | 16 | - | - | v
        extensions/v1beta1 | NetworkPolicy | 3 | 9 | 16 | networking.k8s.io/v1 | 7 | n
        extensions/v1beta1 | PodSecurityPolicy | 2 | 11 | 16 | policy/v1beta1 | 10 | c
        extensions/v1beta1 | ReplicaSet | 2 | 8 | 16 | apps/v1 | 9 | n
        extensions/v1beta1 | Scale | 1 | 2 | 16 | - | - | v
        auditregistration.k8s.io/v1alpha1 | AuditSink | - | - | 19 | - | - | ca | no marker; the types went then
        kubeadm.k8s.io/v1beta1 | ClusterConfiguration InitConfiguration JoinConfiguration | 13 | 17 | 20 | kubeadm.k8s.io/v1beta2 | 15 | f
        settings.k8s.io/v1alpha1 | PodPreset | - | - | 20 | - | - | na | no marker; the types went then
        batch/v2alpha1 | CronJob | - | - | 21 | batch/v1 | 21 | na | no marker; the types went then
        batch/v2alpha1 | JobTemplate | - | - | 21 | - | - | va | no marker; the types went then
        discovery.k8s.io/v1alpha1 | EndpointSlice | - | - | 21 | discovery.k8s.io/v1 | 21 | na | no marker; the types went then
        flowcontrol.apiserver.k8s.io/v1alpha1 | FlowSchema PriorityLevelConfiguration | 18 | 20 | 21 | flowcontrol.apiserver.k8s.io/v1beta3 | 26 | ca
        admission.k8s.io/v1beta1 | AdmissionReview | 9 | 19 | 22 | admission.k8s.io/v1 | 19 | v
        admissionregistration.k8s.io/v1beta1 | MutatingWebhookConfiguration ValidatingWebhookConfiguration | 9 | 16 | 22 | admissionregistration.k8s.io/v1 | 16 | c
        apiextensions.k8s.io/v1beta1 | CustomResourceDefinition | 7 | 16 | 22 | apiextensions.k8s.io/v1 | 16 | c
        apiregistration.k8s.io/v1beta1 | APIService | 7 | 19 | 22 | apiregistration.k8s.io/v1 | 10 | c
        authentication.k8s.io/v1beta1 | TokenReview | 4 | 19 | 22 | authentication.k8s.io/v1 | 6 | v
        authorization.k8s.io/v1beta1 | LocalSubjectAccessReview SelfSubjectAccessReview | 2 | 19 | 22 | authorization.k8s.io/v1 | 19 | v
        authorization.k8s.io/v1beta1 | SelfSubjectRulesReview | 8 | 19 | 22 | authorization.k8s.io/v1 | 19 | v
        authorization.k8s.io/v1beta1 | SubjectAccessReview | 2 | 19 | 22 | authorization.k8s.io/v1 | 6 | v
        certificates.k8s.io/v1beta1 | CertificateSigningRequest | 12 | 19 | 22 | certificates.k8s.io/v1 | 19 | c
        coordination.k8s.io/v1beta1 | Lease | 12 | 19 | 22 | coordination.k8s.io/v1 | 14 | n
        v1 | EphemeralContainers | - | - | 22 | - | - | v | no marker; the types went then
        extensions/v1beta1 | Ingress | 1 | 14 | 22 | networking.k8s.io/v1 | 19 | n
        networking.k8s.io/v1beta1 | Ingress | 14 | 19 | 22 | networking.k8s.io/v1 | 19 | n
        networking.k8s.io/v1beta1 | IngressClass | 18 | 19 | 22 | networking.k8s.io/v1 | 19 | c
        rbac.authorization.k8s.io/v1beta1 | ClusterRole ClusterRoleBinding | 6 | 17 | 22 | rbac.authorization.k8s.io/v1 | 8 | c
        rbac.authorization.k8s.io/v1beta1 | Role RoleBinding | 6 | 17 | 22 | rbac.authorization.k8s.io/v1 | 8 | n
        scheduling.k8s.io/v1beta1 | PriorityClass | 11 | 14 | 22 | scheduling.k8s.io/v1 | 14 | c
        storage.k8s.io/v1beta1 | CSIDriver | 14 | 19 | 22 | storage.k8s.io/v1 | 18 | c
        storage.k8s.io/v1beta1 | CSINode | 14 | 17 | 22 | storage.k8s.io/v1 | 17 | c
        storage.k8s.io/v1beta1 | StorageClass | 4 | 19 | 22 | storage.k8s.io/v1 | 6 | c
        storage.k8s.io/v1beta1 | VolumeAttachment | 10 | 19 | 22 | storage.k8s.io/v1 | 13 | c
        kubescheduler.config.k8s.io/v1beta1 | KubeSchedulerConfiguration | 19 | 22 | 23 | kubescheduler.config.k8s.io/v1beta2 | 22 | f
        rbac.authorization.k8s.io/v1alpha1 | ClusterRole ClusterRoleBinding | - | 17 | 23 | rbac.authorization.k8s.io/v1 | 8 | ca
        rbac.authorization.k8s.io/v1alpha1 | Role RoleBinding | - | 17 | 23 | rbac.authorization.k8s.io/v1 | 8 | na
        scheduling.k8s.io/v1alpha1 | PriorityClass | - | 14 | 23 | scheduling.k8s.io/v1 | 14 | ca
        audit.k8s.io/v1alpha1 | Event Policy | - | 21 | 24 | audit.k8s.io/v1 | 12 | f
        audit.k8s.io/v1beta1 | Event Policy | - | 21 | 24 | audit.k8s.io/v1 | 12 | f
        storage.k8s.io/v1alpha1 | CSIStorageCapacity | 19 | 21 | 24 | storage.k8s.io/v1beta1 | 21 | na
        storage.k8s.io/v1alpha1 | VolumeAttachment | 9 | 21 | 24 | storage.k8s.io/v1 | 13 | ca
        autoscaling/v2beta1 | HorizontalPodAutoscaler | 8 | 22 | 25 | autoscaling/v2 | 23 | n
        batch/v1beta1 | CronJob | 8 | 21 | 25 | batch/v1 | 21 | n
        batch/v1beta1 | JobTemplate | 8 | 22 | 25 | - | - | v
        discovery.k8s.io/v1beta1 | EndpointSlice | 16 | 21 | 25 | discovery.k8s.io/v1 | 21 | n
        events.k8s.io/v1beta1 | Event | 8 | 22 | 25 | events.k8s.io/v1 | 19 | n
        node.k8s.io/v1beta1 | RuntimeClass | 13 | 22 | 25 | node.k8s.io/v1 | 20 | c
        policy/v1beta1 | Eviction | 5 | 22 | 25 | policy/v1 | 22 | v
        policy/v1beta1 | PodDisruptionBudget | 5 | 21 | 25 | policy/v1 | 21 | n
        policy/v1beta1 | PodSecurityPolicy | 10 | 21 | 25 | - | - | c
        autoscaling/v2beta2 | HorizontalPodAutoscaler | 12 | 23 | 26 | autoscaling/v2 | 23 | n
        flowcontrol.apiserver.k8s.io/v1beta1 | FlowSchema PriorityLevelConfiguration | 20 | 23 | 26 | flowcontrol.apiserver.k8s.io/v1beta3 | 26 | c
        kubeadm.k8s.io/v1beta2 | ClusterConfiguration InitConfiguration JoinConfiguration | 15 | 22 | 27 | kubeadm.k8s.io/v1beta3 | 22 | f
        resource.k8s.io/v1alpha1 | PodScheduling | - | - | 27 | - | - | na | no marker; the types went then
        resource.k8s.io/v1alpha1 | ResourceClaim ResourceClaimTemplate | - | - | 27 | resource.k8s.io/v1 | 34 | na | no marker; the types went then
        resource.k8s.io/v1alpha1 | ResourceClass | - | - | 27 | - | - | ca | no marker; the types went then
        storage.k8s.io/v1beta1 | CSIStorageCapacity | 21 | 24 | 27 | storage.k8s.io/v1 | 24 | n
        kubescheduler.config.k8s.io/v1beta2 | KubeSchedulerConfiguration | 22 | 25 | 28 | kubescheduler.config.k8s.io/v1 | 25 | f
        flowcontrol.apiserver.k8s.io/v1beta2 | FlowSchema PriorityLevelConfiguration | 23 | 26 | 29 | flowcontrol.apiserver.k8s.io/v1beta3 | 26 | c
        kubescheduler.config.k8s.io/v1beta3 | KubeSchedulerConfiguration | 23 | 26 | 29 | kubescheduler.config.k8s.io/v1 | 25 | f
        networking.k8s.io/v1alpha1 | ClusterCIDR | 25 | 28 | 29 | - | - | ca | marker says 1.31
        resource.k8s.io/v1alpha2 | PodSchedulingContext ResourceClaimParameters ResourceClassParameters | - | - | 31 | - | - | na | no marker; the types went then
        resource.k8s.io/v1alpha2 | ResourceClaim ResourceClaimTemplate | - | - | 31 | resource.k8s.io/v1 | 34 | na | no marker; the types went then
        resource.k8s.io/v1alpha2 | ResourceClass | - | - | 31 | - | - | ca | no marker; the types went then
        resource.k8s.io/v1alpha2 | ResourceSlice | - | - | 31 | resource.k8s.io/v1 | 34 | ca | no marker; the types went then
        admissionregistration.k8s.io/v1alpha1 | ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding | 26 | 29 | 32 | admissionregistration.k8s.io/v1 | 30 | ca
        authentication.k8s.io/v1alpha1 | SelfSubjectReview | 26 | 29 | 32 | authentication.k8s.io/v1 | 28 | va
        coordination.k8s.io/v1alpha1 | LeaseCandidate | 31 | 34 | 32 | - | - | na | marker says 1.37
        flowcontrol.apiserver.k8s.io/v1beta3 | FlowSchema PriorityLevelConfiguration | 26 | 29 | 32 | flowcontrol.apiserver.k8s.io/v1 | 29 | c
        resource.k8s.io/v1alpha3 | PodSchedulingContext | - | - | 32 | - | - | na | no marker; the types went then
        authentication.k8s.io/v1beta1 | SelfSubjectReview | 27 | 30 | 33 | authentication.k8s.io/v1 | 28 | v
        networking.k8s.io/v1alpha1 | IPAddress ServiceCIDR | 27 | 30 | 33 | networking.k8s.io/v1 | 33 | ca
        admissionregistration.k8s.io/v1beta1 | ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding | 28 | 31 | 34 | admissionregistration.k8s.io/v1 | 30 | c
        resource.k8s.io/v1alpha3 | DeviceClass ResourceSlice | 31 | 34 | 34 | resource.k8s.io/v1beta1 | 32 | ca | marker says 1.37
        resource.k8s.io/v1alpha3 | ResourceClaim ResourceClaimTemplate | 31 | 34 | 34 | resource.k8s.io/v1beta1 | 32 | na | marker says 1.37
        apidiscovery.k8s.io/v2beta1 | APIGroupDiscovery | 26 | 32 | 35 | apidiscovery.k8s.io/v2 | 30 | v
        certificates.k8s.io/v1alpha1 | PodCertificateRequest | 34 | 37 | 35 | certificates.k8s.io/v1 | 37 | na | marker says 1.40
        storage.k8s.io/v1alpha1 | VolumeAttributesClass | 29 | 32 | 35 | storage.k8s.io/v1 | 34 | ca
        storagemigration.k8s.io/v1alpha1 | StorageVersionMigration | 30 | 33 | 35 | storagemigration.k8s.io/v1 | 37 | ca | marker says 1.36
        scheduling.k8s.io/v1alpha1 | Workload | - | - | 36 | - | - | na | no marker; the types went then
        certificates.k8s.io/v1alpha1 | ClusterTrustBundle | 26 | 34 | 37 | certificates.k8s.io/v1 | 37 | ca
        networking.k8s.io/v1beta1 | IPAddress ServiceCIDR | 31 | 34 | 37 | networking.k8s.io/v1 | 33 | c
        storage.k8s.io/v1beta1 | VolumeAttributesClass | 31 | 34 | 37 | storage.k8s.io/v1 | 34 | c
        admissionregistration.k8s.io/v1alpha1 | MutatingAdmissionPolicy MutatingAdmissionPolicyBinding | 32 | 35 | 38 | admissionregistration.k8s.io/v1 | 36 | ca
        coordination.k8s.io/v1alpha2 | LeaseCandidate | 32 | 35 | 38 | - | - | na
        resource.k8s.io/v1beta1 | DeviceClass ResourceSlice | 32 | 35 | 38 | resource.k8s.io/v1 | 34 | c
        resource.k8s.io/v1beta1 | ResourceClaim ResourceClaimTemplate | 32 | 35 | 38 | resource.k8s.io/v1 | 34 | n
        coordination.k8s.io/v1beta1 | LeaseCandidate | 33 | 36 | 39 | - | - | n
        resource.k8s.io/v1alpha3 | DeviceTaintRule | 33 | 36 | 39 | resource.k8s.io/v1 | 37 | ca
        resource.k8s.io/v1beta2 | DeviceClass ResourceSlice | 33 | 36 | 39 | resource.k8s.io/v1 | 34 | c
        resource.k8s.io/v1beta2 | ResourceClaim ResourceClaimTemplate | 33 | 36 | 39 | resource.k8s.io/v1 | 34 | n
        admissionregistration.k8s.io/v1beta1 | MutatingAdmissionPolicy MutatingAdmissionPolicyBinding | 34 | 37 | 40 | admissionregistration.k8s.io/v1 | 36 | c
        certificates.k8s.io/v1beta1 | ClusterTrustBundle | 33 | 37 | 40 | certificates.k8s.io/v1 | 37 | c
        certificates.k8s.io/v1beta1 | PodCertificateRequest | 35 | 37 | 40 | certificates.k8s.io/v1 | 37 | n
        storagemigration.k8s.io/v1beta1 | StorageVersionMigration | 35 | 37 | 40 | storagemigration.k8s.io/v1 | 37 | c
        resource.k8s.io/v1alpha3 | ResourcePoolStatusRequest | 36 | 39 | 42 | - | - | ca
        resource.k8s.io/v1beta2 | DeviceTaintRule | 36 | 39 | 42 | resource.k8s.io/v1 | 37 | c
        lifecycle.k8s.io/v1alpha1 | Eviction EvictionRequest | 37 | 40 | 43 | - | - | na
        scheduling.k8s.io/v1beta1 | PodGroup Workload | 37 | 40 | 43 | - | - | n
        imagepolicy.k8s.io/v1alpha1 | ImageReview | - | - | - | - | - | va
        internal.apiserver.k8s.io/v1alpha1 | StorageVersion | - | - | - | - | - | ca
        kubeadm.k8s.io/v1beta3 | ClusterConfiguration InitConfiguration JoinConfiguration | 22 | 31 | - | kubeadm.k8s.io/v1beta4 | 31 | f
        node.k8s.io/v1alpha1 | RuntimeClass | - | - | - | node.k8s.io/v1 | 20 | ca
        """
}

extension Substring {
    fileprivate var trimmed: String { String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
}
