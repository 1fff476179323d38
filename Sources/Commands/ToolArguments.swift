/// Lets command lines that were written for etcdctl, etcdutl and kubectl pass: global flags may stand before the command there, a switch may be
/// written `--switch=true`, and `--dry-run` may say who is to pretend.
enum ToolArguments {
    /// Flags that may stand anywhere and take a value.
    private static let global: Set<String> = [
        "--endpoints", "--cacert", "--cert", "--key", "--user", "--password", "--dial-timeout", "--command-timeout", "--write-out", "--output",
        "--log-level", "-w", "-o",
    ]
    private static let switches: Set<String> = [
        "--skip-hash-check", "--mark-compacted", "--quiet", "--compact", "--force", "--all-members", "--dry-run", "--cluster", "--learner",
        "--ignore-daemonsets", "--delete-emptydir-data", "--delete-local-data", "--disable-eviction", "--all",
    ]

    /// The same arguments with the flags that stand before the first command moved behind all others, and switches without their values.
    static func normalized(_ arguments: [String]) -> [String] {
        var leading: [String] = []
        var rest = arguments.flatMap(unfolded)[...]
        while let flag = rest.first, flag.hasPrefix("-"), flag != "--" {
            let name = String(flag.prefix { $0 != "=" })
            guard global.contains(name) || switches.contains(name) else { break }
            leading.append(rest.removeFirst())
            if global.contains(name), name == flag, let value = rest.popFirst() { leading.append(value) }
        }
        guard !leading.isEmpty else { return Array(rest) }
        let end = rest.firstIndex(of: "--") ?? rest.endIndex
        return rest[..<end] + leading + rest[end...]
    }

    private static func unfolded(_ argument: String) -> [String] {
        let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, switches.contains(parts[0]) else { return [argument] }
        switch parts[1] {
        case "client",
            "server" where parts[0] == "--dry-run":
            return [parts[0]]
        case "none" where parts[0] == "--dry-run": return []
        case "true", "1", "t": return [parts[0]]
        case "false", "0", "f": return []
        default: return [argument]
        }
    }
}
