internal import ArgumentParser

/// A number of bytes: `1048576`, `500MiB`, `2GiB`.
struct SizeArgument: ExpressibleByArgument, Equatable {
    let bytes: Int64

    init(bytes: Int64) { self.bytes = bytes }

    var defaultValueDescription: String { "\(bytes)" }

    init?(argument: String) {
        let units: [(String, Double)] = [("KiB", 0x1p10), ("MiB", 0x1p20), ("GiB", 0x1p30), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("", 1)]
        guard let (name, factor) = units.first(where: { argument.hasSuffix($0.0) }), let number = Double(argument.dropLast(name.count)), number >= 0,
            number * factor < 0x1p62
        else { return nil }
        bytes = Int64(number * factor)
    }
}

/// A share, 0 to 1: `0.3` or `30%`.
struct ShareArgument: ExpressibleByArgument, Equatable {
    let share: Double

    init(share: Double) { self.share = share }

    init?(argument: String) {
        let isPercent = argument.hasSuffix("%")
        guard let number = Double(isPercent ? argument.dropLast() : argument[...]) else { return nil }
        share = isPercent ? number / 100 : number
        guard (0...1).contains(share) else { return nil }
    }

    var defaultValueDescription: String { "\(share)" }
}
