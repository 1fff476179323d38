package import Foundation
package import Maintenance

/// An object of the Kubernetes API: a typed view of its JSON, which it keeps whole.
package protocol KubernetesObject: Sendable {
    static var resource: Resource { get }
    var json: JSON { get set }
    init(_ json: JSON)
}

/// Who an object belongs to.
package struct OwnerReference: Sendable, Hashable {
    package var apiVersion: String
    package var kind: String
    package var name: String
    package var uid: String
    /// Whether the owner manages it.
    package var isController: Bool

    /// `DaemonSet`, and of other groups than Kubernetes' own `DaemonSet.apps.example.io`: another's DaemonSet is none.
    package var qualifiedKind: String {
        let group = apiVersion.contains("/") ? apiVersion.prefix { $0 != "/" } : ""
        return ["", "apps", "batch"].contains(group) ? kind : "\(kind).\(group)"
    }

    package init(_ json: JSON) {
        apiVersion = json["apiVersion"].string ?? ""
        kind = json["kind"].string ?? ""
        name = json["name"].string ?? ""
        uid = json["uid"].string ?? ""
        isController = json["controller"].bool ?? false
    }
}

extension JSON {
    package var objectName: ObjectName { ObjectName(self["metadata"]["namespace"].string ?? "", self["metadata"]["name"].string ?? "") }

    /// The owner that manages the object.
    package var controller: OwnerReference? {
        self["metadata"]["ownerReferences"].elements.first { $0["controller"].bool == true }.map(OwnerReference.init)
    }
}

extension KubernetesObject {
    package var metadata: JSON { json["metadata"] }
    package var objectName: ObjectName { json.objectName }
    package var name: String { metadata["name"].string ?? "" }
    package var namespace: String { metadata["namespace"].string ?? "" }
    package var uid: String { metadata["uid"].string ?? "" }
    package var resourceVersion: String { metadata["resourceVersion"].string ?? "" }
    package var generation: Int64 { metadata["generation"].integer ?? 0 }
    package var labels: [String: String] { metadata["labels"].strings }
    package var annotations: [String: String] { metadata["annotations"].strings }
    package var controller: OwnerReference? { json.controller }
    package var creation: Date? { Timestamp.date(metadata["creationTimestamp"].string) }
    /// When it is to be gone: the time of the request and the grace period.
    package var deletion: Date? { Timestamp.date(metadata["deletionTimestamp"].string) }

    /// `status.conditions` by type.
    package func condition(_ type: String) -> JSON? { json["status"]["conditions"].elements.first { $0["type"].string == type } }
}
