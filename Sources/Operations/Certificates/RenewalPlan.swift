internal import ClusterPKI
package import Foundation
internal import Maintenance

/// New certificates in the place of old ones, node by node. Pure: made from what lies on the nodes.
package struct RenewalPlan: Sendable {
    /// - Parameters:
    ///   - names: kubeadm's; empty for all that are there.
    ///   - configuration: of kubeadm, whose names the certificates are to have; nil to keep those that they have.
    ///   - isRequest: whether requests are made for another authority, and nothing is signed.
    package static func make(
        _ settings: CertificateSettings, _ nodes: [NodeCertificates], names: [String], configuration: ClusterConfiguration?, isRequest: Bool = false,
        at now: Date
    ) throws -> CertificatePlan {
        for name in names where KubeadmCertificate.named(name) == nil {
            throw OperationError(
                .invalid, "there is no certificate \(name). kubeadm's are \(KubeadmCertificate.all.map(\.name).joined(separator: ", ")).")
        }
        var settings = settings
        settings.identify(nodes)
        var plan = CertificateAction.Plan(operation: "certs renew", subject: settings.subject, steps: [])
        for node in nodes {
            var chosen: [KubeadmCertificate] = []
            for kind in KubeadmCertificate.all where names.isEmpty || names.contains(kind.name) {
                guard let old = try node.certificate(kind) else {
                    if !kind.isOptional || names.contains(kind.name) { plan.remarks.append("\(node.node) has no \(kind.name): it is left out") }
                    continue
                }
                try refuse(kind, on: node, &plan)
                chosen.append(kind)
                if let wanted = try configuration?.names(of: kind, old: old, on: node) {
                    settings.names[node.node, default: [:]][kind.name] = wanted
                    let (gone, come) = (old.names.subtracting(wanted.all).sorted(), wanted.all.subtracting(old.names).sorted())
                    if !come.isEmpty {
                        plan.remarks.append("\(node.node): \(kind.name) is good for \(come.joined(separator: ", ")), too, from now on")
                    }
                    if !gone.isEmpty { plan.remarks.append("\(node.node): \(kind.name) is good for \(gone.joined(separator: ", ")) no longer") }
                }
            }
            guard !chosen.isEmpty else { continue }
            // What came back is looked at before anything begins.
            if let folder = settings.signedFolder {
                for kind in chosen {
                    guard let old = try node.certificate(kind) else { continue }
                    _ = try SignedFolder(path: folder).take(kind, of: node.node, old: old, authorities: try node.authorities(kind.authority), at: now)
                }
            }
            for authority in Set(chosen.map(\.authority)) where settings.signedFolder == nil && !isRequest {
                do {
                    let signer = try node.signer(authority, at: now)
                    if signer.certificate.notAfter < now.addingTimeInterval(settings.validSeconds) {
                        plan.remarks.append(
                            "\(node.node): \(authority.rawValue) itself ends at \(signer.certificate.notAfter.formatted(.iso8601)), and what it signs with it"
                        )
                    }
                } catch let error as OperationError { plan.refusals.append("\(error)") } catch let error as PKIError {
                    plan.refusals.append("\(error)")
                }
            }
            plan.steps += steps(node, chosen, settings, now)
        }
        plan.refusals = Array(Set(plan.refusals)).sorted()
        if !plan.steps.isEmpty {
            plan.remarks.append(
                "what uses them goes on with the old ones, which stay good until they expire, until it is restarted: `drydock certs restart`")
        }
        return CertificatePlan(plan: plan, settings: settings)
    }

    private static func refuse(_ kind: KubeadmCertificate, on node: NodeCertificates, _ plan: inout CertificateAction.Plan) throws {
        let path = node.path(kind.certificatePath)
        guard case .pair = kind.place, let text = node.text(path) else { return }
        let all = try X509Certificate.parse(pem: text, from: node.place(path))
        if all.count > 1 {
            let isRotated = try all[1].isAuthority && node.authorities(kind.authority).contains { $0.subject == all[1].subject }
            plan.refusals.append(
                isRotated
                    ? "\(node.place(path)): its authority is being replaced. Finish that first: resume its run (`drydock runs list`), or `drydock certs rotate-ca --drop-old`."
                    : "\(node.place(path)) holds \(all.count) certificates: an authority between signed it, which is not here. Renew it where it was signed."
            )
        }
    }

    private static func steps(
        _ node: NodeCertificates, _ kinds: [KubeadmCertificate], _ settings: CertificateSettings, _ now: Date
    ) -> [CertificateAction.Step] {
        let names = kinds.map(\.name)
        let oldest = kinds.compactMap { try? node.certificate($0)?.notAfter }.min()
        let until = now.addingTimeInterval(settings.validSeconds).formatted(.iso8601.year().month().day())
        return [
            .init(
                id: "renew \(node.node)",
                title: "renew \(names.count > 3 ? "\(names.count) certificates" : names.joined(separator: ", ")) on \(node.node)", target: node.node,
                reason: "\(names.joined(separator: ", ")); the first ends at \(oldest?.formatted(.iso8601) ?? "no known time")",
                effect:
                    "new keys, good until \(until), the old ones in \(settings.aside); the API server takes its serving certificate by itself, everything else when it is restarted",
                undo: .by(.putBack(node: node.node), title: "put the old certificates of \(node.node) back"),
                expectedSeconds: 5, isDisruptive: true, action: .renew(node: node.node, names: names))
        ]
    }
}
