internal import ClusterPKI
package import Foundation
internal import ObjectStore

/// How the certificates of control-plane nodes stand: what `kubeadm certs check-expiration` says, and what it does not.
package struct CertificateReport: Codable, Sendable, Equatable {
    package struct Row: Codable, Sendable, Equatable {
        package var node: String
        /// As kubeadm names it; of others, the path.
        package var name: String
        package var path: String
        /// nil where it is missing.
        package var expires: Date?
        /// As kubeadm shortens it: `364d`, `9y`, `<invalid>`.
        package var residual: String
        /// `ca`, `etcd-ca`, `front-proxy-ca`; empty for those that nobody here signs.
        package var ca: String
        package var externallyManaged: Bool
        package var isAuthority: Bool
        /// Whether kubeadm lists it.
        package var isKubeadms: Bool
        package var serial: String?
        package var subject: String?
        package var key: String?
        package var names: [String]
    }

    package var rows: [Row] = []
    package var findings: [HostFinding] = []

    /// - Parameters:
    ///   - warnSeconds: what has less left is a finding.
    package init(_ nodes: [NodeCertificates], warnSeconds: Double, at now: Date) {
        for node in nodes {
            var judge = Judge(node: node, warnSeconds: warnSeconds, now: now)
            judge.judgeAll()
            rows += judge.rows
            findings += judge.findings
        }
        Self.compare(nodes, &findings)
        findings.sort()
    }

    /// Authorities that differ between nodes make clients of one that another does not trust.
    private static func compare(_ nodes: [NodeCertificates], _ findings: inout [HostFinding]) {
        for authority in KubeadmCertificate.Authority.allCases {
            var serials: [String: [String]] = [:]
            for node in nodes {
                guard let all = try? node.authorities(authority), !all.isEmpty else { continue }
                serials[all.map(\.serial).sorted().joined(separator: ","), default: []].append(node.node)
            }
            guard serials.count > 1 else { continue }
            let groups = serials.values.map { $0.joined(separator: ", ") }.sorted().joined(separator: " | ")
            findings.append(
                .init(
                    host: serials.values.joined().sorted().first ?? "", severity: .critical, subject: authority.rawValue,
                    problem: "the nodes do not have the same authority: \(groups)",
                    remedy: "resume the rotation that was begun (drydock runs list), or copy the right one"))
        }
    }

    /// kubeadm's way of shortening a time that is left (k8s.io/apimachinery's ShortHumanDuration).
    package static func shortened(_ seconds: Double) -> String {
        let seconds = Int(seconds.rounded(.towardZero))
        switch seconds {
        case ..<(-1): return "<invalid>"
        case ..<0: return "0s"
        case ..<60: return "\(seconds)s"
        case ..<3600: return "\(seconds / 60)m"
        case ..<86400: return "\(seconds / 3600)h"
        case ..<(86400 * 365): return "\(seconds / 86400)d"
        default: return "\(seconds / 86400 / 365)y"
        }
    }
}

/// Judges one node.
private struct Judge {
    let node: NodeCertificates
    let warnSeconds: Double
    let now: Date
    var rows: [CertificateReport.Row] = []
    var findings: [HostFinding] = []

    mutating func judgeAll() {
        // Workers have the cluster's authority and the kubelet's own, and need nothing else of kubeadm's.
        let isWorker =
            node.files.file(node.path("pki/apiserver.crt")) == nil && node.files.file(node.path("pki/ca.key")) == nil
            && !node.files.paths.contains { $0.hasPrefix(node.path("manifests/")) }
        if !isWorker { for kind in KubeadmCertificate.all { judge(kind) } }
        for authority in KubeadmCertificate.Authority.allCases where !isWorker || authority == .cluster { judge(authority) }
        judgeOthers()
        judgeModes()
        judgeServiceAccountKey()
        for path in node.stopped {
            let name = (path as NSString).lastPathComponent.replacingOccurrences(of: ".yaml", with: "")
            guard Component(rawValue: name) != nil, node.text(node.path("manifests/\(name).yaml")) == nil else { continue }
            find(
                .critical, name, "it is stopped: a run took its manifest to \(path)",
                "resume the run, or roll it back (drydock runs list); or move the manifest back to \(node.path("manifests"))")
        }
    }

