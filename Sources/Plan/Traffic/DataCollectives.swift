import Calibration
import Cluster
import Workload

/// The collectives over the ranks that hold the same parameters, one after the other: what gathers the parameters, and what reduces their gradients.
///
/// Which they are (Rajbhandari et al., arXiv:1910.02054): replicas all-reduce; from ZeRO-1 on each rank needs the sum of its own shard only, so gradients are
/// reduce-scattered and parameters gathered; hybrid sharding does both inside a shard group and all-reduces each shard across the groups. How often they
/// run in a step is in `Plan.gathers` and `Plan.reductions`.
public struct DataCollectives: Sendable, Hashable {
    public var gather: [GroupTraffic] = []
    public var reduce: [GroupTraffic] = []

    public var gatherSeconds: Double { gather.reduce(0) { $0 + $1.seconds } }
    public var reduceSeconds: Double { reduce.reduce(0) { $0 + $1.seconds } }
}

extension Job {
    /// Bytes of an element of the gradients on the wire: as the scenario says, else as the stack does.
    public func reduceBytes(_ behaviour: StackBehaviour) -> Double {
        training.precision.reduce?.bytes ?? max(behaviour.reduceBytes, sharding.activationBytes)
    }
}

extension CostModel {
    /// The collectives that gather these parameters and reduce their gradients.
    public func dataCollectives(of parameters: StageWork.LocalParameters) -> DataCollectives {
        var list = DataCollectives()
        append(parameters.dense, .dataContext, groups.dataContext, to: &list)
        append(parameters.expert, .expertData, groups.expertData, to: &list)
        return list
    }

    private func append(_ count: Double, _ kind: ParallelKind, _ shape: GroupShape, to list: inout DataCollectives) {
        guard count > 0, shape.ranks > 1 else { return }
        let zero = job.layout.zero
        let weights = count * job.sharding.activationBytes
        let gradients = count * job.reduceBytes(behaviour)
        if let hybrid = hybridGroups(of: shape), job.training.compression == nil {
            let size = hybrid.inside.ranks
            list.reduce.append(data(.reduceScatter, .parts(kind, size: size), gradients, hybrid.inside))
            list.reduce.append(data(.allReduce, .across(kind, size: size), gradients / Double(size), hybrid.across))
            list.gather.append(data(.allGather, .parts(kind, size: size), weights, hybrid.inside))
            return
        }
        if let compression = job.training.compression {
            for one in compression.collectives(elements: count, ranks: shape.ranks, job: job) {
                list.reduce.append(data(one.operation, .group(kind), one.bytes, shape))
            }
        } else {
            let isWhole = zero == 0 || behaviour.zero1AllReduce && zero < 3
            list.reduce.append(data(isWhole ? .allReduce : .reduceScatter, .group(kind), gradients, shape))
        }
        if zero >= 1 {
            var gather = data(.allGather, .group(kind), weights, shape)
            gather.seconds += shardStart(ranks: shape.ranks, crosses: shape.crossesDomains)
            list.gather.append(gather)
        }
    }

    private func data(_ operation: CollectiveOp, _ members: GroupTraffic.Members, _ bytes: Double, _ shape: GroupShape) -> GroupTraffic {
        GroupTraffic(
            group: .data, operation: operation, members: members, shape: shape, bytes: bytes,
            seconds: seconds(operation, bytes: bytes, group: shape))
    }

    /// The groups of hybrid sharding where `group` is cut, else nil.
    private func hybridGroups(of group: GroupShape) -> (inside: GroupShape, across: GroupShape)? {
        guard job.layout.zero >= 2 || job.layout.zero == 1 && job.layout.shardGroup != nil else { return nil }
        let asked = job.layout.shardGroup ?? (behaviour.shardsInNode ? job.cluster.gpusPerNode : group.ranks)
        guard asked < group.ranks, asked > 0 else { return nil }
        let inside = GroupShape(ranks: asked, perDomain: min(asked, max(1, group.perDomain)), concurrent: group.concurrent)
        let replicas = group.ranks / asked
        let perDomain = max(1, group.perDomain / asked)
        let across = GroupShape(
            ranks: replicas, perDomain: min(replicas, perDomain), concurrent: group.concurrent * min(asked, group.perDomain))
        return (inside, across)
    }
}
