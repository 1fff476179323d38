internal import Foundation
internal import Maintenance
internal import NodeAccess
internal import Operations

/// Debian's and Ubuntu's.
struct Apt: PackageManager {
    let host: LinuxHost
    var name: String { "apt" }

    /// Configuration files that somebody changed stay as they are; another apt is waited for.
    private static let options =
        "-o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0"

    /// What the last update left, `NAME VERSION` a line, since it would have pulled along what is to be left alone: it counts as held, or the node would be
    /// due for ever.
    private static let leftFile = "/var/lib/drydock/left"

    // MARK: Looking

    func pending() async throws -> ([NodeAgent.Report.Package], String?) {
        let text = try await host.shell(
            """
            said=$(apt-get -qq \(Self.options) update 2>&1 >/dev/null) || { echo "== trouble"; printf '%s\n' "$said" | tail -n 3; }
            broken=$(dpkg --audit 2>/dev/null | head -5); if [ -n "$broken" ]; then echo "== broken"; echo "$broken"; fi
            echo "== left"; cat \(Self.leftFile) 2>/dev/null || :
            echo "== holds"; apt-mark showhold
            echo "== updates"; apt-get -s -q --ignore-hold --with-new-pkgs upgrade 2>/dev/null || :
            """)
        return read(text)
    }

    /// From what the script above prints.
    func read(_ text: String) -> ([NodeAgent.Report.Package], String?) {
        let found = Self.sections(of: text)
        let holds = Set(found["holds"] ?? [])
        let left = Set(found["left"] ?? [])
        let packages = (found["updates"] ?? []).compactMap(Self.inst).map { package in
            var package = package
            let plain = package.name.split(separator: ":").first.map(String.init) ?? ""
            package.isHeld = holds.contains(package.name) || holds.contains(plain) || left.contains("\(package.name) \(package.to)")
            return package
        }
        return (packages, complaint((found["trouble"] ?? []) + (found["broken"] ?? [])))
    }

    /// `Inst NAME [FROM] (TO ORIGIN, ORIGIN [ARCH])`, of a package that is there; nil for other lines.
    static func inst(_ line: String) -> NodeAgent.Report.Package? {
        guard line.hasPrefix("Inst ") else { return nil }
        let words = line.split(separator: " ")
        guard words.count >= 3, words[2].hasPrefix("["), words[2].hasSuffix("]"), let open = line.firstIndex(of: "("),
            let close = line[open...].firstIndex(of: ")")
        else { return nil }
        let inside = line[line.index(after: open)..<close]
        guard let to = inside.split(separator: " ").first else { return nil }
        // `Debian-Security:12/stable-security`, `Ubuntu:22.04/jammy-security`.
        let isSecurity = inside.dropFirst(to.count).lowercased().contains("security")
        return .init(name: String(words[1]), from: String(words[2].dropFirst().dropLast()), to: String(to), isSecurity: isSecurity)
    }

    // MARK: Updating

    func update(_ choice: PackageChoice, seconds: Double) async throws -> String {
        // An update that was cut off is finished first; what was left before may have become possible.
        try await configure(seconds: seconds)
        _ = try await host.shell("rm -f \(Self.leftFile)")
        let (packages, _) = try await pending()
        let wanted = packages.filter { choice.takes($0) }
        guard !wanted.isEmpty else { return "nothing to update" }
        let (accepted, refused) = try await acceptable(wanted, choice)
        if !refused.isEmpty {
            let lines = refused.map { "\($0.package.name) \($0.package.to)\n" }.joined()
            _ = try await host.shell("mkdir -p $(dirname \(Self.leftFile)); printf %s \(NodeAccess.quoted(lines)) >\(Self.leftFile)")
        }
        guard !accepted.isEmpty else { return Self.text(done: [], left: refused, failed: []) }
        let failed = try await install(accepted, seconds: seconds)
        let done = accepted.filter { package in !failed.contains { $0.hasPrefix("\(package.name) ") } }
        let text = Self.text(done: done, left: refused, failed: failed)
        if !failed.isEmpty { throw OperationError(.stopped, text) }
        return text
    }

    private typealias Left = (package: NodeAgent.Report.Package, why: String)

    private static func text(done: [NodeAgent.Report.Package], left: [Left], failed: [String]) -> String {
        var parts: [String] = []
        if !done.isEmpty { parts.append(summary(done)) }
        if !failed.isEmpty { parts.append("failed: \(failed.prefix(5).joined(separator: "; "))") }
        if !left.isEmpty { parts.append("left: \(left.prefix(5).map { "\($0.package.name): \($0.why)" }.joined(separator: "; "))") }
        return parts.joined(separator: ". ")
    }

    private func configure(seconds: Double) async throws {
        _ = try? await host.shell(host.inhibiting("dpkg --configure -a --force-confdef --force-confold >/dev/null 2>&1 </dev/null", seconds: seconds))
    }

    private static func arguments(_ packages: [NodeAgent.Report.Package]) -> String {
        packages.map { NodeAccess.quoted("\($0.name)=\($0.to)") }.joined(separator: " ")
    }

