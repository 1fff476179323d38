internal import Maintenance

/// What an image is called: `registry/path/name:tag@digest`.
struct ImageReference: Sendable {
    /// Without the registry and the path.
    let name: String
    /// Empty where there is none.
    let tag: String

    init(_ text: String) {
        let named = text.prefix { $0 != "@" }
        let last = named.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        name = String(last.prefix { $0 != ":" })
        tag = String(last.dropFirst(name.count + 1))
    }

    var version: KubernetesVersion? { KubernetesVersion(tag) }
}
