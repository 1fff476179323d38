/// The samples of a metrics page in Prometheus' text format (exposition format 0.0.4), as etcd serves it at /metrics.
package struct PrometheusText: Sendable {
    package struct Sample: Sendable, Equatable {
        package var name: String
        package var labels: [String: String]
        package var value: Double
    }

    package let samples: [Sample]

    /// Lines that are no sample are passed over: a page with one odd line is still worth reading.
    package init(_ text: String) {
        samples = text.split(whereSeparator: \.isNewline).compactMap(Self.sample)
    }

    /// The value of a metric without labels.
    package func value(_ name: String) -> Double? { samples.first { $0.name == name && $0.labels.isEmpty }?.value }

    /// The buckets of a histogram without other labels.
    package func histogram(_ name: String) -> Histogram? {
        let buckets = samples.filter { $0.name == "\(name)_bucket" && $0.labels.count == 1 }
            .compactMap { sample in sample.labels["le"].flatMap(Double.init(prometheus:)).map { Histogram.Bucket(upTo: $0, count: sample.value) } }
        return buckets.isEmpty ? nil : Histogram(buckets: buckets.sorted { $0.upTo < $1.upTo })
    }

    private static func sample(_ line: Substring) -> Sample? {
        guard !line.hasPrefix("#") else { return nil }
        let name = line.prefix { $0 != "{" && $0 != " " }
        var rest = line.dropFirst(name.count)
        var labels: [String: String] = [:]
        if rest.first == "{" {
            rest = rest.dropFirst()
            while let first = rest.first, first != "}" {
                guard let equals = rest.firstIndex(of: "=") else { return nil }
                let label = rest[..<equals].drop { $0 == "," || $0 == " " }
                rest = rest[rest.index(after: equals)...]
                guard rest.first == "\"", let value = quoted(&rest) else { return nil }
                labels[String(label)] = value
                rest = rest.drop { $0 == "," || $0 == " " }
            }
            rest = rest.dropFirst()
        }
        let fields = rest.split(separator: " ")
        guard !name.isEmpty, let text = fields.first, let value = Double(prometheus: String(text)) else { return nil }
        return Sample(name: String(name), labels: labels, value: value)
    }

    /// Takes a quoted string with its escapes from the front of `text`.
    private static func quoted(_ text: inout Substring) -> String? {
        text = text.dropFirst()
        var value = ""
        while let character = text.popFirst() {
            switch character {
            case "\"": return value
            case "\\":
                guard let escaped = text.popFirst() else { return nil }
                value.append(escaped == "n" ? "\n" : escaped)
            default: value.append(character)
            }
        }
        return nil
    }
}

/// A Prometheus histogram: how many observations were at most so much.
package struct Histogram: Sendable, Equatable {
    package struct Bucket: Sendable, Equatable {
        /// The upper bound, included; infinity for the last.
        package var upTo: Double
        /// Observations up to it, those of the smaller buckets included.
        package var count: Double

        package init(upTo: Double, count: Double) {
            self.upTo = upTo
            self.count = count
        }
    }

    /// By rising bound.
    package var buckets: [Bucket]

    package init(buckets: [Bucket]) { self.buckets = buckets }

    package var count: Double { buckets.last?.count ?? 0 }

    /// The value below which the share `quantile` (0 to 1) of the observations lies, as Prometheus' histogram_quantile estimates it: linearly
    /// within a bucket; the last finite bound when it lies beyond. nil without observations.
    package func quantile(_ quantile: Double) -> Double? {
        guard count > 0 else { return nil }
        let rank = quantile * count
        var below = Bucket(upTo: 0, count: 0)
        for bucket in buckets {
            if bucket.count >= rank {
                guard bucket.upTo.isFinite else { return below.upTo }
                guard bucket.count > below.count else { return bucket.upTo }
                return below.upTo + (bucket.upTo - below.upTo) * (rank - below.count) / (bucket.count - below.count)
            }
            below = bucket
        }
        return below.upTo
    }

    /// What was observed since `earlier`; as it is when the server has restarted since.
    package func since(_ earlier: Histogram) -> Histogram {
        guard earlier.buckets.map(\.upTo) == buckets.map(\.upTo), earlier.count <= count else { return self }
        return Histogram(buckets: zip(buckets, earlier.buckets).map { Bucket(upTo: $0.upTo, count: $0.count - $1.count) })
    }
}

extension Double {
    /// A number as Prometheus writes it: `1.5e-05`, `+Inf`, `NaN`.
    init?(prometheus text: String) {
        switch text {
        case "+Inf", "Inf": self = .infinity
        case "-Inf": self = -.infinity
        case "NaN": self = .nan
        default:
            guard let number = Double(text) else { return nil }
            self = number
        }
    }
}
