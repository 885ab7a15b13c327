/// Exact numbers of parameters of a model, by part.
public struct ParameterCount: Sendable, Hashable {
    /// Parameters of one transformer layer; an expert layer has no `mlp`, a dense one no `router` and experts.
    public struct Layer: Sendable, Hashable {
        public var attention = 0
        public var mlp = 0
        public var router = 0
        /// All routed experts together.
        public var experts = 0
        public var sharedExperts = 0
        public var norms = 0
        public var total: Int { attention + mlp + router + experts + sharedExperts + norms }
    }
    /// Main model, as sources publish it: shared copies once, without multi-token-prediction modules.
    public var total = 0
    /// Parameters of the main model that one token uses: `total` less the experts that it is not sent to.
    public var active = 0
    /// Token table, with BERT's segment table and the embedding norm. A CNN's stem.
    public var embedding = 0
    /// Table of learned positions.
    public var positions = 0
    /// Output matrix; 0 when tied to the embedding. A CNN's classifier.
    public var head = 0
    /// BERT's pooler, next-sentence classifier and masked-LM transform with its bias.
    public var taskHeads = 0
    public var perDenseLayer = Layer()
    public var perMoELayer = Layer()
    public var finalNorm = 0
    /// Multi-token-prediction modules, all together, without the embedding and head that they share. Not in `total`.
    public var mtp = 0
    /// Weights that multiply each token, as often as they are applied: linear layers (every expert) and the output matrix even when tied, and those
    /// of the multi-token-prediction modules with a pass of the output matrix each. No look-ups, norms or biases.
    public var multiplying = 0
    /// As `multiplying`, with only the experts that a token is sent to.
    public var activeMultiplying = 0

    /// What a training run holds: `total` and `mtp`.
    public var trained: Int { total + mtp }
}

extension Architecture {
    /// Exact parameter count. Formulas: GPT arXiv:2104.04473 eq. 2, MLA arXiv:2405.04434 section 2.1, MTP arXiv:2412.19437 section 2.2,
    /// ResNet arXiv:1512.03385. Held at `Int.max` for absurd shapes, which `validate()` refuses.
    public var parameters: ParameterCount {
        if case .resnet = kind { return ResNet(self)?.parameters ?? ParameterCount() }
        return TransformerCounter(self).count
    }
}

/// Matrices and everything else, in elements. Doubles are exact up to 2^53 and do not trap above.
struct Weights {
    var linear = 0.0
    var other = 0.0
    var total: Double { linear + other }
}

/// Counts by part for a transformer.
struct TransformerCounter {
    let a: Architecture
    private let h: Double

    init(_ architecture: Architecture) {
        a = architecture
        h = Double(architecture.hidden)
    }

    /// One norm over the hidden width.
    var norm: Double { h * ((a.normGain ? 1 : 0) + (a.norm == .layer && a.normBias ? 1 : 0)) }

    var attention: Weights {
        let heads = Double(a.heads)
        if case .mla(let queryRank, let kvRank, let ropeDim, let nopeDim, let valueDim) = a.attention {
            let queryWidth = heads * Double(nopeDim + ropeDim)
            let latent = Double(kvRank)
            var linear = h * (latent + Double(ropeDim)) + latent * heads * Double(nopeDim + valueDim) + heads * Double(valueDim) * h
            var other = latent + (a.biases ? latent + Double(ropeDim) + h : 0)
            if let rank = queryRank.map(Double.init) {
                linear += h * rank + rank * queryWidth
                other += rank + (a.biases ? rank : 0)
            } else {
                linear += h * queryWidth
            }
            return Weights(linear: linear, other: other)
        }
        let d = Double(a.headDim)
        let qkvWidth = (heads + 2 * Double(a.kvHeads)) * d
        var other = a.biases || a.qkvBias ? qkvWidth : 0
        if a.biases || a.attentionOutputBias { other += h }
        if a.qkNorm { other += a.qkNormOverWidth ? (heads + Double(a.kvHeads)) * d : 2 * d }
        if a.attentionSinks { other += heads }
        return Weights(linear: h * qkvWidth + heads * d * h, other: other)
    }

    /// An MLP of inner width `f`.
    func mlp(_ f: Double) -> Weights {
        let inputs = a.activation.isGated ? 2.0 : 1
        return Weights(linear: (inputs + 1) * h * f, other: a.biases ? inputs * f + h : 0)
    }

    func router(_ moe: Architecture.MoE) -> Weights {
        let experts = Double(moe.experts)
        let linear = h * experts + (moe.sharedGate ? h : 0)
        return Weights(linear: linear, other: (a.biases ? experts : 0) + (moe.balancingBias ? experts : 0))
    }

