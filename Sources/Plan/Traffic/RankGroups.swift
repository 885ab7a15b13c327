import Cluster

/// The ranks that a collective joins, on a placement.
public struct RankGroups: Sendable {
    public let placement: Placement
    /// Both directions of DualPipe hold every stage: on rank s of the pipeline and on its mirror image.
    private let isMirrored: Bool
    /// Grids of a 2.5D tensor group that hold the same weights, and GPUs of one.
    private let grids: (count: Int, size: Int)

    /// - Throws: `PlacementError` as planning does.
    public init(_ plan: Plan) throws(PlacementError) {
        let layout = plan.job.layout
        placement = try plan.placement()
        isMirrored = layout.parameterCopies > 1
        let edge = layout.tensorGrid
        grids = edge > 0 ? (max(1, layout.tensorDepth), edge * edge) : (1, 1)
    }

    /// The ranks that `rank` does it with, itself among them.
    public func members(_ which: GroupTraffic.Members, of rank: Int) -> [Int] {
        switch which {
        case .group(let kind): return holders(kind, of: rank)
        case .parts(let kind, let size):
            let all = holders(kind, of: rank)
            let first = (all.firstIndex(of: rank) ?? 0) / size * size
            return Array(all[first..<min(all.count, first + size)])
        case .across(let kind, let size):
            let all = holders(kind, of: rank)
            return stride(from: (all.firstIndex(of: rank) ?? 0) % size, to: all.count, by: size).map { all[$0] }
        case .lattice(let stride, let count):
            let first = rank / (stride * count) * (stride * count) + rank % stride
            return (0..<count).map { first + $0 * stride }
        }
    }

    /// A group of the placement; for parameters with the copies of them that a pipeline or a stack of grids holds.
    private func holders(_ kind: ParallelKind, of rank: Int) -> [Int] {
        switch kind {
        case .dataContext: return mirrored(rank) { grid(placement.members(kind, of: $0)) }
        case .expertData: return mirrored(rank) { placement.members(kind, of: $0) }
        default: return placement.members(kind, of: rank)
        }
    }

    private func grid(_ members: [Int]) -> [Int] {
        guard grids.count > 1 else { return members }
        let tensor = max(1, placement.degrees.tensor)
        return members.flatMap { member in
            let first = member / tensor * tensor + member % tensor % grids.size
            return (0..<grids.count).map { first + $0 * grids.size }
        }
    }

    private func mirrored(_ rank: Int, _ members: (Int) -> [Int]) -> [Int] {
        guard isMirrored else { return members(rank) }
        let degrees = placement.degrees
        let stage = rank / degrees.stage
        let image = rank + (degrees.pipeline - 1 - 2 * stage) * degrees.stage
        return members(min(rank, image)) + members(max(rank, image))
    }
}
