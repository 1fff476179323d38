import Foundation
import KubernetesAPI
import Testing

struct JSONTests {
    @Test(arguments: [
        "null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808", "1.5", "1e3", "\"\"", "\"a\\u00e9\\n\\\"\\\\/\"",
        "\"\\ud83d\\ude00\"", "[]", "{}", "[1,[2,[3]],{\"a\":null}]", "{\"b\":1,\"a\":{\"c\":[true,false,null]}}", " { \"a\" : [ 1 , 2 ] } ",
    ])
    func `Reads and writes what Foundation reads and writes`(_ text: String) throws {
        let json = try JSON(parsing: text)
        let again = try JSON(parsing: json.bytes())
        #expect(again == json)
        let theirs = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed) as? NSObject
        let ours = try JSONSerialization.jsonObject(with: Data(json.bytes()), options: .fragmentsAllowed) as? NSObject
        #expect(theirs == ours)
    }

    @Test(arguments: [
        "", " ", "{", "[", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "nul", "tru", "01", "-", "1.", "1e", "\"", "\"\\", "\"\\x\"",
        "\"\\u12\"",
        "\"\u{1}\"", "1 2", "[1]]", "1e999", "--1", "+1", "'a'",
    ])
    func `What is no JSON is an error with its place`(_ text: String) {
        #expect(throws: JSONError.self) { try JSON(parsing: text) }
    }

    @Test func `Depth has a limit, and no input crashes`() {
        #expect(throws: JSONError.self) { try JSON(parsing: String(repeating: "[", count: 100_000)) }
        #expect(throws: JSONError.self) { try JSON(parsing: String(repeating: "{\"a\":", count: 100_000)) }
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var state = seed
        let sample = Array(#"{"kind":"Pod","metadata":{"name":"a\u00e9","labels":{"x":"y"}},"spec":{"n":[1,-2.5e3,true,null]}}"#.utf8)
        for _ in 0..<5000 {
            var bytes = sample
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 20)
            }
            if let json = try? JSON(parsing: bytes) { #expect((try? JSON(parsing: json.bytes())) == json) }
            _ = try? JSON(parsing: bytes.prefix(Int(state >> 40) % bytes.count))
        }
    }

    @Test func `Objects keep what is unknown, and null means not there`() throws {
        var json = try JSON(parsing: #"{"a":1,"z":{"deep":[1,2]},"m":null}"#)
        #expect(json["nothing"]["at"]["all"].isNull && json["z"]["deep"][1].integer == 2 && json["z"]["deep"][9].isNull)
        json["b"]["c"] = "new"
        json["a"] = .null
        #expect(json.description == #"{"b":{"c":"new"},"m":null,"z":{"deep":[1,2]}}"#)
        json["b"]["c"] = .null
        #expect(json["b"].object?.isEmpty == true)
        #expect(try JSON(parsing: #"{"k":1,"k":2}"#)["k"].integer == 2, "the last counts, as in Go")
    }

    @Test func `An object of many members finds each`() {
        var object = JSONObject()
        let names = (0..<300).map { "member-\(($0 * 7919) % 300)" }
        for (index, name) in names.enumerated() { object.set(name, JSON(index)) }
        #expect(object.count == 300 && object.names == object.names.sorted())
        for (index, name) in names.enumerated() { #expect(object[name].integer == Int64(index)) }
        for name in names.prefix(299) { object.remove(name) }
        #expect(object.count == 1)
    }
}

struct ValueTests {
    @Test func `MicroTime has six digits and Time has none`() throws {
        let date = try #require(Timestamp.date("2026-11-22T10:45:12.5Z"))
        #expect(Timestamp.microTime(date) == "2026-11-22T10:45:12.500000Z" && Timestamp.time(date) == "2026-11-22T10:45:12Z")
        #expect(Timestamp.microTime(Date(timeIntervalSince1970: 0)) == "1970-01-01T00:00:00.000000Z")
        #expect(Timestamp.date("2026-11-22T11:45:12+01:00") == Timestamp.date("2026-11-22T10:45:12Z"))
        for text in ["", "2026", "2026-13-01T00:00:00Z", "2026-11-22 10:45:12Z", "2026-11-22T10:45:12", "2026-11-22T10:45:12Zx"] {
            #expect(Timestamp.date(text) == nil, "\(text)")
        }
        let formatter = ISO8601DateFormatter()
        for seconds in stride(from: -2_000_000_000.0, to: 4_000_000_000, by: 123_456_789) {
            let date = Date(timeIntervalSince1970: seconds)
            #expect(Timestamp.time(date) == formatter.string(from: date) && Timestamp.date(formatter.string(from: date)) == date)
        }
    }

    @Test(arguments: [
        ("500m", 500), ("2", 2000), ("0.1", 100), ("1.5Gi", 1_610_612_736_000), ("64Mi", 67_108_864_000), ("1e3", 1_000_000), ("100n", 1),
        ("1k", 1_000_000),
        ("-1", -1000), ("99999999999999999999E", Int64.max),
    ])
    func `Quantities are read to a thousandth, rounded up`(_ text: String, _ thousandths: Int64) {
        #expect(Quantity(text)?.thousandths == thousandths)
    }

    @Test(arguments: ["", "x", "1x", "Gi", "1 Gi", "nan", "inf", "0x10"])
    func `What is no quantity is none`(_ text: String) { #expect(Quantity(text) == nil) }
}
