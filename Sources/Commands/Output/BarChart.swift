/// Horizontal bars, longest first, drawn with eighths of a block.
struct BarChart {
    struct Bar {
        var label: String
        var value: Double
        /// What stands behind the bar.
        var note: String
    }

    var bars: [Bar]

    func text(width: Int) -> String {
        let labelWidth = min(48, bars.map(\.label.count).max() ?? 0)
        let noteWidth = bars.map(\.note.count).max() ?? 0
        let room = max(8, min(60, width - labelWidth - noteWidth - 6))
        let longest = max(bars.map(\.value).max() ?? 0, 1)
        return bars.map { bar in
            let label = bar.label.count > labelWidth ? "…" + bar.label.suffix(labelWidth - 1) : bar.label[...]
            let eighths = Int((bar.value / longest * Double(room) * 8).rounded())
            let blocks = String(repeating: "█", count: eighths / 8) + (eighths % 8 == 0 ? "" : String(Self.parts[eighths % 8 - 1]))
            let padded = blocks + String(repeating: " ", count: room - blocks.count)
            return String(repeating: " ", count: labelWidth - label.count) + "\(label)  \(Terminal.paint(padded, .cyan))  \(bar.note)"
        }.joined(separator: "\n")
    }

    private static let parts = Array("▏▎▍▌▋▊▉")
}
