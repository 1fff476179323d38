internal import Foundation
internal import Maintenance
internal import NodeAccess
internal import Operations

/// SUSE's.
struct Zypper: PackageManager {
    let host: LinuxHost
    var name: String { "zypper" }

    func pending() async throws -> ([NodeAgent.Report.Package], String?) {
        let text = try await host.shell(
            """
            said=$(zypper -q -n refresh 2>&1) || { echo "== trouble"; printf '%s\n' "$said" | tail -n 3; }
            echo "== locks"; zypper -q -n locks 2>/dev/null || :
            echo "== updates"; zypper -q -n --xmlout list-updates 2>/dev/null || :
            """)
        return Self.parse(text)
    }

    /// From what the script above prints.
    static func parse(_ text: String) -> ([NodeAgent.Report.Package], String?) {
        var section = ""
        var locks: Set<String> = []
        var trouble: [String] = []
        var packages: [NodeAgent.Report.Package] = []
        for line in text.split(separator: "\n").map(String.init) {
            if line.hasPrefix("== ") {
                section = String(line.dropFirst(3))
                continue
            }
            switch section {
            case "trouble": trouble.append(line)
            case "locks":
                // `1 | kubelet | package | (any)`
                let columns = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
                if columns.count >= 3, Int(columns[0]) != nil { locks.insert(columns[1]) }
            case "updates" where line.contains("<update ") && line.contains("kind=\"package\""):
                guard let name = attribute("name", line), let to = attribute("edition", line) else { continue }
                packages.append(.init(name: name, from: attribute("edition-old", line) ?? "", to: to))
            default: break
            }
        }
        for index in packages.indices { packages[index].isHeld = locks.contains(packages[index].name) }
        return (packages, trouble.isEmpty ? nil : "zypper: \(trouble.prefix(3).joined(separator: " "))")
    }

    private static func attribute(_ name: String, _ line: String) -> String? {
        guard let start = line.range(of: " \(name)=\"") else { return nil }
        return String(line[start.upperBound...].prefix { $0 != "\"" })
    }

    func rebootRequired() async throws -> (Bool, [String]) {
        // 102: ZYPPER_EXIT_INF_REBOOT_NEEDED.
        let text = try await host.shell("zypper -q -n needs-rebooting >/dev/null 2>&1 || echo $?")
        return (text.trimmingCharacters(in: .whitespacesAndNewlines) == "102", [])
    }

    func update(_ choice: PackageChoice, seconds: Double) async throws -> String {
        let (packages, _) = try await pending()
        guard !choice.securityOnly else {
            throw OperationError(.stopped, "zypper knows patches that mend vulnerabilities, and not packages: securityOnly is not possible with it")
        }
        let wanted = packages.filter { !$0.isHeld && choice.takes($0.name, isSecurity: $0.isSecurity) }
        guard !wanted.isEmpty else { return "nothing to update" }
        let names = wanted.map { NodeAccess.quoted($0.name) }.joined(separator: " ")
        // 102 and 103: done, and a reboot or a restart is needed.
        _ = try await host.shell(
            host.inhibiting("zypper -q -n update --auto-agree-with-licenses \(names) >/dev/null || [ $? -ge 102 ]", seconds: seconds))
        return "\(wanted.count) updated: \(wanted.prefix(10).map { "\($0.name) \($0.to)" }.joined(separator: ", "))"
    }
}
