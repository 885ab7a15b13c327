import Kernels

/// A small decoder-only transformer: learned positions, pre-norm blocks, GELU, output tied to the embedding; optionally with mixtures of experts
/// and attention to the best keys only.
public struct GPT: Model {
    public struct Batch: Sendable {
        /// Tokens that are read [sequences x length], and those to be predicted after each.
        public var tokens: [Int]
        public var next: [Int]
        public init(tokens: [Int], next: [Int]) {
            self.tokens = tokens
            self.next = next
        }
    }
    /// Numbers that a token may have.
    public let vocabulary: Int
    /// Positions a sequence.
    public let length: Int
    public let width: Int
    public let heads: Int
    public let layers: Int
    /// Keys that each query attends to; nil for all. May be changed at every step.
    public var keptKeys: Int?
    /// Nil for a dense feed-forward part of 4 x width; each expert has as many units.
    public var router: ExpertRouter?

    /// - Throws: `TrainingError` where the heads do not divide the width or a size is below 1.
    public init(vocabulary: Int, length: Int, width: Int, heads: Int, layers: Int) throws(TrainingError) {
        guard vocabulary >= 1, length >= 1, width >= 1, heads >= 1, layers >= 1, width % heads == 0 else {
            throw TrainingError("width \(width) in \(heads) heads, \(layers) layers: all at least 1, and the heads must divide the width")
        }
        self.vocabulary = vocabulary
        self.length = length
        self.width = width
        self.heads = heads
        self.layers = layers
    }

    private var tensorsPerLayer: Int { 8 + (router.map { 1 + FeedForward.tensorsPerExpert * $0.experts } ?? FeedForward.tensorsPerExpert) }
    func first(ofLayer layer: Int) -> Int { 2 + layer * tensorsPerLayer }

    public var shapes: [[Int]] {
        let block = [[4 * width, width], [4 * width], [width, 4 * width], [width]]
        let feed = router.map { [[$0.experts, width]] + (0..<$0.experts).flatMap { _ in block } } ?? block
        let layer = [[width], [width], [3 * width, width], [3 * width], [width, width], [width], [width], [width]] + feed
        return [[vocabulary, width], [length, width]] + (0..<layers).flatMap { _ in layer } + [[width], [width]]
    }

    /// Matrices normal with deviation 0.02 x sqrt(768 / width) at most 0.2, gains 1, biases 0.
    public func initialParameters(seed: UInt64) -> [Tensor<Double>] {
        var draws = SeededDraws(seed: seed)
        let deviation = min(0.2, 0.02 * (768 / Double(width)).squareRoot())
        var tensors = shapes.map { shape in
            var tensor = Tensor<Double>(zeros: shape)
            if shape.count == 2 { tensor.values = draws.normals(tensor.values.count, deviation: deviation) }
            return tensor
        }
        let gains = (0..<layers).flatMap { [first(ofLayer: $0), first(ofLayer: $0) + 6] } + [tensors.count - 2]
        for gain in gains { tensors[gain].values = [Double](repeating: 1, count: width) }
        return tensors
    }

    /// Per sequence: 24 width^2 a token and layer in the linear parts (the active experts' only), the attention over kept keys, and the logits.
    public var forwardFLOPsPerSample: Double {
        let w = Double(width)
        let feed = router.map { Double($0.active) * 16 * w * w + 2 * w * Double($0.experts) } ?? 16 * w * w
        var pairs = 0.0
        for i in 1...length { pairs += Double(min(i, keptKeys ?? i)) }
        let all = Double(length * (length + 1) / 2)
        let attention = 2 * w * (all + pairs)
        return Double(layers) * (Double(length) * (8 * w * w + feed) + attention) + 2 * Double(length) * w * Double(vocabulary)
    }

    func check<Scalar>(_ parameters: [Tensor<Scalar>], _ batch: Batch) throws(TrainingError) {
        try check(parameters)
        guard batch.tokens.count % length == 0, batch.tokens.count == batch.next.count,
            (batch.tokens + batch.next).allSatisfy({ (0..<vocabulary).contains($0) })
        else {
            throw TrainingError(
                "\(batch.tokens.count) tokens and \(batch.next.count) to predict: both must be whole sequences of \(length) below \(vocabulary)"
            )
        }
    }

    /// - Throws: also where a router meets a logit that is not finite.
    public func loss<B: Backend>(_ parameters: [Tensor<B.Scalar>], _ batch: Batch, on backend: B) throws(TrainingError) -> Double {
        try check(parameters, batch)
        let pass = try forward(parameters, batch.tokens, layers: 0..<layers, input: [], on: backend)
        var gradient = backend.uninitialized(pass.output.count)
        return backend.crossEntropy(pass.output, labels: batch.next, gradient: &gradient) + pass.balanceLoss
    }

    /// Loads of the experts, summed over the layers; empty for a dense model.
    public func expertLoad(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> [Int] {
        try check(parameters, batch)
        let pass = try forward(parameters, batch.tokens, layers: 0..<layers, input: [], on: ReferenceBackend())
        let loads = pass.blocks.compactMap { $0.mixture?.routing.load }
        guard let router else { return [] }
        return (0..<router.experts).map { expert in loads.reduce(0) { $0 + $1[expert] } }
    }

    /// Load of the busiest expert over the mean of all, mean over the layers; nil for a dense model.
    /// - Throws: as `loss`.
    public func expertImbalance<B: Backend>(
        _ parameters: [Tensor<B.Scalar>], _ batch: Batch, on backend: B
    ) throws(TrainingError) -> Double? {
        guard router != nil else { return nil }
        try check(parameters, batch)
        let pass = try forward(parameters, batch.tokens, layers: 0..<layers, input: [], on: backend)
        let loads = pass.blocks.compactMap { $0.mixture.map { ExpertRouter.imbalance($0.routing.load) } }
        return loads.isEmpty ? nil : loads.reduce(0, +) / Double(loads.count)
    }

    public func lossAndGradients<B: Backend>(
        _ p: [Tensor<B.Scalar>], _ batch: Batch, on backend: B
    ) throws(TrainingError) -> (loss: Double, gradients: [[B.Scalar]]) {
        try check(p, batch)
        let pass = try forward(p, batch.tokens, layers: 0..<layers, input: [], on: backend)
        var g = GradientSums<B>(p.map { backend.zeros($0.values.count) })
        var dLogits = backend.uninitialized(pass.output.count)
        let loss = backend.crossEntropy(pass.output, labels: batch.next, gradient: &dLogits)
        _ = backward(pass, dLogits, p, &g, on: backend)
        return (loss + pass.balanceLoss, g.sums)
    }
}
