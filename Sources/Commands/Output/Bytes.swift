internal import Foundation
internal import Maintenance

/// Sizes for people, in binary units.
enum Bytes {
    static func text(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var value = Double(count)
        var unit = 0
        while abs(value) >= 1024, unit + 1 < units.count {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : String(format: "%.1f %@", value, units[unit])
    }

    static func text(_ count: UInt64) -> String { text(Int64(clamping: count)) }
}

extension Duration {
    /// `3d 4h`, `12m 5s`, `1.24s`: the two largest units.
    var text: String {
        let seconds = components.seconds
        let pairs: [(Int64, String)] = [(seconds / 86400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")]
        guard let first = pairs.firstIndex(where: { $0.0 != 0 }), first < 3 else {
            return String(format: "%.2fs", self.seconds)
        }
        return pairs[first...].prefix(2).map { "\($0.0)\($0.1)" }.joined(separator: " ")
    }
}