    private mutating func find(_ severity: HostFinding.Severity, _ subject: String, _ problem: String, _ remedy: String) {
        findings.append(.init(host: node.node, severity: severity, subject: subject, problem: problem, remedy: remedy))
    }

    private mutating func add(
        _ certificate: X509Certificate?, name: String, path: String, ca: String, isExternal: Bool, isAuthority: Bool = false, isKubeadms: Bool = true
    ) {
        rows.append(
            .init(
                node: node.node, name: name, path: path, expires: certificate?.notAfter,
                residual: certificate.map { CertificateReport.shortened($0.notAfter.timeIntervalSince(now)) } ?? "", ca: ca,
                externallyManaged: isExternal, isAuthority: isAuthority, isKubeadms: isKubeadms, serial: certificate?.serial,
                subject: certificate?.subject, key: certificate?.keyAlgorithm, names: certificate?.names.sorted() ?? []))
        guard let certificate else { return }
        let left = certificate.notAfter.timeIntervalSince(now)
        let remedy =
            isAuthority ? "drydock certs rotate-ca" : isExternal ? "have it signed anew" : isKubeadms ? "drydock certs renew \(name)" : "renew it"
        if left <= 0 {
            find(.critical, name, "it expired at \(certificate.notAfter.formatted(.iso8601))", remedy)
        } else if left < warnSeconds {
            find(.warning, name, "it expires in \(CertificateReport.shortened(left)), at \(certificate.notAfter.formatted(.iso8601))", remedy)
        }
        if certificate.notBefore > now {
            find(.critical, name, "it is valid only from \(certificate.notBefore.formatted(.iso8601)) on", "look at the clocks")
        }
        if let weakness = certificate.weakness { find(.warning, name, weakness, remedy) }
    }

    // MARK: kubeadm's

    private mutating func judge(_ kind: KubeadmCertificate) {
        let path = node.path(kind.certificatePath)
        let isExternal = node.isExternal(kind.authority)
        do {
            guard let certificate = try node.certificate(kind) else {
                guard !kind.isOptional else { return }
                add(nil, name: kind.name, path: path, ca: kind.authority.rawValue, isExternal: isExternal)
                find(
                    .warning, kind.name, "\(path) is missing", "kubeadm init phase certs makes it; a node with an etcd elsewhere needs none of etcd's"
                )
                return
            }
            add(certificate, name: kind.name, path: path, ca: kind.authority.rawValue, isExternal: isExternal)
            let authorities = try node.authorities(kind.authority)
            if authorities.isEmpty {
                find(.critical, kind.name, "nobody can check it: \(node.path(kind.authority.certificatePath)) is missing", "bring the authority back")
            } else if !authorities.contains(where: { certificate.isSigned(by: $0) }) {
                find(.critical, kind.name, "\(kind.authority.rawValue) did not sign it", "drydock certs renew \(kind.name)")
            }
            if let key = try node.key(kind) {
                if !certificate.matches(key) { find(.critical, kind.name, "its key is another's", "drydock certs renew \(kind.name)") }
            } else {
                find(.critical, kind.name, "\(node.path(kind.keyPath)) is missing", "drydock certs renew \(kind.name)")
            }
            let lacking = try node.requiredNames(kind).subtracting(certificate.names).sorted()
            if !lacking.isEmpty {
                find(
                    .critical, kind.name, "it is not good for \(lacking.joined(separator: ", ")), by which it is called",
                    "drydock certs renew \(kind.name) --from-config")
            }
            if case .kubeconfig(let name) = kind.place, let text = node.text(path) {
                let trusted = try KubeconfigIdentity(text, from: path).authorities
                if !trusted.isEmpty, !authorities.isEmpty, !authorities.contains(where: { trusted.contains($0) }) {
                    find(.critical, name, "it does not trust the cluster's authority", "drydock certs renew \(name)")
                }
            }
        } catch {
            add(nil, name: kind.name, path: path, ca: kind.authority.rawValue, isExternal: isExternal)
            find(
                .critical, kind.name, "\(error)", "look at the file; drydock certs renew \(kind.name) makes it anew where its certificate can be read"
            )
        }
    }

