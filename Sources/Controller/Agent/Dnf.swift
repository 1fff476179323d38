internal import Foundation
internal import Maintenance
internal import NodeAccess
internal import Operations

/// Fedora's, and Red Hat's and its relatives'.
struct Dnf: PackageManager {
    let host: LinuxHost
    var name: String { "dnf" }

    func pending() async throws -> ([NodeAgent.Report.Package], String?) {
        // check-update: 100 when there are updates. versionlock is a plugin, and hides what it holds.
        let text = try await host.shell(
            """
            said=$(dnf -q makecache --refresh 2>&1) || { echo "== trouble"; printf '%s\n' "$said" | tail -n 3; }
            echo "== updates"; dnf -q check-update 2>/dev/null || :
            echo "== all"; dnf -q --disableplugin=versionlock check-update 2>/dev/null || :
            echo "== security"; dnf -q --security check-update 2>/dev/null || :
            echo "== installed"; rpm -qa --qf '%{NAME}.%{ARCH} %{EVR}\\n'
            """)
        return read(text)
    }

    /// From what the script above prints.
    func read(_ text: String) -> ([NodeAgent.Report.Package], String?) {
        let sections = Self.sections(of: text)
        /// `NAME.ARCH VERSION …`; what replaces others comes last, and names no updates.
        func versions(_ section: String) -> [String: String] {
            let lines = (sections[section] ?? []).prefix { !$0.hasPrefix("Obsoleting Packages") }.filter { !$0.hasPrefix(" ") }
            let words = lines.map { $0.split(separator: " ").map(String.init) }.filter { $0.count >= 2 && $0[0].contains(".") }
            return Dictionary(words.map { ($0[0], $0[1]) }, uniquingKeysWith: { $1 })
        }
        let (updates, security, installed) = (versions("updates"), versions("security"), versions("installed"))
        let packages = versions("all").merging(updates) { $1 }.map { key, version in
            NodeAgent.Report.Package(
                name: key.split(separator: ".").dropLast().joined(separator: "."), from: installed[key] ?? "", to: version,
                isSecurity: security[key] != nil, isHeld: updates[key] == nil)
        }
        return (packages.sorted { $0.name < $1.name }, complaint(sections["trouble"]))
    }

    func rebootRequired() async throws -> (Bool, [String]) {
        // dnf-utils: 1 when it is needed.
        let text = try await host.shell("if command -v needs-restarting >/dev/null 2>&1; then needs-restarting -r >/dev/null 2>&1 || echo $?; fi")
        return (text.trimmingCharacters(in: .whitespacesAndNewlines) == "1", [])
    }

    func update(_ choice: PackageChoice, seconds: Double) async throws -> String {
        let (packages, _) = try await pending()
        let wanted = packages.filter { choice.takes($0) }
        guard !wanted.isEmpty else { return "nothing to update" }
        // One transaction: it is carried out whole, or refused. What is excluded is not pulled in either.
        let excluded = packages.filter { !choice.takes($0.name, isSecurity: true) }.map(\.name) + choice.exclude
        let flags = excluded.map { NodeAccess.quoted("--exclude=\($0)") } + wanted.map { NodeAccess.quoted("\($0.name)-\($0.to)") }
        _ = try await host.shell(host.inhibiting("dnf -y -q upgrade \(flags.joined(separator: " ")) </dev/null >/dev/null", seconds: seconds))
        return Self.summary(wanted)
    }
}
