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
        return read(text)
    }

    /// From what the script above prints.
    func read(_ text: String) -> ([NodeAgent.Report.Package], String?) {
        let found = Self.sections(of: text)
        // `1 | kubelet | package | (any)`
        let columns = (found["locks"] ?? []).map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
        let locks = Set(columns.filter { $0.count >= 3 && Int($0[0]) != nil }.map { $0[1] })
        let packages = (found["updates"] ?? []).filter { $0.contains("<update ") && $0.contains("kind=\"package\"") }.compactMap { line in
            Self.attribute("name", line).flatMap { name in
                Self.attribute("edition", line).map { to in
                    NodeAgent.Report.Package(name: name, from: Self.attribute("edition-old", line) ?? "", to: to, isHeld: locks.contains(name))
                }
            }
        }
        return (packages, complaint(found["trouble"]))
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
        let wanted = packages.filter { choice.takes($0) }
        guard !wanted.isEmpty else { return "nothing to update" }
        let names = wanted.map { NodeAccess.quoted($0.name) }.joined(separator: " ")
        // 102 and 103: done, and a reboot or a restart is needed.
        _ = try await host.shell(
            host.inhibiting("zypper -q -n update --auto-agree-with-licenses \(names) >/dev/null || [ $? -ge 102 ]", seconds: seconds))
        return Self.summary(wanted)
    }
}