    private mutating func judge(_ authority: KubeadmCertificate.Authority) {
        let path = node.path(authority.certificatePath)
        do {
            let all = try node.authorities(authority)
            guard !all.isEmpty else {
                add(nil, name: authority.rawValue, path: path, ca: "", isExternal: true, isAuthority: true)
                find(.warning, authority.rawValue, "\(path) is missing", "a node with an etcd elsewhere needs none of etcd's")
                return
            }
            for (index, certificate) in all.enumerated() {
                let name = index == 0 ? authority.rawValue : "\(authority.rawValue) (\(index + 1))"
                add(certificate, name: name, path: path, ca: "", isExternal: node.isExternal(authority), isAuthority: true)
                if !certificate.isAuthority { find(.critical, name, "it is no certificate authority", "look at \(path)") }
            }
            if all.count > 1 {
                find(
                    .warning, authority.rawValue, "\(all.count) authorities are trusted: a rotation is under way",
                    "finish it: resume its run (drydock runs list), or drydock certs rotate-ca --drop-old")
            }
            if let text = node.text(node.path(authority.keyPath)) {
                let key = try PrivateKey(pem: text, from: node.path(authority.keyPath))
                if !all.contains(where: { $0.matches(key) }) {
                    find(.critical, authority.rawValue, "its key is another's", "bring the right \(authority.keyPath) back")
                }
            }
        } catch { find(.critical, authority.rawValue, "\(error)", "look at \(path)") }
    }

    // MARK: What kubeadm does not list

    private mutating func judgeOthers() {
        let known = Set(
            KubeadmCertificate.all.map { node.path($0.certificatePath) } + KubeadmCertificate.Authority.allCases.map { node.path($0.certificatePath) }
        )
        let kubelet = node.path("kubelet.conf")
        for path in node.files.paths.sorted() where !known.contains(path) {
            guard path.hasSuffix(".crt") || path.hasSuffix(".pem") || path.hasSuffix(".conf") || node.folders.others.contains(path) else { continue }
            // The kubelet keeps those that it has had.
            if path.hasPrefix("\(node.folders.kubelet)/pki/kubelet-client-"), path != "\(node.folders.kubelet)/pki/kubelet-client-current.pem" {
                continue
            }
            guard let text = node.text(path), !text.isEmpty else { continue }
            do {
                if text.contains("-----BEGIN CERTIFICATE-----") {
                    let all = try X509Certificate.parse(pem: text, from: path)
                    for (index, certificate) in all.enumerated() where index == 0 || certificate.isAuthority {
                        add(
                            certificate, name: all.count > 1 ? "\(path) (\(index + 1))" : path, path: path, ca: signer(of: certificate),
                            isExternal: true,
                            isAuthority: certificate.isAuthority, isKubeadms: false)
                    }
                    if path.hasSuffix("kubelet-client-current.pem"), !all[0].isSelfSigned, signer(of: all[0]).isEmpty {
                        find(.critical, path, "the cluster's authority did not sign it", "kubeadm kubeconfig user, or let the kubelet bootstrap anew")
                    }
                } else if path.hasSuffix(".conf") || node.folders.others.contains(path) {
                    try judgeKubeconfig(path, text, isKubelets: path == kubelet)
                }
            } catch {
                if node.folders.others.contains(path) || path == kubelet { find(.critical, path, "\(error)", "look at the file") }
            }
        }
        for path in node.folders.others where node.files.file(path) == nil { find(.warning, path, "it is missing", "leave it out") }
    }

    private mutating func judgeKubeconfig(_ path: String, _ text: String, isKubelets: Bool) throws {
        let config = try KubeconfigIdentity(text, from: path)
        if let certificate = try config.certificate {
            add(certificate, name: path, path: path, ca: signer(of: certificate), isExternal: false, isKubeadms: false)
            if let key = try config.key, !certificate.matches(key) { find(.critical, path, "its key is another's", "make it anew") }
            if signer(of: certificate).isEmpty { find(.critical, path, "no authority of this node signed it", "make it anew") }
        }
        let (trusted, authorities) = (try config.authorities, try node.authorities(.cluster))
        if !trusted.isEmpty, !authorities.isEmpty, !authorities.contains(where: { trusted.contains($0) }) {
            find(.critical, path, "it does not trust the cluster's authority", "write the new certificate-authority-data into it")
        }
        for certificate in trusted where certificate.notAfter < now {
            find(.warning, path, "it trusts an authority that expired at \(certificate.notAfter.formatted(.iso8601))", "take it out")
        }
    }