    /// Which updates touch nothing that is to be left alone: apt says beforehand what it would do.
    /// - Returns: those, and of the others why not.
    private func acceptable(
        _ wanted: [NodeAgent.Report.Package], _ choice: PackageChoice
    ) async throws -> ([NodeAgent.Report.Package], [Left]) {
        let holds = Set(try await host.shell("apt-mark showhold").split(separator: "\n").map(String.init))
        func complaint(_ packages: [NodeAgent.Report.Package]) async throws -> String? {
            let script = "apt-get -s -q --only-upgrade install \(Self.arguments(packages)) 2>&1 || echo '== no'"
            for line in try await host.shell(script).split(separator: "\n") {
                let words = line.split(separator: " ").map(String.init)
                guard let verb = words.first, words.count > 1 || verb == "==" else { continue }
                let name = words.count > 1 ? words[1].split(separator: ":").first.map(String.init) ?? "" : ""
                switch verb {
                case "==": return "apt cannot install it"
                case "Remv": return "\(name) would be removed"
                case "Inst" where holds.contains(name): return "\(name) would change, and is held"
                case "Inst" where !choice.takes(name, isSecurity: true): return "\(name) would change, and is not to be touched"
                default: continue
                }
            }
            return nil
        }
        if try await complaint(wanted) == nil { return (wanted, []) }
        var accepted: [NodeAgent.Report.Package] = []
        var refused: [Left] = []
        for package in wanted {
            if let why = try await complaint(accepted + [package]) { refused.append((package, why)) } else { accepted.append(package) }
        }
        return (accepted, refused)
    }

    /// - Returns: what failed, each beginning with the name of the package.
    private func install(_ packages: [NodeAgent.Report.Package], seconds: Double) async throws -> [String] {
        var left = packages
        var failed: [String] = []
        while !left.isEmpty {
            let script = host.inhibiting(
                "apt-get -y -q \(Self.options) --only-upgrade install \(Self.arguments(left)) </dev/null 2>&1", seconds: seconds)
            let ending = try await host.shell(
                """
                status=0
                said=$( \(script)
                ) || status=$?
                echo "== $status"
                if [ $status -ne 0 ]; then printf '%s\n' "$said" | grep -E '^(E:|dpkg: error| )' | tail -n 12 || :; fi
                """)
            guard !ending.hasPrefix("== 0") else { return failed }
            let said = ending.split(separator: "\n").dropFirst().map { $0.trimmingCharacters(in: .whitespaces) }
            try await configure(seconds: seconds)
            let broken = try await self.broken()
            let culprits = left.filter { package in broken.contains(package.name) }
            guard !culprits.isEmpty else {
                // Nothing is half done: it could not be fetched, or apt refused.
                let installed = try await versions()
                let rest = left.filter { installed[$0.name] != $0.to }
                return failed + rest.map { "\($0.name) \($0.to): \(said.suffix(2).joined(separator: " "))" }
            }
            for package in culprits {
                let why = said.first { $0.contains(package.name) } ?? said.last ?? "its installation failed"
                let isBack = try await takeBack(package, seconds: seconds)
                failed.append("\(package.name) \(package.to): \(why) (\(isBack ? "back at \(package.from)" : "dpkg has it half installed"))")
            }
            let installed = try await versions()
            left = left.filter { package in !culprits.contains(package) && installed[package.name] != package.to }
        }
        return failed
    }

    /// The version that was there before, from a repository or what apt has kept.
    private func takeBack(_ package: NodeAgent.Report.Package, seconds: Double) async throws -> Bool {
        let old = NodeAccess.quoted("\(package.name)=\(package.from)")
        let kept = "/var/cache/apt/archives/\(package.name)_\(package.from.replacing(":", with: "%3a"))_*.deb"
        _ = try? await host.shell(
            host.inhibiting(
                """
                apt-get -y -q \(Self.options) --allow-downgrades install \(old) </dev/null >/dev/null 2>&1 \
                || dpkg --force-confdef --force-confold -i \(kept) </dev/null >/dev/null 2>&1 || :
                dpkg --configure -a --force-confdef --force-confold </dev/null >/dev/null 2>&1 || :
                """, seconds: seconds))
        return try await !broken().contains(package.name)
    }

    /// Packages that dpkg has half installed or not configured.
    private func broken() async throws -> Set<String> {
        let text = try await host.shell("dpkg-query -W -f '${db:Status-Status} ${Package} ${Architecture}\\n'")
        return Set(
            text.split(separator: "\n").flatMap { line -> [String] in
                let words = line.split(separator: " ").map(String.init)
                guard words.count == 3, !["installed", "config-files", "not-installed"].contains(words[0]) else { return [] }
                return [words[1], "\(words[1]):\(words[2])"]
            })
    }

    /// By name, with the architecture and without: apt writes it for foreign ones only.
    private func versions() async throws -> [String: String] {
        let text = try await host.shell("dpkg-query -W -f '${Package} ${Architecture} ${Version}\\n'")
        return Dictionary(
            text.split(separator: "\n").flatMap { line -> [(String, String)] in
                let words = line.split(separator: " ").map(String.init)
                return words.count == 3 ? [(words[0], words[2]), ("\(words[0]):\(words[1])", words[2])] : []
            }, uniquingKeysWith: { first, _ in first })
    }
}
