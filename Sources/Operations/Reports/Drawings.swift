internal import Foundation

/// Drawings in SVG, which take their colours from the page that they stand on.
enum Drawing {
    private static let width = 1100.0
    private static let left = 70.0

    private static func number(_ value: Double) -> String { String(format: "%.1f", value) }

    /// Marks of a time axis: `10:40`.
    private static func axis(from start: Date, to end: Date, at y: Double) -> String {
        let span = max(1, end.timeIntervalSince(start))
        let steps = [10.0, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400]
        let step = steps.first { span / $0 <= 9 } ?? 86400 * (span / 86400 / 9).rounded(.up)
        var marks = ""
        var time = (start.timeIntervalSince1970 / step).rounded(.up) * step
        while time <= end.timeIntervalSince1970 {
            let x = left + (time - start.timeIntervalSince1970) / span * (width - left - 10)
            let date = Date(timeIntervalSince1970: time)
            let text = date.formatted(.iso8601.time(includingFractionalSeconds: false).timeSeparator(.colon))
            marks +=
                "<line x1=\"\(number(x))\" x2=\"\(number(x))\" y1=\"4\" y2=\"\(number(y))\" stroke=\"var(--line)\"/><text x=\"\(number(x))\" y=\"\(number(y + 14))\" text-anchor=\"middle\">\(text)</text>"
            time += step
        }
        return marks
    }

    struct Bar {
        var row: String
        var label: String
        var start: Date
        var end: Date
        /// A colour of the page, or any other.
        var color: String
    }

    /// Bars in rows over a time: who was worked on when.
    static func timeline(_ bars: [Bar], rows: [String], from start: Date, to end: Date) -> String {
        let span = max(1, end.timeIntervalSince(start))
        let height = Double(rows.count) * 26 + 10
        var body = axis(from: start, to: end, at: height)
        for (index, row) in rows.enumerated() {
            body +=
                "<text x=\"\(number(left - 8))\" y=\"\(number(Double(index) * 26 + 22))\" text-anchor=\"end\">\(ReportDocument.escaped(row))</text>"
        }
        for bar in bars {
            guard let row = rows.firstIndex(of: bar.row) else { continue }
            let x = left + max(0, bar.start.timeIntervalSince(start)) / span * (width - left - 10)
            let wide = max(1.5, bar.end.timeIntervalSince(bar.start) / span * (width - left - 10))
            body +=
                "<rect x=\"\(number(x))\" y=\"\(number(Double(row) * 26 + 9))\" width=\"\(number(wide))\" height=\"18\" rx=\"2\" fill=\"\(bar.color)\"><title>\(ReportDocument.escaped(bar.label))</title></rect>"
        }
        return "<svg viewBox=\"0 0 \(Int(width)) \(Int(height + 20))\" role=\"img\">\(body)</svg>"
    }

    /// How long the slowest answer of each moment took, on a logarithmic scale, and below it what failed.
    static func probe(_ report: ProbeReport, from start: Date, to end: Date) -> String {
        let span = max(1, end.timeIntervalSince(start))
        let height = 150.0
        func x(_ seconds: Double) -> Double { left + (report.startedAt.timeIntervalSince(start) + seconds) / span * (width - left - 10) }
        // From a millisecond to a minute.
        func y(_ seconds: Double) -> Double { height - (log10(max(0.001, seconds)) + 3) / 4.8 * (height - 10) }
        var body = axis(from: start, to: end, at: height)
        for (seconds, text) in [(0.001, "1 ms"), (0.01, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"), (10.0, "10 s")] {
            body +=
                "<line x1=\"\(number(left))\" x2=\"\(number(width - 10))\" y1=\"\(number(y(seconds)))\" y2=\"\(number(y(seconds)))\" stroke=\"var(--line)\"/><text x=\"\(number(left - 8))\" y=\"\(number(y(seconds) + 4))\" text-anchor=\"end\">\(text)</text>"
        }
        var points: [String] = []
        for (index, moment) in report.moments.enumerated() where moment.requests > moment.failed {
            points.append("\(number(x((Double(index) + 0.5) * report.momentSeconds))),\(number(y(moment.longest)))")
        }
        body += "<polyline points=\"\(points.joined(separator: " "))\" fill=\"none\" stroke=\"var(--blue)\" stroke-width=\"1.5\"/>"
        for (index, moment) in report.moments.enumerated() where moment.failed > 0 {
            let place = x(Double(index) * report.momentSeconds)
            let wide = max(2, report.momentSeconds / span * (width - left - 10))
            body +=
                "<rect x=\"\(number(place))\" y=\"6\" width=\"\(number(wide))\" height=\"\(number(height - 6))\" fill=\"var(--bad)\" opacity=\"0.45\"><title>\(moment.failed) of \(moment.requests) failed</title></rect>"
        }
        return "<svg viewBox=\"0 0 \(Int(width)) \(Int(height + 20))\" role=\"img\">\(body)</svg>"
    }
}
