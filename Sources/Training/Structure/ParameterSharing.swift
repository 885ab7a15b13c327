/// Layers that use the same parameters (ALBERT, arXiv:1909.11942; Universal Transformers, arXiv:1807.03819).
public struct ParameterSharing: Sendable, Equatable {
    /// The stored block that each layer uses [layers]; blocks are numbered from 0 without gaps.
    public let blockOf: [Int]

    /// - Throws: `TrainingError` where a block number is left out or negative.
    public init(blockOf: [Int]) throws(TrainingError) {
        guard Set(blockOf) == Set(0..<((blockOf.max() ?? -1) + 1)) else {
            throw TrainingError("blocks \(blockOf) must be numbered from 0 without gaps")
        }
        self.blockOf = blockOf
    }

    /// Groups of `size` layers in a row share one block; a size of 1 shares nothing.
    public static func consecutive(layers: Int, size: Int) throws(TrainingError) -> ParameterSharing {
        guard layers >= 0, size >= 1 else { throw TrainingError("\(layers) layers in groups of \(size)") }
        return try ParameterSharing(blockOf: (0..<layers).map { $0 / size })
    }

    /// Blocks with parameters of their own.
    public var blockCount: Int { (blockOf.max() ?? -1) + 1 }

    /// Parameters kept, where each layer has `shared` that follow the blocks and `own` of its own.
    public func parameterCount(shared: Int, own: Int) -> Int { blockCount * shared + blockOf.count * own }

    /// The blocks' gradients [blocks][elements]: the sums over the layers that use them, in layer order.
    /// - Throws: `TrainingError` where layers of a block bring different lengths, or one is missing.
    public func blockGradients<Scalar: TrainingScalar>(_ layers: [[Scalar]]) throws(TrainingError) -> [[Scalar]] {
        guard layers.count == blockOf.count else {
            throw TrainingError("gradients of \(layers.count) layers where there are \(blockOf.count)")
        }
        var sums = [[Scalar]?](repeating: nil, count: blockCount)
        for (layer, block) in blockOf.enumerated() {
            guard var sum = sums[block] else {
                sums[block] = layers[layer]
                continue
            }
            guard sum.count == layers[layer].count else {
                throw TrainingError("layer \(layer) brings \(layers[layer].count) gradients to a block of \(sum.count)")
            }
            sums[block] = nil
            Scalar.axpy(&sum, layers[layer], 1)
            sums[block] = sum
        }
        return sums.map { $0 ?? [] }
    }
}
