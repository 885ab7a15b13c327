import Glibc
import Quantities
import TestSupport
import Testing

@testable import Planner

@Suite("Sampling")
struct SamplingTests {
    /// Ishigami and Homma (ISUMA 1990): f = sin x1 + a sin^2 x2 + b x3^4 sin x1 over [-pi, pi]^3. With a = 7, b = 0.1 (Sobol and Levitan, 1999):
    /// V1 = (1 + b pi^4 / 5)^2 / 2, V2 = a^2 / 8, V13 = b^2 pi^8 (1/18 - 1/50), V = V1 + V2 + V13 = 13.8446;
    /// S1 = 0.3139, S2 = 0.4424, S3 = 0; T1 = 0.5576, T2 = 0.4424, T3 = 0.2437.
    @Test("the indices of the Ishigami function", arguments: [SampleDesign.Kind.sobol, .lhs])
    func ishigami(kind: SampleDesign.Kind) throws {
        let design = try SampleDesign(kind, inputs: 3, count: 4096, seed: 7)
        let outputs = design.points.map { point -> Double? in
            let x = point.map { Double.pi * (2 * $0 - 1) }
            return sin(x[0]) + 7 * pow(sin(x[1]), 2) + 0.1 * pow(x[2], 4) * sin(x[0])
        }
        let indices = try #require(SensitivityIndices(of: outputs, design: design, resamples: 200, seed: 1))
        let pi = Double.pi
        let parts = (pow(1 + 0.1 * pow(pi, 4) / 5, 2) / 2, 49.0 / 8, 0.01 * pow(pi, 8) * (1.0 / 18 - 1.0 / 50))
        let variance = parts.0 + parts.1 + parts.2
        let first = [parts.0 / variance, parts.1 / variance, 0]
        let total = [(parts.0 + parts.2) / variance, parts.1 / variance, parts.2 / variance]
        #expect(abs(first[0] - 0.3139) < 1e-4 && abs(first[1] - 0.4424) < 1e-4 && abs(total[2] - 0.2437) < 1e-4)
        let tolerance = kind == .sobol ? 0.01 : 0.05
        for input in 0..<3 {
            #expect(abs(indices.first[input].value - first[input]) < tolerance, "S\(input + 1)")
            #expect(abs(indices.total[input].value - total[input]) < tolerance, "T\(input + 1)")
            #expect(indices.first[input].low - tolerance <= first[input] && first[input] <= indices.first[input].high + tolerance)
            #expect(indices.first[input].low < indices.first[input].high)
        }
        #expect(abs(indices.variance / variance - 1) < 0.03)
        #expect(indices.used == 4096)
    }

    /// A sum of inputs with weights 3 and 4 splits the variance 9 : 16, and has no interactions.
    @Test("a weighted sum, with rows that have no output left out")
    func weightedSum() throws {
        let design = try SampleDesign(.sobol, inputs: 2, count: 1024, seed: 1)
        var outputs: [Double?] = design.points.map { 3 * $0[0] + 4 * $0[1] }
        (outputs[5], outputs[1024 + 9]) = (nil, .infinity)
        let indices = try #require(SensitivityIndices(of: outputs, design: design, resamples: 100, seed: 1))
        #expect(indices.used == 1022)
        for (index, exact) in zip(indices.first + indices.total, [0.36, 0.64, 0.36, 0.64]) { #expect(abs(index.value - exact) < 0.01) }
    }

    @Test("what does not vary has no indices, and bad designs are refused")
    func refusals() throws {
        let design = try SampleDesign(.lhs, inputs: 2, count: 8, seed: 1)
        #expect(SensitivityIndices(of: Array(repeating: 5, count: 32), design: design, seed: 1) == nil)
        #expect(SensitivityIndices(of: [1, 2, 3], design: design, seed: 1) == nil)
        #expect(throws: Fault.self) { try SampleDesign(.sobol, inputs: 0, count: 8, seed: 1) }
        #expect(throws: Fault.self) { try SampleDesign(.sobol, inputs: 21, count: 8, seed: 1) }
        #expect(throws: Fault.self) { try SampleDesign(.sobol, inputs: 2, count: 1, seed: 1) }
    }

    @Test("a Latin hypercube has one point in each slice, and depends on the seed alone")
    func slices() throws {
        let design = try SampleDesign(.lhs, inputs: 3, count: 50, seed: 11)
        for points in [design.a, design.b] {
            for input in 0..<3 { #expect(points.map { Int($0[input] * 50) }.sorted() == Array(0..<50)) }
        }
        #expect(try SampleDesign(.lhs, inputs: 3, count: 50, seed: 11).points == design.points)
        #expect(try SampleDesign(.lhs, inputs: 3, count: 50, seed: 12).points != design.points)
    }

    /// Differences 1, 2, 3: mean 2, deviation 1, half width t(0.975, 2) / sqrt 3 = 4.302653 / 1.732051 = 2.484138.
    @Test("a difference that can be worked out by hand")
    func paired() throws {
        let paired = try #require(PairedDifference([10, 20, 30], [11, 22, 33]))
        #expect(paired.difference == 2)
        #expect(abs(paired.halfWidth - 2.484138) < 1e-6)
        #expect(!(paired.isSignificant))
        #expect(paired.unpairedHalfWidth > paired.halfWidth)
        #expect(abs(paired.correlation - 1) < 1e-12)
        #expect(PairedDifference([1], [2]) == nil)
        #expect(PairedDifference([1, 2], [2]) == nil)
        #expect(PairedDifference([1, .nan], [2, 3]) == nil)
    }

    /// b = a + 1 + small noise: shared noise of deviation 1 cancels, so the interval shrinks about tenfold and covers 1.
    @Test("common random numbers shrink the interval")
    func varianceReduction() throws {
        var generator = TestDraws(seed: 3)
        func noise() -> Double { (0..<12).reduce(-6) { sum, _ in sum + Double.random(in: 0..<1, using: &generator) } }
        let shared = (0..<200).map { _ in noise() }
        let paired = try #require(PairedDifference(shared, shared.map { $0 + 1 + 0.1 * noise() }))
        #expect(paired.interval.contains(1))
        #expect(paired.halfWidth < paired.unpairedHalfWidth / 8)
        #expect(paired.isSignificant)
    }
}
