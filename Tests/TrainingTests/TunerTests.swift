import Foundation
import Testing
import Training

@Suite struct TunerTests {
    private static func space() throws -> TuningSpace {
        try TuningSpace([
            .init("rate", .logarithmic(1e-5...1)), .init("decay", .uniform(0...0.2)), .init("warmup", .integer(0...100)),
            .init("schedule", .choice(3)),
        ])
    }

    /// At 0, 1/2 and 1: the geometric mean of 1e-5 and 1, the middle, the 51st of 101, the second of three.
    @Test func spacesMapTheUnitInterval() throws {
        let space = try Self.space()
        #expect(space.values(at: [0, 0, 0, 0]) == [1e-5, 0, 0, 0])
        #expect(
            zip(space.values(at: [0.5, 0.5, 0.5, 0.5]), [10e-5.squareRoot() / 10.squareRoot(), 0.1, 50, 1]).allSatisfy {
                abs($0 - $1) < 1e-9
            })
        #expect(abs(space.values(at: [1, 1, 1, 1])[0] - 1) < 1e-12 && space.values(at: [1, 1, 1, 1])[2...] == [100, 2])
        #expect(throws: TrainingError.self) { try TuningSpace([]) }
        #expect(throws: TrainingError.self) { try TuningSpace([.init("rate", .logarithmic(0...1))]) }
        #expect(throws: TrainingError.self) { try TuningSpace([.init("a", .choice(0))]) }
        #expect(throws: TrainingError.self) { try TuningSpace([.init("a", .choice(2)), .init("a", .choice(2))]) }
        #expect(throws: TrainingError.self) { try TuningSpace([.init("a", .uniform(0...Double.infinity))]) }
    }

    /// 0 at a rate of 1e-3, a decay of 0.05 and the second schedule.
    private func bowl(_ values: [Double]) -> Double {
        let rate = log10(values[0]) + 3
        let decay = (values[1] - 0.05) / 0.05
        return rate * rate + decay * decay + (values[3] == 1 ? 0 : 1) + 0.001 * values[2]
    }

    /// Sixty trials of the estimator against sixty uniform draws, over ten seeds: nearer on average, and in most seeds.
    @Test func theEstimatorBeatsUniformDraws() throws {
        var sums = (estimator: 0.0, uniform: 0.0)
        var wins = 0
        for seed in 1...10 {
            func least(startup: Int) throws -> Double {
                let estimator = try TreeParzenEstimator(Self.space(), startup: startup, seed: UInt64(seed))
                let result = tune(estimator, halving: try SuccessiveHalving(least: 1, most: 1), trials: 60) { values, _ in bowl(values) }
                #expect(result.trials.count == 60 && result.spent == 60)
                return result.best?.loss ?? .infinity
            }
            let (ours, uniform) = (try least(startup: 10), try least(startup: 60))
            sums.estimator += ours
            sums.uniform += uniform
            if ours < uniform { wins += 1 }
        }
        #expect(sums.estimator < 0.75 * sums.uniform && wins >= 7, "\(sums), \(wins) of 10")
    }

    /// Least 1, most 27, factor 3: rungs 1, 3, 9, 27. Losses 5, 4, 6, 3 at the first: of 1 the best goes on, of 2 the best, of 3 the best (6 does not),
    /// of 4 the best two.
    @Test func halvingByHand() throws {
        var halving = try SuccessiveHalving(least: 1, most: 27)
        #expect(halving.rungs == [1, 3, 9, 27])
        var decisions: [Bool] = []
        for loss in [5.0, 4, 6, 3, 4.5] { decisions.append(halving.goesOn(rung: 0, loss: loss)) }
        #expect(decisions == [true, true, false, true, false])
        let beyond = halving.goesOn(rung: 3, loss: 0)
        let broken = halving.goesOn(rung: 0, loss: .nan)
        #expect(!beyond && !broken)
        #expect(try SuccessiveHalving(least: 5, most: 5).rungs == [5])
        #expect(throws: TrainingError.self) { try SuccessiveHalving(least: 6, most: 5) }
        #expect(throws: TrainingError.self) { try SuccessiveHalving(least: 1, most: 5, factor: 1) }
    }

    /// The rate of SGD on a noisy quadratic, whose expected loss is known: the search finds nearly the best of a fine grid, for less than four fifths of the steps.
    @Test func theBestRateOfANoisyQuadratic() throws {
        let problem = NoisyQuadratic(curvature: [0.1, 1, 5], noise: 0.3)
        func loss(_ rate: Double, _ steps: Int) -> Double {
            problem.expectedLoss(start: [3, 3, 3], rate: rate, batch: 4, steps: steps)
        }
        let grid = (0...400).map { loss(pow(10, -4 + 4 * Double($0) / 400), 243) }.min() ?? 0
        let space = try TuningSpace([.init("rate", .logarithmic(1e-4...1))])
        let halving = try SuccessiveHalving(least: 27, most: 243)
        let result = tune(try TreeParzenEstimator(space, seed: 1), halving: halving, trials: 40) { values, steps in loss(values[0], steps) }
        let best = try #require(result.best)
        #expect(best.resource == 243 && best.loss < 1.1 * grid, "\(best) against \(grid)")
        #expect(result.spent < 40 * 243 * 4 / 5)
        let again = tune(try TreeParzenEstimator(space, seed: 1), halving: halving, trials: 40) { values, steps in loss(values[0], steps) }
        #expect(again.trials.map(\.values) == result.trials.map(\.values))
    }

    /// Patience 2, improvement 0.1: 1, 0.95 and 0.93 do not improve by 0.1 on 1 and 0.95; 0.5 does.
    @Test func stoppingWaitsItsPatience() throws {
        var stopping = try EarlyStopping(patience: 2, improvement: 0.1)
        var stops: [Bool] = []
        for loss in [1.0, 0.95, 0.5, 0.45, 0.42] { stops.append(stopping.shouldStop(loss: loss)) }
        #expect(stops == [false, false, false, false, true])
        var broken = try EarlyStopping(patience: 5)
        let stopsAtOnce = broken.shouldStop(loss: .nan)
        #expect(stopsAtOnce)
        #expect(throws: TrainingError.self) { try EarlyStopping(patience: 0) }
        #expect(throws: TrainingError.self) { try TreeParzenEstimator(Self.space(), share: 1, seed: 1) }
    }
}
