internal import Etcd
internal import Foundation
internal import KubernetesAPI
internal import KubernetesClient
internal import Maintenance
internal import NodeAccess

/// Restarts static pods one at a time, and proves that they use what lies on their nodes: by what they present on the wire, not by a port that opens.
struct Restarts {
    let settings: CertificateSettings
    let time: RunTime

    init(_ settings: CertificateSettings, _ time: RunTime) {
        self.settings = settings
        self.time = time
    }

    private func facts(_ component: Component, on name: String) throws -> ComponentFacts {
        guard let facts = settings.components[name]?.first(where: { $0.component == component }) else {
            throw OperationError(.invalid, "the run knows no \(component.rawValue) on \(name).")
        }
        return facts
    }

    func state(of component: Component, on name: String) async throws -> ComponentState {
        let host = try settings.host(name)
        return try await ComponentState.read(facts(component, on: name), host, pods: settings.pods(host))
    }

    // MARK: The gate's conditions

    /// An etcd goes only when all others are well and are a quorum without it; an API server only when another serves.
    func checks(before component: Component, on name: String) async throws -> [GateCheck] {
        switch component {
        case .etcd: return [try await etcd(without: name)]
        case .apiServer:
            if settings.acceptsRisk { return [] }
            let others = settings.hosts.filter { $0.name != name && $0.server != nil }
            guard !others.isEmpty else { return [GateCheck("another API server", .fails, "\(name) is the only one; --accept-risk restarts it")] }
            for other in others {
                if let complaint = await self.complaint(ofServerOn: other) { return [GateCheck("another API server", .notYet, complaint)] }
            }
            return [GateCheck("another API server", .holds)]
        case .controllerManager, .scheduler: return []
        }
    }

    /// Whether members of etcd are well: all but the one that goes, which may be away already, when an earlier attempt was cut off; or all.
    private func etcd(without name: String?) async throws -> GateCheck {
        let check = "etcd quorum"
        // Who says that he knows also says so where nobody can be asked: when the certificates are over, for one.
        if settings.acceptsRisk { return GateCheck(check, .holds, "--accept-risk") }
        // Nobody is asked who goes, or is away.
        let asked = settings.hosts.filter { $0.name != name }
        do {
            return try await ControlPlaneProbe(asked.isEmpty ? settings.hosts : asked).withEtcd { client in
                let voters = try await client.members().filter { !$0.isLearner }.count
                guard voters <= settings.hosts.count else {
                    return GateCheck(check, .fails, "etcd has \(voters) voters, and --host names \(settings.hosts.count): name all of them")
                }
                guard voters >= 3 else {
                    return GateCheck(
                        check, .fails, "with \(voters) voters none is to spare; --accept-risk restarts it, and the API is gone meanwhile")
                }
                let answers = await client.statuses()
                let statuses = answers.compactMap { try? $0.status.get() }.filter { $0.leaderID != 0 && $0.errors.isEmpty }
                guard statuses.count == asked.count else {
                    let silent = zip(asked, answers).filter { (try? $0.1.status.get()) == nil }.map(\.0.name)
                    let which = silent.isEmpty ? "" : ", without \(silent.joined(separator: ", "))"
                    return GateCheck(check, .notYet, "\(statuses.count) of \(asked.count) members are well\(which)")
                }
                let applied = statuses.map(\.raftAppliedIndex)
                let lag = (applied.max() ?? 0) - (applied.min() ?? 0)
                return GateCheck(check, lag > 1000 ? .notYet : .holds, lag > 1000 ? "a member is \(lag) entries behind" : "")
            }
        } catch let error as CancellationError { throw error } catch { return GateCheck(check, .notYet, "\(error)") }
    }

    // MARK: Restarting

    func isDone(_ component: Component, on name: String, evidence: [String: String]?) async throws -> String? {
        let state = try await state(of: component, on: name)
        if let evidence {
            guard let process = state.processID, "\(process)" != evidence["process"] else { return nil }
            return state.complaint == nil ? "it runs anew" : nil
        }
        return !settings.isForced && state.complaint == nil ? "it uses the newest files" : nil
    }

