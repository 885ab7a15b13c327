extension Architecture {
    /// Parameter tensors of one transformer layer as frameworks make modules of it: query, key, value and output matrix, those of the MLP, gains
    /// and shifts of the norms, biases; each expert has an MLP of its own. A bottleneck block has its convolutions and their batch norms.
    public func parameterTensors(_ variant: LayerVariant) -> Int {
        switch variant.kind {
        case .bottleneck(_, let first): return first ? 12 : 9
        case .dense, .moe: break
        }
        let matrices = activation.isGated ? 3 : 2
        let norms = normsPerLayer * (norm == .layer && normBias ? 2 : 1) + (qkNorm ? 2 : 0)
        let attention = 4 * (biases ? 2 : 1) + (biases || !qkvBias ? 0 : 3)
        guard variant.kind == .moe, let moe else { return attention + norms + matrices * (biases ? 2 : 1) }
        return attention + norms + 1 + matrices * (biases ? 2 : 1) * (moe.experts + min(1, moe.shared))
    }
}
