/// Which links there are and which way a flow takes: the secret of each kind of topology. Hosts and links are numbered from 0; a cable is two links, one
/// for each direction, or one link for both when it is half duplex.
protocol NetworkShape: Sendable {
    var hostCount: Int { get }
    var linkCount: Int { get }
    /// Bytes a second and seconds of a link.
    func properties(of link: Int) -> LinkProperties
    /// A name for people: "leaf 3 to spine 1".
    func name(of link: Int) -> String
    func isReachable(from source: Int, to destination: Int) -> Bool
    /// How many ways lead from one host to the other, of which `choice` picks one.
    func choices(from source: Int, to destination: Int) -> Int
    /// The way of static routing: destination modulo k, dimension order, minimal, the lowest of the shortest.
    func staticChoice(from source: Int, to destination: Int) -> Int
    /// Appends the links from one host to the other.
    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>)
    /// Switches that can reduce and multicast; they are numbered behind the hosts, and routes may begin and end there.
    var reducerCount: Int { get }
    func reducer(above host: Int) -> Int?
    /// The switch that all others that reduce hang on.
    var rootReducer: Int? { get }
}

extension NetworkShape {
    func isReachable(from source: Int, to destination: Int) -> Bool { true }
    func choices(from source: Int, to destination: Int) -> Int { 1 }
    func staticChoice(from source: Int, to destination: Int) -> Int { 0 }
    var reducerCount: Int { 0 }
    func reducer(above host: Int) -> Int? { nil }
    var rootReducer: Int? { nil }
}

/// Bytes a second and seconds of one link.
public struct LinkProperties: Sendable, Hashable {
    /// Bytes a second, one direction.
    public var bandwidth: Double
    /// Seconds.
    public var latency: Double
    public init(bandwidth: Double, latency: Double) {
        self.bandwidth = bandwidth
        self.latency = latency
    }
    func times(_ multiplicity: Int) -> LinkProperties { LinkProperties(bandwidth: bandwidth * Double(multiplicity), latency: latency) }
}

/// Whether the directions of a cable are links of their own or share one.
public enum Duplex: String, Sendable, Hashable, CaseIterable {
    case full, half
}

/// How a flow's way is picked among those that its topology offers.
public enum Routing: Sendable, Hashable {
    /// The topology's own rule, a function of source and destination only.
    case fixed
    /// Equal-cost multipath: a hash of (seed, source, destination, the flow's key).
    case ecmp(seed: UInt64)
    /// The way whose fullest link has the fewest flows a byte per second at the moment the flow is issued; of equals the first.
    case adaptive
}

/// Cables between places, numbered; the shared arithmetic of regular topologies.
struct CableBlock: Sendable {
    /// First link of the block.
    let first: Int
    let cables: Int
    let properties: LinkProperties
    let duplex: Duplex

    var end: Int { first + (duplex == .full ? 2 * cables : cables) }
    func contains(_ link: Int) -> Bool { link >= first && link < end }
    @inline(__always) func up(_ cable: Int) -> Int32 { Int32(truncatingIfNeeded: first &+ cable) }
    @inline(__always) func down(_ cable: Int) -> Int32 {
        Int32(truncatingIfNeeded: duplex == .full ? first &+ cables &+ cable : first &+ cable)
    }
    /// The cable of a link, and whether the link is its way down (or back).
    func cable(of link: Int) -> (cable: Int, isDown: Bool) {
        let offset = link - first
        return offset < cables ? (offset, false) : (offset - cables, true)
    }
    /// "a to b", the other way round for the way down, and "a - b" where both directions share the link.
    func name(_ link: Int, _ ends: (Int) -> (String, String)) -> String {
        let (cable, isDown) = cable(of: link)
        let (a, b) = ends(cable)
        if duplex == .half { return "\(a) - \(b)" }
        return isDown ? "\(b) to \(a)" : "\(a) to \(b)"
    }
}
