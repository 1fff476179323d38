import Foundation
import HAProxy
import Maintenance
import Proving
import Testing

/// What HAProxy says at its sockets, whole, cut off, and as nobody would say it.
struct RuntimeAnswerTests {
    private static let statistics = """
        # pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,econ,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,type,check_status,check_code,check_duration,last_chk,addr,mode,
        kube_api,FRONTEND,,,3,3,9978,3,0,0,,OPEN,,,,,,,,0,,,,,,tcp,
        kube_api_be,cp1,0,0,1,1,,1,0,0,0,DRAIN 1/3,0,1,0,1,1,2,0,2,* L4OK,,0,"said ""no"", then went",127.0.0.1:17001,tcp,
        kube_api_be,cp2,0,0,7,9,100,12,0,0,0,no check,1,1,0,1,1,2,5,2,,,,,[::1]:17002,tcp,
        kube_api_be,cp3,0,0,0,0,,0,0,0,0,MAINT (via kube/cp1),1,0,1,,,,,2,,,,,127.0.0.1:17003,tcp,
        kube_api_be,BACKEND,0,0,3,3,998,3,0,0,0,UP,3,3,0,,1,2,0,1,,,,,,tcp,

        """

    private static let states = """
        1
        # be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_port
        3 kube_api_be 1 cp1 127.0.0.1 2 8 0 1 17001
        3 kube_api_be 2 cp2 127.0.0.1 2 5 1 1 17002
        3 kube_api_be 3 cp3 127.0.0.1 2 4 1 1 17003

        """

    private static let processes = """
        #<PID>          <type>          <reloads>       <uptime>        <version>
        16919           master          2 [failed: 1]   0d00h00m05s     2.6.12-1+deb12u4
        # workers
        17027           worker          0               0d00h00m01s     2.6.12-1+deb12u4
        # old workers
        16921           worker          1               0d00h00m04s     2.6.12-1+deb12u4
        # programs

        """

    @Test func `Statistics are read by the names of their columns, quotes and words behind a state included`() throws {
        let rows = try Statistics.parse(Self.statistics)
        #expect(rows.map(\.server) == ["FRONTEND", "cp1", "cp2", "cp3", "BACKEND"])
        #expect(rows.map(\.status) == [.open, .drain, .noCheck, .maintenance, .up])
        #expect(rows[1].statusText == "DRAIN 1/3" && rows[1].check == "L4OK" && rows[1].lastCheck == #"said "no", then went"#)
        #expect(rows[1].address == "127.0.0.1:17001" && rows[2].address == "[::1]:17002" && rows[2].sessions == 7 && rows[2].sessionLimit == 100)
        #expect(rows[3].isBackup && !rows[3].status.takesTraffic && rows[2].status.takesTraffic)
    }

    @Test func `What was asked of a server is told from what its configuration says`() throws {
        // 5 is `disabled` in the configuration; 4 alone is what is left of it when somebody opens the server.
        #expect(try ServerState.parse(Self.states).map(\.mode) == [.drain, .maint, .ready])
    }

    @Test func `A master tells its workers from those that only finish`() throws {
        let table = try ProcessTable(parsing: Self.processes)
        #expect(table.master == 16919 && table.reloads == 2 && table.failedReloads == 1 && table.version == "2.6.12-1+deb12u4")
        #expect(table.workers.map(\.processID) == [17027] && table.oldWorkers.map(\.processID) == [16921])
    }

    @Test func `The answer to a reload is nothing, a success, or a failure with its log`() throws {
        #expect(try ReloadAnswer(parsing: "\n") == .unknown)
        #expect(try ReloadAnswer(parsing: "Success=1\n--\n[NOTICE] fine\n") == .loaded)
        #expect(try ReloadAnswer(parsing: "Success=0\n--\n[ALERT] bad\n[ALERT] worse\n") == .failed(log: "[ALERT] bad\n[ALERT] worse"))
        #expect(throws: HAProxyError.self) { try ReloadAnswer(parsing: "Unknown command") }
    }

    @Test func `An answer that is cut off anywhere is read up to there, or refused, and never taken for something else`() {
        let whole = (try? Statistics.parse(Self.statistics)) ?? []
        for length in 0..<Self.statistics.utf8.count {
            let text = String(decoding: Self.statistics.utf8.prefix(length), as: UTF8.self)
            if let rows = try? Statistics.parse(text) {
                #expect(rows.count <= whole.count && rows.dropLast().elementsEqual(whole.prefix(max(0, rows.count - 1))), "\(length)")
            }
            _ = try? ServerState.parse(String(decoding: Self.states.utf8.prefix(length), as: UTF8.self))
            _ = try? ProcessTable(parsing: String(decoding: Self.processes.utf8.prefix(length), as: UTF8.self))
        }
    }

    @Test func `Garbage ends in an answer or an error, and not in a crash`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var chance = SplitMix(seed: seed)
        for sample in [Self.statistics, Self.states, Self.processes, "Success=1\n--\n"] {
            for _ in 0..<2000 {
                var bytes = Array(sample.utf8)
                for _ in 0...Int.random(in: 0...8, using: &chance) {
                    let index = Int.random(in: bytes.indices, using: &chance)
                    switch Int.random(in: 0...3, using: &chance) {
                    case 0: bytes[index] = UInt8.random(in: 0...255, using: &chance)
                    case 1: bytes.remove(at: index)
                    case 2: bytes.insert(Array(",\"\n #9-".utf8)[Int.random(in: 0...6, using: &chance)], at: index)
                    default: bytes.replaceSubrange(index..<index, with: repeatElement(UInt8(ascii: "9"), count: 30))
                    }
                    if bytes.isEmpty { bytes = [0] }
                }
                let text = String(decoding: bytes, as: UTF8.self)
                _ = try? Statistics.parse(text)
                _ = try? ServerState.parse(text)
                _ = try? ProcessTable(parsing: text)
                _ = try? ReloadAnswer(parsing: text)
                _ = ConfigurationFile(parsing: text)
            }
        }
    }

    @Test(arguments: [
        ("/run/haproxy/admin.sock", "/run/haproxy/admin.sock"), ("unix@/a", "/a"), ("127.0.0.1:9999", "127.0.0.1:9999"),
        ("ipv4@127.0.0.1:9999", "127.0.0.1:9999"), ("tcp://[::1]:80", "[::1]:80"), ("*:9999", "127.0.0.1:9999"),
    ])
    func `A socket is named as HAProxy and people name it`(_ text: String, _ expected: String) throws {
        #expect(try RuntimeAddress(text).description == expected)
    }

    @Test(arguments: ["", "admin.sock", "host", "host:", "host:0", "host:65536", ":80", "a/b:80", "/" + String(repeating: "x", count: 107)])
    func `What is no socket is refused`(_ text: String) {
        #expect(throws: HAProxyError.self) { try RuntimeAddress(text) }
    }
}
