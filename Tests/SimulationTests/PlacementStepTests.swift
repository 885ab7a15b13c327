import Calibration
import Cluster
import Engine
import Quantities
import Testing
import Workload

@testable import Plan
@testable import Simulation

@Suite("Placements of a step")
struct PlacementStepTests {
    /// Tensor groups of 4 in nodes of 4: packed they stay on the fast switch, spread each of the 4 ranks is in a node of its own. A ring's members send the
    /// same bytes either way, so all that went inside now goes over the network.
    @Test(
        "spread makes tensor groups cross nodes: the same bytes, on the network, and a slower step",
        arguments: [NetworkModel.flow, .alphaBeta])
    func spread(network: NetworkModel) throws {
        let packed = try flowPlan(flowJob(tensor: 4, pipeline: 1, data: 4, perNode: 4))
        let spread = try flowPlan(flowJob(tensor: 4, pipeline: 1, data: 4, perNode: 4) { $0.cluster.placement = .spread })
        #expect(packed.model.groups.tensor.perDomain == 4 && spread.model.groups.tensor.perDomain == 1)
        #expect(spread.model.groups.dataContext.perDomain == 4, "and data groups come together")
        let (a, b) = (try simulate(packed, settings: flowSettings(network)), try simulate(spread, settings: flowSettings(network)))
        #expect(b.step.timeS.mean > 1.1 * a.step.timeS.mean, "\(a.step.timeS.mean) \(b.step.timeS.mean)")
        guard network == .flow, let inside = a.fabric, let outside = b.fabric else { return }
        let (before, after) = (inside.inside["sequence"] ?? 0, outside.network["sequence"] ?? 0)
        #expect(before > 0 && abs(after / before - 1) < 1e-9 && (inside.network["sequence"] ?? 0) == 0)
    }

    /// Four tensor ranks and four replicas in nodes of 4. With 16 sequences of 2,048 tokens a replica, tensor groups move most and stay in a node. With one of 128
    /// tokens they move 2 x 4 x 32 layers x 1 MiB, 0.27 GB, and gradients and parameters of a quarter of 6.7 G parameters, at least 2 x 2 bytes each, 6.7 GB:
    /// data groups belong in a node.
    @Test("a searched placement is as fast as packed, and faster where data groups move more than tensor groups")
    func searched() throws {
        func light(_ job: inout Job) {
            job.training.globalBatch = 4
            job.training.sequence = 128
        }
        for isLight in [false, true] {
            let plans = try [PlacementRule.packed, .searched].map { rule in
                try flowPlan(
                    flowJob(tensor: 4, pipeline: 1, data: 4, perNode: 4) {
                        if isLight { light(&$0) }
                        $0.cluster.placement = rule
                    })
            }
            #expect(plans[1].job.cluster.placement != .searched, "planning leaves what it found")
            let model = CollectiveModel(cluster: plans[0].job.cluster)
            let expected = try plans.map { try $0.placement().expectedSeconds(plans[0].groupLoads, model) }
            #expect(expected[1] <= expected[0] * (1 + 1e-12))
            let times = try plans.map { try simulate($0, settings: flowSettings(.flow)).step.timeS.mean }
            print("packed \(times[0]) s, searched \(times[1]) s; expected communication \(expected[0]) s and \(expected[1]) s")
            #expect(times[1] <= times[0] * (1 + 1e-9))
            #expect((plans[1].model.groups.dataContext.perDomain == 4) == isLight)
            if isLight { #expect(times[1] < 0.8 * times[0]) }
        }
    }

    /// Two stages of 4 on 8 GPUs, the list reversed: GPU 0 runs rank 7, of stage 1.
    @Test("a slow GPU slows the rank that runs there")
    func slowGPU() throws {
        let plain = try flowPlan(flowJob(tensor: 2, pipeline: 2, data: 2))
        let turned = try flowPlan(flowJob(tensor: 2, pipeline: 2, data: 2) { $0.cluster.placement = .listed(Array((0..<8).reversed())) })
        var conditions = Conditions()
        conditions.slowGPUs = [.init(which: .gpu(0), slowdown: 2)]
        for (plan, stage) in [(plain, 0), (turned, 1)] {
            let player = try StepPlayer(plan: plan, lanes: 2)
            let disturbances = Disturbances(conditions: conditions, seed: 1, plan: plan, lanes: 2)
            let durations = try disturbances.durations(step: 0, start: .zero, player: player)
            var slowed: Set<Int> = []
            for task in durations.indices where durations[task] != player.nominal[task] {
                slowed.insert(Int(player.graph.place[task]) % player.graph.ranks)
            }
            #expect(slowed == [stage])
        }
    }

    @Test("a list must name each rank's GPU once", arguments: [[0, 1, 2], [0, 1, 2, 3, 4, 5, 6, 6], [0, 1, 2, 3, 4, 5, 6, 8]])
    func badLists(list: [Int]) throws {
        let job = try flowJob(tensor: 2, pipeline: 2, data: 2) { $0.cluster.placement = .listed(list) }
        #expect(job.problems().map(\.keyPath) == ["cluster.placement"])
        #expect(throws: Faults.self) { try flowPlan(job) }
    }
}
