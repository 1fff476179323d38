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
        return Self.parse(text)
    }

    /// From what the script above prints.
    static func parse(_ text: String) -> ([NodeAgent.Report.Package], String?) {
        var section = ""
        var found: [String: [String: String]] = [:]
        var trouble: [String] = []
        for line in text.split(separator: "\n").map(String.init) {
            if line.hasPrefix("== ") {
                section = String(line.dropFirst(3))
                continue
            }
            // What replaces others comes last, and names no updates.
            if line.hasPrefix("Obsoleting Packages") { section = "" }
            let words = line.split(separator: " ").map(String.init)
            if section == "trouble" {
                trouble.append(line)
            } else if !section.isEmpty, words.count >= 2, !line.hasPrefix(" "), words[0].contains(".") {
                found[section, default: [:]][words[0]] = words[1]
            }
        }
        let installed = found["installed"] ?? [:]
        let all = (found["all"] ?? [:]).merging(found["updates"] ?? [:]) { $1 }
        let packages = all.map { key, version in
            NodeAgent.Report.Package(
                name: key.split(separator: ".").dropLast().joined(separator: "."), from: installed[key] ?? "", to: version,
                isSecurity: found["security"]?[key] != nil, isHeld: found["updates"]?[key] == nil)
        }
        return (packages.sorted { $0.name < $1.name }, trouble.isEmpty ? nil : "dnf: \(trouble.prefix(3).joined(separator: " "))")
    }

    func rebootRequired() async throws -> (Bool, [String]) {
        // dnf-utils: 1 when it is needed.
        let text = try await host.shell("if command -v needs-restarting >/dev/null 2>&1; then needs-restarting -r >/dev/null 2>&1 || echo $?; fi")
        return (text.trimmingCharacters(in: .whitespacesAndNewlines) == "1", [])
    }

    func update(_ choice: PackageChoice, seconds: Double) async throws -> String {
        let (packages, _) = try await pending()
        let wanted = packages.filter { !$0.isHeld && choice.takes($0.name, isSecurity: $0.isSecurity) }
        guard !wanted.isEmpty else { return "nothing to update" }
        // One transaction: it is carried out whole, or refused. What is excluded is not pulled in either.
        let excluded = packages.filter { !choice.takes($0.name, isSecurity: true) }.map(\.name) + choice.exclude
        let flags = excluded.map { NodeAccess.quoted("--exclude=\($0)") } + wanted.map { NodeAccess.quoted("\($0.name)-\($0.to)") }
        _ = try await host.shell(host.inhibiting("dnf -y -q upgrade \(flags.joined(separator: " ")) </dev/null >/dev/null", seconds: seconds))
        return "\(wanted.count) updated: \(wanted.prefix(10).map { "\($0.name) \($0.to)" }.joined(separator: ", "))"
    }
}
