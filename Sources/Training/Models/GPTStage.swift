import Kernels

extension GPT {
    /// What the backward pass over a range of layers needs of the forward pass: one stage of a pipeline, or the whole model.
    public struct StagePass<B: Backend>: Sendable where B.Scalar: TrainingScalar {
        let layers: Range<Int>
        let tokens: [Int]
        var blocks: [Block<B>] = []
        var norm: Dense.LayerNorm<B>?
        /// The residual stream after the last layer of the range [tokens][width]; behind the model's last layer the logits
        /// [tokens][vocabulary].
        public internal(set) var output: [B.Scalar]
        public internal(set) var balanceLoss = 0.0
    }

    struct Block<B: Backend>: Sendable where B.Scalar: TrainingScalar {
        let norm1: Dense.LayerNorm<B>
        let attention: AttentionPass<B.Scalar>
        let norm2: Dense.LayerNorm<B>
        var dense: FeedForward.Expert<B>?
        var mixture: FeedForward.Mixture<B>?
    }

    /// One stage's forward pass over whole sequences.
    /// - Parameters:
    ///   - layers: a range of the model's layers. The first layer's stage embeds the tokens; the last one's also computes the logits.
    ///   - input: the previous stage's output [tokens][width]; not read by the first stage.
    /// - Throws: `TrainingError` where parameters, tokens, layers or input do not fit the model, or a router meets a logit that is not finite.
    public func stageForward<B: Backend>(
        _ p: [Tensor<B.Scalar>], tokens: [Int], layers: Range<Int>, input: [B.Scalar], on backend: B
    ) throws(TrainingError) -> StagePass<B> {
        try check(p, Batch(tokens: tokens, next: tokens))
        guard layers.lowerBound >= 0, layers.upperBound <= self.layers, !layers.isEmpty else {
            throw TrainingError("a stage of the layers \(layers): it must have layers of 0..<\(self.layers)")
        }
        guard layers.lowerBound == 0 || input.count == tokens.count * width else {
            throw TrainingError("a stage's input of \(input.count) elements for \(tokens.count) tokens of width \(width)")
        }
        return try forward(p, tokens, layers: layers, input: input, on: backend)
    }

