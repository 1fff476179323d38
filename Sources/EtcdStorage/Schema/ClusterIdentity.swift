internal import Crypto

/// The members of a new cluster and the ids that etcd derives from them (server/etcdserver/api/membership).
package struct ClusterIdentity: Sendable, Equatable {
    /// Ascending by id.
    package let members: [Member]
    package let clusterID: UInt64

    /// Derives the ids: a member's is the first 8 bytes of SHA-1 over its sorted peer URLs and the token, the cluster's is the same
    /// over the ascending member ids.
    /// - Parameter initialCluster: etcd's notation, `n1=https://10.0.0.1:2380,n2=…`; a name that stands twice has two URLs.
    /// - Throws: `.invalid` for what etcd would not take either.
    package init(initialCluster: String, token: String) throws(StorageError) {
        var names: [String] = []
        var urls: [String: [String]] = [:]
        var seen: Set<String> = []
        for part in initialCluster.split(separator: ",") {
            guard let equals = part.firstIndex(of: "=") else {
                throw StorageError(.invalid, "--initial-cluster: \"\(part)\" is not NAME=URL.")
            }
            let name = String(part[..<equals])
            let url = String(part[part.index(after: equals)...])
            try Self.checkName(name)
            try Self.check(url, option: "--initial-cluster")
            guard seen.insert(url).inserted else { throw StorageError(.invalid, "--initial-cluster names \(url) twice.") }
            if urls[name] == nil { names.append(name) }
            urls[name, default: []].append(url)
        }
        guard !names.isEmpty else { throw StorageError(.invalid, "--initial-cluster names no member.") }
        var members: [Member] = []
        for name in names {
            let sorted = (urls[name] ?? []).sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
            members.append(Member(id: Self.firstBytes(of: Array((sorted.joined() + token).utf8)), name: name, peerURLs: sorted))
        }
        members.sort { $0.id < $1.id }
        for (one, next) in zip(members, members.dropFirst()) where one.id == next.id {
            throw StorageError(.invalid, "the members \(one.name) and \(next.name) have the same id. Change --initial-cluster-token.")
        }
        self.members = members
        var ids: [UInt8] = []
        for member in members { ids.append(u64BigEndian: member.id) }
        clusterID = Self.firstBytes(of: ids)
    }

    /// The member called `name`.
    package func member(named name: String) throws(StorageError) -> Member {
        guard let member = members.first(where: { $0.name == name }) else {
            throw StorageError(.invalid, "--initial-cluster does not name the member \(name). Check --name.")
        }
        return member
    }

    private static func firstBytes(of bytes: [UInt8]) -> UInt64 {
        Insecure.SHA1.hash(data: bytes).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A member's name becomes a folder's name with --all-members, so it may not be a path.
    private static func checkName(_ name: String) throws(StorageError) {
        guard !name.isEmpty, name != ".", name != "..", !name.contains("/"),
            name.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7f })
        else {
            throw StorageError(.invalid, "--initial-cluster: \"\(name)\" cannot be a member's name.")
        }
    }

    /// etcd's rule for URLs: http, https, unix or unixs; host and port; no path.
    package static func check(_ url: String, option: String) throws(StorageError) {
        let parts = url.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, ["http", "https", "unix", "unixs"].contains(parts[0]) else {
            throw StorageError(.invalid, "\(option): \"\(url)\" does not begin with http://, https://, unix:// or unixs://.")
        }
        let rest = parts[1]
        guard let colon = rest.lastIndex(of: ":"), colon != rest.startIndex, !rest.contains("/"),
            let port = UInt16(rest[rest.index(after: colon)...]), port > 0 || parts[0].hasPrefix("unix")
        else {
            throw StorageError(.invalid, "\(option): \"\(url)\" is not HOST:PORT after the scheme, without a path.")
        }
    }
}
