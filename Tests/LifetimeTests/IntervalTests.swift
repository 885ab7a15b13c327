import Foundation
import Lifetime
import Testing

@Suite("The interval between checkpoints")
struct IntervalTests {
    /// Least cost over a fine grid that knows nothing of the search.
    private func trueMinimum(_ account: IntervalAccount, from low: Double, to high: Double, step: Double = 0) -> Double {
        if step > 0 {
            return stride(from: max(step, (low / step).rounded(.up) * step), through: high, by: step).map { account.cost(interval: $0) }
                .min() ?? 0
        }
        return (0...40_000).map { account.cost(interval: low * pow(high / low, Double($0) / 40_000)) }.min() ?? 0
    }

    @Test(
        "The minimum of the wall clock, where the write slows training and where the stall is dear",
        arguments: [
            (2.0, 60.0, 0.0), (2, 300, 0.05), (2, 300, 0.2), (10, 600, 0.1), (0.04, 60, 0), (30, 1200, 0.05), (600, 0, 0), (5000, 0, 0),
        ])
    func best(stall: Double, write: Double, slowdown: Double) {
        var plan = ExactTests.plan(mttf: 2.8 * 3600, restart: 300, interval: 1, stall: stall, work: 1e7)
        plan.checkpoint.write = write
        plan.checkpoint.slowdown = slowdown
        let account = IntervalAccount(plan)
        let least = trueMinimum(account, from: max(write, 1), to: 2e5)
        #expect(account.best >= write)
        #expect(account.cost(interval: account.best) <= least * 1.0001)
    }

    @Test("Whole steps, of which a few make an interval")
    func steps() {
        var plan = ExactTests.plan(mttf: 2.8 * 3600, restart: 300, interval: 1, stall: 10, work: 1e6)
        plan.step = 250
        let account = IntervalAccount(plan)
        #expect(account.best.truncatingRemainder(dividingBy: 250) == 0)
        #expect(account.cost(interval: account.best) <= trueMinimum(account, from: 250, to: 1e5, step: 250) * 1.0000001)
    }

    @Test("A job shorter than the interval writes none but the last, and storage that costs makes it longer")
    func shortAndPriced() {
        let short = ExactTests.plan(mttf: 30 * 86_400, restart: 60, interval: 1, stall: 60, work: 7200)
        #expect(IntervalAccount(short).best == 7200)
        let plan = ExactTests.plan(mttf: 86_400, restart: 300, interval: 1, stall: 20, work: 30 * 86_400)
        var priced = IntervalAccount(plan)
        priced.priceOfOne = 200
        #expect(priced.best > 2 * IntervalAccount(plan).best)
        #expect(priced.cost(interval: priced.best) <= trueMinimum(priced, from: 60, to: 1e6) * 1.0001)
    }

    @Test("Young and Daly as published, and memory copies by their linear equations")
    func formulas() throws {
        let plan = ExactTests.plan(mttf: 7200, restart: 900, interval: 1800, stall: 72, work: 72_000)
        let account = IntervalAccount(plan)
        #expect(abs(account.young - (2 * 72.0 * 7200).squareRoot()) < 1e-9)
        #expect(account.daly < account.young)
        var memory = ExactTests.plan(mttf: 7200, restart: 300, interval: 300, stall: 2, work: 72_000)
        memory.causes[0].memoryLost = 0.1
        memory.checkpoint.major = .init(every: 12, stall: 60)
        memory.checkpoint.minorIsInMemory = true
        #expect(abs(IntervalAccount(memory).expectedWallClock(interval: 300) / 80_416.263 - 1) < 1e-6)
        try ExactTests.expect(memory, 80_416.263)
    }
}
