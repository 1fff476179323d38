package import Foundation

/// What is to happen when: the earliest first, and of what is due at one time the one that was put in first (a binary heap).
package struct TimeQueue<Element: Sendable>: Sendable {
    /// Small, because a heap moves its entries a lot; what they stand for stays where it is.
    private struct Entry: Sendable {
        var at: Double
        var number: Int
        var slot: Int

        func precedes(_ other: Entry) -> Bool { at != other.at ? at < other.at : number < other.number }
    }

    private var entries: [Entry] = []
    private var elements: [Element?] = []
    private var freeSlots: [Int] = []
    private var count = 0

    package init() {}

    package var isEmpty: Bool { entries.isEmpty }

    /// When the next is due; nil when there is none.
    package var nextTime: Date? { entries.first.map { Date(timeIntervalSinceReferenceDate: $0.at) } }

    package mutating func push(_ element: Element, at time: Date) {
        count += 1
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            elements[slot] = element
        } else {
            slot = elements.count
            elements.append(element)
        }
        let entry = Entry(at: time.timeIntervalSinceReferenceDate, number: count, slot: slot)
        var child = entries.count
        entries.append(entry)
        while child > 0, entry.precedes(entries[(child - 1) / 2]) {
            entries[child] = entries[(child - 1) / 2]
            child = (child - 1) / 2
        }
        entries[child] = entry
    }

    package mutating func pop() -> (at: Date, element: Element)? {
        guard let first = entries.first, let last = entries.popLast(), let element = elements[first.slot] else { return nil }
        elements[first.slot] = nil
        freeSlots.append(first.slot)
        if !entries.isEmpty {
            var parent = 0
            while true {
                var least = 2 * parent + 1
                guard least < entries.count else { break }
                if least + 1 < entries.count, entries[least + 1].precedes(entries[least]) { least += 1 }
                guard entries[least].precedes(last) else { break }
                entries[parent] = entries[least]
                parent = least
            }
            entries[parent] = last
        }
        return (Date(timeIntervalSinceReferenceDate: first.at), element)
    }
}
