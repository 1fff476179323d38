package import HAProxy
internal import NodeAccess

/// What somebody should mend on a load balancer before it is needed.
package struct LoadBalancerAudit: Codable, Sendable, Equatable {
    package var findings: [HostFinding] = []

    /// Looks at the load balancers, their files and their masters, and compares them.
    package static func read(_ loadBalancers: [LoadBalancer]) async throws -> LoadBalancerAudit {
        var audit = LoadBalancerAudit()
        for loadBalancer in loadBalancers {
            let view = try await LoadBalancerView.read(loadBalancer)
            audit.judge(view)
            let files = ConfigurationFiles(loadBalancer: loadBalancer, tag: "check")
            do {
                let text = try await files.text()
                audit.judge(ConfigurationFile(parsing: text), view, loadBalancer)
                do { try await files.check(text) } catch let error as OperationError {
                    audit.add(view, .critical, loadBalancer.configuration, error.description, "mend it: the next start or reload fails")
                }
            } catch let error as NodeError where error.code == .failed {
                audit.add(view, .warning, loadBalancer.configuration, "it cannot be read: \(error)", "give --config, or the rights to read it")
            }
            if loadBalancer.master != nil {
                let table = try await loadBalancer.askingMaster { try await $0.processes() }
                if table.failedReloads > 0 {
                    audit.add(
                        view, .warning, "master \(table.master)",
                        "\(table.failedReloads) of its reloads failed: what runs may not be what the file says",
                        "drydock lb apply, which reloads and compares")
                }
            } else {
                audit.add(
                    view, .warning, "master", "HAProxy runs without a master socket: it cannot be reloaded without losing connections",
                    "start it with -W -S")
            }
        }
        audit.findings.sort()
        return audit
    }

    private mutating func add(_ view: LoadBalancerView, _ severity: HostFinding.Severity, _ subject: String, _ problem: String, _ remedy: String) {
        findings.append(
            HostFinding(host: view.loadBalancer, severity: severity, subject: subject, problem: problem, remedy: remedy))
    }

    /// What runs.
    package mutating func judge(_ view: LoadBalancerView) {
        for backend in view.backends {
            let serving = backend.servers.filter(\.takesTraffic)
            if serving.isEmpty {
                add(view, .critical, backend.name, "no server takes traffic", "see drydock lb status; bring one up")
            } else if serving.count == 1 {
                add(
                    view, backend.servers.count > 1 ? .critical : .warning, backend.name, "\(serving[0].name) alone takes traffic",
                    "bring others up before anything is serviced")
            }
            for server in backend.servers {
                switch server.mode {
                case .ready where !server.takesTraffic && !serving.isEmpty:
                    let why = [server.check, server.lastCheck].compactMap(\.self).joined(separator: ", ")
                    add(view, .warning, server.reference, "it is \(server.statusText)\(why.isEmpty ? "" : " (\(why))")", "mend the server")
                case .drain, .maint:
                    let hours = (server.sinceLastChangeSeconds ?? 0) / 3600
                    add(
                        view, .warning, server.reference, "it is in \(server.mode.rawValue)\(hours > 0 ? " for \(hours) h" : "")",
                        "drydock lb ready \(server.reference), if nobody works on it")
                default: break
                }
                if server.status == .noCheck {
                    add(view, .critical, server.reference, "nothing checks it: it gets traffic when it is dead", "add `check` to its line")
                }
                if server.weight != server.initialWeight, server.mode == .ready {
                    add(
                        view, .warning, server.reference, "its weight is \(server.weight), and the configuration says \(server.initialWeight)",
                        "drydock lb weight \(server.reference) 100%")
                }
            }
        }
        if let connections = view.connections, let limit = view.connectionLimit, limit > 0, connections * 10 > limit * 8 {
            add(view, .critical, "connections", "\(connections) of at most \(limit)", "raise maxconn")
        }
    }

    /// What the file says, and where what runs is something else.
    package mutating func judge(_ file: ConfigurationFile, _ view: LoadBalancerView, _ loadBalancer: LoadBalancer) {
        for section in file.backends {
            let isTemplated = section.lines.contains { $0.first == "server-template" }
            let running = Set(view.backends.first { $0.name == section.name }?.servers.map(\.name) ?? [])
            let written = Set(section.servers.map(\.name))
            for name in running.subtracting(written).sorted() where !isTemplated {
                add(
                    view, .warning, "\(section.name)/\(name)", "it was added at run time: the next reload forgets it",
                    "add it to \(loadBalancer.configuration)")
            }
            for name in written.subtracting(running).sorted() {
                add(
                    view, .warning, "\(section.name)/\(name)", "the file has it, and HAProxy does not know it: the file was changed and not loaded",
                    "drydock lb apply \(loadBalancer.configuration) --force")
            }
            for server in section.servers {
                guard let now = view.server("\(section.name)/\(server.name)"), running.contains(server.name), server.address.first?.isNumber == true,
                    !now.address.isEmpty, now.address != server.address, server.address.contains(":")
                else { continue }
                add(
                    view, .warning, now.reference, "it runs with the address \(now.address), and the file says \(server.address)",
                    "drydock lb apply \(loadBalancer.configuration) --force")
            }
            let all = file.sections.filter { $0.kind == "defaults" } + [section]
            guard !section.servers.isEmpty, all.contains(where: { $0.line("mode", "tcp") != nil }) else { continue }
            if !all.contains(where: { $0.line("option", "httpchk") != nil || $0.line("http-check") != nil }) {
                add(
                    view, .warning, section.name, "its checks only open a port: an API server that is ending, or not ready, still gets traffic",
                    "option httpchk with GET /readyz over TLS; drydock lb render shows how")
            }
            if all.flatMap(\.lines).contains(where: { $0.contains("verify") && $0.contains("none") }) {
                add(view, .warning, section.name, "its checks do not verify who answers (verify none)", "verify required with the cluster's ca-file")
            }
            if !all.contains(where: { $0.line("option", "redispatch") != nil }) {
                add(view, .warning, section.name, "a connection that a dying server refuses is not tried elsewhere", "option redispatch")
            }
        }
        for socket in file.sections.filter({ $0.kind == "global" }).flatMap(\.lines)
        where socket.starts(with: ["stats", "socket"]) && socket.count > 2 {
            guard socket.contains("admin"), let address = try? RuntimeAddress(socket[2]) else { continue }
            switch address {
            case .tcp(let host, _) where !host.hasPrefix("127.") && host != "::1" && host != "localhost":
                add(view, .critical, "\(address)", "anybody who reaches this port commands HAProxy", "use a Unix socket, or 127.0.0.1")
            case .unix:
                if let index = socket.firstIndex(of: "mode"), index + 1 < socket.count, let mode = Int(socket[index + 1], radix: 8), mode & 0o7 != 0 {
                    add(view, .critical, "\(address)", "its mode \(socket[index + 1]) lets everybody on the host command HAProxy", "mode 600 or 660")
                }
            default: break
            }
        }
    }
}