    /// Which authority of this node signed it, really; empty for none.
    private func signer(of certificate: X509Certificate) -> String {
        KubeadmCertificate.Authority.allCases.first { authority in
            ((try? node.authorities(authority)) ?? []).contains { certificate.isSigned(by: $0) && $0 != certificate }
        }?.rawValue ?? ""
    }

    /// Keys and kubeconfigs are their owner's alone.
    private mutating func judgeModes() {
        for file in node.files.files {
            guard case .file = file.entry.kind else { continue }
            let path = "/" + file.entry.path
            let isSecret =
                path.hasSuffix(".key") || path.hasSuffix(".conf") || path.hasSuffix("kubelet-client-current.pem") || path.contains("/kubelet-client-")
            guard isSecret || path.hasSuffix(".crt") else { continue }
            if isSecret, file.entry.mode & 0o077 != 0 {
                find(.critical, path, "its mode \(String(file.entry.mode & 0o7777, radix: 8)) lets others read a secret", "chmod 600 \(path)")
            } else if file.entry.mode & 0o022 != 0 {
                find(.warning, path, "its mode \(String(file.entry.mode & 0o7777, radix: 8)) lets others change it", "chmod 644 \(path)")
            }
        }
    }

    private mutating func judgeServiceAccountKey() {
        guard let secret = node.text(node.path("pki/sa.key")), let published = node.text(node.path("pki/sa.pub")) else { return }
        do {
            let key = try PrivateKey(pem: secret, from: node.path("pki/sa.key"))
            let same = try key.publicPEM.filter { !$0.isWhitespace } == published.filter { !$0.isWhitespace }
            if !same { find(.critical, "sa.pub", "it does not belong to sa.key: tokens of service accounts are refused", "make it from sa.key") }
        } catch { find(.critical, "sa.key", "\(error)", "bring it back from a backup") }
    }
}

extension NodeCertificates {
    /// By which names and addresses its clients call a server: those in kubeconfigs on this node, and those that its own manifest advertises.
    func requiredNames(_ kind: KubeadmCertificate) throws -> Set<String> {
        switch kind.name {
        case "apiserver":
            var names: Set<String> = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
            for name in ["admin.conf", "kubelet.conf", "controller-manager.conf", "scheduler.conf"] {
                guard let text = text(path(name)), let config = try? KubeconfigIdentity(text, from: name),
                    let host = Self.host(of: config.server)
                else { continue }
                names.insert(host)
            }
            if let pod = try pod(.apiServer) {
                if let address = pod.flags["advertise-address"] { names.insert(address.lowercased()) }
                if let range = pod.flags["service-cluster-ip-range"]?.split(separator: ",").first, let first = Self.firstAddress(String(range)) {
                    names.insert(first)
                }
            }
            return names
        case "etcd-server", "etcd-peer":
            guard let pod = try pod(.etcd) else { return [] }
            let flag = kind.name == "etcd-server" ? "advertise-client-urls" : "initial-advertise-peer-urls"
            return Set((pod.flags[flag] ?? "").split(separator: ",").compactMap { Self.host(of: String($0)) })
        default: return []
        }
    }

    /// The host of a URL, or of the first of several, in lower case and without brackets.
    static func host(of url: String) -> String? {
        let first = url.prefix { $0 != "," }
        return URLComponents(string: String(first))?.host.map { $0.trimmingCharacters(in: ["[", "]"]).lowercased() }
    }

    /// The first address of a range, which is the API server's own service: 10.96.0.1 of 10.96.0.0/12.
    static func firstAddress(_ range: String) -> String? {
        let parts = range.split(separator: "/")
        guard parts.count == 2, let bits = Int(parts[1]) else { return nil }
        var octets = parts[0].split(separator: ".").compactMap { UInt8($0) }
        guard octets.count == 4, (0...31).contains(bits) else { return nil }
        var number = octets.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        number = (bits == 0 ? 0 : number & (UInt32.max << UInt32(32 - bits))) + 1
        octets = (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(24 - 8 * $0)) }
        return octets.map(String.init).joined(separator: ".")
    }
}
