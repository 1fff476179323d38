package import HAProxy
internal import KubernetesAPI
package import KubernetesClient
internal import Maintenance

extension ControlPlaneConfiguration {
    /// Reads the short form that people write.
    /// - Parameter place: where it comes from, for errors.
    /// - Throws: `OperationError` `.invalid`, which names the field.
    package init(yaml text: String, from place: String) throws {
        let documents: [JSON]
        do { documents = try YAMLText.documents(text) } catch { throw OperationError(.invalid, "\(place) cannot be read: \(error)") }
        guard documents.count == 1, let object = documents[0].object else {
            throw OperationError(.invalid, "\(place) is not one document with the key servers.")
        }
        func fail(_ field: String, _ expected: String) -> OperationError { OperationError(.invalid, "\(place): \(field) is not \(expected).") }
        func word(_ field: String, _ value: JSON) throws -> String {
            guard let word = value.string ?? value.integer.map({ "\($0)" }) else { throw fail(field, "a word") }
            return word
        }
        func number(_ field: String, _ value: JSON) throws -> Int {
            guard let number = value.integer ?? value.string.flatMap({ Int64($0) }), let number = Int(exactly: number) else {
                throw fail(field, "a number")
            }
            return number
        }
        let port = documents[0]["port"].isNull ? 6443 : try number("port", documents[0]["port"])
        var servers: [Server] = []
        if let named = documents[0]["servers"].object {
            for member in named.members {
                servers.append(try Self.server("\(member.name)=\(try word("servers.\(member.name)", member.value))", port: port))
            }
        } else {
            for (index, value) in documents[0]["servers"].elements.enumerated() {
                let address = try value.object == nil ? word("servers[\(index)]", value) : word("servers[\(index)].address", value["address"])
                let name = value["name"].string ?? "master\(index + 1)"
                servers.append(try Self.server("\(name)=\(address)", port: port))
            }
        }
        self.init(servers: servers)
        for member in object.members {
            let (field, value) = (member.name, member.value)
            switch field {
            case "servers", "port": break
            case "bind": bind = try value.elements.isEmpty ? [word(field, value)] : value.elements.map { try word(field, $0) }
            case "frontend": frontend = try word(field, value)
            case "backend": backend = try word(field, value)
            case "ca": authority = try word(field, value)
            case "serverName": serverName = try word(field, value)
            case "checkPath": checkPath = try word(field, value)
            case "statsSocket": statsSocket = try word(field, value)
            case "monitor": monitor = value.isNull || value.bool == false ? nil : try word(field, value)
            case "maxConnections": mostConnections = try number(field, value)
            case "log": log = try word(field, value)
            case "user": user = value.isNull ? nil : try word(field, value)
            case "group": group = value.isNull ? nil : try word(field, value)
            default: throw OperationError(.invalid, "\(place): nobody knows the field \(field).")
            }
        }
    }

    /// `NAME=HOST`, `NAME=HOST:PORT` or `NAME=[V6]:PORT`.
    package static func server(_ text: String, port: Int) throws -> Server {
        let parts = text.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { throw OperationError(.invalid, "\"\(text)\" is not NAME=ADDRESS.") }
        var host = parts[1]
        var own = port
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
            let rest = host[host.index(after: end)...]
            if rest.hasPrefix(":") { own = Int(rest.dropFirst()) ?? 0 } else if !rest.isEmpty { own = 0 }
            host = host[host.index(after: host.startIndex)..<end]
        } else if let colon = host.lastIndex(of: ":"), host[..<colon].firstIndex(of: ":") == nil {
            own = Int(host[host.index(after: colon)...]) ?? 0
            host = host[..<colon]
        }
        guard (1...65535).contains(own), !host.isEmpty else { throw OperationError(.invalid, "\"\(text)\" has no port between 1 and 65535.") }
        return Server(name: String(parts[0]), host: String(host), port: own)
    }

    /// The control-plane nodes of a cluster by their internal addresses, and the port that its API servers say they have (the endpoints of the service
    /// `kubernetes`).
    /// - Throws: `OperationError` `.invalid` when the cluster shows none, as managed ones do.
    package init(of client: KubernetesClient) async throws {
        let nodes = try await client.list(Node.self).filter(\.isControlPlane).sorted { $0.name < $1.name }
        let endpoints = try await client.get(Resource(plural: "endpoints", kind: "Endpoints"), .init("default", "kubernetes"))
        let port = endpoints["subsets"].elements.flatMap(\.["ports"].elements).compactMap { $0["port"].integer }.first ?? 6443
        let servers = nodes.compactMap { node -> Server? in
            guard let address = node.addresses.first else { return nil }
            return Server(name: node.name, host: address, port: Int(port))
        }
        guard !servers.isEmpty else {
            throw OperationError(.invalid, "the cluster shows no control-plane nodes with an internal address. Give --server NAME=ADDRESS.")
        }
        self.init(servers: servers)
    }
}
