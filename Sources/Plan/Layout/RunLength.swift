import Workload

/// How long the run is that the scenario asks for.
extension Job {
    /// Tokens of a sample; 1 for a CNN, whose samples are pictures.
    public var tokensPerSample: Int { model.kind == .transformer ? training.sequence : 1 }
    /// Tokens of one optimizer step; samples for a CNN.
    public var tokensPerStep: Double { Double(training.globalBatch) * Double(tokensPerSample) }
    /// Whether the scenario asks for more than one step.
    public var hasLength: Bool { training.length != .oneStep || training.duration != nil }
    /// Optimizer steps of the whole run: those asked for, or as many as the tokens take, the last one full; 1 where no length is given.
    public var steps: Int {
        switch training.length {
        case .steps(let count): count
        case .tokens(let tokens): Int(min(9e18, (Double(tokens) / max(1, tokensPerStep)).rounded(.up)))
        case .oneStep: 1
        }
    }
}
