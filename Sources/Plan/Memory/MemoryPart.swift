/// The parts of a stage's memory, in the order of the result file.
public enum MemoryPart: String, Sendable, CaseIterable {
    case parameters, gradients, optimizer, activations, buffers, fragmentation

    public func bytes(_ stage: MemoryEstimate.Stage) -> Double {
        switch self {
        case .parameters: stage.parameters
        case .gradients: stage.gradients
        case .optimizer: stage.optimizer
        case .activations: stage.activations
        case .buffers: stage.buffers
        case .fragmentation: stage.fragmentation
        }
    }
}

extension MemoryEstimate {
    /// Index of the stage that needs most; the first of equals, nil without stages.
    public var fullestStage: Int? { stages.indices.max { (stages[$0].total, $1) < (stages[$1].total, $0) } }
}
