import Calibration
import Cluster
import Workload

/// A collective of a step with the ranks that it joins, for simulations of its flows. What it costs alone stands in `StageCosts`.
public struct GroupTraffic: Sendable, Hashable {
    public var operation: CollectiveOp
    public var members: Members
    /// The full buffer of one rank (see `CollectiveOp`).
    public var bytes: Double
    /// Seconds alone on its links, by the closed form.
    public var seconds: Double

    public init(operation: CollectiveOp, members: Members, bytes: Double, seconds: Double) {
        self.operation = operation
        self.members = members
        self.bytes = bytes
        self.seconds = seconds
    }

    /// Which ranks: a group of the placement, or a part of one.
    public enum Members: Sendable, Hashable {
        case group(ParallelKind)
        /// Consecutive parts of `size` members each (the shard groups of hybrid sharding).
        case parts(ParallelKind, size: Int)
        /// Members with the same place in parts of `size`.
        case across(ParallelKind, size: Int)
    }
}

extension Plan {
    /// Which rank is on which GPU.
    /// - Throws: `PlacementError` as planning does.
    public func placement() throws(PlacementError) -> Placement { try Placement(job.degrees, job.cluster) }

    /// Calibrated shares of their nominal rate that links reach under steady traffic.
    public var reachedShares: (inside: Double, network: Double) { model.collectives.reachedShares(model.efficiency) }

    /// Bytes that a GPU sends to its counterpart of a neighbouring stage: the message is cut over the tensor group (see `StageCosts.hop`).
    public var hopBytes: Double {
        Double(job.sharding.tokens) * Double(job.model.hidden) * job.sharding.activationBytes / Double(max(1, job.layout.tensor))
    }

    /// The collectives inside a forward pass of `units` (indices into `work.units`), or inside the backward one, equal kinds added up, without what is
    /// recomputed.
    public func collectives(of units: [Int], forward: Bool) -> [GroupTraffic] {
        var list: [GroupTraffic] = []
        for unit in units {
            for op in work.ops[unit] where (op.pass == .forward) == forward {
                guard case .communication(let communication) = op.work else { continue }
                let kind: ParallelKind =
                    switch communication.group {
                    // Flows of a grid's rows and columns are those of its whole group.
                    case .tensor, .tensorRow, .tensorColumn: .tensor
                    case .context: .context
                    case .expert: .expert
                    }
                add(
                    GroupTraffic(
                        operation: communication.kind.collective, members: .group(kind), bytes: communication.bytes,
                        seconds: model.seconds(communication)), to: &list)
            }
        }
        return list
    }

    /// The collectives that gather these parameters or reduce their gradients over the replicas, in order; as `StageCosts.traffic` times them.
    public func dataCollectives(of parameters: StageWork.LocalParameters, reducing: Bool) -> [GroupTraffic] {
        let zero = job.layout.zero
        let weightBytes = job.sharding.activationBytes
        let reduceBytes = job.training.precision.reduce?.bytes ?? max(behaviour.reduceBytes, weightBytes)
        var list: [GroupTraffic] = []
        func append(_ operation: CollectiveOp, _ members: GroupTraffic.Members, _ bytes: Double, _ shape: GroupShape) {
            guard shape.ranks > 1 else { return }
            list.append(
                GroupTraffic(
                    operation: operation, members: members, bytes: bytes, seconds: model.seconds(operation, bytes: bytes, group: shape)))
        }
        for (count, shape, kind) in [
            (parameters.dense, model.groups.dataContext, ParallelKind.dataContext),
            (parameters.expert, model.groups.expertData, ParallelKind.expertData),
        ] where count > 0 {
            if let compression = job.training.compression, shape.ranks > 1 {
                if reducing {
                    for one in compression.collectives(elements: count, ranks: shape.ranks, job: job) {
                        append(one.operation, .group(kind), one.bytes, shape)
                    }
                } else if zero >= 1 {
                    append(.allGather, .group(kind), count * weightBytes, shape)
                }
                continue
            }
            guard let hybrid = model.hybridGroups(of: shape) else {
                if reducing {
                    let isWhole = zero == 0 || (behaviour.zero1AllReduce && zero < 3)
                    append(isWhole ? .allReduce : .reduceScatter, .group(kind), count * reduceBytes, shape)
                } else if zero >= 1 {
                    append(.allGather, .group(kind), count * weightBytes, shape)
                }
                continue
            }
            let size = hybrid.inside.ranks
            if reducing {
                append(.reduceScatter, .parts(kind, size: size), count * reduceBytes, hybrid.inside)
                append(.allReduce, .across(kind, size: size), count * reduceBytes / Double(size), hybrid.across)
            } else {
                append(.allGather, .parts(kind, size: size), count * weightBytes, hybrid.inside)
            }
        }
        return list
    }

    private func add(_ traffic: GroupTraffic, to list: inout [GroupTraffic]) {
        guard traffic.bytes > 0, traffic.seconds > 0 else { return }
        if let known = list.firstIndex(where: { $0.operation == traffic.operation && $0.members == traffic.members }) {
            list[known].bytes += traffic.bytes
            list[known].seconds += traffic.seconds
        } else {
            list.append(traffic)
        }
    }
}
