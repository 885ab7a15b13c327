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
    private func first(ofLayer layer: Int) -> Int { 2 + layer * tensorsPerLayer }

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

    private struct Block {
        var norm1: Dense.LayerNorm
        var attention: CausalAttention
        var norm2: Dense.LayerNorm
        var dense: FeedForward.Expert?
        var mixture: FeedForward.Mixture?
    }
    private struct Pass {
        var blocks: [Block] = []
        var norm: Dense.LayerNorm
        var logits: [Double]
        var balanceLoss = 0.0
    }

    private func check(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) {
        try check(parameters)
        guard batch.tokens.count % length == 0, batch.tokens.count == batch.next.count,
            (batch.tokens + batch.next).allSatisfy({ (0..<vocabulary).contains($0) })
        else {
            throw TrainingError(
                "\(batch.tokens.count) tokens and \(batch.next.count) to predict: both must be whole sequences of \(length) below \(vocabulary)"
            )
        }
    }

    private func forward(_ p: [Tensor<Double>], _ tokens: [Int]) throws(TrainingError) -> Pass {
        var x = [Double](repeating: 0, count: tokens.count * width)
        for (row, token) in tokens.enumerated() {
            for j in 0..<width { x[row * width + j] = p[0].values[token * width + j] + p[1].values[row % length * width + j] }
        }
        var blocks: [Block] = []
        var balance = 0.0
        for layer in 0..<layers {
            let at = first(ofLayer: layer)
            let norm1 = Dense.LayerNorm(x, gain: p[at].values, bias: p[at + 1].values)
            let qkv = Dense.linear(norm1.output, p[at + 2], p[at + 3].values)
            let attention = CausalAttention(qkv, length: length, heads: heads, kept: keptKeys, width: width)
            Double.axpy(&x, Dense.linear(attention.output, p[at + 4], p[at + 5].values), 1)
            let norm2 = Dense.LayerNorm(x, gain: p[at + 6].values, bias: p[at + 7].values)
            var block = Block(norm1: norm1, attention: attention, norm2: norm2)
            if let router {
                let mixture = try FeedForward.Mixture(norm2.output, p, gate: at + 8, router: router)
                Double.axpy(&x, mixture.output, 1)
                balance += mixture.routing.balanceLoss
                block.mixture = mixture
            } else {
                let dense = FeedForward.Expert(norm2.output, p, at: at + 8)
                Double.axpy(&x, dense.output, 1)
                block.dense = dense
            }
            blocks.append(block)
        }
        let norm = Dense.LayerNorm(x, gain: p[p.count - 2].values, bias: p[p.count - 1].values)
        return Pass(blocks: blocks, norm: norm, logits: Dense.linear(norm.output, p[0], nil), balanceLoss: balance)
    }

    /// - Throws: also where a router meets a logit that is not finite.
    public func loss(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> Double {
        try check(parameters, batch)
        let pass = try forward(parameters, batch.tokens)
        return Dense.crossEntropy(pass.logits, labels: batch.next).loss + pass.balanceLoss
    }

    /// Loads of the experts, summed over the layers; empty for a dense model.
    public func expertLoad(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> [Int] {
        try check(parameters, batch)
        let loads = try forward(parameters, batch.tokens).blocks.compactMap { $0.mixture?.routing.load }
        guard let router else { return [] }
        return (0..<router.experts).map { expert in loads.reduce(0) { $0 + $1[expert] } }
    }

    public func lossAndGradients(
        _ p: [Tensor<Double>], _ batch: Batch
    ) throws(TrainingError) -> (loss: Double, gradients: [[Double]]) {
        try check(p, batch)
        let pass = try forward(p, batch.tokens)
        let (loss, dLogits) = Dense.crossEntropy(pass.logits, labels: batch.next)
        var g = p.map { [Double](repeating: 0, count: $0.values.count) }
        var embedding = g[0]
        var flow = Dense.linearBackward(dLogits, x: pass.norm.output, w: p[0], dw: &embedding)
        let last = p.count
        var dGain = g[last - 2]
        flow = pass.norm.backward(flow, gain: p[last - 2].values, dGain: &dGain, dBias: &g[last - 1])
        g[last - 2] = dGain
        for layer in (0..<layers).reversed() { flow = backward(pass.blocks[layer], flow, p, at: first(ofLayer: layer), &g) }
        for (row, token) in batch.tokens.enumerated() {
            for j in 0..<width {
                embedding[token * width + j] += flow[row * width + j]
                g[1][row % length * width + j] += flow[row * width + j]
            }
        }
        g[0] = embedding
        return (loss + pass.balanceLoss, g)
    }

    /// `flow` is the gradient by the block's output; returned is that by its input.
    private func backward(_ block: Block, _ flow: [Double], _ p: [Tensor<Double>], at: Int, _ g: inout [[Double]]) -> [Double] {
        var flow = flow
        var inner =
            block.mixture?.backward(flow, p, gate: at + 8, &g) ?? block.dense?.backward(flow, p, at: at + 8, &g) ?? flow.map { _ in 0 }
        var dGain = g[at + 6]
        Double.axpy(&flow, block.norm2.backward(inner, gain: p[at + 6].values, dGain: &dGain, dBias: &g[at + 7]), 1)
        g[at + 6] = dGain
        var dw = g[at + 4]
        inner = Dense.linearBackward(flow, x: block.attention.output, w: p[at + 4], dw: &dw, db: &g[at + 5])
        g[at + 4] = dw
        inner = block.attention.backward(inner)
        dw = g[at + 2]
        inner = Dense.linearBackward(inner, x: block.norm1.output, w: p[at + 2], dw: &dw, db: &g[at + 3])
        g[at + 2] = dw
        dGain = g[at]
        Double.axpy(&flow, block.norm1.backward(inner, gain: p[at].values, dGain: &dGain, dBias: &g[at + 1]), 1)
        g[at] = dGain
        return flow
    }
}
