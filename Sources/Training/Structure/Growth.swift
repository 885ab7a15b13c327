extension GPT {
    /// A deeper model that computes the same: new layers whose last products are zero, so that they add nothing to the stream they stand in, and their
    /// optimizer state as at the start of training (Chen et al., arXiv:1511.05641; zero output projections as in arXiv:1901.09321).
    ///
    /// Loss at the switch is that of before, to the bit where adding zero is exact; new layers learn from the first step on, as the gradient of a zero
    /// product is not zero.
    /// - Parameters:
    ///   - parameters: of this model [tensors].
    ///   - state: of the optimizer on them; what it holds for them is kept.
    ///   - fresh: of the same optimizer made for the deeper model's shapes.
    ///   - seed: of the new layers' other parameters.
    /// - Throws: `TrainingError` where the model would not grow, or parameters or states belong to other shapes.
    public func deepened<Scalar: TrainingScalar>(
        to deeper: Int, _ parameters: [Tensor<Scalar>], _ state: OptimizerState<Scalar>, fresh: OptimizerState<Scalar>, seed: UInt64 = 1
    ) throws(TrainingError) -> (model: GPT, parameters: [Tensor<Scalar>], state: OptimizerState<Scalar>) {
        guard deeper >= layers else { throw TrainingError("\(deeper) layers are fewer than \(layers): a model grows to as many or more") }
        try check(parameters)
        guard state.tensors.count == shapes.count else {
            throw TrainingError("an optimizer state of \(state.tensors.count) tensors for a model of \(shapes.count)")
        }
        var grown = try GPT(vocabulary: vocabulary, length: length, width: width, heads: heads, layers: deeper)
        (grown.keptKeys, grown.router) = (keptKeys, router)
        guard fresh.tensors.count == grown.shapes.count else {
            throw TrainingError("the fresh optimizer state has \(fresh.tensors.count) tensors, and the deeper model \(grown.shapes.count)")
        }
        let end = first(ofLayer: layers)
        let added = end..<grown.first(ofLayer: deeper)
        var new = grown.initialParameters(seed: seed)[added].map { tensor in
            var copy = Tensor<Scalar>(zeros: tensor.shape)
            copy.values = tensor.values.map { Scalar($0) }
            return copy
        }
        // In each layer the attention's output is tensors 4 and 5; a feed-forward block ends with its last two, one of each expert with a router.
        let length = deeper > layers ? added.count / (deeper - layers) : 0
        for layer in 0..<(deeper - layers) {
            var last = [4, 5]
            let blocks = 8 + (router == nil ? 0 : 1)
            for block in stride(from: blocks, to: length, by: 4) { last += [block + 2, block + 3] }
            for place in last { new[layer * length + place] = Tensor(zeros: new[layer * length + place].shape) }
        }
        return (
            grown, Array(parameters[..<end]) + new + Array(parameters[end...]),
            OptimizerState(
                step: state.step, tensors: Array(state.tensors[..<end]) + Array(fresh.tensors[added]) + Array(state.tensors[end...]))
        )
    }
}
