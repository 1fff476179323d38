package import Foundation

/// Which node goes when, if everything goes as it usually does: does it fit the window, and what is left for the next one. Pure.
package struct MaintenanceForecast: Sendable, Equatable {
    package struct Visit: Sendable, Equatable {
        package var node: String
        package var begins: Date
        package var ends: Date
        /// Which of the windows, from 0; 0 also where there are none.
        package var window: Int
    }

    package var visits: [Visit] = []
    /// Nodes that find no place within the horizon.
    package var left: [String] = []
    /// The windows that are used.
    package var windows: [DateInterval] = []

    /// How many windows are looked at.
    package static let horizon = 12

    /// How many nodes go in the window that is open now, or comes first.
    package var inFirstWindow: Int { visits.count { $0.window == 0 } }

    /// - Parameters:
    ///   - nodes: that are due, in order.
    ///   - busy: when the places of the budget that are taken now come free.
    ///   - parallel: how many may be away at once.
    ///   - nodeSeconds: how long each takes.
    package init(
        nodes: [String], busy: [Date], parallel: Int, canaries: Int, nodeSeconds: Double, window: Window?, at now: Date
    ) {
        guard parallel > 0, nodeSeconds > 0 else {
            left = nodes
            return
        }
        // When each place is free.
        var places = Array((busy.sorted().prefix(parallel) + Array(repeating: now, count: max(0, parallel - busy.count))))
        var open = window.map { $0.interval(endingAfter: now) } ?? DateInterval(start: now, end: .distantFuture)
        if let open { windows.append(open) }
        var trial = max(0, min(canaries, nodes.count))
        for (index, node) in nodes.enumerated() {
            guard let place = places.indices.min(by: { places[$0] < places[$1] }) else { break }
            var begins = max(places[place], now)
            while let interval = open, max(begins, interval.start).addingTimeInterval(nodeSeconds) > interval.end {
                guard windows.count < Self.horizon, nodeSeconds <= Window.longest, let next = window?.interval(endingAfter: interval.end) else {
                    open = nil
                    break
                }
                open = next
                windows.append(next)
            }
            guard let interval = open else {
                left = Array(nodes[index...])
                return
            }
            begins = max(begins, interval.start)
            let ends = begins.addingTimeInterval(nodeSeconds)
            visits.append(Visit(node: node, begins: begins, ends: ends, window: windows.count - 1))
            places[place] = ends
            if trial > 0 {
                trial -= 1
                // Nobody begins before the last of the canaries is done.
                if trial == 0, let last = visits.map(\.ends).max() { places = places.map { max($0, last) } }
            }
        }
    }
}
