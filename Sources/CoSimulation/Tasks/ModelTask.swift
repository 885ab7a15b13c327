import Kernels
import Training

/// A small model that learns samples of some source.
public struct ModelTask<M: Model, B: Backend>: LearningTask where B.Scalar: TrainingScalar {
    public typealias Scalar = B.Scalar
    public let model: M
    public let backend: B
    public let floor: Double?
    public let tokensPerSample: Int
    private let source: @Sendable (Samples) throws(TrainingError) -> M.Batch
    private let heldOut: M.Batch
    /// Of a transformer that is trained in phases.
    private var phases: [SequencePhase] = []

    /// - Parameters:
    ///   - source: the batch that samples make, the same for the same samples.
    ///   - heldOut: what the loss is judged by.
    ///   - floor: the least loss of any model, where it is known.
    public init(
        _ model: M, on backend: B, heldOut: M.Batch, floor: Double? = nil, tokensPerSample: Int = 1,
        source: @escaping @Sendable (Samples) throws(TrainingError) -> M.Batch
    ) {
        self.model = model
        self.backend = backend
        self.heldOut = heldOut
        self.floor = floor
        self.tokensPerSample = tokensPerSample
        self.source = source
    }

    public var shapes: [[Int]] { model.shapes }
    public var forwardFLOPsPerSample: Double { model.forwardFLOPsPerSample }
    public func initialParameters(seed: UInt64) -> [Tensor<Scalar>] { model.initialParameters(seed: seed, on: backend) }

    public func gradient(_ parameters: [Tensor<Scalar>], _ samples: Samples, into gradient: inout [[Scalar]]) throws(TrainingError)
        -> Double
    {
        if let gpt = model as? GPT, let phase = phases.phase(at: samples.progress), let batch = try source(samples) as? GPT.Batch {
            let (loss, gradients) = try phase.lossAndGradients(gpt, parameters, batch, on: backend)
            gradient = gradients
            return loss
        }
        let (loss, gradients) = try model.lossAndGradients(parameters, try source(samples), on: backend)
        gradient = gradients
        return loss
    }

    public func share(at progress: Double) -> (work: Double, tokens: Double) {
        guard let gpt = model as? GPT, let phase = phases.phase(at: progress) else { return (1, 1) }
        return phase.share(of: gpt)
    }

    public func loss(_ parameters: [Tensor<Scalar>]) throws(TrainingError) -> Double { try model.loss(parameters, heldOut, on: backend) }

    public func expertImbalance(_ parameters: [Tensor<Scalar>]) throws(TrainingError) -> Double? {
        guard let gpt = model as? GPT, let batch = heldOut as? GPT.Batch else { return nil }
        return try gpt.expertImbalance(parameters, batch, on: backend)
    }
}

extension ModelTask where M == MLP {
    /// Labels of an unseen perceptron.
    public init(
        teacher: TeacherStudent, student: MLP, on backend: B, heldOut: Int = 512, seed: UInt64 = 0
    ) throws(TrainingError) {
        let source = { @Sendable (samples: Samples) throws(TrainingError) -> MLP.Batch in
            var batch = MLP.Batch(inputs: [])
            for index in 0..<samples.count {
                var draws = SeededDraws(seed: samples.key(index))
                let one = try teacher.batch(1, draws: &draws)
                batch.inputs += one.inputs
                batch.labels += one.labels
            }
            return batch
        }
        let held = try source(Samples(seed: mixed(seed, 0x4E1D), first: 0, count: heldOut))
        self.init(student, on: backend, heldOut: held, floor: teacher.labelNoise > 0 ? nil : 0, source: source)
    }
}

extension ModelTask where M == GPT {
    /// The same task whose sequences and attention change on the way.
    /// - Throws: `TrainingError` for phases that do not ascend to 1, or ask for more than the model has.
    public func phased(_ phases: [SequencePhase]) throws(TrainingError) -> ModelTask {
        try phases.check(for: model)
        var other = self
        other.phases = phases
        return other
    }

