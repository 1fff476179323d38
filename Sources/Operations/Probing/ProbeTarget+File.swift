internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient

extension ProbeTarget {
    /// Reads the endpoints that a user wants to have watched: a YAML list of URLs, or of objects with `url` and, as one likes, `name`, `expect` (`200`, or
    /// `200-399`), `connection` (`new` or `kept`), `ca` (a file) and `serverName`.
    /// - Throws: `OperationError` `.invalid`, which names the entry.
    package static func read(_ text: String, from place: String) throws -> [ProbeTarget] {
        let documents: [JSON]
        do { documents = try YAMLText.documents(text) } catch { throw OperationError(.invalid, "\(place) cannot be read: \(error)") }
        let entries = documents.count == 1 ? documents[0]["endpoints"].isNull ? documents[0].elements : documents[0]["endpoints"].elements : []
        guard !entries.isEmpty else { throw OperationError(.invalid, "\(place) is no list of endpoints: write `- url: https://…`, one an entry.") }
        return try entries.enumerated().map { index, entry in
            let here = "\(place), entry \(index + 1)"
            func word(_ field: String) throws -> String? {
                let value = entry[field]
                guard !value.isNull else { return nil }
                guard let word = value.string ?? value.integer.map({ "\($0)" }) else {
                    throw OperationError(.invalid, "\(here): \(field) is no word.")
                }
                return word
            }
            for member in entry.object?.members ?? [] where !["url", "name", "expect", "connection", "ca", "serverName"].contains(member.name) {
                throw OperationError(.invalid, "\(here): nobody knows the field \(member.name).")
            }
            guard let address = try entry.string ?? word("url"), let parts = URLComponents(string: address), let host = parts.host, !host.isEmpty,
                ["http", "https"].contains(parts.scheme), parts.user == nil
            else { throw OperationError(.invalid, "\(here): its url is not http:// or https:// and a host (and no password).") }
            var root = parts
            (root.path, root.query, root.fragment) = ("", nil, nil)
            guard let server = root.url else { throw OperationError(.invalid, "\(here): its url is none.") }
            var access = ClusterAccess(server: server)
            access.authority = try word("ca").map { .file($0) }
            access.tlsServerName = try word("serverName")
            let path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
            let request = APIRequest(.get, path + (parts.percentEncodedQuery.map { "?\($0)" } ?? ""), accept: "*/*")
            guard let connection = Connection(rawValue: try word("connection") ?? "new"), connection != .watch else {
                throw OperationError(.invalid, "\(here): connection is `new` or `kept`.")
            }
            return ProbeTarget(
                name: try word("name") ?? host, access: access, request: request, connection: connection,
                expected: try status(word("expect") ?? "200-299", here))
        }
    }

    private static func status(_ text: String, _ place: String) throws -> ClosedRange<Int> {
        let numbers = text.split(separator: "-").map { Int($0) }
        let ends = (numbers.first ?? nil, numbers.last ?? nil)
        guard let low = ends.0, let high = ends.1, numbers.count <= 2, low <= high, (100...599).contains(low), (100...599).contains(high) else {
            throw OperationError(.invalid, "\(place): expect is \"\(text)\", and not a status such as 200, or 200-399.")
        }
        return low...high
    }
}
