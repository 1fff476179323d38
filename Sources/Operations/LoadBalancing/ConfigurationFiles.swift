internal import Crypto
internal import Foundation
internal import NodeAccess

/// The configuration of HAProxy on its host, and those that are before and after it: they lie beside it, so that a rename is enough.
struct ConfigurationFiles: Sendable {
    let loadBalancer: LoadBalancer
    /// Of the run.
    let tag: String

    private var access: NodeAccess { loadBalancer.access }
    private func q(_ path: String) -> String { NodeAccess.quoted(path) }
    private var current: String { q(loadBalancer.configuration) }
    private var staged: String { q("\(loadBalancer.configuration).drydock-\(tag).new") }
    private var before: String { q("\(loadBalancer.configuration).drydock-\(tag).before") }

    /// Bytes: more is no configuration.
    private static let longest = 16 << 20

    /// A new configuration, as it was planned.
    static func read(_ candidate: LoadBalancerRunSettings.Candidate) throws -> String {
        guard let data = FileManager.default.contents(atPath: candidate.path) else {
            throw OperationError(.invalid, "\(candidate.path) cannot be read. Put it back, or roll the run back.")
        }
        guard digest(data) == candidate.digest else {
            throw OperationError(.refused, "\(candidate.path) is not what was planned any more. Roll the run back, and begin again.")
        }
        return String(decoding: data, as: UTF8.self)
    }

    static func digest(_ data: Data) -> String { SHA256.hash(data: data).hexadecimal }

    private func holds(_ condition: String) async throws -> Bool {
        try await access.text("if \(condition); then echo yes; fi").hasPrefix("yes")
    }

    func text() async throws -> String { try await access.text("cat \(current)", limit: Self.longest) }

    func mostFiles() async throws -> Int? {
        Int(try await access.text("if [ -r /proc/sys/fs/nr_open ]; then cat /proc/sys/fs/nr_open; fi").filter(\.isNumber))
    }

    private func has(_ path: String, _ digest: String) -> String {
        "[ -f \(path) ] && [ \"$(sha256sum <\(path) | cut -d ' ' -f 1)\" = \(q(digest)) ]"
    }

    func isStaged(_ digest: String) async throws -> Bool {
        if try await holds(has(staged, digest)) { return true }
        return try await isReplaced(digest)
    }

    func isReplaced(_ digest: String) async throws -> Bool { try await holds("[ -f \(before) ] && \(has(current, digest))") }
    func isDiscarded() async throws -> Bool { try await holds("[ ! -e \(staged) ] && [ ! -e \(staged).part ]") }
    /// What was before is kept until all of it is as it was.
    func isBack() async throws -> Bool { try await holds("[ ! -e \(before) ]") }

    /// Has HAProxy judge a configuration where it would lie.
    /// - Throws: `OperationError` `.invalid` with HAProxy's words.
    func check(_ text: String) async throws {
        do {
            _ = try await access.text(
                """
                trap 'rm -f \(staged).check' EXIT
                \(write(to: "\(staged).check"))
                \(q(loadBalancer.program)) -c -f \(staged).check >&2
                """, input: Array(text.utf8))
        } catch let error as NodeError where error.code == .failed {
            throw OperationError(
                .invalid,
                "HAProxy on \(loadBalancer.name) would not load it: \(error.description.replacingOccurrences(of: ".drydock-\(tag).new.check", with: ""))"
            )
        }
    }

    /// With the owner and the mode of the configuration that is there; nobody else reads it on the way.
    private func write(to path: String) -> String {
        """
        umask 077
        cat >\(path)
        chown "$(stat -c %u:%g \(current))" \(path)
        chmod "$(stat -c %a \(current))" \(path)
        """
    }

    func stage(_ text: String) async throws -> String {
        _ = try await access.text(
            """
            \(write(to: "\(staged).part"))
            \(q(loadBalancer.program)) -c -f \(staged).part >&2
            sync
            mv \(staged).part \(staged)
            """, input: Array(text.utf8))
        return "HAProxy reads it"
    }

    func discard() async throws { _ = try await access.text("rm -f \(staged) \(staged).part") }

    func replace() async throws -> String {
        _ = try await access.text(
            """
            if [ ! -e \(before) ]; then
                cp -p \(current) \(before).part
                sync
                mv \(before).part \(before)
            fi
            mv -f \(staged) \(current)
            sync
            """)
        return "the old one is \(loadBalancer.configuration).drydock-\(tag).before"
    }

    func putBack() async throws {
        _ = try await access.text(
            """
            cp -p \(before) \(current).part
            sync
            mv -f \(current).part \(current)
            sync
            """)
    }

    func forgetBefore() async throws { _ = try await access.text("rm -f \(before)") }
}
