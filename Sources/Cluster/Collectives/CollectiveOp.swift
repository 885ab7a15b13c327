/// What a group of ranks does together. `bytes` of an operation is the full buffer: what every rank ends with (all-gather, all-reduce, broadcast),
/// starts with (reduce-scatter), or sends in total (all-to-all, send).
public enum CollectiveOp: String, Sendable, Hashable, CaseIterable, Codable {
    case allReduce, reduceScatter, allGather, allToAll, broadcast, sendReceive

    /// Row in the tables of precomputed constants.
    var index: Int {
        switch self {
        case .allReduce: 0
        case .reduceScatter: 1
        case .allGather: 2
        case .allToAll: 3
        case .broadcast: 4
        case .sendReceive: 5
        }
    }

    /// Bytes that a ring puts on every link, over the full buffer: 2(n-1)/n for all-reduce, 1 for a pipelined broadcast and a send, (n-1)/n for
    /// the others.
    func busFactor(ranks n: Double) -> Double {
        switch self {
        case .allReduce: 2 * (n - 1) / n
        case .reduceScatter, .allGather, .allToAll: (n - 1) / n
        case .broadcast, .sendReceive: 1
        }
    }
}

/// How an all-reduce over several domains goes about it.
public enum CollectiveAlgorithm: String, Sendable, Hashable, CaseIterable, Codable {
    /// Whichever of the others is faster, as libraries choose.
    case fastest
    case ring
    /// Double binary tree over the domains.
    case tree
}

/// Where the ranks of a communication group sit.
public struct GroupShape: Sendable, Hashable {
    /// Ranks of the group.
    public var ranks: Int
    /// Ranks of the group inside one fast domain (node, or rack of an NVL72).
    public var perDomain: Int
    /// Groups of this kind that share the network ports of one domain at the same time.
    public var concurrent: Int
    public init(ranks: Int, perDomain: Int, concurrent: Int = 1) {
        self.ranks = ranks
        self.perDomain = perDomain
        self.concurrent = concurrent
    }
    /// Fast domains that the group stands in.
    public var domains: Int { (max(1, ranks) + max(1, perDomain) - 1) / max(1, perDomain) }
    /// Whether it needs the network.
    public var crossesDomains: Bool { domains > 1 }
}

/// Calibrated shares, in (0, 1], of what the measured collectives reach: less beside compute, on a busy fabric, or with an old library.
public struct LinkEfficiency: Sendable, Hashable {
    /// Inside a fast domain, and on the network.
    public var intra: Double
    public var inter: Double
    public init(intra: Double = 1, inter: Double = 1) {
        self.intra = intra
        self.inter = inter
    }
    /// Nothing is lost.
    public static let nominal = LinkEfficiency()
}
