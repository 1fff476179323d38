/// Bech32 (BIP 173), as age writes keys: `age1…` and `AGE-SECRET-KEY-1…`. age takes the checksum and leaves the limit of 90 characters.
enum Bech32 {
    private static let alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)

    static func encode(_ prefix: String, _ data: [UInt8]) -> String {
        let values = regroup(data, from: 8, to: 5, pads: true) ?? []
        let all = values + checksum(prefix, values)
        return prefix + "1" + String(decoding: all.map { alphabet[Int($0)] }, as: UTF8.self)
    }

    /// - Returns: the lowercase prefix and the data; nil for what is no Bech32, or has capitals and small letters.
    static func decode(_ text: String) -> (prefix: String, data: [UInt8])? {
        guard text.utf8.count <= 1024, text.utf8.allSatisfy({ (33...126).contains($0) }) else { return nil }
        let lower = text.lowercased()
        guard text == lower || text == text.uppercased(), let separator = lower.utf8.lastIndex(of: UInt8(ascii: "1")) else { return nil }
        let prefix = String(lower[..<separator])
        let letters = lower.utf8[lower.utf8.index(after: separator)...]
        guard !prefix.isEmpty, letters.count >= 6 else { return nil }
        var values: [UInt8] = []
        for letter in letters {
            guard let value = alphabet.firstIndex(of: letter) else { return nil }
            values.append(UInt8(value))
        }
        guard polymod(expand(prefix) + values) == 1, let data = regroup(values.dropLast(6), from: 5, to: 8, pads: false) else { return nil }
        return (prefix, data)
    }

    private static func checksum(_ prefix: String, _ values: [UInt8]) -> [UInt8] {
        let sum = polymod(expand(prefix) + values + [0, 0, 0, 0, 0, 0]) ^ 1
        return (0..<6).map { UInt8(truncatingIfNeeded: sum >> (5 * (5 - $0)) & 31) }
    }

    private static func expand(_ prefix: String) -> [UInt8] { prefix.utf8.map { $0 >> 5 } + [0] + prefix.utf8.map { $0 & 31 } }

    private static func polymod(_ values: [UInt8]) -> UInt32 {
        let generators: [UInt32] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3]
        var sum: UInt32 = 1
        for value in values {
            let top = sum >> 25
            sum = (sum & 0x1ff_ffff) << 5 ^ UInt32(value)
            for (index, generator) in generators.enumerated() where top >> UInt32(index) & 1 == 1 { sum ^= generator }
        }
        return sum
    }

    /// Groups of `from` bits become groups of `to` bits. Without padding what is left over must be zero and short.
    private static func regroup(_ values: some Sequence<UInt8>, from: UInt32, to: UInt32, pads: Bool) -> [UInt8]? {
        var result: [UInt8] = []
        var bits: UInt32 = 0
        var count: UInt32 = 0
        for value in values {
            bits = (bits << from | UInt32(value)) & 0xffff
            count += from
            while count >= to {
                count -= to
                result.append(UInt8(truncatingIfNeeded: bits >> count & (1 << to - 1)))
            }
        }
        if pads {
            if count > 0 { result.append(UInt8(truncatingIfNeeded: bits << (to - count) & (1 << to - 1))) }
        } else if count >= from || bits & (1 << count - 1) != 0 {
            return nil
        }
        return result
    }
}