    /// Whether it runs and, if it is an API server, is ready; with whatever files. One that nobody has stopped need not be started.
    func isServing(_ component: Component, on name: String) async throws -> Bool {
        let host = try settings.host(name)
        guard try await state(of: component, on: name).startedAt != nil, !(try await isStopped(component, on: name)) else { return false }
        return component == .apiServer ? await complaint(ofServerOn: host) == nil : true
    }

    func isStopped(_ component: Component, on name: String) async throws -> Bool {
        let host = try settings.host(name)
        return try await host.access.text("if \(settings.pods(host).isStopped([component])); then echo yes; fi").hasPrefix("yes")
    }

    func stop(_ component: Component, on name: String) async throws {
        let host = try settings.host(name)
        _ = try await host.access.text(settings.pods(host).stop([component], seconds: Int(settings.patienceSeconds)))
    }

    func start(_ component: Component, on name: String) async throws -> String {
        let host = try settings.host(name)
        _ = try await host.access.text(settings.pods(host).start([component], seconds: Int(settings.patienceSeconds)))
        return "process \(try await state(of: component, on: name).processID.map(String.init) ?? "unknown")"
    }

    func restart(_ component: Component, on name: String) async throws -> String {
        if component == .etcd, !settings.acceptsRisk { try await handOver(from: name) }
        try await stop(component, on: name)
        return try await start(component, on: name)
    }

    // MARK: Another image

    private func manifest(_ component: Component) -> String { "\(settings.folders.kubernetes)/manifests/\(component.rawValue).yaml" }

    /// Whether the manifest that is in place has an image, and its pod runs. Manifests are written while their pods are stopped alone.
    func hasImage(_ image: String, _ component: Component, on name: String) async throws -> Bool {
        let path = NodeAccess.quoted(manifest(component))
        let text = try await settings.host(name).access.text("if [ -e \(path) ]; then cat \(path); fi")
        guard !text.isEmpty, try StaticPod(parsing: text, from: "\(manifest(component)) on \(name)").image == image else { return false }
        return try await state(of: component, on: name).startedAt != nil
    }

    func update(_ component: Component, on name: String, to image: String) async throws -> String {
        let host = try settings.host(name)
        let kept = "\(settings.aside)/pods/\(component.rawValue).yaml"
        let (placed, laidAside) = (NodeAccess.quoted(manifest(component)), NodeAccess.quoted(kept))
        // What cannot be written, or is not to be had, is found out while the old one still runs.
        let text = try await host.access.text("if [ -e \(placed) ]; then cat \(placed); else cat \(laidAside); fi")
        let replaced = try StaticPod.replacingImage(of: text, by: image, from: "\(component.rawValue).yaml on \(name)")
        let reference = NodeAccess.quoted(image)
        _ = try await host.access.text(
            "if command -v crictl >/dev/null; then crictl inspecti -q \(reference) >/dev/null 2>&1 || crictl pull -q \(reference) >/dev/null; fi")
        if component == .etcd, !settings.acceptsRisk { try await handOver(from: name) }
        try await stop(component, on: name)
        let files = try await ControlPlaneFiles.read([kept], of: host.access)
        try await FileChanges(aside: settings.aside).write(
            [.write(path: kept, bytes: Array(replaced.utf8), keepsTime: false)], like: files, to: host.access)
        return try await start(component, on: name)
    }

    // MARK: Other manifests

