import Cluster
import Workload

/// What traffic belongs to, as results name it.
public enum TrafficGroup: Int, Sendable, Hashable, CaseIterable {
    case tensor, sequence, context, expert, pipeline, data

    public var name: String { "\(self)" }

    /// What waiting for it counts as.
    public var activity: Activity {
        switch self {
        case .tensor: .tensorComm
        case .sequence: .sequenceComm
        case .context: .contextComm
        case .expert: .expertComm
        case .pipeline: .pipelineComm
        case .data: .dataComm
        }
    }

    /// The group of a layer's own communication: sequence parallelism parts the all-reduce of the tensor group in a gather and a scatter.
    init(of communication: Communication) {
        switch communication.group {
        case .tensor: self = communication.kind == .allReduce ? .tensor : .sequence
        case .tensorRow, .tensorColumn: self = .tensor
        case .context: self = .context
        case .expert: self = .expert
        }
    }
}

/// A collective of a step: which ranks it joins and how many bytes it moves. Made once, in Plan: costs sum its seconds, the account of a step its bytes,
/// and simulations of flows take its ranks.
public struct GroupTraffic: Sendable, Hashable {
    public var group: TrafficGroup
    public var operation: CollectiveOp
    public var members: Members
    /// The same ranks as the closed form sees them.
    public var shape: GroupShape
    /// The full buffer of one rank (see `CollectiveOp`).
    public var bytes: Double
    /// Seconds alone on its links, by the closed form.
    public var seconds: Double

    /// Which ranks: a group of the placement, or a part of one.
    public enum Members: Sendable, Hashable {
        case group(ParallelKind)
        /// Consecutive parts of `size` members each (the shard groups of hybrid sharding).
        case parts(ParallelKind, size: Int)
        /// Members with the same place in parts of `size`.
        case across(ParallelKind, size: Int)
        /// Rows or columns of a tensor group's grid: `count` ranks, `stride` apart.
        case lattice(stride: Int, count: Int)

        /// The kind of group that is cut.
        public var kind: ParallelKind {
            switch self {
            case .group(let kind), .parts(let kind, _), .across(let kind, _): kind
            case .lattice: .tensor
            }
        }
    }

    /// As many seconds and bytes as both, which are of one kind.
    static func merged(_ list: [GroupTraffic]) -> [GroupTraffic] {
        var sums: [GroupTraffic] = []
        for one in list {
            if let known = sums.firstIndex(where: { $0.operation == one.operation && $0.members == one.members && $0.group == one.group }) {
                sums[known].bytes += one.bytes
                sums[known].seconds += one.seconds
            } else {
                sums.append(one)
            }
        }
        return sums
    }
}

extension CostModel {
    /// A layer's own communication with the ranks that it joins.
    func traffic(of communication: Communication) -> GroupTraffic {
        let edge = deployment.layout.tensorGrid
        let members: GroupTraffic.Members =
            switch communication.group {
            case .tensor: .group(.tensor)
            case .tensorRow: edge > 0 ? .lattice(stride: 1, count: edge) : .group(.tensor)
            case .tensorColumn: edge > 0 ? .lattice(stride: edge, count: edge) : .group(.tensor)
            case .context: .group(.context)
            case .expert: .group(.expert)
            }
        return GroupTraffic(
            group: TrafficGroup(of: communication), operation: communication.kind.collective, members: members,
            shape: group(communication.group), bytes: communication.bytes, seconds: seconds(communication))
    }

    /// Bytes that a rank sends in a collective, over links inside its domain and over the network.
    func sent(_ traffic: GroupTraffic) -> (inside: Double, network: Double) {
        if traffic.group == .expert, traffic.operation == .allToAll, let split = dispatch(bytes: traffic.bytes) {
            let local = Double(traffic.shape.perDomain - 1) / Double(max(1, traffic.shape.perDomain))
            return (traffic.bytes * local, split.network)
        }
        let sent = collectives.traffic(traffic.operation, bytes: traffic.bytes, group: traffic.shape)
        return (sent.nvlink, sent.network)
    }
}
