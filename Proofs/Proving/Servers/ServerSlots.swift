internal import Foundation
internal import Synchronization

/// Bounds how many servers this process runs at once: tests run in parallel, and a machine that is swamped fails them for no reason of theirs.
actor ServerSlots {
    static let shared = ServerSlots(max(12, ProcessInfo.processInfo.activeProcessorCount * 4))

    private let total: Int
    private var free: Int
    private var waiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []

    init(_ total: Int) {
        self.total = total
        free = total
    }

    /// Returns when `count` servers may be started, first come first served; more than there can ever be count as all.
    func take(_ count: Int) async {
        if waiting.isEmpty, free >= min(count, total) {
            free -= min(count, total)
            return
        }
        await withCheckedContinuation { waiting.append((min(count, total), $0)) }
    }

    func giveBack(_ count: Int) {
        free += min(count, total)
        while let first = waiting.first, free >= first.count {
            free -= first.count
            waiting.removeFirst().continuation.resume()
        }
    }
}
