import Testing

@testable import Engine

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

@Suite struct RandomStreamTests {
    private func draws(_ seed: UInt64, _ purpose: String, _ entity: UInt64, count: Int = 8) -> [UInt64] {
        var stream = RandomStream(seed: seed, purpose: purpose, entity: entity)
        return (0..<count).map { _ in stream.next() }
    }

    @Test func aStreamIsAFunctionOfItsThreeKeys() {
        #expect(draws(1, "jitter", 7) == draws(1, "jitter", 7))
        #expect(draws(1, "jitter", 7) != draws(2, "jitter", 7))
        #expect(draws(1, "jitter", 7) != draws(1, "failure", 7))
        #expect(draws(1, "jitter", 7) != draws(1, "jitter", 8))
        #expect(draws(1, "jitter", 7) != draws(2, "jitter", 6))
    }

    @Test func drawsStayTheSameFromReleaseToRelease() {
        // recorded: a change of the generator changes every published random result
        #expect(draws(42, "jitter", 3, count: 2) == [11_223_024_048_643_943_233, 2_062_319_832_652_744_433])
    }

    @Test func addingAnEntityChangesNoOtherEntitysDraws() {
        func cluster(_ gpus: UInt64) -> [[UInt64]] {
            var streams = (0..<gpus).map { RandomStream(seed: 5, purpose: "jitter", entity: $0) }
            var result = [[UInt64]](repeating: [], count: Int(gpus))
            for _ in 0..<10 { for gpu in streams.indices { result[gpu].append(streams[gpu].next()) } }
            return result
        }
        #expect(Array(cluster(9).prefix(8)) == cluster(8))
    }

    @Test func streamsOfNeighbouringKeysAreUncorrelated() {
        // Correlation of 4,000 pairs has the standard deviation 1/sqrt(4000) = 0.016; 0.08 is five of them.
        for (a, b) in [((1, 0), (1, 1)), ((1, 0), (2, 0)), ((0, 0), (0, 1 << 32)), ((3, 4), (4, 3))]
            as [((UInt64, UInt64), (UInt64, UInt64))]
        {
            var x = RandomStream(seed: a.0, purpose: "p", entity: a.1)
            var y = RandomStream(seed: b.0, purpose: "p", entity: b.1)
            let sum = (0..<4000).reduce(0.0) { total, _ in total + (x.uniform() - 0.5) * (y.uniform() - 0.5) }
            #expect(abs(sum / 4000 * 12) < 0.08)
        }
    }

    struct Law: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var mean: Double
        var variance: Double
        var draw: @Sendable (inout RandomStream) -> Double
    }

    static let laws: [Law] = [
        Law(testDescription: "uniform", mean: 0.5, variance: 1.0 / 12) { $0.uniform() },
        Law(testDescription: "normal", mean: 0, variance: 1) { $0.normal() },
        Law(testDescription: "normal 3, 2", mean: 3, variance: 4) { $0.normal(mean: 3, deviation: 2) },
        Law(testDescription: "lognormal cv 0.3", mean: 1, variance: 0.09) { $0.lognormal(cv: 0.3) },
        Law(testDescription: "lognormal 5, cv 0.1", mean: 5, variance: 0.25) { $0.lognormal(mean: 5, cv: 0.1) },
        Law(testDescription: "exponential 4", mean: 4, variance: 16) { $0.exponential(mean: 4) },
        // Weibull, shape 2, scale 3: mean 3 Gamma(1.5), variance 9 (Gamma(2) - Gamma(1.5)^2)
        Law(testDescription: "weibull 2, 3", mean: 3 * tgamma(1.5), variance: 9 * (1 - tgamma(1.5) * tgamma(1.5))) {
            $0.weibull(shape: 2, scale: 3)
        },
        Law(testDescription: "gamma 2.5, 2", mean: 5, variance: 10) { $0.gamma(shape: 2.5, scale: 2) },
        Law(testDescription: "gamma 0.4, 1", mean: 0.4, variance: 0.4) { $0.gamma(shape: 0.4, scale: 1) },
    ]

    @Test(arguments: laws)
    func momentsAgree(_ law: Law) {
        var stream = RandomStream(seed: 2024, purpose: law.testDescription)
        let count = 60_000
        let values = (0..<count).map { _ in law.draw(&stream) }
        let mean = values.reduce(0, +) / Double(count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)
        // five standard errors of the mean; the variance to 6%, which is more than five for all these laws
        #expect(abs(mean - law.mean) < 5 * (law.variance / Double(count)).squareRoot())
        #expect(abs(variance / law.variance - 1) < 0.06)
    }

    @Test func normalHasNormalTails() {
        // P(|z| > 2) = 0.0455, P(|z| > 3) = 0.0027
        var stream = RandomStream(seed: 9, purpose: "tails")
        let values = (0..<100_000).map { _ in abs(stream.normal()) }
        #expect(abs(Double(values.count { $0 > 2 }) / 100_000 - 0.0455) < 0.0035)
        #expect(abs(Double(values.count { $0 > 3 }) / 100_000 - 0.0027) < 0.0009)
    }

    @Test func limitsAreReachedWithoutTraps() {
        var stream = RandomStream(seed: 1, purpose: "limits")
        #expect(stream.lognormal(mean: 7, cv: 0) == 7)
        #expect(stream.exponential(mean: 0) == 0)
        #expect(stream.weibull(shape: 0, scale: 1) == 0)
        #expect(stream.gamma(shape: .nan, scale: 1) == 0)
        #expect(stream.gamma(shape: -1, scale: 1) == 0)
        #expect(stream.gamma(shape: .infinity, scale: 1) == .infinity)
    }

    @Test func standardLibraryAlgorithmsTakeAStream() {
        var a = RandomStream(seed: 1, purpose: "shuffle")
        var b = a
        #expect((0..<50).shuffled(using: &a) == (0..<50).shuffled(using: &b))
    }
}
