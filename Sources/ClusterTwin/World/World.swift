internal import Foundation
internal import KubernetesAPI
internal import Maintenance

/// All of a simulated cluster: objects, their history, who watches them, and what will happen when. One value, changed by one caller at a time; it
/// has no clock, and moves when it is told to.
struct World {
    let options: TwinOptions
    /// The time in the cluster.
    private(set) var now: Date
    /// Seeded: the same requests at the same times give the same cluster.
    var random: SplitMix
    private(set) var revision: Int64 = 1000
    private(set) var kinds: [KindKey: Kind] = [:]
    private(set) var tables: [KindKey: Table] = [:]
    private var timers = TimeQueue<TimedAction>()
    var watches: [Int: Watch] = [:]
    private var watchesByKind: [KindKey: Set<Int>] = [:]
    private var watchCount = 0

    // What controllers look things up by.
    var pods = PodIndex()
    var capacity = ClusterCapacity()
    /// What belongs to an object, by its uid.
    var dependents: [String: Set<ObjectPlace>] = [:]
    var budgets = BudgetIndex()
    /// The pods that a budget covers, counted.
    var coverage: [ObjectName: Coverage] = [:]
    var unscheduled: Set<ObjectName> = []
    var pendingReconciles: Set<Reconcile> = []
    /// Nodes whose kubelet does not live.
    var deadNodes: Set<String> = []
    /// When each kubelet was last heard.
    var heartbeats: [String: Date] = [:]
    var addressCount = 0
    /// The hash of each Deployment's template, by uid, and of what it was made.
    var templateHashes: [String: (template: JSON, hash: String)] = [:]
    var faults: TwinFaults
    /// The release whose API is served: the newest that an API server has.
    private(set) var minor: Int
    /// Labels of the metric that tells them.
    var deprecatedRequests: Set<String> = []

