package import Foundation

/// What is to happen when: the earliest first, and of what is due at one time the one that was put in first (a binary heap).
package struct TimeQueue<Element: Sendable>: Sendable {
    private struct Entry: Sendable {
        var at: Date
        var number: Int
        var element: Element
    }

    private var entries: [Entry] = []
    private var count = 0

    package init() {}

    package var isEmpty: Bool { entries.isEmpty }

    /// When the next is due; nil when there is none.
    package var nextTime: Date? { entries.first?.at }

    package mutating func push(_ element: Element, at: Date) {
        count += 1
        entries.append(Entry(at: at, number: count, element: element))
        var child = entries.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    package mutating func pop() -> (at: Date, element: Element)? {
        guard !entries.isEmpty else { return nil }
        entries.swapAt(0, entries.count - 1)
        let entry = entries.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count && precedes(child, least) { least = child }
            if least == parent { return (entry.at, entry.element) }
            entries.swapAt(parent, least)
            parent = least
        }
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (entries[left].at, entries[left].number) < (entries[right].at, entries[right].number)
    }
}
