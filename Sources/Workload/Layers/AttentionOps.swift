/// The attention block: projections, attention core, what lies between them, and the exchange of keys and values over the context group.
extension LayerBuilder {
    /// Query and key-value heads on this rank; key-value heads are repeated where there are fewer than tensor ranks.
    private var localHeads: (query: Int, kv: Int) {
        if case .mla = a.attention {
            let heads = max(1, ceilDivide(a.heads, t))
            return (heads, heads)
        }
        return (max(1, ceilDivide(a.heads, t)), max(1, ceilDivide(a.kvHeads, t)))
    }

    mutating func attention(windowed: Bool) {
        let heads = localHeads
        let widths = a.headWidths
        if case .mla(let queryRank, let kvRank, let ropeDim, _, _) = a.attention {
            latentProjections(queryRank: queryRank, kvRank: kvRank, ropeDim: ropeDim)
        } else {
            let width = clampedProduct(heads.query + 2 * heads.kv, a.headDim)
            linear(Linear(name: "qkv", part: .projection, gemm: GEMM(m: tokens, n: width, k: a.hidden), cut: .column))
            if a.biases || a.qkvBias { biasGradient(Double(tokens) * Double(width)) }
        }
        heading(heads: heads, widths: widths)
        let keysPerToken = Double(heads.kv) * Double(widths.key + widths.value)
        if sharding.contextByHeads {
            headExchange(
                "context heads", elementsPerToken: Double(heads.query) * Double(widths.key) + keysPerToken * Double(headCopies(heads.kv)))
        } else {
            contextExchange(elementsPerToken: keysPerToken)
        }
        core(heads: heads, widths: widths, windowed: windowed)
        let contextWidth = clampedProduct(heads.query, widths.value)
        if sharding.contextByHeads { headExchange("context sequence", elementsPerToken: Double(contextWidth)) }
        let merged = 2 * Double(tokens) * Double(contextWidth)
        elementwise("context merge", Traffic(forward: merged, backward: merged))
        if a.biases || a.attentionOutputBias { biasGradient(Double(residualTokens) * Double(a.hidden)) }
        linear(Linear(name: "projection", part: .projection, gemm: GEMM(m: tokens, n: a.hidden, k: contextWidth), cut: .row))
    }

    /// MLA: hidden states are projected down to the latents on every rank (its own tokens under sequence parallelism), normed, and projected up
    /// by heads (arXiv:2405.04434 section 2.1). Query and key-value down-projections run as one product.
    private mutating func latentProjections(queryRank: Int?, kvRank: Int, ropeDim: Int) {
        let heads = localHeads.query
        let widths = a.headWidths
        let keyUp = clampedProduct(heads, widths.key - ropeDim + widths.value)
        let queryWidth = clampedProduct(heads, widths.key)
        let down = kvRank + ropeDim + (queryRank ?? 0)
        if queryRank == nil {
            linear(Linear(name: "q", part: .projection, gemm: GEMM(m: tokens, n: queryWidth, k: a.hidden), cut: .column))
        }
        linear(Linear(name: "latent down", part: .projection, gemm: GEMM(m: residualTokens, n: down, k: a.hidden)))
        if let queryRank {
            norm("latent norm", rows: Double(residualTokens), width: queryRank)
            linear(
                Linear(
                    name: "q up", part: .projection, gemm: GEMM(m: tokens, n: queryWidth, k: queryRank), cut: .column, role: .latentUp))
        }
        norm("latent norm", rows: Double(residualTokens), width: kvRank)
        linear(Linear(name: "kv up", part: .projection, gemm: GEMM(m: tokens, n: keyUp, k: kvRank), cut: .column, role: .latentUp))
    }

    /// Splits the projection into contiguous heads; rotary embedding does so for queries and keys while it turns them.
    private mutating func heading(heads: (query: Int, kv: Int), widths: (key: Int, value: Int)) {
        let rows = Double(tokens)
        let turned = rows * Double(heads.query + heads.kv) * Double(widths.key)
        let values = rows * Double(heads.kv) * Double(widths.value)
        if a.qkNorm {
            elementwise("qk norm", Traffic(forward: 2 * turned, backward: 5 * turned, kernels: (2, 4), rowLength: widths.key))
        }
        let isRotary: Bool
        if case .mla = a.attention { isRotary = true } else { isRotary = a.positions == .rotary }
        if isRotary {
            elementwise("rotary", Traffic(forward: 2 * turned, backward: 2 * turned), role: .rotary)
            elementwise("qkv split", Traffic(forward: 2 * values, backward: 2 * values))
        } else {
            let all = 2 * (turned + values)
            elementwise("qkv split", Traffic(forward: all, backward: all, kernels: (2, 2)))
        }
    }

