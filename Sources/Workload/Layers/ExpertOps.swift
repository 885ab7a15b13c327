/// Mixture of experts: router, permutation, exchange over the expert group, grouped products, shared experts.
extension LayerBuilder {
    mutating func experts(_ moe: Architecture.MoE) {
        let e = max(1, sharding.expert)
        let et = max(1, sharding.expertTensor)
        // Every tensor rank routes its own part of the tokens; an expert-tensor group gathers those of its members.
        let own = max(1, ceilDivide(tokens, t))
        let local = max(1, ceilDivide(moe.experts, e))
        // A capacity factor pads or drops to a fixed size (arXiv:2101.03961); without one the busiest rank decides.
        let load = moe.capacity ?? max(1, moe.imbalance)
        let routed = Double(own) * Double(moe.active) * load
        let perExpert = bounded((routed * Double(et) * Double(e) / Double(max(1, moe.experts))).rounded(.up))
        let f = ceilDivide(moe.ffn, et)
        let inputs = a.activation.isGated ? 2 : 1
        let exchanged = routed * Double(a.hidden) * elementBytes
        let copies = routed * Double(et)

        router(moe, tokens: own)
        permutation("permute", elements: copies * Double(a.hidden))
        // Tokens may travel in fewer bits than their results (arXiv:2412.19437 section 3.3.2).
        let dispatched = exchanged / elementBytes * (sharding.dispatchBytes ?? elementBytes)
        exchange("expert dispatch", bytes: (there: dispatched, back: exchanged), isReduction: false)
        grouped("expert in", GEMM(m: perExpert, n: inputs * f, k: a.hidden, count: local, grouped: true))
        activation(copies * Double(f), part: .experts)
        grouped("expert out", GEMM(m: perExpert, n: a.hidden, k: f, count: local, grouped: true))
        exchange("expert combine", bytes: (there: dispatched, back: exchanged), isReduction: true)
        permutation("unpermute", elements: copies * Double(a.hidden))
        if moe.sharedWidth > 0 { mlp(width: moe.sharedWidth, part: .experts) }
        if moe.sharedGate {
            // A weight of each token for what the shared experts give it.
            products(Linear(name: "shared gate", part: .router, gemm: GEMM(m: own, n: 1, k: a.hidden, lowPrecision: false)), kernels: 1)
        }
    }

    /// Router product in high precision, softmax and top-k over fp32 scores, and the sort of tokens by expert: many small kernels.
    private mutating func router(_ moe: Architecture.MoE, tokens own: Int) {
        let gemm = GEMM(m: own, n: moe.experts, k: a.hidden, lowPrecision: false)
        products(Linear(name: "router", part: .router, gemm: gemm), kernels: 1)
        let scores = Double(own) * Double(moe.experts)
        let bytes = { (perScore: Double) in Op.Work.memory(MemoryPass(bytes: perScore * scores, rowLength: moe.experts)) }
        addForward(Op("routing", .router, .forward, bytes(16), kernels: 13))
        addBackward(Op("routing", .router, .inputGradient, bytes(24), kernels: 18))
    }

    /// Moves a row per routed token: read and write; backward also adds up the copies of a token (permute) or reads the experts' outputs for the
    /// gradient of the routing weights (unpermute).
    private mutating func permutation(_ name: String, elements: Double) {
        elementwise(name, Traffic(forward: 2 * elements, backward: 3 * elements, kernels: (5, 7)), part: .experts)
    }

    private mutating func grouped(_ name: String, _ gemm: GEMM) {
        products(Linear(name: name, part: .experts, gemm: gemm), kernels: gemm.count + 4)
    }

    /// All-to-all over the expert group, and gather or reduction over the expert-tensor group, which lies in the tensor group. `bytes` of all
    /// routed copies on the way to the experts and back; gradients of results take the way there.
    private mutating func exchange(_ name: String, bytes: (there: Double, back: Double), isReduction: Bool) {
        let e = max(1, sharding.expert)
        let et = max(1, sharding.expertTensor)
        let there = Communication(kind: .allToAll, group: .expert, bytes: bytes.there)
        let back = Communication(kind: .allToAll, group: .expert, bytes: bytes.back)
        // With all experts at home the tokens are gathered before they are copied to their experts.
        let copies = e > 1 ? bytes.back : Double(ceilDivide(tokens, t)) * Double(a.hidden) * elementBytes
        let gather = Communication(kind: .allGather, group: .tensor, bytes: copies * Double(et))
        let reduce = Communication(kind: .reduceScatter, group: .tensor, bytes: copies * Double(et))
        if isReduction {
            if et > 1 { communicate("tensor reduce-scatter", .experts, .forward, reduce) }
            if e > 1 { communicate(name, .experts, .forward, back) }
            if et > 1 { communicate("tensor all-gather", .experts, .inputGradient, gather) }
            if e > 1 { communicate(name, .experts, .inputGradient, there) }
        } else {
            if e > 1 { communicate(name, .experts, .forward, there) }
            if et > 1 { communicate("tensor all-gather", .experts, .forward, gather) }
            if e > 1 { communicate(name, .experts, .inputGradient, back) }
            if et > 1 { communicate("tensor reduce-scatter", .experts, .inputGradient, reduce) }
        }
    }

    private func bounded(_ value: Double) -> Int { value.isFinite ? Int(max(1, min(value, 9e15))) : 1 }
}
