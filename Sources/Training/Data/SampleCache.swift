/// Keeps prepared samples in memory up to a number of bytes; the one used longest ago goes first. All operations O(1) on average.
public struct SampleCache<Sample: Sendable>: Sendable {
    private struct Node: Sendable {
        var key: Int
        var sample: Sample
        var bytes: Int
        var newer: Int
        var older: Int
    }
    /// Bytes that are kept at most and at present, and how often a sample was there or had to be made.
    public let capacity: Int
    public private(set) var bytes = 0
    public private(set) var hits = 0
    public private(set) var misses = 0
    private var places: [Int: Int] = [:]
    private var nodes: [Node] = []
    private var free: [Int] = []
    private var newest = -1
    private var oldest = -1

    /// - Throws: `TrainingError` for a negative capacity in bytes.
    public init(capacity: Int) throws(TrainingError) {
        guard capacity >= 0 else { throw TrainingError("a cache of \(capacity) bytes: it must be zero or more") }
        self.capacity = capacity
    }

    /// Samples kept.
    public var count: Int { places.count }
    /// Share of the requests that found their sample here; 0 before the first.
    public var hitRate: Double { hits + misses == 0 ? 0 : Double(hits) / Double(hits + misses) }

    /// The sample of `key`; where it is not held it is made, of `bytes`, and held if it fits at all.
    public mutating func sample<Failure: Error>(
        _ key: Int, make: () throws(Failure) -> (sample: Sample, bytes: Int)
    ) throws(Failure) -> Sample {
        if let place = places[key] {
            hits += 1
            unlink(place)
            link(place)
            return nodes[place].sample
        }
        misses += 1
        let made = try make()
        guard made.bytes <= capacity, made.bytes >= 0 else { return made.sample }
        while bytes + made.bytes > capacity, oldest >= 0 { evict() }
        let node = Node(key: key, sample: made.sample, bytes: made.bytes, newer: -1, older: -1)
        let place: Int
        if let reused = free.popLast() {
            nodes[reused] = node
            place = reused
        } else {
            nodes.append(node)
            place = nodes.count - 1
        }
        places[key] = place
        bytes += made.bytes
        link(place)
        return made.sample
    }

    private mutating func evict() {
        let place = oldest
        unlink(place)
        places[nodes[place].key] = nil
        bytes -= nodes[place].bytes
        free.append(place)
    }

    private mutating func unlink(_ place: Int) {
        let (newer, older) = (nodes[place].newer, nodes[place].older)
        if newer >= 0 { nodes[newer].older = older } else { newest = older }
        if older >= 0 { nodes[older].newer = newer } else { oldest = newer }
    }

    private mutating func link(_ place: Int) {
        nodes[place].newer = -1
        nodes[place].older = newest
        if newest >= 0 { nodes[newest].newer = place } else { oldest = place }
        newest = place
    }
}
