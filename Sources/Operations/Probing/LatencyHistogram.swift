/// How long many things took: counts in buckets whose width is under one percent of what is in them, so that memory does not grow with the requests.
struct LatencyHistogram: Sendable {
    /// Microseconds below this have a bucket each; every power of two above has this many.
    private static let resolution = 128
    private static let octaves = 32

    private var counts = [Int](repeating: 0, count: resolution * (octaves + 1))
    private(set) var total = 0
    private(set) var longest = 0.0

    private static func bucket(_ microseconds: Int) -> Int {
        guard microseconds >= resolution else { return microseconds }
        let octave = Int.bitWidth - 1 - microseconds.leadingZeroBitCount - 7
        return min(resolution * (octave + 1) + (microseconds >> octave) - resolution, resolution * (octaves + 1) - 1)
    }

    /// The most microseconds that a bucket holds.
    private static func upperBound(_ bucket: Int) -> Int {
        guard bucket >= resolution else { return bucket }
        let octave = bucket / resolution - 1
        return ((bucket % resolution + resolution + 1) << octave) - 1
    }

    mutating func add(seconds: Double) {
        counts[Self.bucket(Int(min(max(0, seconds), 86400) * 1e6))] += 1
        total += 1
        longest = max(longest, seconds)
    }

    /// - Parameter share: 0.99 for the 99th percentile.
    /// - Returns: seconds; nil when there was nothing.
    func quantile(_ share: Double) -> Double? {
        guard total > 0 else { return nil }
        let wanted = max(1, Int((share * Double(total)).rounded(.up)))
        var seen = 0
        for (bucket, count) in counts.enumerated() where count > 0 {
            seen += count
            if seen >= wanted { return min(Double(Self.upperBound(bucket)) / 1e6, longest) }
        }
        return longest
    }
}
