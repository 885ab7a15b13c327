import TestSupport
import Testing

@testable import Plan

/// The searched schedules: against all orders where these can be counted, and as properties under random costs.
struct SchedulesSearchTests {
    /// Every list of F, B and W of `m` micro-batches in order: 42 for m = 3.
    private func allLists(_ m: Int) -> [[Instruction]] {
        var all: [[Instruction]] = []
        func extend(_ list: [Instruction], _ f: Int, _ b: Int, _ w: Int) {
            if w == m { all.append(list) }
            if f < m { extend(list + [.init(.forward, f)], f + 1, b, w) }
            if b < f { extend(list + [.init(.backward, b)], f, b + 1, w) }
            if w < b { extend(list + [.init(.weight, w)], f, b, w + 1) }
        }
        extend([], 0, 0, 0)
        return all
    }

    @Test func nearTheOptimumOfAllOrders() throws {
        let seed: UInt64 = 11
        var dice = TestDraws(seed: seed)
        let lists = allLists(3)
        #expect(lists.count == 42)
        var worst = 0.0
        for trial in 0..<8 {
            func times() -> [Double] { (0..<2).map { _ in (4 + dice.unit() * 8).rounded() } }
            var costs = ScheduleCosts(forward: times(), backward: times(), weight: times(), communication: (dice.unit() * 3).rounded())
            costs.memoryLimit = [1.5, 2, 3, 4][trial % 4]
            let limit = costs.memoryLimit ?? 0
            var optimum = Double.infinity
            for a in lists {
                for b in lists {
                    let schedule = PipelineSchedule(name: "", ranks: [a, b], microBatches: 3, splitsBackward: true)
                    guard (0..<2).allSatisfy({ schedule.peakInFlight(rank: $0, backwardFrees: 0.5) <= limit }) else { continue }
                    guard let compiled = try? CompiledSchedule(schedule) else { continue }
                    optimum = min(optimum, try compiled.length(costs).period)
                }
            }
            let found = try PipelineSchedule.automatic(ranks: 2, microBatches: 3, costs: costs)
            #expect(found.lowerBound <= optimum + 1e-9, "seed \(seed) trial \(trial): bound \(found.lowerBound), optimum \(optimum)")
            #expect(found.period >= optimum - 1e-9, "seed \(seed) trial \(trial): found \(found.period), optimum \(optimum)")
            worst = max(worst, found.period / optimum - 1)
        }
        #expect(worst < 0.02, "seed \(seed): \(worst) above the optimum")
    }