    /// Sequences of a Markov chain, whose entropy rate is the least loss there is.
    public init(_ model: GPT, markov chain: MarkovSource, on backend: B, heldOut: Int = 128, seed: UInt64 = 0) throws(TrainingError) {
        guard model.vocabulary == chain.stationary.count else {
            throw TrainingError("a chain of \(chain.stationary.count) tokens for a vocabulary of \(model.vocabulary)")
        }
        let length = model.length
        let source = { @Sendable (samples: Samples) throws(TrainingError) -> GPT.Batch in
            var batch = GPT.Batch(tokens: [], next: [])
            for index in 0..<samples.count {
                var draws = SeededDraws(seed: samples.key(index))
                let one = chain.batch(sequences: 1, length: length, draws: &draws)
                batch.tokens += one.tokens
                batch.next += one.next
            }
            return batch
        }
        let held = try source(Samples(seed: mixed(seed, 0x4E1D), first: 0, count: heldOut))
        self.init(model, on: backend, heldOut: held, floor: chain.entropyRate, tokensPerSample: length, source: source)
    }

    /// Pieces of a text, a byte a token; its last tenth is held out.
    public init(_ model: GPT, text: TextSource, on backend: B, heldOut: Int = 64) throws(TrainingError) {
        let length = model.length
        guard model.vocabulary >= text.vocabulary, text.heldOut.count > length, text.training.count > length else {
            throw TrainingError(
                "a text of \(text.training.count + text.heldOut.count) bytes with \(text.vocabulary) different ones for sequences of \(length) and a vocabulary of \(model.vocabulary)"
            )
        }
        func piece(_ tokens: [Int], _ start: Int, into batch: inout GPT.Batch) {
            batch.tokens += tokens[start..<start + length]
            batch.next += tokens[start + 1..<start + length + 1]
        }
        let source = { @Sendable (samples: Samples) throws(TrainingError) -> GPT.Batch in
            var batch = GPT.Batch(tokens: [], next: [])
            for index in 0..<samples.count {
                var draws = SeededDraws(seed: samples.key(index))
                let start = Int(draws.next() % UInt64(text.training.count - length))
                batch.tokens += text.training[start..<start + length]
                batch.next += text.training[start + 1..<start + length + 1]
            }
            return batch
        }
        var held = GPT.Batch(tokens: [], next: [])
        let places = text.heldOut.count - length
        for index in 0..<min(heldOut, places) { piece(text.heldOut, index * places / min(heldOut, places), into: &held) }
        self.init(model, on: backend, heldOut: held, tokensPerSample: length, source: source)
    }
}

extension ModelTask {
    /// Images with labels; the last sixth is held out.
    public init(
        _ model: M, images: MLP.Batch, on backend: B, heldOut: Int = 512, batch: @escaping @Sendable (MLP.Batch) -> M.Batch
    ) throws(TrainingError) {
        let count = images.labels.count
        guard count >= 6 else { throw TrainingError("\(count) images are too few to train on and to judge by") }
        let pixels = images.inputs.count / count
        let trained = count - count / 6
        func pick(_ rows: [Int]) -> MLP.Batch {
            MLP.Batch(
                inputs: rows.flatMap { images.inputs[$0 * pixels..<($0 + 1) * pixels] }, labels: rows.map { images.labels[$0] })
        }
        let source = { @Sendable (samples: Samples) throws(TrainingError) -> M.Batch in
            let rows = (0..<samples.count).map { index in Int(samples.key(index) % UInt64(trained)) }
            return batch(
                MLP.Batch(inputs: rows.flatMap { images.inputs[$0 * pixels..<($0 + 1) * pixels] }, labels: rows.map { images.labels[$0] }))
        }
        let held = batch(pick(Array(trained..<min(count, trained + heldOut))))
        self.init(model, on: backend, heldOut: held, source: source)
    }
}
