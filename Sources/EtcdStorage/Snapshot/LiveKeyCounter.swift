/// Counts the user keys whose newest revision is not a tombstone, from their revisions in order.
///
/// Keeps 8 bytes a slot and no key: a 63-bit fingerprint and whether the key lives. Two of 10 million keys share a fingerprint
/// with a chance of about 1 in 200,000, and the count would then be off by one. The seed is chosen anew by each process.
/// The table is split, so that growing never needs twice the memory.
struct LiveKeyCounter {
    private struct Shard {
        var slots: [UInt64] = Array(repeating: 0, count: 16)
        var used = 0

        /// Sets the state of the key and returns whether it lived before.
        mutating func set(_ fingerprint: UInt64, live: Bool) -> Bool {
            if used * 4 >= slots.count * 3 { grow() }
            let mask = slots.count - 1
            var index = Int(truncatingIfNeeded: fingerprint >> 9) & mask
            while slots[index] != 0, slots[index] >> 1 != fingerprint >> 1 { index = (index + 1) & mask }
            let before = slots[index]
            if before == 0 { used += 1 }
            slots[index] = fingerprint & ~1 | (live ? 1 : 0)
            return before & 1 == 1
        }

        private mutating func grow() {
            let old = slots
            slots = Array(repeating: 0, count: old.count * 2)
            let mask = slots.count - 1
            for slot in old where slot != 0 {
                var index = Int(truncatingIfNeeded: slot >> 9) & mask
                while slots[index] != 0 { index = (index + 1) & mask }
                slots[index] = slot
            }
        }
    }

    private var shards = Array(repeating: Shard(), count: 256)
    /// Keys that live after the revisions seen so far.
    private(set) var count: Int64 = 0

    /// Notes that the next revision of `key` is a put, or a tombstone.
    mutating func note(key: RawSpan, live: Bool) {
        var hasher = Hasher()
        key.withUnsafeBytes { hasher.combine(bytes: $0) }
        var fingerprint = UInt64(bitPattern: Int64(hasher.finalize()))
        if fingerprint >> 1 == 0 { fingerprint = 2 }  // 0 is the empty slot
        let lived = shards[Int(fingerprint >> 56)].set(fingerprint, live: live)
        if live != lived { count += live ? 1 : -1 }
    }
}
