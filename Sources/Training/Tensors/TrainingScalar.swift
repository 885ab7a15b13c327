import CNumerics

/// The arithmetic that the optimizers need, in single and in double precision, over the kernels of CNumerics.
public protocol TrainingScalar: BinaryFloatingPoint, Sendable {
    /// y += a x
    static func axpy(_ y: inout [Self], _ x: [Self], _ a: Self)
    static func scale(_ y: inout [Self], _ a: Self)
    /// Limits every element to +-limit; a NaN stays.
    static func clamp(_ y: inout [Self], _ limit: Self)
    /// y = keep y + add x
    static func blend(_ y: inout [Self], keep: Self, _ x: [Self], add: Self)
    /// g += lambda g^2 (now - then)
    static func compensate(_ g: inout [Self], now: [Self], then: [Self], lambda: Self)
    /// g = h x + scale deviation z, with z the normal draws that belong to the key.
    static func noisyQuadratic(
        _ g: inout [Self], _ x: [Self], curvature: [Double], deviation: [Double], noise: (key: UInt64, scale: Double))
    static func sumOfSquares(_ x: [Self]) -> Double
    static func sum(_ x: [Self]) -> Double
    static func allFinite(_ x: [Self]) -> Bool
    /// Row-major op(a) [m][k] times op(b) [k][n]; `sizes` is [m, n, k].
    static func product(_ a: [Self], _ b: [Self], _ sizes: [Int], transposeA: Bool, transposeB: Bool) -> [Self]

    static func sgd(_ p: inout [Self], _ g: [Self], _ momentum: inout [Self], _ step: cn_sgd)
    static func adam(_ p: inout [Self], _ g: [Self], _ moments: inout [[Self]], _ step: cn_adam)
    static func adamDirection(_ g: [Self], _ moments: inout [[Self]], _ step: cn_adam) -> [Self]
    /// Sums of squares of `g` [rows][columns] along rows and columns.
    static func squareSums(_ g: [Self], rows: Int, columns: Int) -> (rows: [Double], columns: [Double])
    /// step [rows][columns] over the root of row x column / mean, at least `least`.
    static func factoredStep(_ step: inout [Self], rows: [Self], columns: [Self], mean: Self, least: Self)
    /// p moves by -base / (1 + damping |m|) g, and m averages the moves.
    static func damped(_ p: inout [Self], _ g: [Self], _ m: inout [Self], _ by: (base: Double, damping: Double, keep: Double))
    static func lion(_ p: inout [Self], _ g: [Self], _ m: inout [Self], _ step: cn_lion)
}

extension TrainingScalar {
    static func norm(_ x: [Self]) -> Double { sumOfSquares(x).squareRoot() }
}