    /// Parameters of multi-token prediction beside its transformer layer: two input norms, the projection of 2h to h, a norm before the head.
    var mtpProjection: Weights { Weights(linear: 2 * h * h, other: 3 * norm) }

    var count: ParameterCount {
        let block = attention
        let dense = mlp(Double(a.ffn))
        let norms = Double(a.normsPerLayer) * norm
        let moeLayers = a.moe == nil ? 0 : a.moeLayers
        let denseLayers = a.layers - moeLayers
        var result = ParameterCount()
        result.perDenseLayer.attention = integer(block.total)
        result.perDenseLayer.mlp = integer(dense.total)
        result.perDenseLayer.norms = integer(norms)

        // Copies that exist: layers that share one count once.
        let blockShare = max(1, a.sharedBlocks)
        let attentionShare = max(blockShare, a.sharedAttention)
        let copies = { (layers: Int, share: Int) in Double(ceilDivide(max(0, layers), share)) }
        var total = copies(a.layers, attentionShare) * block.total + copies(denseLayers, blockShare) * dense.total
        total += copies(a.layers, blockShare) * norms
        var multiplying = Double(a.layers) * block.linear + Double(max(0, denseLayers)) * dense.linear
        var unused = 0.0
        var unusedLinear = 0.0
        var predictionLayer = Weights(linear: block.linear + dense.linear, other: block.other + dense.other + norms)
        var predictionUnused = 0.0
        if let moe = a.moe {
            let expert = mlp(Double(moe.ffn))
            let gate = router(moe)
            let shared = moe.sharedWidth > 0 ? mlp(Double(moe.sharedWidth)) : Weights()
            let routed = Double(moe.experts)
            result.perMoELayer.attention = integer(block.total)
            result.perMoELayer.norms = integer(norms)
            result.perMoELayer.router = integer(gate.total)
            result.perMoELayer.experts = integer(routed * expert.total)
            result.perMoELayer.sharedExperts = integer(shared.total)
            let idle = Double(max(0, moe.experts - moe.active))
            total += copies(moeLayers, blockShare) * (gate.total + routed * expert.total + shared.total)
            unused = copies(moeLayers, blockShare) * idle * expert.total
            multiplying += Double(moeLayers) * (gate.linear + routed * expert.linear + shared.linear)
            unusedLinear = Double(moeLayers) * idle * expert.linear
            predictionLayer.linear = block.linear + gate.linear + routed * expert.linear + shared.linear
            predictionLayer.other = block.other + gate.other + routed * expert.other + shared.other + norms
            predictionUnused = idle * expert.linear
        }

        let table = Double(a.vocab) * h
        let embedding = table + Double(a.tokenTypes) * h + (a.embeddingNorm ? norm : 0)
        var positions = 0.0
        if case .learned(let length) = a.positions { positions = Double(length) * h }
        let head = a.outputs.map { Double($0) * h } ?? ((a.tiedEmbeddings ? 0 : table) + (a.headBias ? Double(a.vocab) : 0))
        var taskHeads = a.pooler ? h * h + h : 0
        if a.maskedLMHead { taskHeads += h * h + h + norm + Double(a.vocab) }
        if a.pooler && a.maskedLMHead { taskHeads += 2 * h + 2 }
        let finalNorm = a.finalNorm ? norm : 0
        total += embedding + positions + head + taskHeads + finalNorm
        multiplying += (a.outputs.map { Double($0) * h } ?? table) + (a.maskedLMHead ? h * h : 0)

        let modules = Double(max(0, a.mtpLayers))
        multiplying += modules * (predictionLayer.linear + mtpProjection.linear + table)
        unusedLinear += modules * predictionUnused
        result.total = integer(total)
        result.active = integer(total - unused)
        result.embedding = integer(embedding)
        result.positions = integer(positions)
        result.head = integer(head)
        result.taskHeads = integer(taskHeads)
        result.finalNorm = integer(finalNorm)
        result.mtp = integer(modules * (predictionLayer.total + mtpProjection.total))
        result.multiplying = integer(multiplying)
        result.activeMultiplying = integer(multiplying - unusedLinear)
        return result
    }
}

func integer(_ value: Double) -> Int { value < 9.2e18 ? Int(value.rounded()) : Int.max }

extension Architecture.MoE {
    /// Inner width of all shared experts together.
    public var sharedWidth: Int { sharedFFN ?? clampedProduct(shared, ffn) }
}