    /// Puts manifests of a folder on the node into the places of those that run, where they differ: etcd while the API server that asks it is away.
    /// - Returns: what was replaced.
    func putBack(on name: String, from folder: String, notify: @escaping @Sendable (String) -> Void) async throws -> [Component] {
        let host = try settings.host(name)
        var replaced: [Component] = []
        for component in host.running {
            let (copy, placed, laidAside) = (
                "\(folder)/\(component.rawValue).yaml", manifest(component), "\(settings.aside)/pods/\(component.rawValue).yaml"
            )
            let isOther = "[ -e \(NodeAccess.quoted(copy)) ] && ! cmp -s \(NodeAccess.quoted(copy)) \(NodeAccess.quoted(placed))"
            guard try await host.access.text("if \(isOther); then echo yes; fi").hasPrefix("yes") else { continue }
            if component == .etcd, let complaint = try await complaint(ofOlderEtcd: copy, than: [placed, laidAside], on: host) {
                notify(complaint)
                continue
            }
            notify("\(component.rawValue) as it was")
            let isAround = component == .etcd && host.running.contains(.apiServer)
            if isAround { try await stop(.apiServer, on: name) }
            if component == .etcd, !settings.acceptsRisk { try await handOver(from: name) }
            try await stop(component, on: name)
            let part = NodeAccess.quoted("\(laidAside).part")
            _ = try await host.access.text("cp -a \(NodeAccess.quoted(copy)) \(part); mv -f \(part) \(NodeAccess.quoted(laidAside)); sync")
            _ = try await start(component, on: name)
            if isAround {
                try await prove(.etcd, on: name)
                _ = try await start(.apiServer, on: name)
            }
            try await prove(component, on: name)
            replaced.append(component)
        }
        return replaced
    }

    /// Why an etcd must not go back to what a manifest says; nil when it may: its data directory was raised by the newer minor.
    private func complaint(ofOlderEtcd copy: String, than current: [String], on host: ControlPlaneHost) async throws -> String? {
        func version(_ path: String) async throws -> (Int, Int)? {
            let q = NodeAccess.quoted(path)
            let text = try await host.access.text("if [ -e \(q) ]; then cat \(q); fi")
            guard !text.isEmpty, let version = try StaticPod(parsing: text, from: path).version else { return nil }
            let numbers = version.split(separator: ".").compactMap { Int($0) }
            return numbers.count >= 2 ? (numbers[0], numbers[1]) : nil
        }
        guard let old = try await version(copy) else { return nil }
        for path in current {
            if let new = try await version(path), old < new {
                return
                    "etcd on \(host.name) stays at \(new.0).\(new.1): \(old.0).\(old.1) does not start on the data of a newer minor, and older API servers work with the newer"
            }
        }
        return nil
    }

    /// An election that is asked for takes a moment; one that nobody expected takes the time-out.
    func handOver(from name: String) async throws {
        try await ControlPlaneProbe(settings.hosts).withEtcd { client in
            let answers = Array(zip(settings.hosts, await client.statuses()))
            guard let own = answers.first(where: { $0.0.name == name }), let status = try? own.1.status.get(), status.leaderID == status.memberID
            else { return }
            let others = answers.filter { host, _ in host.name != name }.compactMap { _, answer in try? answer.status.get() }.filter { !$0.isLearner }
            // To the last in the order: who has it in the end moves it once, and not at each restart.
            guard let next = others.last else { return }
            try await TrafficHold.holding(settings.holdsTraffic ? settings.loadBalancers : []) {
                try? await client.moveLeader(at: own.1.endpoint, to: next.memberID)
            }
        }
    }

    /// Waits until the component serves, presents what lies on the disk, and its peers see it.
    func prove(_ component: Component, on name: String, notify: (String) -> Void = { _ in }) async throws {
        let host = try settings.host(name)
        try await time.wait(within: settings.patienceSeconds, notify: notify) {
            if let complaint = try await state(of: component, on: name).complaint { return complaint }
            switch component {
            case .apiServer: return await complaint(ofServerOn: host)
            case .etcd:
                let check = try await etcd(without: nil)
                return check.outcome == .holds ? nil : check.found
            case .controllerManager, .scheduler: return nil
            }
        }
    }

    /// What an API server lacks: asked for /readyz itself, over verified TLS, with the client certificate that it uses for kubelets. Nil when it is ready.
    private func complaint(ofServerOn host: ControlPlaneHost) async -> String? {
        do {
            guard let server = host.server else { return nil }
            return try await ControlPlaneProbe(settings.hosts).readiness(of: host, server)
        } catch { return "\(host.name): \(error)" }
    }
}
