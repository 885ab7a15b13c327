import CGSL
import Engine
import Quantities

/// Points of the unit cube to sample a function of several inputs at, made for sensitivity indices.
///
/// Two independent sets of points A and B, and for each input i the set AB_i, which is A with the column of i taken from B
/// (Saltelli et al., Comput. Phys. Commun. 181, 2010, doi:10.1016/j.cpc.2009.09.018): n (inputs + 2) points in all.
public struct SampleDesign: Sendable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Sobol's low-discrepancy sequence (GSL, after Antonov and Saleev, 1979).
        case sobol
        /// Latin hypercube: each of n equal slices of each input holds one point (McKay, Beckman and Conover, Technometrics 21(2), 1979).
        case lhs
    }
    public let inputs: Int
    /// Points of A; B and each AB_i hold as many.
    public let count: Int
    /// [count][inputs] in 0..<1.
    public let a: [[Double]]
    public let b: [[Double]]

    /// GSL's Sobol sequence has 40 dimensions, and A and B take one each for every input.
    public static let mostInputs = 20

    /// - Parameter seed: of the Latin hypercube; the Sobol sequence needs none.
    /// - Throws: `Fault` for no inputs, more than `mostInputs`, or fewer than two points.
    public init(_ kind: Kind, inputs: Int, count: Int, seed: UInt64) throws(Fault) {
        guard (1...Self.mostInputs).contains(inputs) else {
            throw Fault(
                keyPath: "--vary", reason: "\(inputs) inputs cannot be sampled",
                suggestion: "give 1 to \(Self.mostInputs) ranges (key=lo..hi)")
        }
        guard (2...1 << 20).contains(count) else {
            throw Fault(keyPath: "--samples", reason: "\(count) points cannot be sampled", suggestion: "give 2 to \(1 << 20)")
        }
        (self.inputs, self.count) = (inputs, count)
        switch kind {
        case .sobol:
            let points = Self.sobol(dimensions: 2 * inputs, count: count)
            a = points.map { Array($0[..<inputs]) }
            b = points.map { Array($0[inputs...]) }
        case .lhs:
            a = Self.latinHypercube(dimensions: inputs, count: count, seed: seed, purpose: "lhs-a")
            b = Self.latinHypercube(dimensions: inputs, count: count, seed: seed, purpose: "lhs-b")
        }
    }

    /// All points in the order A, B, AB_0, AB_1, ...: [count x (inputs + 2)][inputs].
    public var points: [[Double]] {
        a + b
            + (0..<inputs).flatMap { input in
                zip(a, b).map { a, b in
                    var mixed = a
                    mixed[input] = b[input]
                    return mixed
                }
            }
    }

    /// [count][dimensions]. The origin, with which the sequence begins, is left out by GSL.
    private static func sobol(dimensions: Int, count: Int) -> [[Double]] {
        guard let generator = gsl_qrng_alloc(orrery_qrng_sobol(), UInt32(dimensions)) else { return [] }
        defer { gsl_qrng_free(generator) }
        return (0..<count).map { _ in
            var point = [Double](repeating: 0, count: dimensions)
            gsl_qrng_get(generator, &point)
            return point
        }
    }

    private static func latinHypercube(dimensions: Int, count: Int, seed: UInt64, purpose: String) -> [[Double]] {
        var points = [[Double]](repeating: [Double](repeating: 0, count: dimensions), count: count)
        for dimension in 0..<dimensions {
            var stream = RandomStream(seed: seed, purpose: purpose, entity: UInt64(dimension))
            for (index, slice) in (0..<count).shuffled(using: &stream).enumerated() {
                points[index][dimension] = (Double(slice) + Double.random(in: 0..<1, using: &stream)) / Double(count)
            }
        }
        return points
    }
}
