/// Removes whole channels, so that the products really become smaller.
public struct StructuredPruning: Sendable {
    /// Share of the channels that are gone in the end.
    public let finalShare: Double
    /// Progress, from 0 to 1, at which pruning starts and ends.
    public let interval: ClosedRange<Double>

    /// - Throws: `TrainingError` for a share outside [0, 1) or an interval outside [0, 1].
    public init(finalShare: Double = 0.3, interval: ClosedRange<Double> = 0.1...0.6) throws(TrainingError) {
        guard finalShare >= 0, finalShare < 1, interval.lowerBound >= 0, interval.upperBound <= 1 else {
            throw TrainingError(
                "pruning \(finalShare) of the channels over \(interval): the share must be below 1 and the interval within 0 to 1")
        }
        self.finalShare = finalShare
        self.interval = interval
    }

    /// The share that is gone at `progress`: 1 - (1 - t)^3 of the final one (Zhu and Gupta, arXiv:1710.01878).
    public func share(at progress: Double) -> Double {
        guard progress > interval.lowerBound else { return progress == 1 && interval.lowerBound == 1 ? finalShare : 0 }
        guard progress < interval.upperBound else { return finalShare }
        let t = (progress - interval.lowerBound) / (interval.upperBound - interval.lowerBound)
        return finalShare * (1 - (1 - t) * (1 - t) * (1 - t))
    }

    /// Channels to keep, ascending: those of `weight` [channels][inputs] with the largest Euclidean norms; of the whole, `share` is left out,
    /// rounded down.
    public static func kept<Scalar: TrainingScalar>(_ weight: Tensor<Scalar>, leavingOut share: Double) -> [Int] {
        guard let (rows, columns) = Tensor<Scalar>.matrix(weight.shape) else { return [] }
        let norms = (0..<rows).map { Scalar.sumOfSquares(Array(weight.values[$0 * columns..<($0 + 1) * columns])) }
        let order = norms.indices.sorted { (norms[$1], $0) < (norms[$0], $1) }
        // 1e-9: a share such as 0.3 of 10 must leave out three, although 0.3 x 10 may fall just below.
        return order.prefix(rows - Int(share * Double(rows) + 1e-9)).sorted()
    }

    /// The rows `kept` of `matrix` [rows][columns].
    /// - Throws: `TrainingError` for a row that does not exist.
    public static func rows<Scalar: TrainingScalar>(_ kept: [Int], of matrix: Tensor<Scalar>) throws(TrainingError) -> Tensor<Scalar> {
        let width = matrix.shape.dropFirst().reduce(1, *)
        guard let height = matrix.shape.first, kept.allSatisfy({ (0..<height).contains($0) }) else {
            throw TrainingError("rows \(kept) do not all exist in a tensor of shape \(matrix.shape)")
        }
        return try Tensor(kept.flatMap { matrix.values[$0 * width..<($0 + 1) * width] }, shape: [kept.count] + matrix.shape.dropFirst())
    }

    /// The columns `kept` of `matrix` [rows][columns].
    /// - Throws: `TrainingError` for a column that does not exist or a tensor that is no matrix.
    public static func columns<Scalar: TrainingScalar>(_ kept: [Int], of matrix: Tensor<Scalar>) throws(TrainingError) -> Tensor<Scalar> {
        guard matrix.shape.count == 2, kept.allSatisfy({ (0..<matrix.shape[1]).contains($0) }) else {
            throw TrainingError("columns \(kept) do not all exist in a tensor of shape \(matrix.shape)")
        }
        let (height, width) = (matrix.shape[0], matrix.shape[1])
        return try Tensor((0..<height).flatMap { row in kept.map { matrix.values[row * width + $0] } }, shape: [height, kept.count])
    }
}