    @Test func underRandomCosts() throws {
        let seed: UInt64 = 2024
        var dice = TestDraws(seed: seed)
        for trial in 0..<25 {
            let p = 1 + Int(dice.unit() * 5)
            let m = 1 + Int(dice.unit() * 14)
            let v = 1 + Int(dice.unit() * 3)
            func times() -> [Double] { (0..<(p * v)).map { _ in 0.5 + dice.unit() } }
            var costs = ScheduleCosts(
                forward: times(), backward: times(), weight: times(), communication: dice.unit() * 0.3, memory: times())
            costs.memoryLimit = 1.5 * Double(v) * (1 + dice.unit() * Double(2 * p))
            let found = try PipelineSchedule.automatic(ranks: p, microBatches: m, chunks: v, costs: costs)
            try found.schedule.validate()
            let limit = costs.memoryLimit ?? 0
            for rank in 0..<p {
                let peak = try found.schedule.peakMemory(rank: rank, costs: costs)
                #expect(peak <= limit * (1 + 1e-6), "seed \(seed) trial \(trial): rank \(rank) holds \(peak) of \(limit)")
            }
            #expect(found.period >= found.lowerBound * (1 - 1e-9), "seed \(seed) trial \(trial)")
            let timing = try found.schedule.timing(costs)
            #expect(
                abs(timing.period - found.period) < 1e-9 * timing.period && abs(timing.makespan - found.makespan) < 1e-9 * timing.makespan)
        }
    }

    @Test func zeroBubbleIsNeverWorseThanItsHandcraftedForms() throws {
        // tF, tB, tW and a hop in milliseconds of a few sizes, stage 0 one part in twenty lighter.
        for (f, b, w, hop) in [(18.5, 18.1, 9.3, 0.6), (29.7, 29.3, 19.8, 0.5), (1.0, 1.3, 0.9, 0.1)] {
            for (p, m) in [(4, 12), (8, 24)] {
                var costs = ScheduleCosts.uniform(virtualStages: p, forward: f, backward: b, weight: w, communication: hop)
                costs.forward[0] *= 0.95
                costs.backward[0] *= 0.95
                costs.weight[0] *= 0.95
                func period(_ kind: ScheduleKind) throws -> Double {
                    try PipelineSchedule.make(kind, ranks: p, microBatches: m, costs: costs).timing(costs).period
                }
                let (plain, h1, h2, once, twice) = (
                    try period(.oneForwardOneBackward), try period(.zbH1), try period(.zbH2), try period(.zb1p), try period(.zb2p)
                )
                #expect(twice <= once && once <= h1 && h1 < plain && twice <= h2)
                // With twice the memory, what is left above the lower bound is under 1 % where tB + 2 hops is near tF.
                costs.memoryLimit = Double(2 * p)
                #expect(try PipelineSchedule.automatic(ranks: p, microBatches: m, costs: costs).distance < (b < f ? 0.01 : 0.04))
            }
        }
    }

    @Test func vShapesFollowTheGivenTimes() throws {
        // With tB + 2 hops above tF the order searched for these times is no longer than the one for equal times, in the same memory.
        for (p, m) in [(2, 8), (4, 12), (5, 15)] {
            let costs = ScheduleCosts.uniform(virtualStages: 2 * p, forward: 1, backward: 1.3, weight: 0.8, communication: 0.1)
            let searched = try PipelineSchedule.make(.zbV, ranks: p, microBatches: m, costs: costs)
            try searched.validate()
            #expect(try searched.timing(costs).period <= PipelineSchedule.make(.zbV, ranks: p, microBatches: m).timing(costs).period)
            for (kind, held) in [(ScheduleKind.zbV, p), (.vHalf, (p + 2) / 2), (.vMin, (p + 4) / 3)] {
                let schedule = try PipelineSchedule.make(kind, ranks: p, microBatches: m, costs: costs)
                for rank in 0..<p { #expect(schedule.peakInFlight(rank: rank, backwardFrees: 0.5) <= Double(held), "\(kind) p \(p)") }
            }
        }
    }

    @Test func aLimitBelowOneMicroBatchIsRefused() {
        var costs = ScheduleCosts.uniform(virtualStages: 4)
        costs.memoryLimit = 0.5
        #expect(throws: ScheduleError("the memory limit 0.5 does not hold one micro-batch; it must be at least 1.0")) {
            try PipelineSchedule.automatic(ranks: 4, microBatches: 4, costs: costs)
        }
        #expect(throws: ScheduleError.self) { try PipelineSchedule.automatic(ranks: 0, microBatches: 4, costs: costs) }
    }

    @Test(arguments: [ScheduleKind.gpipe, .oneForwardOneBackward, .interleaved, .zbH1, .zbH2, .zbV, .dualpipeV])
    func extrapolatedLengths(kind: ScheduleKind) throws {
        let seed: UInt64 = 5
        var dice = TestDraws(seed: seed)
        for (p, m) in [(2, 60), (3, 100), (4, 128), (4, 131)] {
            let v = kind.fixedChunks ?? 2
            func times() -> [Double] { (0..<(p * v)).map { _ in 1 + 0.2 * dice.unit() } }
            let costs = ScheduleCosts(forward: times(), backward: times(), weight: times(), communication: 0.05)
            let exact = try CompiledSchedule(PipelineSchedule.make(kind, ranks: p, microBatches: m, chunks: v)).length(costs)
            let guess = try PipelineSchedule.length(kind, ranks: p, microBatches: m, chunks: v, costs: costs)
            #expect(
                abs(guess.makespan / exact.makespan - 1) < 5e-3,
                "seed \(seed), \(kind) p \(p) m \(m): \(guess.makespan) for \(exact.makespan)")
            #expect(abs(guess.period / exact.period - 1) < 5e-3, "seed \(seed), \(kind) p \(p) m \(m)")
        }
    }
}
