import Kernels
import Training

/// A part of a transformer's training with shorter sequences, or with attention to the best keys only. What is shorter takes less time: the work of
/// a sample follows the FLOPs of the small model.
public struct SequencePhase: Sendable, Equatable {
    /// Share of the training at which it ends.
    public var end: Double
    /// Tokens of a sample; nil for the model's length.
    public var sequence: Int?
    /// Keys that a query attends to; nil for the model's.
    public var keptKeys: Int?

    public init(end: Double, sequence: Int? = nil, keptKeys: Int? = nil) {
        self.end = end
        self.sequence = sequence
        self.keptKeys = keptKeys
    }

    private func model(of gpt: GPT) throws(TrainingError) -> GPT {
        var own = try GPT(
            vocabulary: gpt.vocabulary, length: sequence ?? gpt.length, width: gpt.width, heads: gpt.heads, layers: gpt.layers)
        own.router = gpt.router
        own.keptKeys = keptKeys ?? gpt.keptKeys
        return own
    }

    /// Relative to a whole sample of `gpt`.
    func share(of gpt: GPT) -> (work: Double, tokens: Double) {
        guard let own = try? model(of: gpt) else { return (1, 1) }
        return (own.forwardFLOPsPerSample / gpt.forwardFLOPsPerSample, Double(own.length) / Double(gpt.length))
    }

    /// Of the first tokens of every sequence; positions that do not occur have no gradient.
    func lossAndGradients<B: Backend>(
        _ gpt: GPT, _ parameters: [Tensor<B.Scalar>], _ batch: GPT.Batch, on backend: B
    ) throws(TrainingError) -> (loss: Double, gradients: [[B.Scalar]]) where B.Scalar: TrainingScalar {
        let own = try model(of: gpt)
        guard own.length < gpt.length else { return try own.lossAndGradients(parameters, batch, on: backend) }
        var cut = GPT.Batch(tokens: [], next: [])
        for start in stride(from: 0, to: batch.tokens.count, by: gpt.length) {
            cut.tokens += batch.tokens[start..<start + own.length]
            cut.next += batch.next[start..<start + own.length]
        }
        var shorter = parameters
        shorter[1] = try Tensor(Array(parameters[1].values[..<(own.length * gpt.width)]), shape: [own.length, gpt.width])
        var (loss, gradients) = try own.lossAndGradients(shorter, cut, on: backend)
        gradients[1] += [B.Scalar](repeating: 0, count: (gpt.length - own.length) * gpt.width)
        return (loss, gradients)
    }
}

extension [SequencePhase] {
    /// The phase at `progress`; nil where there are none.
    func phase(at progress: Double) -> SequencePhase? { first { progress < $0.end } ?? last }

    func check(for gpt: GPT) throws(TrainingError) {
        guard last?.end == 1, zip(self, dropFirst()).allSatisfy({ $0.end < $1.end }) else {
            throw TrainingError("phases end at \(map(\.end)): they must ascend to 100 %")
        }
        for phase in self where !(1...gpt.length).contains(phase.sequence ?? gpt.length) || phase.keptKeys ?? 1 < 1 {
            throw TrainingError(
                "a phase with \(phase.sequence ?? gpt.length) tokens and \(phase.keptKeys ?? gpt.length) keys: 1 to \(gpt.length) tokens")
        }
    }
}
