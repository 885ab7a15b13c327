import Workload

/// Parameters that one GPU holds of a stage, before any sharding over replicas. Expert weights have a replica group of their own.
struct StageWeights: Sendable, Hashable {
    var dense = 0.0
    var expert = 0.0
    /// Of `dense`: embedding and head tables.
    var tables = 0.0
    /// Largest single layer, dense and expert: what FSDP gathers at a time.
    var largestLayer = 0.0

    /// - Parameter layers: indices (depth order) of the layers on this rank.
    init(job: Job, layers: [Int], hasEmbedding: Bool, hasHead: Bool) {
        let model = job.model
        let tensor = Double(job.layout.weightCuts)
        let hidden = Double(model.hidden)
        let table = Double(model.vocab) * hidden / tensor
        let normWidth: Double = model.norm == .layer ? 2 : 1
        for layer in layers {
            let parts = job.layout.tensorGrid > 0 ? job.layout.tensorGrid : max(1, job.layout.tensor)
            let attention = Self.attention(model, tensor: tensor, parts: Double(parts)) / Double(max(1, model.sharedAttention))
            let cut = Double(max(1, model.sharedBlocks))
            var dense = attention + 2 * normWidth * hidden
            var expert = 0.0
            if let moe = model.moe, layer >= moe.denseLayers {
                let matrices: Double = model.activation.isGated ? 3 : 2
                let shared = Double(moe.sharedFFN ?? moe.shared * moe.ffn)
                dense += hidden * Double(moe.experts) + matrices * hidden * shared / tensor
                let ranks = Double(max(1, job.layout.expert) * max(1, job.layout.expertTensor))
                expert = Double(moe.experts) * matrices * hidden * Double(moe.ffn) / ranks
            } else {
                dense += Self.mlp(model, width: Double(model.ffn), tensor: tensor)
            }
            self.dense += dense / cut
            self.expert += expert / cut
            largestLayer = max(largestLayer, dense + expert)
        }
        if hasEmbedding {
            tables += table
            if case .learned(let length) = model.positions { dense += Double(length) * hidden }
            dense += Double(model.tokenTypes) * hidden + (model.embeddingNorm ? normWidth * hidden : 0)
        }
        if hasHead {
            // A tied head needs the table on the last stage too, unless both ends are one stage.
            if let outputs = model.outputs {
                dense += Double(outputs) * hidden / tensor
            } else if !(model.tiedEmbeddings && hasEmbedding) {
                tables += table
            }
            dense += normWidth * hidden + (model.pooler ? hidden * hidden + hidden : 0)
            dense += model.maskedLMHead ? hidden * hidden + 3 * hidden + Double(model.vocab) / tensor : 0
        }
        dense += tables
        largestLayer = max(largestLayer, tables)
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
