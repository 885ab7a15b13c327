import Workload

/// A linear layer of the base that an adapter is laid beside, as one rank holds it.
struct AdaptedMatrix: Sendable, Hashable {
    /// How the base is cut over the tensor group: A is whole and B cut, or A cut and B whole.
    enum Cut: Sendable, Hashable { case none, column, row }
    var target: LowRankAdapters.Target
    var part: ModelParts
    /// Output and input width on this rank.
    var width: Int
    var input: Int
    /// Equal ones, of the routed experts.
    var count = 1
    var isRouted = false
    var cut = Cut.column

    /// Parameters of A and B on this rank.
    func parameters(rank: Int) -> Double { Double(rank) * (Double(width) + Double(input)) * Double(count) }
}

extension LowRankAdapters {
    /// The adapted linear layers of one unit on one rank.
    func matrices(_ unit: StageWork.Unit, of deployment: Deployment) -> [AdaptedMatrix] {
        let model = deployment.model
        let tensor = max(1, deployment.layout.tensor)
        let all: [AdaptedMatrix]
        switch unit {
        case .embedding, .prediction: all = []
        case .head: all = [AdaptedMatrix(target: .head, part: .head, width: (model.outputs ?? model.vocab) / tensor, input: model.hidden)]
        case .layer(let variant):
            let isExpert = variant.kind == .moe
            all = Self.attention(model, tensor) + (isExpert ? Self.experts(deployment) : Self.mlp(model, .mlp, model.ffn / tensor))
        }
        return all.filter { adapts($0.target) && $0.width > 0 && $0.input > 0 }
    }

    private static func attention(_ model: Architecture, _ tensor: Int) -> [AdaptedMatrix] {
        func column(_ target: Target, _ width: Int, _ input: Int, _ cut: AdaptedMatrix.Cut = .column) -> AdaptedMatrix {
            AdaptedMatrix(target: target, part: .attention, width: width, input: input, cut: cut)
        }
        let h = model.hidden
        if case .mla(let queryRank, let kvRank, let rope, let nope, let value) = model.attention {
            let heads = model.heads / tensor
            let down = column(.attention, kvRank + rope, h, .none)
            let up = column(.attention, heads * (nope + value), kvRank)
            let output = column(.output, h, heads * value, .row)
            guard let queryRank else { return [column(.query, heads * (nope + rope), h), down, up, output] }
            return [column(.attention, queryRank, h, .none), column(.attention, heads * (nope + rope), queryRank), down, up, output]
        }
        let head = model.headDim > 0 ? model.headDim : h / max(1, model.heads)
        let (query, key) = (model.heads * head / tensor, max(1, model.kvHeads / tensor) * head)
        return [column(.query, query, h), column(.key, key, h), column(.value, key, h), column(.output, h, query, .row)]
    }

    private static func mlp(_ model: Architecture, _ part: ModelParts, _ inner: Int, routed: Int? = nil) -> [AdaptedMatrix] {
        let h = model.hidden
        func matrix(_ target: Target, _ width: Int, _ input: Int, _ cut: AdaptedMatrix.Cut) -> AdaptedMatrix {
            AdaptedMatrix(
                target: target, part: part, width: width, input: input, count: routed ?? 1, isRouted: routed != nil, cut: cut)
        }
        let (up, down) = (matrix(.up, inner, h, .column), matrix(.down, h, inner, .row))
        return model.activation.isGated ? [matrix(.gate, inner, h, .column), up, down] : [up, down]
    }

    private static func experts(_ deployment: Deployment) -> [AdaptedMatrix] {
        guard let moe = deployment.model.moe else { return [] }
        let layout = deployment.layout
        let own = max(1, moe.experts / max(1, layout.expert))
        let routed = mlp(deployment.model, .experts, moe.ffn / max(1, layout.expertTensor), routed: own)
        return routed + (moe.sharedWidth > 0 ? mlp(deployment.model, .experts, moe.sharedWidth / max(1, layout.tensor)) : [])
    }
}
