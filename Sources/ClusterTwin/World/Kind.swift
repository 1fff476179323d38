internal import KubernetesAPI

/// A kind of object that the twin serves.
struct Kind: Sendable {
    /// In the version in which it is kept.
    var resource: Resource
    /// The versions in which it is served, the preferred one first.
    var versions: [String]
    var shortNames: [String] = []
    var categories: [String] = []
    /// Whether it has a status that is written apart.
    var hasStatus = false
    var hasScale = false
    /// For kinds that a CustomResourceDefinition made: its schemas by version, and the columns of its tables.
    var schemas: [String: JSON] = [:]
    var columns: [String: [JSON]] = [:]
    var isCustom = false

    /// Group and plural, which name it whatever the version.
    var key: KindKey { KindKey(group: resource.group, plural: resource.plural) }

    static let builtIn: [Kind] = [
        Kind(resource: .namespaces, versions: ["v1"], shortNames: ["ns"], hasStatus: true),
        Kind(resource: .nodes, versions: ["v1"], shortNames: ["no"], hasStatus: true),
        Kind(resource: .pods, versions: ["v1"], shortNames: ["po"], categories: ["all"], hasStatus: true),
        Kind(resource: .services, versions: ["v1"], shortNames: ["svc"], categories: ["all"], hasStatus: true),
        Kind(resource: .configMaps, versions: ["v1"], shortNames: ["cm"]),
        Kind(resource: .secrets, versions: ["v1"]),
        Kind(resource: .events, versions: ["v1"], shortNames: ["ev"]),
        Kind(resource: .serviceAccounts, versions: ["v1"], shortNames: ["sa"]),
        Kind(resource: .deployments, versions: ["v1"], shortNames: ["deploy"], categories: ["all"], hasStatus: true, hasScale: true),
        Kind(resource: .replicaSets, versions: ["v1"], shortNames: ["rs"], categories: ["all"], hasStatus: true, hasScale: true),
        Kind(resource: .statefulSets, versions: ["v1"], shortNames: ["sts"], categories: ["all"], hasStatus: true, hasScale: true),
        Kind(resource: .daemonSets, versions: ["v1"], shortNames: ["ds"], categories: ["all"], hasStatus: true),
        Kind(resource: .jobs, versions: ["v1"], categories: ["all"], hasStatus: true),
        Kind(resource: .leases, versions: ["v1"]),
        Kind(resource: .podDisruptionBudgets, versions: ["v1", "v1beta1"], shortNames: ["pdb"], hasStatus: true),
        Kind(resource: .customResourceDefinitions, versions: ["v1"], shortNames: ["crd", "crds"], hasStatus: true),
    ]
}

struct KindKey: Hashable, Sendable {
    var group: String
    var plural: String
}

extension KindKey {
    static let namespaces = KindKey(group: "", plural: "namespaces")
    static let nodes = KindKey(group: "", plural: "nodes")
    static let pods = KindKey(group: "", plural: "pods")
    static let leases = KindKey(group: "coordination.k8s.io", plural: "leases")
    static let deployments = KindKey(group: "apps", plural: "deployments")
    static let replicaSets = KindKey(group: "apps", plural: "replicasets")
    static let statefulSets = KindKey(group: "apps", plural: "statefulsets")
    static let daemonSets = KindKey(group: "apps", plural: "daemonsets")
    static let jobs = KindKey(group: "batch", plural: "jobs")
    static let budgets = KindKey(group: "policy", plural: "poddisruptionbudgets")
    static let definitions = KindKey(group: "apiextensions.k8s.io", plural: "customresourcedefinitions")
}

extension Resource {
    static let serviceAccounts = Resource(plural: "serviceaccounts", kind: "ServiceAccount")
}