    /// Ring exchange: every rank sees the keys and values of the c - 1 others; backward their gradients travel too (arXiv:2310.01889).
    private mutating func contextExchange(elementsPerToken: Double) {
        let c = max(1, sharding.context)
        guard c > 1 else { return }
        let bytes = Double(tokens) * elementsPerToken * elementBytes * Double(c - 1)
        let ring = { (bytes: Double) in Op.Work.communication(Communication(kind: .sendReceive, group: .context, bytes: bytes)) }
        addForward(Op("context ring", .attention, .forward, ring(bytes), kernels: clampedProduct(4, c)))
        addBackward(Op("context ring", .attention, .inputGradient, ring(2 * bytes), kernels: clampedProduct(6, c)))
    }

    /// Key-value heads that are fewer than the context ranks are copied, so that each rank gets one.
    private func headCopies(_ kvHeads: Int) -> Int { max(1, ceilDivide(max(1, sharding.context), max(1, kvHeads))) }

    /// All-to-all that gives a rank some heads of the whole sequence, or back (arXiv:2309.14509 section 3.1); the gradients go the other way.
    private mutating func headExchange(_ name: String, elementsPerToken: Double) {
        guard sharding.context > 1 else { return }
        let bytes = Double(tokens) * elementsPerToken * elementBytes
        let exchange = Communication(kind: .allToAll, group: .context, bytes: bytes)
        communicate(name, .attention, .forward, exchange)
        communicate(name, .attention, .inputGradient, exchange)
    }

    private mutating func core(heads: (query: Int, kv: Int), widths: (key: Int, value: Int), windowed: Bool) {
        let ranks = max(1, sharding.context)
        let byHeads = sharding.contextByHeads && ranks > 1
        let queries = byHeads ? max(1, sharding.sequence) : max(1, sharding.sequence / ranks)
        let heads = byHeads ? (query: max(1, ceilDivide(heads.query, ranks)), kv: max(1, ceilDivide(heads.kv, ranks))) : heads
        var keys = sharding.sequence
        var visible = a.visibleShare(windowed: windowed, sequence: sharding.sequence)
        if !byHeads, !sharding.contextBalanced, a.causal, !windowed {
            // The rank with the last tokens sees every block but half of its own, and the ring goes at its pace.
            visible = min(1, visible * (2 - 1 / Double(ranks)))
        }
        if case .sparse(let topK, let found) = a.attention {
            keys = max(1, min(topK, sharding.sequence))
            visible *= Double(sharding.sequence) / Double(keys)
            scoring(found, heads: heads.kv, queries: queries)
        }
        let core = AttentionCore(
            batch: sequences, heads: heads.query, kvHeads: heads.kv, queries: queries, keys: keys, headDim: widths.key,
            valueDim: widths.value, causal: a.causal, visible: visible)
        addForward(Op("attention", .attention, .forward, .attention(core), kernels: 2))
        addBackward(Op("attention", .attention, .inputGradient, .attention(core), kernels: 4))
    }

    /// Routing of top-k attention: a score per scoring head, query and key, a causal kernel computing half of them, then a selection over fp32
    /// scores; or passes of a sort over the hashes of queries and keys. The selection has no gradient.
    private mutating func scoring(_ scoring: Architecture.KeyScoring, heads: Int, queries: Int) {
        let keys = max(1, a.causal ? sharding.sequence / 2 : sharding.sequence)
        let count = max(1, clampedProduct(sequences, heads))
        switch scoring {
        case .none: return
        case .full: scores(count: count, queries: queries, keys: keys, width: a.headDim, selections: count)
        case .indexer(let heads, let width):
            let own = max(1, clampedProduct(sequences, ceilDivide(heads, t)))
            scores(count: own, queries: queries, keys: keys, width: width, selections: sequences)
        case .sorted:
            // A merge sort reads and writes a 4-byte hash and a 4-byte position of each of n elements log2 n times.
            let n = Double(queries + sharding.sequence)
            let passes = Double(Int.bitWidth - max(1, queries + sharding.sequence - 1).leadingZeroBitCount)
            let bytes = 16 * n * passes * Double(count)
            addForward(Op("key selection", .attention, .forward, .memory(MemoryPass(bytes: bytes, rowLength: keys)), kernels: 2))
        }
    }

    private mutating func scores(count: Int, queries: Int, keys: Int, width: Int, selections: Int) {
        let chosen = Double(max(1, selections)) * Double(queries) * Double(keys)
        addForward(
            Op(
                "key scores", .attention, .forward,
                .gemm(GEMM(m: queries, n: keys, k: width, count: count, grouped: true, lowPrecision: false))))
        addForward(Op("key selection", .attention, .forward, .memory(MemoryPass(bytes: 8 * chosen, rowLength: keys)), kernels: 2))
    }
}
