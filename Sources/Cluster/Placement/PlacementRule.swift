/// Which rank goes on which GPU, as a job asks for it.
public enum PlacementRule: Sendable, Hashable {
    /// Rank r on GPU r.
    case packed
    /// Neighbouring ranks in different fast domains, round robin.
    case spread
    /// Whatever takes the groups the least expected time (`Placement.searched`); planning looks for it and leaves the order that it found.
    case searched
    /// Rank r on GPU `list[r]`.
    case listed([Int])

    init(_ order: Placement.Order) {
        self =
            switch order {
            case .packed: .packed
            case .spread: .spread
            case .explicit(let list): .listed(list)
            }
    }

    /// The order that the rule names; packed where it is still to be searched.
    var order: Placement.Order {
        switch self {
        case .packed, .searched: .packed
        case .spread: .spread
        case .listed(let list): .explicit(list)
        }
    }
}

extension Placement {
    /// The placement by the cluster's rule; packed where that is still to be searched.
    /// - Throws: `PlacementError` as `init(_:_:_:)`.
    public init(_ degrees: ParallelDegrees, _ cluster: ClusterSpec) throws(PlacementError) {
        try self.init(degrees, cluster, cluster.placement.order)
    }

    /// The rule that gives this placement again.
    public var rule: PlacementRule { PlacementRule(order) }

    /// [GPUs of the cluster] the rank that runs on each, nil on idle ones.
    public func ranks(gpus: Int) -> [Int?] {
        var result = [Int?](repeating: nil, count: gpus)
        for rank in 0..<degrees.ranks where gpu(of: rank) < gpus { result[gpu(of: rank)] = rank }
        return result
    }
}
