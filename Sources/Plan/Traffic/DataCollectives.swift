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

    /// - Parameter compression: what the gradients pass between replicas; nil: they travel as they are.
    public init(of parameters: StageWork.LocalParameters, model: CostModel, compression: GradientCompression?) {
        let (trained, frozen) = (parameters.trained, parameters.frozen)
        let factor = parameters.gatherFactor
        append(Own(trained: trained.dense, frozenBytes: frozen.denseBytes, gatherFactor: factor), .dataContext, model, compression)
        append(Own(trained: trained.expert, frozenBytes: frozen.expertBytes, gatherFactor: factor), .expertData, model, compression)
    }

    /// What replicas of one kind share: parameters that train, and bytes of others, which are gathered only where parameters are kept in shards.
    private struct Own {
        var trained: Double
        var frozenBytes: Double
        var gatherFactor: Double
    }

    private mutating func append(
        _ own: Own, _ kind: ParallelKind, _ model: CostModel, _ compression: GradientCompression?
    ) {
        let count = own.trained
        let shape = kind == .expertData ? model.groups.expertData : model.groups.dataContext
        guard count > 0 || own.frozenBytes > 0, shape.ranks > 1 else { return }
        let zero = model.deployment.layout.zero
        let updated = count * model.deployment.precision.activationBytes
        let weights = zero >= 3 ? (updated + own.frozenBytes) * own.gatherFactor : updated
        if let compression {
            for one in compression.collectives(elements: count, ranks: shape.ranks, of: model.deployment) {
                reduce.append(model.data(one.operation, .group(kind), one.bytes, shape))
            }
        } else {
            let gradients = count * model.deployment.reduceBytes(model.behaviour)
            if let hybrid = model.hybridGroups(of: shape) {
                let size = hybrid.inside.ranks
                reduce.append(model.data(.reduceScatter, .parts(kind, size: size), gradients, hybrid.inside))
                reduce.append(model.data(.allReduce, .across(kind, size: size), gradients / Double(size), hybrid.across))
                gather.append(model.data(.allGather, .parts(kind, size: size), weights, hybrid.inside))
                return
            }
            let isWhole = zero == 0 || model.behaviour.zero1AllReduce && zero < 3
            reduce.append(model.data(isWhole ? .allReduce : .reduceScatter, .group(kind), gradients, shape))
        }
        if zero >= 1 {
            var whole = model.data(.allGather, .group(kind), weights, shape)
            whole.seconds += model.shardStart(ranks: shape.ranks, crosses: shape.crossesDomains)
            gather.append(whole)
        }
    }
}

extension CostModel {
    fileprivate func data(_ operation: CollectiveOp, _ members: GroupTraffic.Members, _ bytes: Double, _ shape: GroupShape) -> GroupTraffic
    {
        GroupTraffic(
            group: .data, operation: operation, members: members, shape: shape, bytes: bytes,
            seconds: seconds(operation, bytes: bytes, group: shape))
    }

    /// The groups of hybrid sharding where `group` is cut, else nil.
    fileprivate func hybridGroups(of group: GroupShape) -> (inside: GroupShape, across: GroupShape)? {
        let layout = deployment.layout
        guard layout.zero >= 2 || layout.zero == 1 && layout.shardGroup != nil else { return nil }
        let asked = layout.shardGroup ?? (behaviour.shardsInNode ? deployment.cluster.gpusPerNode : group.ranks)
        guard asked < group.ranks, asked > 0 else { return nil }
        let inside = GroupShape(ranks: asked, perDomain: min(asked, max(1, group.perDomain)), concurrent: group.concurrent)
        let replicas = group.ranks / asked
        let perDomain = max(1, group.perDomain / asked)
        let across = GroupShape(
            ranks: replicas, perDomain: min(replicas, perDomain), concurrent: group.concurrent * min(asked, group.perDomain))
        return (inside, across)
    }
}
