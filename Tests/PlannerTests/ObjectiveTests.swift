import Calibration
import Cost
import Plan
import Quantities
import TestSupport
import Testing

@testable import Planner

@Suite("Pareto front")
struct ParetoTests {
    /// (1, 4), (2, 2), (4, 1) stand; (3, 3) is worse than (2, 2), (2, 4) than (1, 4); of the two (2, 2) the earlier one stands.
    @Test("a front that can be drawn")
    func drawn() {
        var front = ParetoFront<String>()
        for (index, point) in [(3.0, 3.0), (2, 4), (2, 2), (1, 4), (4, 1), (2, 2)].enumerated() {
            front.insert(LayoutFigures(seconds: point.0, joules: point.1), index: index, "\(point)")
        }
        #expect(front.members.map(\.index).sorted() == [2, 3, 4])
    }

    /// Few different values, so that ties are many; in any order of insertion.
    @Test("equals brute force on random points", arguments: 0..<40)
    func bruteForce(seed: UInt64) {
        var generator = TestDraws(seed: seed)
        let points = (0..<60).map { _ in
            LayoutFigures(
                seconds: Double(Int.random(in: 0..<6, using: &generator)), dollars: Double(Int.random(in: 0..<4, using: &generator)),
                joules: Double(Int.random(in: 0..<6, using: &generator)), bytes: Double(Int.random(in: 0..<4, using: &generator)))
        }
        let expected = points.indices.filter { at in
            !points.indices.contains { points[$0].isWithin(points[at]) && (points[$0] != points[at] || $0 < at) }
        }
        var front = ParetoFront<Int>()
        for index in points.indices.shuffled(using: &generator) { front.insert(points[index], index: index, index) }
        #expect(front.members.map(\.index).sorted() == expected, "seed \(seed)")
    }

    @Test("the front of a space is that of all its layouts", arguments: [false, true])
    func ofSpace(isMoE: Bool) throws {
        let data = try CalibrationData.shipped()
        let space = try smallSpace(isMoE ? smallJob("mixtral-8x7b", batch: 16, layers: 4) : nil)
        let objective = try Objective(.pareto, job: space.job, prices: prices())
        let evaluator = Evaluator(space: space, objective: objective, data: data)
        let all = space.choices.indices.compactMap { index -> (index: Int, figures: LayoutFigures)? in
            if case .figures(let figures) = evaluator.outcome(space.choices[index]) { (index, figures) } else { nil }
        }
        let expected = all.filter { point in
            !all.contains { $0.figures.isWithin(point.figures) && ($0.figures != point.figures || $0.index < point.index) }
        }.sorted { ($0.figures.seconds, $0.index) < ($1.figures.seconds, $1.index) }
        let result = try search(space, objective: objective, data: data)
        #expect(result.isProven)
        #expect(result.ranked.map(\.index) == expected.map(\.index))
        #expect(expected.count > 1)
        #expect(result.simulated < space.choices.count)
    }
}

@Suite("Constraints")
struct ConstraintTests {
    @Test("a deadline and a budget are kept, and the best of the rest is found", arguments: [Objective.Kind.time, .cost, .energy])
    func limits(kind: Objective.Kind) throws {
        let data = try CalibrationData.shipped()
        let space = try smallSpace()
        let free = try Objective(kind, job: space.job, prices: prices(), budget: 1e9)
        let evaluator = Evaluator(space: space, objective: free, data: data)
        let all = space.choices.compactMap { if case .figures(let figures) = evaluator.outcome($0) { figures } else { nil } }
        let seconds = all.map(\.seconds).sorted()
        let dollars = all.map(\.dollars).sorted()
        let (deadline, budget) = (seconds[seconds.count / 2], dollars[dollars.count / 3])
        let tight = try Objective(kind, job: space.job, prices: prices(), deadline: deadline, budget: budget)
        let expected = all.filter { $0.seconds <= deadline && $0.dollars <= budget }.map(tight.value).min()
        let result = try search(space, objective: tight, data: data)
        #expect(result.ranked.first?.value == expected)
        #expect(result.ranked.allSatisfy { $0.figures.seconds <= deadline && $0.figures.dollars <= budget })
    }

    /// Half of the fastest step's bound is beyond reach of all.
    @Test("where nothing holds, every layout is accounted for once")
    func infeasible() throws {
        let data = try CalibrationData.shipped()
        let space = try smallSpace()
        let fastest = try #require(try search(space, objective: .time, data: data).ranked.first)
        let late = try Objective(.time, job: space.job, prices: prices(), deadline: fastest.value * 0.9)
        let result = try search(space, objective: late, data: data)
        #expect(result.ranked.isEmpty)
        #expect(result.removed.all == space.choices.count)
        #expect(result.removed.deadline > 0)
        #expect(result.least.seconds <= fastest.value)
        var constraints = space.constraints
        constraints.memory = 1
        let none = try search(SearchSpace(job: space.job, constraints: constraints), objective: .time, data: data)
        #expect(none.removed.memoryLimit + none.removed.memory == none.space)
        #expect(none.removed.memoryLimit > 0)
    }

    @Test("a budget needs a price")
    func needsPrice() throws {
        let job = try smallJob()
        #expect(throws: Fault.self) { try Objective(.time, job: job, prices: PriceBook(), budget: 1) }
    }

    @Test("time that runs out while bounds are computed leaves an answer, and says what was not looked at")
    func interruptedBounds() throws {
        let data = try CalibrationData.shipped()
        let space = SearchSpace(job: try smallJob())
        var settings = SearchSettings()
        settings.seconds = 0
        let result = try search(space, objective: .time, data: data, settings: settings)
        #expect(result.bounded > 0 && result.bounded < space.choices.count)
        #expect(!result.isProven)
        #expect(!result.ranked.isEmpty)
        let left = try #require(result.unexplored)
        // The best of all is not below what is said to be out of reach.
        let best = try #require(try search(space, objective: .time, data: data).ranked.first)
        #expect(left <= best.value)
        #expect(left > 0)
        #expect(result.unlooked >= space.choices.count - result.bounded)
    }
}
