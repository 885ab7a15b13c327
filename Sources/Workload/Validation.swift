import Quantities

extension Architecture {
    /// Everything that is wrong with the shape, under the scenario's keys; empty when the model can be computed.
    public var problems: [Fault] {
        var problems: [Fault] = []
        func require(_ condition: Bool, _ field: String, _ reason: @autoclosure () -> String) {
            guard !condition else { return }
            problems.append(Fault(keyPath: field.isEmpty ? "model" : "model.\(field)", reason: reason()))
        }
        func count(_ value: Int, _ field: String, _ range: ClosedRange<Int>) {
            require(range.contains(value), field, "\(value) is not between \(range.lowerBound) and \(range.upperBound)")
        }
        if case .resnet(let depth, let imageSize) = kind {
            require(ResNet.depths[depth] != nil, "kind", "a ResNet has 50, 101 or 152 layers, not \(depth)")
            count(imageSize, "image_size", 32...8192)
            count(convolutionGroups, "groups", 1...1024)
            count(groupWidth, "group_width", 1...1024)
            return problems
        }
        count(layers, "layers", 1...100_000)
        count(hidden, "hidden", 1...1_000_000)
        count(heads, "heads", 1...100_000)
        count(kvHeads, "kv_heads", 1...100_000)
        if problems.isEmpty { require(heads % kvHeads == 0, "kv_heads", "\(heads) heads cannot share \(kvHeads) key-value heads evenly") }
        count(vocab, "vocab", 1...100_000_000)
        count(mtpLayers, "mtp_layers", 0...1000)
        count(tokenTypes, "token_types", 0...1_000_000)
        count(normsPerLayer, "norms_per_layer", 0...8)
        count(sharedAttention, "sharing.attention", 1...100_000)
        count(sharedBlocks, "sharing.blocks", 1...100_000)
        if case .learned(let length) = positions { count(length, "positions", 1...100_000_000) }
        attentionProblems(count)
        if let moe {
            count(moe.experts, "moe.experts", 1...100_000)
            count(moe.active, "moe.active", 1...max(1, moe.experts))
            count(moe.shared, "moe.shared", 0...10_000)
            count(moe.ffn, "moe.ffn", 1...10_000_000)
            if let width = moe.sharedFFN { count(width, "moe.shared_ffn", 0...10_000_000) }
            count(moe.denseLayers, "moe.dense_layers", 0...max(0, layers))
            require(
                moe.imbalance.isFinite && moe.imbalance >= 1 && moe.imbalance <= Double(max(1, moe.experts)), "moe.imbalance",
                "the busiest expert rank's load over the mean lies between 1 and the number of experts, not \(moe.imbalance)")
            if let capacity = moe.capacity {
                require(
                    capacity > 0 && capacity <= Double(max(1, moe.experts)), "moe.capacity",
                    "\(capacity) is not a multiple of an even share between 0 and the number of experts")
            }
        }
        if moe == nil || (moe?.denseLayers ?? 0) > 0 { count(ffn, "ffn", 1...10_000_000) }
        if problems.isEmpty {
            require(parameters.trained < 1_000_000_000_000_000, "", "more than 10^15 parameters")
        }
        return problems
    }

    private func attentionProblems(_ count: (Int, String, ClosedRange<Int>) -> Void) {
        switch attention {
        case .mla(let queryRank, let kvRank, let ropeDim, let nopeDim, let valueDim):
            if let queryRank { count(queryRank, "attention.q_rank", 1...1_000_000) }
            count(kvRank, "attention.kv_rank", 1...1_000_000)
            count(ropeDim, "attention.rope_dim", 0...100_000)
            count(nopeDim, "attention.nope_dim", 0...100_000)
            count(valueDim, "attention.value_dim", 1...100_000)
            return
        case .sliding(let window, let period):
            count(window, "attention.window", 1...1_000_000_000)
            count(period, "attention.period", 1...100_000)
        case .sparse(let topK, let scoring):
            count(topK, "attention.top_k", 1...1_000_000_000)
            if case .indexer(let heads, let width) = scoring {
                count(heads, "attention.scoring.heads", 1...100_000)
                count(width, "attention.scoring.width", 1...100_000)
            }
        case .full: break
        }
        count(headDim, "head_dim", 1...100_000)
    }

    /// - Throws: `WorkloadError.invalidArchitecture` with all problems at once.
    public func validate() throws(WorkloadError) {
        let problems = problems
        guard problems.isEmpty else { throw .invalidArchitecture(name: name, problems: problems) }
    }
}
