/// Which rank runs on which GPU, and so which links each communication group uses.
///
/// Ranks count tensor fastest, then context, then data (experts inside it), pipeline outermost: Megatron-LM's order "tp-cp-ep-dp-pp". GPUs count
/// through a node, then a domain, then the cluster. A rank of an expert group is its number within the stage, cut as expertTensor, expert,
/// expertData (Megatron-LM's `RankGenerator`).
public struct Placement: Sendable, Hashable {
    /// In which order ranks take GPUs.
    public enum Order: Sendable, Hashable {
        /// Rank r on GPU r.
        case packed
        /// Neighbouring ranks in different domains, round robin.
        case spread
        /// Rank r on GPU `list[r]`.
        case explicit([Int])
    }
    /// How the job is cut, and in which order ranks take GPUs.
    public let degrees: ParallelDegrees
    public let order: Order
    /// GPUs of one fast domain.
    public let domain: Int
    /// Domains that the ranks occupy when packed.
    public let domains: Int
    /// [ParallelKind.allCases]
    private let shapes: [GroupShape]
    /// Share, over ranks of all stages but the last, of the sends to the next stage that leave the domain.
    public let pipelineCrossing: Double
    /// Most GPUs of one domain that send to a next stage elsewhere at the same time.
    public let pipelineSenders: Int

    /// - Throws: `PlacementError` where degrees are not positive, do not fit the cluster, or expert groups do not divide a stage.
    public static func packed(_ degrees: ParallelDegrees, _ cluster: ClusterSpec) throws(PlacementError) -> Placement {
        try Placement(degrees, cluster, .packed)
    }
    /// - Throws: `PlacementError` as `packed`.
    public static func spread(_ degrees: ParallelDegrees, _ cluster: ClusterSpec) throws(PlacementError) -> Placement {
        try Placement(degrees, cluster, .spread)
    }

    /// - Complexity: O(1) where domains and groups divide each other, else O(ranks).
    /// - Throws: `PlacementError`; for an explicit list also where it names a GPU twice or one that is not there.
    public init(_ degrees: ParallelDegrees, _ cluster: ClusterSpec, _ order: Order) throws(PlacementError) {
        let world = try Self.check(degrees, gpus: cluster.gpus)
        self.degrees = degrees
        self.order = order
        domain = max(1, min(cluster.domain, cluster.gpus))
        domains = (world + domain - 1) / domain
        if case .explicit(let list) = order { try Self.check(list, world: world, gpus: cluster.gpus) }
        var home: [Int]?
        if order != .packed { home = Self.homes(order, world: world, domain: domain, domains: domains) }
        var shapes: [GroupShape] = []
        for kind in ParallelKind.allCases where kind != .pipeline {
            let (stride, count) = Self.lattice(kind, degrees)
            shapes.append(Self.shape(stride: stride, count: count, world: world, domain: domain, home: home))
        }
        let crossing = Self.crossing(degrees, domain: domain, home: home)
        pipelineCrossing = crossing.share
        pipelineSenders = crossing.senders
        shapes.append(
            GroupShape(ranks: degrees.pipeline > 1 ? 2 : 1, perDomain: crossing.share > 0 ? 1 : 2, concurrent: max(1, crossing.senders)))
        self.shapes = shapes
    }

    /// The typical group of a kind: for irregular placements the one over most domains, and the most groups that share a domain's ports.
    public func shape(_ kind: ParallelKind) -> GroupShape { shapes[ParallelKind.allCases.firstIndex(of: kind) ?? 0] }

    /// The shape of groups of `count` ranks, `stride` apart, that tile the ranks in blocks of stride x count: for instance the parts of a hybrid
    /// shard group. Counts that do not tile give the whole world's shape.
    public func shape(stride: Int, count: Int) -> GroupShape {
        let world = degrees.ranks
        guard stride > 0, count > 0, stride <= world, count <= world / stride, world % (stride * count) == 0 else {
            return shape(stride: 1, count: world)
        }
        let home = order == .packed ? nil : Self.homes(order, world: world, domain: domain, domains: domains)
        return Self.shape(stride: stride, count: count, world: world, domain: domain, home: home)
    }

    /// The GPU that runs a rank.
    public func gpu(of rank: Int) -> Int {
        switch order {
        case .packed: rank
        case .spread: Self.spreadSlot(rank, world: degrees.ranks, domain: domain, domains: domains)
        case .explicit(let list): list[rank]
        }
    }
    public func domain(of rank: Int) -> Int { gpu(of: rank) / domain }

    /// The inverse of `coordinates(of:)`.
    public func rank(of c: RankCoordinates) -> Int {
        ((c.pipeline * degrees.data + c.data) * degrees.context + c.context) * degrees.tensor + c.tensor
    }
    /// Where a rank stands in the grid.
    public func coordinates(of rank: Int) -> RankCoordinates {
        let stage = degrees.stage
        let within = rank % stage
        return RankCoordinates(
            tensor: within % degrees.tensor, context: within / degrees.tensor % degrees.context,
            data: within / (degrees.tensor * degrees.context), pipeline: rank / stage)
    }

    /// Share of the ranks of stage `from` whose counterpart in stage `to` sits in another domain.
    /// - Complexity: O(ranks of a stage).
    public func crossing(from: Int, to: Int) -> Double {
        let stage = degrees.stage
        var leaving = 0
        for rank in 0..<stage where domain(of: from * stage + rank) != domain(of: to * stage + rank) { leaving += 1 }
        return Double(leaving) / Double(stage)
    }

    /// The ranks of the group of `kind` that `rank` belongs to, ascending; for the pipeline all its stages.
    public func members(_ kind: ParallelKind, of rank: Int) -> [Int] {
        let (stride, count) = kind == .pipeline ? (degrees.stage, degrees.pipeline) : Self.lattice(kind, degrees)
        let first = rank / (stride * count) * (stride * count) + rank % stride
        return (0..<count).map { first + $0 * stride }
    }
}
