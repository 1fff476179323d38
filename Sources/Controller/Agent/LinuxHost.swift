package import Foundation
internal import Maintenance
package import NodeAccess
package import Operations

/// A Linux host with systemd, by a shell on it: apt, dnf or zypper.
package struct LinuxHost: AgentHost {
    package let access: NodeAccess

    package init(access: NodeAccess) { self.access = access }

    /// What every script begins with: English, no questions, and the paths of the host and not of the container.
    private static let prologue = """
        export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
        export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        cd /

        """

    /// Runs a script on the host.
    func shell(_ script: String) async throws -> String {
        do { return try await access.text(Self.prologue + script, limit: 8 << 20) } catch let error as NodeError {
            throw OperationError(.stopped, error.description)
        }
    }

    package func bootID() async throws -> String {
        try await shell("cat /proc/sys/kernel/random/boot_id").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Nil where the host has none that is known.
    func packageManager() async throws -> (any PackageManager)? {
        let found = try await shell(
            "for p in apt-get dnf zypper; do if command -v $p >/dev/null 2>&1; then echo $p; break; fi; done"
        ).trimmingCharacters(in: .whitespacesAndNewlines)
        switch found {
        case "apt-get": return Apt(host: self)
        case "dnf": return Dnf(host: self)
        case "zypper": return Zypper(host: self)
        default: return nil
        }
    }

    package func report(at now: Date) async -> NodeAgent.Report {
        var report = NodeAgent.Report(reportedAt: now)
        do {
            report.bootID = try await bootID()
            let manager = try await packageManager()
            report.packageManager = manager?.name
            (report.rebootRequired, report.rebootReasons) = try await rebootRequired(manager)
            if let manager {
                let (packages, message) = try await manager.pending()
                report.packages = packages.sorted { $0.name < $1.name }
                report.message = message
            }
        } catch { report.message = "\(error)" }
        return report
    }

    private func rebootRequired(_ manager: (any PackageManager)?) async throws -> (Bool, [String]) {
        let text = try await shell(
            "if [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; then echo required; cat /run/reboot-required.pkgs 2>/dev/null || :; fi"
        )
        var lines = text.split(separator: "\n").map(String.init)
        if lines.first == "required" {
            lines.removeFirst()
            return (true, Array(Set(lines)).sorted())
        }
        return try await manager?.rebootRequired() ?? (false, [])
    }

    package func update(_ order: NodeAgent.Order) async throws -> String {
        guard let manager = try await packageManager() else {
            throw OperationError(.stopped, "the host has none of apt, dnf and zypper")
        }
        return try await manager.update(order.packages ?? PackageChoice(), seconds: order.timeoutSeconds)
    }

    package func run(_ words: [String], seconds: Double) async throws -> String {
        guard !words.isEmpty else { throw OperationError(.invalid, "the order names no command") }
        let command = words.map(NodeAccess.quoted).joined(separator: " ")
        let text = try await shell(
            """
            status=0; said=$(timeout --kill-after=10 \(max(1, seconds.wholeSeconds)) \(command) 2>&1 </dev/null) || status=$?
            printf %s "$said" | tail -c 1000
            if [ $status -ne 0 ]; then { printf '%s\n' "$said" | tail -n 4; echo "it ends with $status"; } >&2; exit $status; fi
            """)
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Whoever delays shutdowns, such as the kubelet, is waited for; whoever forbids them is heard.
    package func reboot() async throws { _ = try await shell("systemctl reboot") }

    /// A script that nobody may shut the host down under: the inhibitor is released at its end, before a reboot. It runs as a unit of the host's own
    /// systemd, where there is one, so that neither the end nor the memory limit of the agent's pod cuts it off.
    func inhibiting(_ script: String, seconds: Double) -> String {
        let whole = NodeAccess.quoted("set -eu\n" + Self.prologue + script)
        return """
            set -- timeout --kill-after=60 \(max(1, seconds.wholeSeconds)) sh -c \(whole)
            if systemd-inhibit --list >/dev/null 2>&1; then
                set -- systemd-inhibit --what=shutdown:sleep --who=drydock --why='packages are being updated' --mode=block "$@"
                if command -v systemd-run >/dev/null 2>&1; then set -- systemd-run --quiet --collect --wait --pipe --service-type=exec -- "$@"; fi
            fi
            "$@"
            """
    }
}

/// What a host's package manager is asked.
protocol PackageManager: Sendable {
    var name: String { get }
    /// What could be updated, held or not, and what is wrong.
    func pending() async throws -> ([NodeAgent.Report.Package], String?)
    /// Whether a reboot is required, and why, as far as the package manager knows.
    func rebootRequired() async throws -> (Bool, [String])
    func update(_ choice: PackageChoice, seconds: Double) async throws -> String
}

extension PackageManager {
    func rebootRequired() async throws -> (Bool, [String]) { (false, []) }

    /// What a script printed below lines of `== NAME`, by that name.
    static func sections(of text: String) -> [String: [String]] {
        var name = ""
        var sections: [String: [String]] = [:]
        for line in text.split(separator: "\n").map(String.init) {
            if line.hasPrefix("== ") { name = String(line.dropFirst(3)) } else { sections[name, default: []].append(line) }
        }
        return sections
    }

    /// What went wrong, for people; nil when nothing did.
    func complaint(_ lines: [String]?) -> String? {
        guard let lines, !lines.isEmpty else { return nil }
        return "\(name): \(lines.prefix(5).map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " "))"
    }

    /// `2 updated: bash 5.2, tzdata 2024a`.
    static func summary(_ done: [NodeAgent.Report.Package]) -> String {
        "\(done.count) updated: \(done.prefix(10).map { "\($0.name) \($0.to)" }.joined(separator: ", "))\(done.count > 10 ? ", …" : "")"
    }
}
