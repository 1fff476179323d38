internal import ClusterPKI
internal import Etcd
package import Foundation
internal import NodeAccess

/// What a static pod reads when it starts, and where it shows what it has read.
package struct ComponentFacts: Codable, Sendable, Equatable {
    package var component: Component
    /// Files of kubeadm's that it reads, on the node.
    package var files: [String]
    /// Where it serves with a certificate of its own, and kubeadm's name of that; the schedulers' and controller managers' are made up at each start.
    package var served: [Served]

    package struct Served: Codable, Sendable, Equatable {
        package var host: String
        package var port: Int
        /// Of the certificate on the node; nil for one that is in memory alone.
        package var file: String?
    }

    /// - Returns: nil where the node has no such pod.
    static func read(_ component: Component, of node: NodeCertificates) throws -> ComponentFacts? {
        guard let pod = try node.pod(component) else { return nil }
        func port(_ flag: String, _ usual: Int) -> Int { pod.flags[flag].flatMap { Int($0) } ?? usual }
        func listener(_ flag: String) -> (String, Int)? {
            let urls = (pod.flags[flag] ?? "").split(separator: ",").compactMap { URLComponents(string: String($0)) }
            let chosen = urls.first { $0.host == "127.0.0.1" || $0.host == "localhost" } ?? urls.first
            guard let chosen, chosen.scheme == "https", let host = chosen.host, let port = chosen.port else { return nil }
            return (host, port)
        }
        let bind = pod.flags["bind-address"].flatMap { ["0.0.0.0", "::", ""].contains($0) ? nil : $0 } ?? "127.0.0.1"
        let paths = pod.flags.values.filter { $0.hasPrefix("/") && !$0.contains(",") }.sorted()
        let files = paths.filter { $0.hasPrefix("\(node.folders.kubernetes)/") && node.files.file($0) != nil }
        var served: [Served] = []
        switch component {
        case .apiServer:
            served = [.init(host: bind, port: port("secure-port", 6443), file: pod.flags["tls-cert-file"])]
        case .etcd:
            if let (host, port) = listener("listen-client-urls") { served.append(.init(host: host, port: port, file: pod.flags["cert-file"])) }
            if let (host, port) = listener("listen-peer-urls") { served.append(.init(host: host, port: port, file: pod.flags["peer-cert-file"])) }
        case .controllerManager: served = [.init(host: bind, port: port("secure-port", 10257), file: pod.flags["tls-cert-file"])]
        case .scheduler: served = [.init(host: bind, port: port("secure-port", 10259), file: pod.flags["tls-cert-file"])]
        }
        return ComponentFacts(component: component, files: files, served: served)
    }
}

/// How a component stands against the files on its node.
package struct ComponentState: Codable, Sendable, Equatable {
    package var node: String
    package var component: Component
    /// When its process started; nil where none runs.
    package var startedAt: Date?
    package var processID: Int?
    /// When the newest of the files that it reads was written.
    package var filesChangedAt: Date?
    /// What it presents, where that is not what lies on the disk.
    package var stale: [String]

    /// Why it has to be restarted to use what lies there; nil when it uses it.
    package var complaint: String? {
        guard let startedAt else { return "\(component.rawValue) does not run on \(node)" }
        if let filesChangedAt, filesChangedAt > startedAt {
            return "\(component.rawValue) on \(node) started at \(startedAt.formatted(.iso8601)), before its files changed"
        }
        return stale.isEmpty ? nil : "\(component.rawValue) on \(node) presents \(stale.joined(separator: ", "))"
    }

    /// Looks at the process, at the files and at the wire.
    static func read(_ facts: ComponentFacts, _ host: ControlPlaneHost, pods: StaticPodScripts) async throws -> ComponentState {
        let access = host.access
        let lines = try await access.text(pods.since([facts.component])).split(separator: "\n").map { $0.split(separator: " ") }
        var state = ComponentState(node: access.name, component: facts.component, stale: [])
        // The youngest: one that ends may still be there.
        if let line = lines.filter({ $0.count == 3 }).max(by: { (Int($0[2]) ?? 0, Int($0[1]) ?? 0) < (Int($1[2]) ?? 0, Int($1[1]) ?? 0) }) {
            state.processID = Int(line[1])
            state.startedAt = Double(line[2]).map { Date(timeIntervalSince1970: $0) }
        }
        if !facts.files.isEmpty {
            // One that is gone is read no more: a rotation takes its own away.
            let files = facts.files.map(NodeAccess.quoted).joined(separator: " ")
            let changed = try await access.text("for file in \(files); do if [ -e \"$file\" ]; then stat -c %Y -- \"$file\"; fi; done")
            state.filesChangedAt = changed.split(separator: "\n").compactMap { Double($0) }.max().map { Date(timeIntervalSince1970: $0) }
        }
        guard state.startedAt != nil else { return state }
        for served in facts.served {
            guard let file = served.file else { continue }
            let pem = try await access.text("cat \(NodeAccess.quoted(file))")
            let wanted = try X509Certificate.parse(pem: pem, from: "\(file) on \(access.name)")[0]
            let presented = try await access.reaching(served.host, served.port) { await PresentedCertificates.read($0, $1) }
            // One that starts, or ends, is there and says nothing.
            guard let leaf = presented?.first else {
                state.stale.append("nothing at port \(served.port)")
                continue
            }
            let found = try X509Certificate(der: leaf)
            if found.serial != wanted.serial { state.stale.append("serial \(found.serial) at port \(served.port), and \(file) has \(wanted.serial)") }
        }
        return state
    }
}
