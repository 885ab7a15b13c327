/// FLOPs that a model needs, whatever a machine executes: forward and backward, without recomputation.
extension Architecture {
    /// Model FLOPs of a step over `globalBatch` sequences of `sequence` tokens (pictures for a CNN, whose `sequence` is ignored).
    ///
    /// 6 x (weights that multiply a token) + 6 x heads x (key + value width) x keys per token and layer, attention counted non-causally: with
    /// full attention of heads x width = hidden the second term is 12 L h s, so that a GPT counts 72 B s L h^2 (1 + s/6h + V/12Lh), the formula
    /// of arXiv:2104.04473 eq. 3 without its recomputation. MoE counts active experts, multi-token prediction its modules. A window or top-k
    /// selection counts twice the pairs that a causal model computes in it, at most s per query, so that the causal count is always half.
    public func modelFLOPs(sequence: Int, globalBatch: Int) -> Double {
        flops(sequence: sequence, globalBatch: globalBatch, pairs: { causal ? min(1, 2 * $0) : $0 })
    }

    /// As `modelFLOPs`, with only the query-key pairs that a causal mask leaves. Equal to it for models that see both ways.
    public func modelFLOPsCausal(sequence: Int, globalBatch: Int) -> Double {
        flops(sequence: sequence, globalBatch: globalBatch, pairs: { $0 })
    }

    /// Multiply-adds of the forward pass of one picture; nil for a transformer.
    public var multiplyAddsPerImage: Double? {
        guard case .resnet = kind else { return nil }
        return ResNet(self)?.multiplyAdds ?? 0
    }

    /// Width of the keys and of the values of one head.
    public var headWidths: (key: Int, value: Int) {
        if case .mla(_, _, let ropeDim, let nopeDim, let valueDim) = attention { return (nopeDim + ropeDim, valueDim) }
        return (headDim, headDim)
    }

    private func flops(sequence: Int, globalBatch: Int, pairs: (Double) -> Double) -> Double {
        if let multiplyAdds = multiplyAddsPerImage { return 6 * multiplyAdds * Double(globalBatch) }
        let s = Double(max(0, sequence))
        let widths = headWidths
        let perPair = 6 * Double(heads) * Double(widths.key + widths.value)
        let windowed = Double((0..<max(0, min(layers, 1_000_000))).count(where: { isWindowed($0) }))
        let others = Double(max(0, layers)) - windowed + Double(max(0, mtpLayers))
        let share =
            windowed * pairs(visibleShare(windowed: true, sequence: sequence)) + others
            * pairs(visibleShare(windowed: false, sequence: sequence))
        return (6 * Double(parameters.activeMultiplying) + perPair * share * s) * s * Double(globalBatch)
    }

    /// Share of the s x s rectangle of query-key pairs that the model's mask leaves: 1/2 causal; x - x^2/2 for a causal window of x s tokens.
    /// Top-k selection has the same count: query i reads min(i, k) keys.
    func visibleShare(windowed: Bool, sequence: Int) -> Double {
        var x = 1.0
        if windowed, case .sliding(let window, _) = attention { x = min(1, Double(window) / Double(max(1, sequence))) }
        if case .sparse(let topK, _) = attention {
            x = min(1, Double(topK) / Double(max(1, sequence)))
            return causal ? x - x * x / 2 : x
        }
        return causal ? x - x * x / 2 : min(1, 2 * x - x * x)
    }
}
