/// What the groups of one kind do in a step: so many times an operation with so many bytes.
public struct GroupLoad: Sendable, Hashable {
    /// Which groups do what.
    public var kind: ParallelKind
    public var op: CollectiveOp
    /// As `CollectiveOp` counts them.
    public var bytes: Double
    /// Times a step.
    public var calls: Double
    public init(_ kind: ParallelKind, _ op: CollectiveOp, bytes: Double, calls: Double = 1) {
        self.kind = kind
        self.op = op
        self.bytes = bytes
        self.calls = calls
    }
}

extension Placement {
    /// Seconds that the groups' communication takes in a step, one after the other, nothing overlapped: what placements are compared by.
    public func expectedSeconds(_ loads: [GroupLoad], _ model: CollectiveModel) -> Double {
        loads.reduce(0) { $0 + $1.calls * model.seconds($1.op, bytes: $1.bytes, group: shape($1.kind)) }
    }

    /// Ranks up to which pairs are exchanged after the best order of dimensions is found.
    public static let exchangeLimit = 128

    /// The placement of least expected time: the best of packed, spread and every order in which the parallel dimensions can fill the GPUs; then, for at
    /// most `exchangeLimit` ranks, two ranks of different domains change places as long as that helps (fewer seconds, or as many and fewer domains that
    /// groups reach into). Greedy: for irregular cases it may stay above the least possible.
    /// - Throws: `PlacementError` for degrees that the cluster cannot hold.
    public static func searched(
        _ degrees: ParallelDegrees, _ cluster: ClusterSpec, loads: [GroupLoad]
    ) throws(PlacementError) -> (placement: Placement, seconds: Double) {
        let model = CollectiveModel(cluster: cluster)
        let kinds = ParallelKind.allCases.filter { kind in loads.contains { $0.kind == kind } }
        var best = try packed(degrees, cluster)
        var bestScore = best.score(loads, model, kinds)
        func consider(_ candidate: Placement) -> Bool {
            let score = candidate.score(loads, model, kinds)
            // Rounding must not make a detour look better.
            let isFaster = score.seconds < bestScore.seconds * (1 - 1e-12)
            guard isFaster || score.seconds <= bestScore.seconds * (1 + 1e-12) && score.reach < bestScore.reach else { return false }
            (best, bestScore) = (candidate, score)
            return true
        }
        let spread = try Placement.spread(degrees, cluster)
        var starts = [best, spread]
        _ = consider(spread)
        for order in orders where order != [0, 1, 2, 3] {
            let candidate = try Placement(degrees, cluster, .explicit(list(degrees, order)))
            starts.append(candidate)
            _ = consider(candidate)
        }
        let world = degrees.ranks
        guard world <= exchangeLimit else { return (best, bestScore.seconds) }
        let (champion, championScore) = (best, bestScore)
        var winner = (champion, championScore)
        // From the best, and from the plain starts, which may lie in another valley.
        for start in [champion] + (world <= 32 ? starts : []) {
            (best, bestScore) = (start, start.score(loads, model, kinds))
            var improves = true
            while improves {
                improves = false
                for a in 0..<world {
                    for b in (a + 1)..<max(a + 1, world) where best.domain(of: a) != best.domain(of: b) {
                        var list = (0..<world).map { best.gpu(of: $0) }
                        list.swapAt(a, b)
                        if consider(try Placement(degrees, cluster, .explicit(list))) { improves = true }
                    }
                }
            }
            if bestScore.seconds < winner.1.seconds * (1 - 1e-12) { winner = (best, bestScore) }
        }
        return (winner.0, winner.1.seconds)
    }

    /// Seconds, and over all groups the domains that they reach into.
    private func score(_ loads: [GroupLoad], _ model: CollectiveModel, _ kinds: [ParallelKind]) -> (seconds: Double, reach: Int) {
        let seconds = expectedSeconds(loads, model)
        guard degrees.ranks <= Self.exchangeLimit else { return (seconds, 0) }
        var reach = 0
        for kind in kinds {
            for rank in 0..<degrees.ranks {
                let group = members(kind, of: rank)
                guard group.first == rank else { continue }
                reach += Set(group.map { domain(of: $0) }).count
            }
        }
        return (seconds, reach)
    }

    /// All orders of tensor (0), context (1), data (2) and pipeline (3), the fastest varying first.
    private static let orders: [[Int]] = {
        var result: [[Int]] = []
        for a in 0..<4 {
            for b in 0..<4 where b != a {
                for c in 0..<4 where c != a && c != b { result.append([a, b, c, 6 - a - b - c]) }
            }
        }
        return result
    }()

    /// [ranks] the GPU of each when the dimensions fill the GPUs in this order.
    private static func list(_ d: ParallelDegrees, _ order: [Int]) -> [Int] {
        let sizes = [d.tensor, d.context, d.data, d.pipeline]
        var strides = [0, 0, 0, 0]
        var stride = 1
        for dimension in order {
            strides[dimension] = stride
            stride *= sizes[dimension]
        }
        return (0..<d.ranks).map { rank in
            var rest = rank
            var gpu = 0
            for dimension in 0..<4 {
                gpu += rest % sizes[dimension] * strides[dimension]
                rest /= sizes[dimension]
            }
            return gpu
        }
    }
}
