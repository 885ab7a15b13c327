import TestSupport
import Testing

@testable import Plan

struct SchedulesStageBalanceTests {
    @Test func rules() throws {
        #expect(try StageBalance.even.layers(24, stages: 4) == [6, 6, 6, 6])
        // 22 + 2 = 24 slots on 8 stages: 3 each, one less at the ends (zero bubble's 1.5B model).
        #expect(try StageBalance.endsMinusOne.layers(22, stages: 8) == [2, 3, 3, 3, 3, 3, 3, 2])
        // 126 + 2 = 128 slots on 128 virtual stages: embedding and head fill the first and the last alone (Llama 3 405B, PP 16 x VPP 8).
        let llama = try StageBalance.embeddingsAsLayers.layers(126, stages: 128)
        #expect(llama.first == 0 && llama.last == 0 && llama[1..<127].allSatisfy { $0 == 1 })
        #expect(try StageBalance.lastShorter.layers(22, stages: 4) == [6, 6, 6, 4])
        // 26 = 4 x 6 + 2, and 28 divides by 4: ends-minus-one. 25 = 4 x 6 + 1: the second stage takes it.
        #expect(try StageBalance.remainder.layers(26, stages: 4) == [6, 7, 7, 6])
        #expect(try StageBalance.remainder.layers(25, stages: 4) == [6, 7, 6, 6])
        #expect(try StageBalance.remainder.layers(24, stages: 4) == [6, 6, 6, 6])
        // 46 + 2 = 48 slots on 16 ranks x 3 chunks: the ends hold embedding and head alone.
        #expect(try StageBalance(.endsMinusOne).layers(46, stages: 48) == [0] + Array(repeating: 1, count: 46) + [0])
        #expect(StageBalance(nil) == .remainder && StageBalance(.lastShorter) == .lastShorter)
        #expect(try StageBalance.explicit([1, 3]).layers(4, stages: 2) == [1, 3])
    }

    @Test func everyRuleDealsAllLayersOrSaysWhy() throws {
        for rule in [StageBalance.even, .endsMinusOne, .embeddingsAsLayers, .lastShorter, .remainder] {
            for layers in 1...40 {
                for stages in 1...12 {
                    do {
                        let dealt = try rule.layers(layers, stages: stages)
                        #expect(
                            dealt.count == stages && dealt.reduce(0, +) == layers && dealt.allSatisfy { $0 >= 0 },
                            "\(rule) \(layers) \(stages)")
                    } catch {
                        #expect(error.message.contains("stage balance"), "\(rule) \(layers) \(stages)")
                        #expect(rule != .even || layers % stages != 0)
                    }
                }
            }
        }
    }

    @Test func messagesSayWhatWouldFit() {
        #expect(throws: ScheduleError("stage balance even: 25 layers do not divide by 4 virtual stages; 24 or 28 layers would fit")) {
            try StageBalance.even.layers(25, stages: 4)
        }
        #expect(throws: ScheduleError.self) { try StageBalance.explicit([1, 2]).layers(4, stages: 2) }
        #expect(throws: ScheduleError.self) { try StageBalance.balanced(by: [1, 2], stages: 3) }
        #expect(throws: ScheduleError.self) { try StageBalance.balanced(by: [1, .nan], stages: 2) }
    }

    @Test func balancedByHand() throws {
        // Four equal layers, the head weighs two: [3, 1] gives 3 and 3.
        #expect(try StageBalance.balanced(by: [1, 1, 1, 1], stages: 2, last: 2) == [3, 1])
        #expect(try StageBalance.balanced(by: [1, 2, 3], stages: 1) == [3])
        #expect(try StageBalance.balanced(by: [1, 2, 3], stages: 3) == [1, 1, 1])
    }

    /// Oracle: all ways to cut.
    @Test func balancedEqualsBruteForce() throws {
        var draws = TestDraws(seed: 20_240_607)
        func next() -> Double { draws.unit() }
        for trial in 0..<300 {
            let n = 1 + Int(next() * 9)
            let stages = 1 + Int(next() * Double(n))
            let times = (0..<n).map { _ in (next() * 8).rounded() }
            let (first, last) = ((next() * 4).rounded(), (next() * 4).rounded())
            func longest(_ deal: [Int]) -> Double {
                var at = 0
                return deal.enumerated().map { s, count in
                    defer { at += count }
                    return times[at..<(at + count)].reduce(0, +) + (s == 0 ? first : 0) + (s == deal.count - 1 ? last : 0)
                }.max() ?? 0
            }
            var best = Double.infinity
            func cut(_ deal: [Int], _ left: Int) {
                if deal.count == stages - 1 {
                    best = min(best, longest(deal + [left]))
                } else {
                    for count in 1...max(1, left - (stages - deal.count - 1)) { cut(deal + [count], left - count) }
                }
            }
            cut([], n)
            let deal = try StageBalance.balanced(by: times, stages: stages, first: first, last: last)
            #expect(deal.count == stages && deal.reduce(0, +) == n && deal.allSatisfy { $0 >= 1 })
            #expect(longest(deal) == best, "seed 20240607, trial \(trial): \(times) on \(stages), first \(first), last \(last): \(deal)")
        }
    }
}
