import ArgumentParser
import Etcd
import Foundation
import Proving
import Testing

@testable import Commands

@Suite struct ProgramTests {
    private static let endings: [(String, Int32)] = [
        ("--version", 0), ("--help", 0), ("snapshot", 0), ("snapshot verify --help", 0), ("nonsense", 2), ("snapshot save", 2),
        ("snapshot verify /nowhere", 1), ("snapshot verify /etc/hostname", 2), ("snapshot verify /tmp", 2), ("snapshot verify x -o xml", 2),
        ("snapshot restore x --all-members", 2), ("snapshot restore x --bump-revision 5", 2), ("snapshot restore x --name other", 2),
        ("snapshot save /tmp/never.db --endpoints http://127.0.0.1:1", 75), ("snapshot save /tmp/never.db --endpoints nowhere", 2),
        ("snapshot save /tmp/never.db --cacert /nowhere --endpoints https://127.0.0.1:1", 2),
    ]

    @Test(arguments: endings)
    func `Exit codes tell what happened`(arguments: String, code: Int32) async throws {
        let run = try await BuiltProgram.run(arguments.split(separator: " ").map(String.init))
        #expect(run.status == code, "\(arguments): \(run.errors)")
        if code != 0 { #expect(run.output == "" && !run.errors.isEmpty) }
    }

    @Test func `Unverified TLS is refused however it is asked for`() async throws {
        let run = try await BuiltProgram.run(["snapshot", "save", "/tmp/never.db"], environment: ["ETCDCTL_INSECURE_SKIP_TLS_VERIFY": "true"])
        #expect(run.status == 2 && run.errors.contains("always verifies"))
    }

    @Test(arguments: [
        ("--endpoints=https://a:1 --cacert /ca snapshot save f", "snapshot save f --endpoints=https://a:1 --cacert /ca"),
        ("-w json snapshot status f", "snapshot status f -w json"),
        ("snapshot restore f --skip-hash-check=true", "snapshot restore f --skip-hash-check"),
        ("snapshot restore f --skip-hash-check=false", "snapshot restore f"), ("--version", "--version"), ("--key", "--key"),
        ("node drain a --dry-run=client --ignore-daemonsets=true", "node drain a --dry-run --ignore-daemonsets"),
        ("node drain a --dry-run=none --force=false", "node drain a"),
    ])
    func `Command lines written for etcdctl are understood`(line: String, normalized: String) {
        let words = ToolArguments.normalized(line.split(separator: " ").map(String.init))
        #expect(words.joined(separator: " ") == normalized)
    }

    @Test func `Output that cannot be written is a failure, and a lost standard error is not`() async throws {
        try await BuiltProgram.withFolder { folder in
            let file = folder.appendingPathComponent("x").path
            try Data("no snapshot".utf8).write(to: URL(fileURLWithPath: file))
            let lost = try await CommandRun.run("sh", ["-c", "\"$0\" snapshot verify \"$1\" 2>/dev/full", BuiltProgram.path, file])
            #expect(lost.status == 2)
            let closed = try await CommandRun.run("sh", ["-c", "\"$0\" snapshot verify \"$1\" >&- 2>&-", BuiltProgram.path, file])
            #expect(closed.status == 2)
        }
    }

    @Test(arguments: [
        ("a\u{1b}[2Jb", "a\u{fffd}[2Jb"), ("\u{1b}[31mred\u{1b}[0m", "\u{1b}[31mred\u{1b}[0m"), ("x\ry\nz\u{9b}", "x\u{fffd}y\nz\u{fffd}"),
    ])
    func `Nothing in a file commands the terminal`(text: String, shown: String) {
        #expect(Terminal.printable(text) == shown)
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func `Completions know the commands`(_ shell: String) async throws {
        let run = try await BuiltProgram.run(["completions", shell])
        #expect(run.status == 0 && run.output.contains("snapshot"))
    }

    @Test func `Every command has a man page that names its options`() async throws {
        try await BuiltProgram.withFolder { folder in
            #expect(try await BuiltProgram.run(["man", "--output-dir", folder.path]).status == 0)
            let pages = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(Set(pages).isSuperset(of: ["drydock.1", "drydock-snapshot-save.1", "drydock-snapshot-restore.1"]))
            let page = try String(contentsOf: folder.appendingPathComponent("drydock-snapshot-restore.1"), encoding: .utf8)
            #expect(page.contains(".SH OPTIONS") && page.contains("\\-\\-all\\-members"))
        }
    }

    @Test func `The flags of etcdctl win over its variables, and both over the defaults`() throws {
        let variables = ["ETCDCTL_ENDPOINTS": "http://a:1,http://b:2", "ETCDCTL_DIAL_TIMEOUT": "7s", "ETCDCTL_USER": "u:p", "ETCDCTL_CACERT": "/ca"]
        let byVariable = try EtcdOptions.parse([]).configuration(environment: variables)
        #expect(byVariable.endpoints.map(\.description) == ["http://a:1", "http://b:2"])
        #expect(byVariable.dialTimeout == .seconds(7) && byVariable.commandTimeout == .seconds(5))
        #expect(byVariable.tls?.authority == "/ca" && byVariable.credentials?.password == "p")
        #expect("\(byVariable)".contains("user u") && !"\(byVariable)".contains("\"p\""))
        let byFlag = try EtcdOptions.parse(["--endpoints", "c:3", "--dial-timeout", "1m30s"]).configuration(environment: variables)
        #expect(byFlag.endpoints.map(\.description) == ["c:3"] && byFlag.dialTimeout == .seconds(90))
        let defaults = try EtcdOptions.parse([]).configuration(environment: [:])
        #expect(defaults.endpoints.map(\.description) == ["127.0.0.1:2379"] && defaults.tls == nil)
    }

    @Test(arguments: [("300ms", Duration.milliseconds(300)), ("5s", .seconds(5)), ("1h2m", .seconds(3720)), ("1.5s", .milliseconds(1500))])
    func `Durations are read as Go writes them`(text: String, duration: Duration) {
        #expect(DurationArgument(argument: text)?.duration == duration)
    }

    @Test(arguments: ["", "5", "s", "5x", "-5s", "1e99s", "..s"])
    func `What is no duration is refused`(_ text: String) {
        #expect(DurationArgument(argument: text) == nil)
    }
}

@Suite struct OutputTests {
    @Test func `A progress bar fits its screen and never divides by zero`() {
        for width in [0, 1, 20, 60, 80, 200] {
            for (done, total) in [(Int64(0), Int64(0)), (5, 0), (50, 100), (100, 100), (200, 100)] {
                let line = ProgressBar.line("verify", done: done, total: total, elapsed: .seconds(2), width: width)
                #expect(line.count <= max(width, 0))
            }
        }
        #expect(ProgressBar.line("v", done: 1 << 30, total: 1 << 31, elapsed: .seconds(1), width: 100).contains("50%"))
    }

    @Test func `Tables align their columns and end without blanks`() {
        var table = TextTable(["NAME", "SIZE"], alignedRight: [1])
        table.add(["a", "1"])
        table.add(["longer", "100"])
        #expect(table.text == "NAME    SIZE\na          1\nlonger   100")
    }

    @Test func `Sizes and times are for people`() {
        #expect(Bytes.text(Int64(1023)) == "1023 B" && Bytes.text(Int64(1536)) == "1.5 KiB" && Bytes.text(UInt64.max) == "8.0 EiB")
        #expect(Duration.seconds(93784).text == "1d 2h" && Duration.milliseconds(1240).text == "1.24s" && Duration.seconds(3600).text == "1h 0m")
    }

    @Test func `Bars are as long as their values`() {
        let chart = BarChart(bars: [
            .init(label: "a", value: 100, note: "n"), .init(label: "b", value: 50, note: "n"), .init(label: "c", value: 0, note: "n"),
        ])
        let full = chart.text(width: 40).split(separator: "\n").map { $0.count { $0 == "█" } }
        #expect(full[0] == 2 * full[1] && full[2] == 0)
    }
}
