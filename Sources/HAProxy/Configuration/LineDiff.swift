/// What changes between two texts, as `diff -u` shows it.
package enum LineDiff {
    private enum Edit {
        case kept(Substring)
        case removed(Substring)
        case added(Substring)
    }

    /// - Returns: empty when nothing changes.
    package static func unified(_ old: String, _ new: String, name: String, context: Int = 3) -> String {
        let before = old.split(separator: "\n", omittingEmptySubsequences: false)
        let after = new.split(separator: "\n", omittingEmptySubsequences: false)
        let difference = after.difference(from: before)
        guard !difference.isEmpty else { return "" }
        var removed: Set<Int> = []
        var added: Set<Int> = []
        for change in difference {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): added.insert(offset)
            }
        }
        var edits: [Edit] = []
        var (left, right) = (0, 0)
        while left < before.count || right < after.count {
            if left < before.count, removed.contains(left) {
                edits.append(.removed(before[left]))
                left += 1
            } else if right < after.count, added.contains(right) {
                edits.append(.added(after[right]))
                right += 1
            } else {
                edits.append(.kept(before[left]))
                left += 1
                right += 1
            }
        }
        return "--- \(name)\n+++ \(name) (new)\n" + hunks(edits, context).joined(separator: "\n")
    }

    private static func hunks(_ edits: [Edit], _ context: Int) -> [String] {
        func isKept(_ edit: Edit) -> Bool { if case .kept = edit { true } else { false } }
        let changed = edits.indices.filter { !isKept(edits[$0]) }
        var ranges: [Range<Int>] = []
        for index in changed {
            let range = max(0, index - context)..<min(edits.count, index + context + 1)
            if let last = ranges.last, last.upperBound >= range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            } else {
                ranges.append(range)
            }
        }
        return ranges.map { range in
            var (left, right) = (1, 1)
            for edit in edits[..<range.lowerBound] {
                switch edit {
                case .kept: (left, right) = (left + 1, right + 1)
                case .removed: left += 1
                case .added: right += 1
                }
            }
            var lines: [String] = []
            var (leftCount, rightCount) = (0, 0)
            for edit in edits[range] {
                switch edit {
                case .kept(let line):
                    lines.append(" \(line)")
                    (leftCount, rightCount) = (leftCount + 1, rightCount + 1)
                case .removed(let line):
                    lines.append("-\(line)")
                    leftCount += 1
                case .added(let line):
                    lines.append("+\(line)")
                    rightCount += 1
                }
            }
            return (["@@ -\(left),\(leftCount) +\(right),\(rightCount) @@"] + lines).joined(separator: "\n")
        }
    }
}
