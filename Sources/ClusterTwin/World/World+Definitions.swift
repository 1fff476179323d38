internal import Foundation
internal import KubernetesAPI
internal import Maintenance

extension Kind {
    /// Drops what a custom resource's schema does not know, and adds its defaults.
    func normalize(_ object: inout JSON) {
        guard isCustom, let schema = schemas[resource.version] else { return }
        object = Schema.fill(Schema.prune(object, schema), schema)
    }

    /// What a CustomResourceDefinition (apiextensions.k8s.io/v1) defines; nil when it serves no version.
    init?(definition: JSON) {
        let spec = definition["spec"]
        let served = spec["versions"].elements.filter { $0["served"].bool ?? false }
        guard let group = spec["group"].string, let plural = spec["names"]["plural"].string, let name = spec["names"]["kind"].string,
            let storage = served.first(where: { $0["storage"].bool ?? false }) ?? served.first, let version = storage["name"].string
        else { return nil }
        self.init(
            resource: Resource(group: group, version: version, plural: plural, kind: name, isNamespaced: spec["scope"].string != "Cluster"),
            versions: [version] + served.compactMap { $0["name"].string }.filter { $0 != version })
        shortNames = spec["names"]["shortNames"].elements.compactMap(\.string)
        categories = spec["names"]["categories"].elements.compactMap(\.string)
        hasStatus = !storage["subresources"]["status"].isNull
        isCustom = true
        for version in served {
            guard let name = version["name"].string else { continue }
            schemas[name] = version["schema"]["openAPIV3Schema"]
            columns[name] = version["additionalPrinterColumns"].elements
        }
    }
}

extension World {
    mutating func definitionChanged(_ before: JSON?, _ after: JSON?) {
        guard let after else {
            if let kind = before.flatMap(Kind.init(definition:)) { stopServing(kind.key) }
            return
        }
        guard before?["spec"] != after["spec"], let kind = Kind(definition: after) else { return }
        serve(kind)
        let time = now
        setStatus(.definitions, after.objectName) { status in
            status["acceptedNames"] = after["spec"]["names"]
            status["storedVersions"] = [.string(kind.resource.version)]
            Self.setCondition(&status, "NamesAccepted", true, reason: "NoConflicts", message: "no conflicts found", at: time)
            Self.setCondition(&status, "Established", true, reason: "InitialNamesAccepted", message: "the initial names have been accepted", at: time)
        }
    }
}
