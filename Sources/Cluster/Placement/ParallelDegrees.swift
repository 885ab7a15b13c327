/// In how many parts a job is cut, by kind of parallelism. Attention and dense layers: tensor x context x data x pipeline ranks. Expert layers cut
/// the tensor x context x data ranks of a stage anew: expertTensor x expert x expertData.
public struct ParallelDegrees: Sendable, Hashable {
    /// Ranks along each axis.
    public var tensor: Int
    public var context: Int
    public var expert: Int
    public var expertTensor: Int
    public var data: Int
    public var pipeline: Int
    public init(tensor: Int = 1, context: Int = 1, expert: Int = 1, expertTensor: Int = 1, data: Int = 1, pipeline: Int = 1) {
        self.tensor = tensor
        self.context = context
        self.expert = expert
        self.expertTensor = expertTensor
        self.data = data
        self.pipeline = pipeline
    }
    /// Ranks of one pipeline stage.
    public var stage: Int { tensor * context * data }
    /// Ranks of the job.
    public var ranks: Int { stage * pipeline }
    /// Replicas of an expert's parameters.
    public var expertData: Int { stage / max(1, expert * expertTensor) }
}

/// The groups in which ranks communicate.
public enum ParallelKind: String, Sendable, Hashable, CaseIterable, Codable {
    case tensor, context, expertTensor, expert
    /// Gradients and parameters of experts.
    case expertData
    case data
    /// Gradients of all else: data x context.
    case dataContext
    /// A stage and the next: two ranks.
    case pipeline
}

/// Where a rank stands in the grid, each from 0.
public struct RankCoordinates: Sendable, Hashable {
    /// Number along each axis.
    public var tensor: Int
    public var context: Int
    public var data: Int
    public var pipeline: Int
    public init(tensor: Int = 0, context: Int = 0, data: Int = 0, pipeline: Int = 0) {
        self.tensor = tensor
        self.context = context
        self.data = data
        self.pipeline = pipeline
    }
}

/// Degrees or a list of ranks that no placement can honour.
public struct PlacementError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
