/// Bytes on their way from one host to another.
public struct Flow: Sendable, Hashable {
    /// Seconds.
    public var start: Double
    public var source: Int
    public var destination: Int
    public var bytes: Double
    /// Tells flows between the same hosts apart where routing hashes (a port number).
    public var key: UInt64
    /// Share of a link relative to other flows; with `fairness: rtt` times one over the route's latency.
    public var weight: Double
    /// Bytes a second that the flow never exceeds.
    public var cap: Double

    public init(
        start: Double = 0, source: Int, destination: Int, bytes: Double, key: UInt64 = 0, weight: Double = 1, cap: Double = .infinity
    ) {
        self.start = start
        self.source = source
        self.destination = destination
        self.bytes = bytes
        self.key = key
        self.weight = weight
        self.cap = cap
    }

    /// A total order that does not depend on where a flow stands in a list.
    static func comesBefore(_ a: Flow, _ b: Flow) -> Bool {
        if a.start != b.start { return a.start < b.start }
        if a.source != b.source { return a.source < b.source }
        if a.destination != b.destination { return a.destination < b.destination }
        if a.bytes != b.bytes { return a.bytes < b.bytes }
        if a.key != b.key { return a.key < b.key }
        return a.weight != b.weight ? a.weight < b.weight : a.cap < b.cap
    }
}

/// A link that changes: its capacity is `factor` times the nominal one from `time` on; 0 is a link that is down, 1 one that is well again.
public struct LinkFault: Sendable, Hashable {
    /// Seconds.
    public var time: Double
    public var link: Int
    public var factor: Double
    /// Whether flows on a link that goes down move to another way of their topology, where there is one; otherwise they wait.
    public var reroutes: Bool
    public init(time: Double, link: Int, factor: Double, reroutes: Bool = false) {
        self.time = time
        self.link = link
        self.factor = factor
        self.reroutes = reroutes
    }
}
