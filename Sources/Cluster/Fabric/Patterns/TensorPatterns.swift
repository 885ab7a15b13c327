/// How the ranks of a tensor-parallel group share the matrices of a block.
public enum TensorLayout: Sendable, Hashable {
    /// Weights by columns, then by rows; two all-reduces of the activations each way (Shoeybi et al. 2019, arXiv:1909.08053).
    case line
    /// Everything in q x q blocks, SUMMA (van de Geijn and Watts 1997; for transformers Xu et al. 2021, arXiv:2104.05343).
    case square
    /// `depth` layers of q x q that share the tokens, weights on each layer (Solomonik and Demmel 2011, doi:10.1007/978-3-642-23397-5_10; for
    /// transformers Wang et al. 2021, arXiv:2105.14500). Depth 1 is `square`.
    case cuboid(depth: Int)

    public var name: String {
        switch self {
        case .line: "1d"
        case .square: "2d"
        case .cuboid(let depth): "2.5d depth \(depth)"
        }
    }
}

/// The matrix products of one transformer block: QKV, projection, and the two of an MLP without gate.
public struct TransformerBlock: Sendable, Hashable {
    /// Batch x sequence.
    public var tokens: Int
    public var hidden: Int
    public var feedForward: Int
    public var bytesPerElement: Double
    public init(tokens: Int, hidden: Int, feedForward: Int? = nil, bytesPerElement: Double = 2) {
        self.tokens = tokens
        self.hidden = hidden
        self.feedForward = feedForward ?? hidden.multipliedReportingOverflow(by: 4).partialValue
        self.bytesPerElement = bytesPerElement
    }

    /// Bytes of input and of weights of each product.
    var products: [(input: Double, weights: Double)] {
        let (tokens, hidden, wide) = (Double(tokens), Double(hidden), Double(feedForward))
        return [(hidden, 3 * hidden), (hidden, hidden), (hidden, wide), (wide, hidden)].map { inner, columns in
            (tokens * inner * bytesPerElement, inner * columns * bytesPerElement)
        }
    }
}

extension CommunicationPattern {
    /// Forward and backward pass of one transformer block. In the square and cuboid layouts each product Y = X W is q rounds of broadcasting a block of X
    /// along rows and of W along columns; dX = dY W^T broadcasts W and reduces dX, dW = X^T dY broadcasts X and reduces dW; a cuboid in the
    /// end sums dW over its depth. Broadcasts and reductions go along a line.
    /// - Throws: `FabricError` for ranks that are not depth x q x q, and sizes that are not positive.
    public static func tensorParallel(_ block: TransformerBlock, _ layout: TensorLayout, ranks: Int) throws(FabricError)
        -> CommunicationPattern
    {
        guard block.tokens > 0, block.hidden > 0, block.feedForward > 0, block.bytesPerElement > 0, ranks > 0 else {
            throw FabricError(key: "ranks", "\(ranks) ranks, \(block.tokens) tokens, hidden size \(block.hidden): all must be above zero")
        }
        let depth: Int
        switch layout {
        case .line:
            let size = Double(block.tokens) * Double(block.hidden) * block.bytesPerElement / Double(ranks)
            return ranks == 1 ? CommunicationPattern(ranks: 1, phases: []) : ring(ranks, steps: 4 * 2 * (ranks - 1), bytes: size)
        case .square: depth = 1
        case .cuboid(let layers): depth = layers
        }
        let side = depth > 0 && ranks % depth == 0 ? Int(Double(ranks / depth).squareRoot().rounded()) : 0
        guard side > 0, side * side * depth == ranks else {
            throw FabricError(
                key: "ranks",
                "\(ranks) ranks are not \(depth) layers of a square; for instance \(max(1, depth) * 4) or \(max(1, depth) * 16) are")
        }
        let grid = Grid(side: side, depth: depth)
        var result = CommunicationPattern(ranks: ranks, phases: [])
        for product in block.products {
            let input = product.input / Double(side * side * depth)
            let weights = product.weights / Double(side * side)
            result.append(grid.rounds(row: (input, false), column: (weights, false)))
            result.append(grid.rounds(row: (input, true), column: (weights, false)))
            result.append(grid.rounds(row: (input, false), column: (weights, true)))
            if depth > 1 {
                let sum = ring(depth, steps: 2 * (depth - 1), bytes: weights / Double(depth))
                result.append(sideBySide((0..<side * side).map { place in sum.mapped { $0 * side * side + place } }))
            }
        }
        return result
    }

    /// Rank = (layer side + row) side + column.
    private struct Grid {
        let side: Int
        let depth: Int

        /// For each of `side` rounds: blocks of so many bytes broadcast from column (row) k along all rows (columns), or reduced to it.
        func rounds(row: (bytes: Double, reduces: Bool), column: (bytes: Double, reduces: Bool)) -> [Phase] {
            (0..<side).flatMap { round in
                (0..<side - 1).map { step in
                    var messages: [Message] = []
                    for layer in 0..<depth {
                        for line in 0..<side {
                            messages.append(message(row, round, step) { (layer * side + line) * side + $0 })
                            messages.append(message(column, round, step) { (layer * side + $0) * side + line })
                        }
                    }
                    return Phase(steps: 1, messages: messages)
                }
            }
        }

        /// A broadcast goes from place k on round the line; a reduction ends at place k.
        private func message(_ what: (bytes: Double, reduces: Bool), _ round: Int, _ step: Int, _ rank: (Int) -> Int) -> Message {
            let from = what.reduces ? (round + 1 + step) % side : (round + step) % side
            return Message(from: rank(from), to: rank((from + 1) % side), bytes: what.bytes)
        }
    }
}
