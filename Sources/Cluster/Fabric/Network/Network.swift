import Quantities

/// A mistake in a fabric's description or in the traffic on it: the key (or row) where it is, and what would be right.
public struct FabricError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, and what would be right.
    public let fault: Fault
    /// From 1, where the text is known.
    public var line: Int?
    public var column: Int?
    /// - Parameter key: dotted path of the key in the file, or the row; empty where no single one is at fault.
    public init(key: String, _ reason: String, suggestion: String = "", line: Int? = nil, column: Int? = nil) {
        fault = Fault(keyPath: key, reason: reason, suggestion: suggestion)
        self.line = line
        self.column = column
    }
    /// Dotted path of the key at fault, or the row.
    public var key: String { fault.keyPath }
    /// Reason and suggestion in one sentence.
    public var message: String { Fault(reason: fault.reason, suggestion: fault.suggestion).description }
    public var description: String { (line.map { "\($0):\(column ?? 1): " } ?? "") + fault.description }
}

/// How the links of a network are shared by the flows on them.
public enum Fairness: String, Sendable, Hashable, CaseIterable {
    /// Every flow has the same share of a link.
    case equal
    /// Shares are inversely proportional to the latency of a flow's route, as those of long-lived TCP connections are (SimGrid's CM02 model).
    case rtt
}

/// Hosts, links and routes: the place where flows run.
public struct Network: Sendable {
    let shape: any NetworkShape
    /// Which of several ways a flow takes, and how links are shared.
    public var routing: Routing
    public var fairness: Fairness
    /// Links that change while flows run.
    public var faults: [LinkFault] = []
    /// Nil: every byte costs the same, however short the message.
    public var efficiency: EfficiencyCurve?
    /// Nil: a port carries its full rate however many flows meet there.
    public var congestion: CongestionModel?

    /// Measured times of collectives, where the hosts are GPUs of a cluster and every port can use its rate; nil where patterns are played.
    public var library: CollectiveModel?

    /// Of the GPUs at the hosts; it decides what a library chooses, and nothing else.
    public var generation = Generation.hopper

    init(shape: some NetworkShape, routing: Routing = .fixed, fairness: Fairness = .equal) {
        self.shape = shape
        self.routing = routing
        self.fairness = fairness
    }

    public var hostCount: Int { shape.hostCount }
    public var linkCount: Int { shape.linkCount }
    public func name(ofLink link: Int) -> String { shape.name(of: link) }
    public func properties(ofLink link: Int) -> LinkProperties { shape.properties(of: link) }

    /// The links from one host to another, in order; empty from a host to itself.
    /// `key` tells flows between the same hosts apart where routing hashes. Adaptive routing needs the present load and gives its static way here.
    public func route(from source: Int, to destination: Int, key: UInt64 = 0) -> [Int] {
        guard (0..<hostCount).contains(source), (0..<hostCount).contains(destination), source != destination else { return [] }
        var links = Column<Int32>()
        shape.route(from: source, to: destination, choice: choice(from: source, to: destination, key: key), into: &links)
        return (0..<links.count).map { Int(links[$0]) }
    }

    func choice(from source: Int, to destination: Int, key: UInt64) -> Int {
        guard case .ecmp(let seed) = routing else { return shape.staticChoice(from: source, to: destination) }
        let count = shape.choices(from: source, to: destination)
        guard count > 1 else { return shape.staticChoice(from: source, to: destination) }
        var hash = seed &+ 0x9e37_79b9_7f4a_7c15
        for value in [UInt64(source), UInt64(destination), key] {
            hash = (hash ^ value) &* 0xbf58_476d_1ce4_e5b9
            hash = (hash ^ (hash >> 29)) &* 0x94d0_49bb_1331_11eb
            hash ^= hash >> 32
        }
        return Int(hash % UInt64(count))
    }
}
