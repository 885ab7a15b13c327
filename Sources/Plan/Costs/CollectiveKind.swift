import Cluster
import Workload

extension CollectiveKind {
    /// The operation of the cluster's model; Workload knows no machines and names its own.
    public var collective: CollectiveOp {
        switch self {
        case .allReduce: .allReduce
        case .reduceScatter: .reduceScatter
        case .allGather: .allGather
        case .allToAll: .allToAll
        case .broadcast: .broadcast
        case .sendReceive: .sendReceive
        }
    }
}