    init(options: TwinOptions) {
        self.options = options
        now = options.start
        random = SplitMix(seed: options.seed)
        faults = options.faults
        minor = options.minor
        for kind in Kind.served(in: minor) { serve(kind) }
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            let namespace: JSON = ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(name)]]
            _ = try? create(.namespaces, namespace, namespace: "")
        }
        if options.writesLeases { schedule(options.nodeMonitorSeconds, .monitorNodes) }
    }

    // MARK: Kinds

    mutating func serve(_ kind: Kind) {
        kinds[kind.key] = kind
        if tables[kind.key] == nil { tables[kind.key] = Table() }
    }

    /// The kinds and versions of another release. Kinds that somebody has defined stay.
    mutating func serve(minor: Int) {
        guard minor != self.minor else { return }
        self.minor = minor
        let served = Kind.served(in: minor)
        for kind in served { serve(kind) }
        let keys = Set(served.map(\.key))
        for (key, kind) in kinds where !kind.isCustom && !keys.contains(key) { kinds[key] = nil }
    }

    mutating func stopServing(_ key: KindKey) {
        for name in tables[key]?.objects.keys.sorted() ?? [] { remove(key, name) }
        kinds[key] = nil
        tables[key] = nil
    }

    // MARK: Objects

    /// The objects of a kind, and what happened to them lately.
    struct Table {
        struct Entry {
            var revision: Int64
            /// `ADDED`, `MODIFIED`, `DELETED`.
            var type: EventType
            var object: JSON
            var previous: JSON?
        }

        fileprivate(set) var objects: [ObjectName: JSON] = [:]
        fileprivate var order: [ObjectName]?
        fileprivate(set) var history: [Entry] = []
        /// Watches cannot go on from before this revision.
        fileprivate(set) var floor: Int64 = 0

        /// In the order in which a server lists them.
        mutating func sortedNames() -> [ObjectName] {
            if let order { return order }
            let sorted = objects.keys.sorted()
            order = sorted
            return sorted
        }
    }

    enum EventType: String, Sendable { case added = "ADDED", modified = "MODIFIED", deleted = "DELETED" }

    func object(_ key: KindKey, _ name: ObjectName) -> JSON? { tables[key]?.objects[name] }

    func objects(_ key: KindKey) -> [JSON] { tables[key].map { Array($0.objects.values) } ?? [] }

    mutating func sortedNames(_ key: KindKey) -> [ObjectName] { tables[key]?.sortedNames() ?? [] }

    mutating func makeUID() -> String {
        let (high, low) = (random.next(), random.next())
        // Version 4, variant 1 (RFC 9562).
        let digits = Array(hexadecimal((high & ~0xf000) | 0x4000) + hexadecimal(low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000))
        func part(_ range: Range<Int>) -> String { String(digits[range]) }
        return "\(part(0..<8))-\(part(8..<12))-\(part(12..<16))-\(part(16..<20))-\(part(20..<32))"
    }

    private func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Five characters, as names that are made have at their end.
    mutating func makeSuffix() -> String {
        let letters = Array("bcdfghjklmnpqrstvwxz2456789")
        return String((0..<5).map { _ in letters[Int(random.next() % UInt64(letters.count))] })
    }

    /// Writes an object, new or changed, and tells whom it concerns.
    /// - Returns: the object with its new resource version.
    @discardableResult
    mutating func commit(_ key: KindKey, _ object: JSON) -> JSON {
        revision += 1
        var object = object
        object["metadata"]["resourceVersion"] = .string(String(revision))
        let name = object.objectName
        let previous = tables[key]?.objects.updateValue(object, forKey: name)
        if previous == nil { tables[key]?.order = nil }
        note(key, Table.Entry(revision: revision, type: previous == nil ? .added : .modified, object: object, previous: previous))
        changed(key, name, from: previous, to: object)
        return object
    }

    /// Changes an object that is there; nothing happens when it is not, or when nothing changes.
    @discardableResult
    mutating func update(_ key: KindKey, _ name: ObjectName, _ change: (inout JSON) -> Void) -> JSON? {
        guard let before = object(key, name) else { return nil }
        var object = before
        change(&object)
        return object == before ? before : commit(key, object)
    }

    /// Takes an object away.
    mutating func remove(_ key: KindKey, _ name: ObjectName) {
        guard var object = tables[key]?.objects.removeValue(forKey: name) else { return }
        tables[key]?.order = nil
        revision += 1
        let previous = object
        object["metadata"]["resourceVersion"] = .string(String(revision))
        note(key, Table.Entry(revision: revision, type: .deleted, object: object, previous: previous))
        changed(key, name, from: previous, to: nil)
    }

    private mutating func note(_ key: KindKey, _ entry: Table.Entry) {
        tables[key]?.history.append(entry)
        if let count = tables[key]?.history.count, count > 2 * options.historyLength {
            let dropped = count - options.historyLength
            let floor = tables[key]?.history[dropped - 1].revision ?? 0
            tables[key]?.floor = floor
            tables[key]?.history.removeFirst(dropped)
        }
        for id in watchesByKind[key] ?? [] { watches[id]?.send(entry, at: now) }
    }

    /// Forgets what happened, so that watches from before end with 410.
    mutating func compact() {
        for key in tables.keys {
            tables[key]?.history = []
            tables[key]?.floor = revision
        }
    }

    // MARK: Watches

    /// Begins a watch, which is first told what happened since `since`.
    /// - Returns: nil when that is too long ago.
    mutating func beginWatch(_ key: KindKey, since: Int64, _ watch: Watch) -> Int? {
        guard let table = tables[key], since >= table.floor else { return nil }
        watchCount += 1
        // The entries are in the order of their revisions.
        var low = 0
        var high = table.history.count
        while low < high {
            let middle = (low + high) / 2
            if table.history[middle].revision <= since { low = middle + 1 } else { high = middle }
        }
        for entry in table.history[low...] { watch.send(entry, at: now) }
        watches[watchCount] = watch
        watchesByKind[key, default: []].insert(watchCount)
        return watchCount
    }

    mutating func endWatch(_ id: Int) { forgetWatch(id)?.end() }

    /// As `endWatch`, but the watcher is not told: it is dead.
    @discardableResult
    mutating func forgetWatch(_ id: Int) -> Watch? {
        guard let watch = watches.removeValue(forKey: id) else { return nil }
        watchesByKind[watch.key]?.remove(id)
        return watch
    }

    // MARK: Time

    enum TimedAction {
        case reconcile(Reconcile)
        case podStarts(ObjectName, uid: String)
        case podReady(ObjectName, uid: String)
        case podStops(ObjectName, uid: String)
        case podCompletes(ObjectName, uid: String)
        case heartbeat(node: String)
        case monitorNodes
        case nodeUnheard(String)
        case nodeBoots(String)
        case taintEviction(ObjectName, uid: String)
        case endWatch(Int)
        case bookmark(Int)
    }

    mutating func schedule(_ seconds: Double, _ action: TimedAction) { timers.push(action, at: now.addingTimeInterval(max(0, seconds))) }

    /// When something will happen by itself next.
    var nextTime: Date? { timers.nextTime }

    /// Lets time pass, and happen what is due.
    /// - Parameter mayGoOn: asked now and then; where it says no, time stays at what was reached.
    mutating func advance(to time: Date, while mayGoOn: () -> Bool = { true }) {
        var count = 0
        while let next = timers.nextTime, next <= time, let timer = timers.pop() {
            now = max(now, timer.at)
            carryOut(timer.element)
            count += 1
            if count % 64 == 0, !mayGoOn() { return }
        }
        now = max(now, time)
    }
}

/// The pods that a budget covers and that have not ended.
struct Coverage: Sendable {
    var pods = 0
    var healthy = 0
    /// Their owners, and how many belong to each.
    var owners: [PodFacts.Controller: Int] = [:]
    var ownerless = 0

    mutating func add(_ pod: PodFacts, _ sign: Int) {
        guard !pod.isFinished else { return }
        pods += sign
        if pod.isHealthy { healthy += sign }
        guard let owner = pod.controller else {
            ownerless += sign
            return
        }
        let count = owners[owner, default: 0] + sign
        owners[owner] = count == 0 ? nil : count
    }
}

/// An object of any kind.
struct ObjectPlace: Hashable, Sendable {
    var key: KindKey
    var name: ObjectName
}
