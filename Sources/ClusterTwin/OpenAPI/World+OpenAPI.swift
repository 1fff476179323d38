internal import KubernetesAPI

/// OpenAPI documents, so that kubectl can validate, patch and explain.
extension World {
    func openAPI(_ request: APIRequest, _ parts: [String]) throws(APIStatus) -> TwinReply {
        switch parts.dropFirst().first {
        case "v2" where parts.count == 2:
            let document = swagger()
            // kubectl takes version 2 in protobuf alone.
            guard request.accept.contains("protobuf") else { return .value(APIResponse(status: 200, body: document)) }
            return .bytes(GnosticDocument.encode(document), contentType: "application/octet-stream")
        case "v3" where minor >= 24 && parts.count == 2:
            var paths = JSONObject()
            for (group, version) in groupVersions {
                let path = group.isEmpty ? "api/\(version)" : "apis/\(group)/\(version)"
                paths.set(path, ["serverRelativeURL": .string("/openapi/v3/\(path)?hash=\(revisionOfKinds)")])
            }
            return .value(APIResponse(status: 200, body: ["paths": .object(paths)]))
        case "v3" where minor >= 24 && parts.count >= 4:
            let group = parts[2] == "api" ? "" : parts[3]
            guard let version = parts.last, groupVersions.contains(where: { $0 == (group, version) }) else { throw .notFoundPath }
            return .value(APIResponse(status: 200, body: openAPI3(group, version)))
        default: throw .notFoundPath
        }
    }

    private var groupVersions: [(String, String)] { groups.flatMap { group in versions(of: group).map { (group, $0) } } }

    /// Changes when kinds come and go, so that nobody keeps an old document.
    private var revisionOfKinds: String { Self.hash(.array(sortedKinds.map { .string("\($0.resource)") })) }

    private func name(of kind: Kind, _ version: String) -> String {
        if let type = TypeTable.name(of: kind) {
            return TypeTable.definition(version == "v1" ? type : type.replacing(".v1.", with: ".\(version)."))
        }
        return (kind.resource.group.split(separator: ".").reversed() + [Substring(version), Substring(kind.resource.kind)]).joined(separator: ".")
    }

    /// The schemas of the kinds, and of all that they are made of.
    private func definitions(_ kinds: [(kind: Kind, version: String)], root: String) -> JSONObject {
        var schemas = TypeTable.builtIn.schemas(root: root)
        for (kind, version) in kinds {
            let definition = name(of: kind, version)
            var schema: JSON
            if let type = TypeTable.name(of: kind) {
                schema = schemas[TypeTable.definition(type)] ?? ["type": "object"]
            } else if let own = kind.schemas[version], own.object != nil {
                schema = own
                schema["properties"]["metadata"] = ["$ref": .string("\(root)io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")]
            } else {
                // Without properties anything goes.
                schema = ["type": "object"]
            }
            if schema["properties"].object != nil {
                schema["properties"]["apiVersion"] = ["type": "string"]
                schema["properties"]["kind"] = ["type": "string"]
            }
            schema["x-kubernetes-group-version-kind"] = [identity(kind, version)]
            schemas[definition] = schema
        }
        return JSONObject(schemas.map { .init(name: $0.key, value: $0.value) })
    }

    private func identity(_ kind: Kind, _ version: String) -> JSON {
        ["group": .string(kind.resource.group), "version": .string(version), "kind": .string(kind.resource.kind)]
    }

    private var allKinds: [(kind: Kind, version: String)] { sortedKinds.flatMap { kind in kind.versions.map { (kind, $0) } } }

    private func swagger() -> JSON {
        [
            "swagger": "2.0", "info": ["title": "Kubernetes", "version": .string("v1.\(minor).0")], "paths": .object(JSONObject()),
            "definitions": .object(definitions(allKinds, root: "#/definitions/")),
        ]
    }

    private func openAPI3(_ group: String, _ version: String) -> JSON {
        let own = allKinds.filter { $0.kind.resource.group == group && $0.version == version }
        var paths = JSONObject()
        for (kind, version) in own {
            let base = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
            let path = "\(base)/\(kind.resource.isNamespaced ? "namespaces/{namespace}/" : "")\(kind.resource.plural)/{name}"
            func parameter(_ name: String) -> JSON { ["name": .string(name), "in": "query", "schema": ["type": "string"]] }
            let operation: JSON = [
                "x-kubernetes-group-version-kind": identity(kind, version),
                "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation"), parameter("force")],
                "responses": ["200": ["description": "OK"]],
            ]
            paths.set(path, ["get": operation, "patch": operation, "put": operation])
        }
        return [
            "openapi": "3.0.0", "info": ["title": "Kubernetes", "version": .string("v1.\(minor).0")], "paths": .object(paths),
            "components": ["schemas": .object(definitions(own, root: "#/components/schemas/"))],
        ]
    }
}
