import Cluster
import Workload

/// The shapes of a job's process groups on its machines, and which links each uses.
public struct GroupShapes: Sendable {
    public let tensor: GroupShape
    /// One row and one column of the tensor group's grid; the whole group where there is none.
    public let tensorRow: GroupShape
    public let tensorColumn: GroupShape
    public let context: GroupShape
    public let expert: GroupShape
    /// Gradient reduction of dense parameters: data x context ranks, times the copies that a pipeline or a stack of grids holds.
    public let dataContext: GroupShape
    /// Gradient reduction of expert parameters: the ranks that hold the same experts.
    public let expertData: GroupShape
    /// Share of neighbouring pipeline ranks in different fast domains, and GPUs of a domain that send across at once.
    public let pipelineCrossing: Double
    public let pipelineSenders: Int
}
