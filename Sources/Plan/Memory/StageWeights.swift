import Workload

/// Parameters that one GPU holds of a stage, before any sharding over replicas. Expert weights have a replica group of their own.
struct StageWeights: Sendable, Hashable {
    var dense = 0.0
    var expert = 0.0
    /// Of `dense`: embedding and head tables.
    var tables = 0.0
    /// Largest single layer, dense and expert: what FSDP gathers at a time.
    var largestLayer = 0.0
    /// Of all these, what does not train; and the largest layer's parameters that do.
    var frozen = FrozenWeights()
    var largestTrained = 0.0
    var trainedDense: Double { dense - frozen.dense }
    var trainedExpert: Double { expert - frozen.expert }
    var trained: Double { trainedDense + trainedExpert }

    /// - Parameter layers: indices (depth order) of the layers on this rank.
    init(job: Job, layers: [Int], hasEmbedding: Bool, hasHead: Bool) {
        let model = job.model
        let tensor = Double(job.layout.weightCuts)
        let hidden = Double(model.hidden)
        let table = Double(model.vocab) * hidden / tensor
        let normWidth: Double = model.norm == .layer ? 2 : 1
        let training = TrainedWeights(job)
        func add(_ count: Double, _ part: ModelParts, to sum: inout FrozenWeights) -> Double {
            training.add(count, of: part, to: &sum)
            return count
        }
        for layer in layers {
            let parts = job.layout.tensorGrid > 0 ? job.layout.tensorGrid : max(1, job.layout.tensor)
            let attention = Self.attention(model, tensor: tensor, parts: Double(parts)) / Double(max(1, model.sharedAttention))
            let cut = Double(max(1, model.sharedBlocks))
            var frozen = FrozenWeights()
            var dense = add(attention, .attention, to: &frozen) + add(2 * normWidth * hidden, .norms, to: &frozen)
            var expert = 0.0
            if let moe = model.moe, layer >= moe.denseLayers {
                let matrices: Double = model.activation.isGated ? 3 : 2
                let shared = Double(moe.sharedFFN ?? moe.shared * moe.ffn)
                dense += add(hidden * Double(moe.experts), .router, to: &frozen)
                dense += add(matrices * hidden * shared / tensor, .experts, to: &frozen)
                let ranks = Double(max(1, job.layout.expert) * max(1, job.layout.expertTensor))
                expert = Double(moe.experts) * matrices * hidden * Double(moe.ffn) / ranks
                training.add(expert, of: .experts, isExpert: true, to: &frozen)
            } else {
                dense += add(Self.mlp(model, width: Double(model.ffn), tensor: tensor), .mlp, to: &frozen)
            }
            let unit = StageWork.Unit.layer(LayerVariant(kind: model.moe.map { layer >= $0.denseLayers } ?? false ? .moe : .dense))
            for matrix in job.training.adapters?.matrices(unit, of: job.deployment) ?? [] {
                let own = matrix.parameters(rank: job.training.adapters?.rank ?? 0)
                if matrix.isRouted { expert += own } else { dense += own }
            }
            self.dense += dense / cut
            self.expert += expert / cut
            self.frozen += frozen * (1 / cut)
            largestLayer = max(largestLayer, dense + expert)
            largestTrained = max(largestTrained, dense + expert - frozen.dense - frozen.expert)
        }
        if hasEmbedding {
            tables += add(table, .embedding, to: &frozen)
            if case .learned(let length) = model.positions { dense += add(Double(length) * hidden, .embedding, to: &frozen) }
            dense += add(Double(model.tokenTypes) * hidden + (model.embeddingNorm ? normWidth * hidden : 0), .embedding, to: &frozen)
        }
        if hasHead {
            // A tied head needs the table on the last stage too, unless both ends are one stage.
            if let outputs = model.outputs {
                dense += add(Double(outputs) * hidden / tensor, .head, to: &frozen)
            } else if !(model.tiedEmbeddings && hasEmbedding) {
                tables += add(table, .head, to: &frozen)
            }
            dense += add(normWidth * hidden, .norms, to: &frozen)
            let heads = (model.pooler ? hidden * hidden + hidden : 0) + (model.maskedLMHead ? hidden * hidden + 3 * hidden : 0)
            dense += add(heads + (model.maskedLMHead ? Double(model.vocab) / tensor : 0), .head, to: &frozen)
            for matrix in job.training.adapters?.matrices(.head, of: job.deployment) ?? [] {
                dense += matrix.parameters(rank: job.training.adapters?.rank ?? 0)
            }
        }
        dense += tables
        largestLayer = max(largestLayer, tables)
        if !training.frozen.isSuperset(of: [.embedding, .head]) { largestTrained = max(largestTrained, tables) }
    }

    /// - Parameters:
    ///   - tensor: parts of a matrix.
    ///   - parts: parts of the heads; key heads that are fewer are copied.
    private static func attention(_ model: Architecture, tensor: Double, parts: Double) -> Double {
        let h = Double(model.hidden)
        let heads = Double(model.heads)
        if case .mla(let queryRank, let kvRank, let rope, let nope, let value) = model.attention {
            let query =
                if let queryRank {
                    h * Double(queryRank) + Double(queryRank) + Double(queryRank) * heads * Double(nope + rope) / tensor
                } else { h * heads * Double(nope + rope) / tensor }
            let kv = h * Double(kvRank + rope) + Double(kvRank) + Double(kvRank) * heads * Double(nope + value) / tensor
            return query + kv + heads * Double(value) * h / tensor
        }
        let head = Double(model.headDim > 0 ? model.headDim : model.hidden / max(1, model.heads))
        let kv = max(Double(model.kvHeads), min(parts, heads))
        let kvHeads = Double(model.kvHeads) < parts ? kv : Double(model.kvHeads)
        let projection = (heads + 2 * kvHeads) * head
        let biases = (model.biases || model.qkvBias ? projection / tensor : 0) + (model.biases ? h : 0)
        return (h * projection + heads * head * h) / tensor + biases + (model.qkNorm ? 2 * head : 0)
    }

    private static func mlp(_ model: Architecture, width: Double, tensor: Double) -> Double {
        let up: Double = model.activation.isGated ? 2 : 1
        let h = Double(model.hidden)
        return (up + 1) * h * width / tensor + (model.biases ? up * width / tensor + h : 0)
    }
}
