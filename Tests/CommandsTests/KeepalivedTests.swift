import Foundation
import Proving
import Testing

/// `drydock lb` on two real load balancers between which a real keepalived moves an address, over ssh.
@Suite(.enabled(if: KeepalivedPair.mayRun, Comment(rawValue: KeepalivedPair.missing)), .timeLimit(.minutes(40)))
struct KeepalivedTests {
    @Test func `The standby gets a new configuration first, whoever that is, and nobody who uses the address notices`() async throws {
        try await BuiltProgram.withFolder { state in
            try await KeepalivedPair.running { pair in
                func lb(_ words: String...) async throws -> CommandRun {
                    try await BuiltProgram.run(["lb"] + words + pair.hostFlags, environment: ["XDG_STATE_HOME": state.path])
                }
                func apply(connections: Int) async throws -> [String] {
                    let candidate = state.appendingPathComponent("\(connections).cfg")
                    try Data(pair.configuration(connections: connections).utf8).write(to: candidate)
                    let applied = try await lb("apply", candidate.path, "-o", "json")
                    try #require(applied.status == 0, "\(applied.output)\(applied.errors)")
                    for name in pair.names {
                        #expect(try String(contentsOf: pair.configurationFile(name), encoding: .utf8).contains("maxconn \(connections)"), "\(name)")
                    }
                    let run = try #require(try JSONSerialization.jsonObject(with: Data(applied.output.utf8)) as? [String: Any])
                    let steps = try #require(run["steps"] as? [[String: Any]]).compactMap { $0["id"] as? String }
                    return steps.filter { $0.hasPrefix("reload ") }.map { String($0.dropFirst("reload ".count)) }
                }
                let active = try #require(try await pair.holder())
                let standby = try #require(pair.names.first { $0 != active })
                let status = try await lb("status", "-o", "json")
                let views = try #require(try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [[String: Any]], "\(status.errors)")
                let found = Dictionary(uniqueKeysWithValues: views.map { ($0["loadBalancer"] as? String ?? "", $0["isActive"] as? Bool) })
                #expect(found == [active: true, standby: false])

                // Whoever asks the address, from the other host, is answered all the while.
                // (A shell around ssh: that closes what it inherits, by which its end would be seen.)
                let loop =
                    "while [ ! -e /run/enough ]; do curl -s -o /dev/null --max-time 5 http://\(KeepalivedPair.address):6443/ && echo ok || echo lost; done"
                let asking = try CommandRun.Running("sh", ["-c", "ssh -F \(pair.sshConfig) \(standby) '\(loop)'; true"])
                #expect(try await apply(connections: 300) == [standby, active])
                #expect(try await pair.holder() == active, "the address stays where it is")
                #expect(try await pair.on(standby, "touch /run/enough").status == 0)
                let answers = await asking.finish().output.split(separator: "\n")
                #expect(answers.count > 20 && answers.allSatisfy { $0 == "ok" }, "\(answers.count) answers")

                // The address moves, and with it the order.
                _ = try await pair.on(active, "pkill keepalived")
                let moved = try await eventually { try await pair.holder() == standby ? true : nil }
                try #require(moved == true)
                #expect(try await apply(connections: 400) == [active, standby])
                let drained = try await lb("drain", "masters/cp1")
                #expect(drained.status == 0, "\(drained.output)\(drained.errors)")
                let last = try await lb("drain", "masters/cp2")
                #expect(last.status == 4 && last.output.contains("last server"), "\(last.output)")
            }
        }
    }
}
