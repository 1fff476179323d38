internal import ClusterPKI
internal import Foundation
package import Maintenance
internal import NodeAccess

/// Carries out what is done to certificates. Keys are made here and go to the nodes through standard input; the authorities' keys are read from the nodes
/// that have them, and kept in memory alone.
package struct CertificateRun: RunOperation {
    package let settings: CertificateSettings
    let time: RunTime

    package init(settings: CertificateSettings, time: RunTime = .system) {
        self.settings = settings
        self.time = time
    }

    package var canUndoWhenDone: Bool { true }

    package func changedNothing(_ error: any Error) -> Bool { false }

    package func checks(before step: CertificateAction.Step) async throws -> [GateCheck] {
        switch step.action {
        case .restart(let name, let component), .stop(let name, let component), .update(let name, let component, _):
            return try await restarts.checks(before: component, on: name)
        case .traffic(let action): return try await traffic.checks(before: step.carrying(action))
        case .rotation(.restartBefore(let name, _, let component)): return try await restarts.checks(before: component, on: name)
        case .renew, .putBack, .start, .rotation: return []
        }
    }

    private var restarts: Restarts { Restarts(settings, time) }

    private var traffic: LoadBalancerRun {
        LoadBalancerRun(
            settings: LoadBalancerRunSettings(loadBalancers: settings.loadBalancers, settleSeconds: settings.patienceSeconds), time: time)
    }

    /// Serials tell an attempt's new certificates from the old ones.
    package func evidence(before step: CertificateAction.Step) async throws -> [String: String] {
        if case .restart(let name, let component) = step.action {
            let state = try await restarts.state(of: component, on: name)
            return ["process": "\(state.processID ?? 0)"]
        }
        if case .traffic(let action) = step.action { return try await traffic.evidence(before: step.carrying(action)) }
        if case .rotation(let action) = step.action { return try await RotationRun(settings, time).evidence(before: action) }
        guard case .renew(let name, let names) = step.action else { return [:] }
        let node = try await read(name)
        return try Dictionary(
            uniqueKeysWithValues: names.map { kind in (kind, try KubeadmCertificate.named(kind).flatMap { try node.certificate($0)?.serial } ?? "") })
    }

    package func isAlreadySo(_ step: CertificateAction.Step, evidence: [String: String]?) async throws -> String? {
        switch step.action {
        case .renew(let name, let names):
            guard let evidence else { return nil }
            return unfinished(names, in: try await read(name), evidence).isEmpty ? "\(names.count) certificates are new" : nil
        case .putBack(let name): return try await files.hasCopies(Self.copies, on: settings.node(name)) ? nil : "nothing was replaced"
        case .restart(let name, let component): return try await restarts.isDone(component, on: name, evidence: evidence)
        case .update(let name, let component, let image): return try await restarts.hasImage(image, component, on: name) ? "it runs with it" : nil
        case .stop(let name, let component): return try await restarts.isStopped(component, on: name) ? "it does not run" : nil
        case .start(let name, let component): return try await restarts.isServing(component, on: name) ? "it runs" : nil
        case .traffic(let action): return try await traffic.isAlreadySo(step.carrying(action), evidence: evidence)
        case .rotation(let action): return try await RotationRun(settings, time).isAlreadySo(action, evidence: evidence)
        }
    }

    /// Those that still are as they were, or were cut off between their two files.
    private func unfinished(_ names: [String], in node: NodeCertificates, _ evidence: [String: String]) -> [KubeadmCertificate] {
        names.compactMap { KubeadmCertificate.named($0) }.filter { kind in
            guard let certificate = try? node.certificate(kind), let key = try? node.key(kind) else { return true }
            return certificate.serial == evidence[kind.name] || !certificate.matches(key)
        }
    }

    private var files: FileChanges { FileChanges(aside: settings.aside) }
    private static let copies = "before"

    private func read(_ name: String) async throws -> NodeCertificates { try await .read(settings.node(name), settings.folders) }

    // MARK: Acting

    package func act(_ step: CertificateAction.Step, notify: @escaping @Sendable (String) -> Void) async throws -> String? {
        switch step.action {
        case .renew(let name, let names): return try await renew(names, on: name)
        case .putBack(let name):
            try await files.putBack(Self.copies, on: settings.node(name))
            return nil
        case .restart(let name, let component): return try await restarts.restart(component, on: name)
        case .stop(let name, let component):
            try await restarts.stop(component, on: name)
            return nil
        case .start(let name, let component): return try await restarts.start(component, on: name)
        case .update(let name, let component, let image): return try await restarts.update(component, on: name, to: image)
        case .traffic(let action): return try await traffic.act(step.carrying(action), notify: notify)
        case .rotation(let action): return try await RotationRun(settings, time).act(action, notify: notify)
        }
    }

    private func renew(_ names: [String], on name: String) async throws -> String {
        let access = try settings.node(name)
        let node = try await read(name)
        let now = time.now()
        // An attempt that was cut off has left some new and some old: it is simpler and safer to make all of them anew.
        let kinds = names.compactMap { KubeadmCertificate.named($0) }
        var signers: [KubeadmCertificate.Authority: Signer] = [:]
        var changes: [FileChange] = []
        for kind in kinds {
            guard let old = try node.certificate(kind) else { throw OperationError(.stopped, "\(kind.name) on \(name) is gone.") }
            let made: (certificate: X509Certificate, key: PrivateKey)
            if let folder = settings.signedFolder {
                made = try SignedFolder(path: folder).take(kind, of: name, old: old, authorities: try node.authorities(kind.authority), at: now)
            } else {
                if signers[kind.authority] == nil { signers[kind.authority] = try node.signer(kind.authority, at: now) }
                let key = try PrivateKey.make(settings.algorithm ?? old.renewableAlgorithm)
                guard let signer = signers[kind.authority] else { continue }
                made = (
                    try signer.renew(old, for: key, names: settings.names[name]?[kind.name], seconds: settings.validSeconds, at: now), key
                )
            }
            changes += try node.replacing(kind, by: [made.certificate], made.key, authorities: try node.authorities(.cluster))
        }
        try await files.write(changes, keeping: Self.copies, like: node.files, to: access)
        return "\(kinds.count) certificates"
    }

    package func verify(_ step: CertificateAction.Step) async throws {
        switch step.action {
        case .restart(let name, let component), .start(let name, let component), .update(let name, let component, _):
            try await restarts.prove(component, on: name)
        default: break
        }
        if case .traffic(let action) = step.action { try await traffic.verify(step.carrying(action)) }
        if case .rotation(let action) = step.action { try await RotationRun(settings, time).verify(action) }
        guard case .renew(let name, let names) = step.action else { return }
        let node = try await read(name)
        for kind in names.compactMap({ KubeadmCertificate.named($0) }) {
            guard let certificate = try node.certificate(kind), let key = try node.key(kind), certificate.matches(key),
                try node.authorities(kind.authority).contains(where: { certificate.isSigned(by: $0) })
            else {
                throw OperationError(
                    .stopped, "\(kind.name) on \(name) is not what was written: its key or its authority does not fit. Roll the run back.")
            }
        }
    }
}