    /// One stage's backward pass: adds to `gradients` and returns the gradient by the stage's input, empty for the first stage. The tied
    /// embedding, tensor 0, gets a part from the first and a part from the last stage, to be summed.
    /// - Parameter flow: the gradient by the pass's output.
    /// - Throws: `TrainingError` where flow, parameters or gradients do not fit.
    public func stageBackward<B: Backend>(
        _ pass: StagePass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], gradients: inout [[B.Scalar]], on backend: B
    ) throws(TrainingError) -> [B.Scalar] {
        try check(pass, flow, p, gradients)
        var sums = GradientSums<B>(taken(&gradients))
        defer { gradients = taken(&sums.sums) }
        return backward(pass, flow, p, &sums, on: backend)
    }

    /// The part of `stageBackward` that the previous stage waits for, B of the zero-bubble schedules.
    /// - Returns: the gradient by the stage's input, and what is still to be added to `gradients`.
    /// - Throws: as `stageBackward`.
    public func stageBackwardInput<B: Backend>(
        _ pass: StagePass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], gradients: inout [[B.Scalar]], on backend: B
    ) throws(TrainingError) -> (flow: [B.Scalar], rest: PostponedGradients<B>) {
        try check(pass, flow, p, gradients)
        var sums = GradientSums<B>(taken(&gradients), postpones: true)
        defer { gradients = taken(&sums.sums) }
        let flow = backward(pass, flow, p, &sums, on: backend)
        return (flow, sums.postponed ?? PostponedGradients())
    }

    private func check<B: Backend>(
        _ pass: StagePass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], _ gradients: [[B.Scalar]]
    ) throws(TrainingError) {
        try check(p)
        guard flow.count == pass.output.count, gradients.map(\.count) == p.map(\.values.count) else {
            throw TrainingError("a gradient of \(flow.count) elements for an output of \(pass.output.count), or gradients of other sizes")
        }
    }

    func forward<B: Backend>(
        _ p: [Tensor<B.Scalar>], _ tokens: [Int], layers: Range<Int>, input: [B.Scalar], on backend: B
    ) throws(TrainingError) -> StagePass<B> {
        var x = input
        if layers.lowerBound == 0 {
            x = backend.uninitialized(tokens.count * width)
            backend.gather(p[0].values, tokens, width: width, into: &x)
            // Positions repeat with every sequence: a bias of length x width.
            backend.addBias(p[1].values, into: &x)
        }
        var pass = StagePass<B>(layers: layers, tokens: tokens, output: [])
        let shape = attentionShape(tokens)
        for layer in layers {
            let at = first(ofLayer: layer)
            let norm1 = Dense.LayerNorm(x, p, at: at, on: backend)
            let qkv = Dense.linear(norm1.output, p[at + 2], p[at + 3].values, on: backend)
            var mixed = backend.uninitialized(x.count)
            var saved = backend.uninitialized(shape.savedCount)
            backend.attention(shape, qkv: qkv, into: &mixed, saved: &saved)
            let attention = AttentionPass(shape, qkv: qkv, output: mixed, saved: saved)
            // The sum goes to the new buffer: the norm keeps the old one for its backward pass.
            var sum = Dense.linear(mixed, p[at + 4], p[at + 5].values, on: backend)
            backend.add(x, into: &sum)
            let norm2 = Dense.LayerNorm(sum, p, at: at + 6, on: backend)
            var block = Block(norm1: norm1, attention: attention, norm2: norm2)
            if let router {
                var mixture = try FeedForward.Mixture(norm2.output, p, gate: at + 8, router: router, on: backend)
                pass.balanceLoss += mixture.routing.balanceLoss
                x = taken(&mixture.output)
                block.mixture = mixture
            } else {
                var dense = FeedForward.Expert(norm2.output, p, at: at + 8, on: backend)
                x = taken(&dense.output)
                block.dense = dense
            }
            backend.add(sum, into: &x)
            pass.blocks.append(block)
        }
        if layers.upperBound == self.layers {
            let norm = Dense.LayerNorm(x, p, at: p.count - 2, on: backend)
            pass.norm = norm
            x = Dense.linear(norm.output, p[0], nil, on: backend)
        }
        pass.output = x
        return pass
    }

    private func attentionShape(_ tokens: [Int]) -> AttentionShape {
        AttentionShape(sequences: tokens.count / length, heads: heads, length: length, headDimension: width / heads, kept: keptKeys)
    }

    func backward<B: Backend>(
        _ pass: StagePass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], _ g: inout GradientSums<B>, on backend: B
    ) -> [B.Scalar] {
        var flow = flow
        if let norm = pass.norm {
            let head = Dense.LinearLayer(p, 0, biased: false)
            flow = Dense.linearBackward(flow, x: norm.output, p, at: head, &g, on: backend)
            flow = norm.backward(flow, p, &g, on: backend)
        }
        for (layer, block) in zip(pass.layers, pass.blocks).reversed() {
            flow = backward(block, flow, p, at: first(ofLayer: layer), &g, on: backend)
        }
        guard pass.layers.lowerBound == 0 else { return flow }
        g.add(.rows(dy: flow, pass.tokens, width: width, table: 0), on: backend)
        g.add(.columnSums(dy: flow, 1), on: backend)
        return []
    }

    /// `flow` is the gradient by the block's output; returned is that by its input.
    private func backward<B: Backend>(
        _ block: Block<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], at: Int, _ g: inout GradientSums<B>, on backend: B
    ) -> [B.Scalar] {
        var inner = flow
        if let mixture = block.mixture {
            inner = mixture.backward(flow, p, gate: at + 8, &g, on: backend)
        } else if let dense = block.dense {
            inner = dense.backward(flow, p, at: at + 8, &g, on: backend)
        }
        var middle = block.norm2.backward(inner, p, &g, on: backend)
        backend.add(flow, into: &middle)
        inner = Dense.linearBackward(middle, x: block.attention.output, p, at: .init(p, at + 4), &g, on: backend)
        var dQKV = backend.uninitialized(block.attention.qkv.count)
        backend.attentionBackward(block.attention, inner, into: &dQKV)
        inner = Dense.linearBackward(dQKV, x: block.norm1.output, p, at: .init(p, at + 2), &g, on: backend)
        var result = block.norm1.backward(inner, p, &g, on: backend)
        backend.add(middle, into: &result)
        return result
    }
}
