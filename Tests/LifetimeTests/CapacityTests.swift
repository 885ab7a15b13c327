import Foundation
import Lifetime
import Quantities
import Testing

@Suite("Nodes that come and go")
struct CapacityTests {
    private static let folder = "weeks/traces/parcae"

    private func numbers(_ file: String) throws -> [[String]] {
        CSVRecords.split(try SharedFiles.text("\(Self.folder)/\(file)")) { _, _, _, _ in }.map(\.fields).filter { $0.count > 1 }
    }

    /// Samples trained on the trace of 32 spot nodes, over those of the same without any cost of changes.
    private func replay(_ model: String, resizes: Bool) throws -> Double {
        let rows = try numbers("p3.csv").compactMap { row in Double(row[0]).flatMap { t in Int(row[1]).map { (time: t / 1000, nodes: $0) } }
        }
        let layouts = try numbers("strategy_throughput.csv").filter { $0[0] == model }
        let paces = layouts.map { (nodes: (Int($0[3]) ?? 0) * (Int($0[4]) ?? 0), pace: Double($0[6]) ?? 0) }
        let fastest = paces.map(\.pace).max() ?? 1
        let restarts = try numbers("restart_cost.csv").dropFirst().map { (nodes: Double($0[0]) ?? 0, value: (Double($0[1]) ?? 0) + 14) }
        let trace = try CapacityTrace(rows: rows)
        #expect(trace.times.count == 163)
        #expect(trace.end == 40_980)
        var capacity = CapacityPlan(
            source: .trace(trace), pace: try PaceTable(paces.map { ($0.nodes, $0.pace / fastest) }, most: 32), most: 32)
        capacity.resize = resizes ? try NodeTable(restarts) : NodeTable(constant: 0)
        var plan = RunPlan(fleet: Fleet(nodes: 32, gpusPerNode: 1), goal: .duration(trace.end))
        plan.checkpoint.losesWork = false
        plan.capacity = capacity
        let sample = try RunStudy(plan, .init()).samples[0]
        let sum = TimePart.allCases.reduce(0) { $0 + sample[$1] }
        #expect(abs(sum - 40_980) < 1e-6)
        return sample.work * fastest
    }

    @Test(
        "The replay of a spot trace gives the published samples, ideal and with restarts",
        .enabled(if: SharedFiles.exists(folder), "shared/weeks/traces/parcae is not there"),
        arguments: [("gpt-1.5b", 1_506_024.0, 1_192_650.0), ("bert", 18_585_498, 14_700_529)])
    func parcae(model: String, ideal: Double, restarted: Double) throws {
        let (a, b) = (try replay(model, resizes: false), try replay(model, resizes: true))
        print(model, a, a / ideal - 1, b, b / restarted - 1)
        #expect(abs(a / ideal - 1) < 1e-6)
        #expect(abs(b / restarted - 1) < 1e-6)
    }

    /// A rigid job on `nodes` of a market's nodes.
    private func rigid(_ market: SpotMarket, needs: Int, days: Double) -> RunPlan {
        var plan = RunPlan(fleet: Fleet(nodes: needs), goal: .duration(days * 86_400))
        plan.capacity = CapacityPlan(source: .market(market), pace: PaceTable(rigid: needs), most: needs)
        return plan
    }

    @Test("A node that is preempted at a rate and away for a time is there for its share of the time")
    func availability() throws {
        let market = SpotMarket(nodes: 1, preemptionsPerNodeHour: 0.1, batch: 1, outage: .exponential(mean: 7200))
        let plan = rigid(market, needs: 1, days: 100)
        // Up 10 h, away 2 h; no restart time, and no work is lost that is not done again at once.
        try ExactTests.expect(plan, 10.0 / 12, samples: 2000) { 1 - $0[.waiting] / $0.wallClock }
        // Nodes that are gone are not paid.
        try ExactTests.expect(plan, 10.0 / 12, samples: 2000) { sample in
            TimePart.allCases.reduce(0.0) { $0 + sample.billed[$1.rawValue] } / sample.wallClock
        }
    }

    @Test("With on-demand nodes in reserve the run goes on, at their price")
    func fallBack() throws {
        let market = SpotMarket(nodes: 4, preemptionsPerNodeHour: 0.05, batch: 2, outage: .constant(3600))
        var plan = rigid(market, needs: 4, days: 30)
        plan.capacity?.onDemand = .init(relativePrice: 3, start: 0)
        plan.checkpoint = CheckpointPlan(interval: 600, stall: 0)
        plan.restart.requeue = .constant(60)
        let study = try RunStudy(plan, .init(samples: 200, seed: 2))
        #expect(study.mean { $0[.waiting] } == 0)
        let paid = study.mean { sample in TimePart.allCases.reduce(0.0) { $0 + sample.billed[$1.rawValue] } / sample.wallClock }
        #expect(paid > 4.1 && paid < 5.5)
    }

    @Test("A warning long enough for a checkpoint saves the work")
    func notice() throws {
        let market = SpotMarket(nodes: 8, preemptionsPerNodeHour: 0.02, batch: 1, outage: .constant(1800))
        var plan = rigid(market, needs: 8, days: 20)
        plan.checkpoint = CheckpointPlan(interval: 7200, stall: 60)
        #expect(try RunStudy(plan, .init(samples: 50, seed: 4)).mean { $0[.recomputed] } > 1000)
        plan.capacity?.notice = 120
        #expect(try RunStudy(plan, .init(samples: 50, seed: 4)).mean { $0[.recomputed] } == 0)
        plan.capacity?.notice = 30
        #expect(try RunStudy(plan, .init(samples: 50, seed: 4)).mean { $0[.recomputed] } > 1000)
    }

    @Test("An elastic run goes on without its broken nodes")
    func shrinks() throws {
        var plan = RunPlan(fleet: Fleet(nodes: 10), goal: .work(200 * 86_400))
        plan.causes = [FailureCause("node", per: .node, mtbf: 100 * 86_400, repair: .constant(86_400))]
        plan.spares = Spares(warm: 0)
        plan.checkpoint = CheckpointPlan(interval: 600, stall: 0)
        plan.capacity = CapacityPlan(source: .fleet, pace: try PaceTable((5...10).map { ($0, Double($0) / 10) }, most: 10), most: 10)
        plan.capacity?.resize = NodeTable(constant: 30)
        let study = try RunStudy(plan, .init(samples: 200, seed: 4))
        #expect(study.mean { $0[.waiting] } < 100)
        // A tenth of the pace is missing for a day at each of about 20 failures, and at all of them together where repairs overlap.
        let missing = study.mean { $0[.degraded] }
        #expect(missing > 1.6 * 86_400 && missing < 2.8 * 86_400)
    }
}
