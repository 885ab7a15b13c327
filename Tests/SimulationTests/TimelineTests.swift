import Calibration
import Plan
import Testing

@testable import Simulation

@Suite("Timelines show the whole step")
struct TimelineTests {
    private func played(_ plan: Plan, _ conditions: Conditions = Conditions(), change: (inout SimulationSettings) -> Void = { _ in }) throws
        -> SimulatedStep
    {
        var settings = SimulationSettings()
        (settings.timeline, settings.samples) = (true, 1)
        change(&settings)
        return try simulate(plan, conditions: conditions, settings: settings)
    }

    private func seconds(_ spans: [Span], _ activity: Activity) -> Double {
        spans.filter { $0.activity == activity }.reduce(0) { $0 + Double($1.durationNS) * 1e-9 }
    }

    @Test("every exchange within passes has the length that the breakdown gives it, and the picture that of the step")
    func lengths() throws {
        let plan = try flowPlan(
            flowJob(tensor: 4, pipeline: 1, data: 2) {
                $0.training.globalBatch = 8
                $0.layout.sequenceParallel = true
                $0.training.recompute = .full
            })
        let result = try played(plan)
        for activity in [Activity.forward, .backward, .recompute, .tensorComm, .sequenceComm, .contextComm, .expertComm] {
            let expected = result.breakdownS[activity] ?? 0
            #expect(abs(seconds(result.timeline, activity) - expected) <= 1e-3 * max(expected, 1e-6) + launches(result), "\(activity)")
        }
        #expect((result.breakdownS[.sequenceComm] ?? 0) + (result.breakdownS[.tensorComm] ?? 0) > 0)
        let end = result.timeline.map { $0.startNS + $0.durationNS }.max() ?? 0
        #expect(abs(Double(end) * 1e-9 - result.step.timeS.mean) < 1e-6 * result.step.timeS.mean)
        for span in result.timeline where span.stream == "exchange" {
            #expect([.tensorComm, .sequenceComm, .contextComm, .expertComm].contains(span.activity))
        }
    }

    /// What passes spend on launches and the like is drawn with their computation.
    private func launches(_ result: SimulatedStep) -> Double { (result.breakdownS[.launch] ?? 0) + (result.breakdownS[.other] ?? 0) }

    @Test("where another replica is slow, the wait for it is drawn")
    func stragglers() throws {
        let plan = try flowPlan(flowJob(tensor: 1, pipeline: 2, data: 2) { $0.training.globalBatch = 8 })
        var conditions = Conditions()
        conditions.slowGPUs = [.init(which: .gpu(plan.job.cluster.gpus - 1), slowdown: 2)]
        let waits = try played(plan, conditions).timeline.filter { $0.activity == .stragglerWait && $0.durationNS > 0 }
        #expect(!waits.isEmpty)
    }

    @Test("of too many spans the longest are kept, so that the picture still ends with the step")
    func limit() throws {
        let plan = try flowPlan(flowJob(tensor: 1, pipeline: 2, data: 2) { $0.training.globalBatch = 64 })
        var player = try StepPlayer(plan: plan, lanes: 1)
        _ = try player.play(player.nominal)
        let (all, few) = (try player.spans(limit: 100_000), try player.spans(limit: 20))
        #expect(few.count == 20 && all.count > 20)
        func end(_ spans: [Span]) -> Int64 { spans.map { $0.startNS + $0.durationNS }.max() ?? 0 }
        #expect(Double(end(few)) > 0.8 * Double(end(all)))
        #expect(few.map(\.startNS) == few.map(\.startNS).sorted())
    }
}
