package import Maintenance

/// A way in which a file gets damaged.
package enum Damage: String, Sendable, CaseIterable {
    case bitFlip = "single-bit flips"
    case zeroedPage = "zeroed pages"
    case truncation = "truncations"
    case swappedPages = "swapped pages"
    case randomBytes = "files of random bytes"

    /// Small files have no pages; their blocks stand in.
    private static func pageSize(of size: Int) -> Int { size >= 65536 ? 4096 : 64 }

    /// What was done, for the report of a case that was missed.
    package struct Applied: Sendable {
        package let damage: Damage
        package let description: String
    }

    /// Damages `bytes`; the result always differs from what was there.
    package func apply(to bytes: inout [UInt8], using generator: inout SplitMix) -> Applied {
        let original = bytes
        while true {
            let description = attempt(&bytes, &generator)
            if bytes != original { return Applied(damage: self, description: "\(rawValue): \(description)") }
        }
    }

    private func attempt(_ bytes: inout [UInt8], _ generator: inout SplitMix) -> String {
        switch self {
        case .bitFlip:
            let offset = Int.random(in: 0..<bytes.count, using: &generator)
            let bit = UInt8.random(in: 0..<8, using: &generator)
            bytes[offset] ^= 1 << bit
            return "bit \(bit) at offset \(offset)"
        case .zeroedPage:
            let range = page(&generator, of: bytes.count)
            bytes.replaceSubrange(range, with: repeatElement(0, count: range.count))
            return "offset \(range.lowerBound)"
        case .truncation:
            let size = Int.random(in: 0..<bytes.count, using: &generator)
            bytes.removeSubrange(size...)
            return "to \(size) bytes"
        case .swappedPages:
            let (one, two) = (page(&generator, of: bytes.count), page(&generator, of: bytes.count))
            guard one.count == two.count else { return "" }
            for index in 0..<one.count { bytes.swapAt(one.lowerBound + index, two.lowerBound + index) }
            return "offsets \(one.lowerBound) and \(two.lowerBound)"
        case .randomBytes:
            let size = Int.random(in: 0...min(bytes.count, 1 << 16), using: &generator)
            bytes = generator.bytes(size)
            return "\(size) bytes"
        }
    }

    private func page(_ generator: inout SplitMix, of size: Int) -> Range<Int> {
        let length = Self.pageSize(of: size)
        let start = Int.random(in: 0...(size - 1) / length, using: &generator) * length
        return start..<min(size, start + length)
    }
}
