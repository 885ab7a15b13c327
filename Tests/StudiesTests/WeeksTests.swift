import Foundation
import Lifetime
import Plan
import Scenario
import Simulation
import Studies
import Testing

@Suite("Runs of weeks from scenarios")
struct WeeksTests {
    private static let base = """
        model: {preset: llama3-8b}
        cluster: {gpu: h100-sxm-80gb, gpus: 256, inter_node: {link: ib-ndr-400g, nics_per_node: 8}}
        layout: {tensor: 2, zero: 1}
        training: {global_batch: 512, micro_batch: 1, sequence: 8192, recompute: selective, steps: 20000}
        prices: {gpu_hour: 2.00 USD/h, spot_gpu_hour: 0.70 USD/h}

        """

    private func answer(_ conditions: String, set: [String] = [], samples: Int? = 200) throws -> RunAnswer {
        var scenario = try Scenario.load(yaml: Self.base + conditions, file: "weeks.yaml", overrides: set)
        scenario.settings.timeline = false
        scenario.runSamples = samples
        return try Study.shipped().run(scenario)
    }

    @Test("Without conditions the run is undisturbed")
    func undisturbed() throws {
        let plain = try answer("")
        #expect(plain.outcome == nil)
        #expect(plain.run.goodput == 1)
        let none = try answer("conditions: {failures: none, checkpoint: none, spot: none, slow: none, maintenance: none, elastic: none}\n")
        #expect(none.outcome == nil)
    }

    @Test("Daly's formula through a scenario: one cause of the job, restart, interval and stall given")
    func daly() throws {
        let answer = try answer(
            """
            conditions:
              failures:
                causes: [{name: job, per: job, mtbf: 6 h}]
                restart: {requeue: 10 min, initialise: 0 s, load: 0 s}
              checkpoint: {interval: 200 steps, stall: 30 s}

            """, samples: 4000)
        let outcome = try #require(answer.outcome)
        let (tau, m) = (200 * outcome.resolved.step, 6 * 3600.0)
        let exact = 100 * m * exp(600 / m) * expm1((tau + 30) / m)
        #expect(abs(outcome.wallClockS.mean - exact) < 3 * outcome.study.standardError { $0.wallClock } + 1e-6 * exact)
        #expect(abs(outcome.idealS.mean - 100 * tau) < 1e-6 * tau)
        #expect(outcome.wallClockS.p5 < outcome.wallClockS.p50 && outcome.wallClockS.p50 < outcome.wallClockS.p95)
        // What is paid is the GPUs' time, in parts that sum to it.
        let parts = outcome.byCauseUSD.reduce(0) { $0 + $1.dollars.mean }
        #expect(abs(parts - answer.bill.totalUSD) < 1e-6 * parts)
        #expect(abs(answer.bill.totalUSD / (256 * 2.0 * outcome.wallClockS.mean / 3600) - 1) < 1e-6)
        let json = answer.json()
        for key in ["\"by_cause_usd\"", "\"checkpoint_interval_young_s\"", "\"interruptions\"", "\"recomputed\"", "\"p95\""] {
            #expect(json.contains(key))
        }
    }

    @Test("Short forms stand: a preset by name, and the interval of least cost beside it")
    func shortForms() throws {
        let answer = try answer("conditions: {failures: llama3-2024}\n")
        let outcome = try #require(answer.outcome)
        #expect(outcome.interruptions.mean > 0)
        #expect(outcome.study.plan.checkpoint.interval.isFinite)
        #expect(answer.result.assumptions.contains { $0.source.contains("2407.21783") })
        #expect(outcome.study.plan.spares?.warm == 2)
    }

    @Test("A run that can never finish says so and has no figures")
    func endless() throws {
        let answer = try answer("conditions: {failures: {causes: [{name: job, per: job, mtbf: 1 min}]}}\n")
        #expect(answer.neverEnds?.contains("never finish") == true)
        #expect(answer.outcome == nil)
    }

    @Test("Spot nodes cost their own price, and only while they are there")
    func spot() throws {
        let conditions = """
            conditions:
              checkpoint: {interval: 100 steps, stall: 10 s}
              spot: {preemption_per_hour: 2%, batch: 4, outage: {mean: 1 h}}
              elastic: {nodes: [16, 32], resize: 60 s}

            """
        let spot = try answer(conditions)
        let outcome = try #require(spot.outcome)
        #expect(outcome.distribution { Double($0.resizes) }.mean > 1)
        #expect(spot.bill.gpuHours < 256 * outcome.wallClockS.mean / 3600)
        let full = try answer("")
        #expect(spot.bill.totalUSD < full.bill.totalUSD)
        #expect(spot.run.wallClockS > full.run.wallClockS)
    }

    @Test("Two scenarios meet the same failures")
    func paired() throws {
        var scenarios: [Scenario] = []
        for interval in ["50 steps", "1000 steps"] {
            scenarios.append(
                try Scenario.load(
                    yaml: Self.base
                        + "conditions: {failures: {causes: [{name: node, per: node, mtbf: 20 d}]}, checkpoint: {interval: \(interval), stall: 5 s}}\n",
                    file: "\(interval).yaml"))
        }
        let answer = try Study.shipped().comparePaired(scenarios[0], scenarios[1], samples: 100, firstSeed: 1)
        // 400 stalls of 5 s against 20, and about one failure that loses half an interval.
        #expect(answer.paired.difference < 0)
        #expect(answer.paired.halfWidth < answer.paired.unpairedHalfWidth)
        #expect(answer.dollars?.isSignificant == true)
        #expect(answer.shareCheaper > 0.6)
    }

    @Test("A target loss sets the length by its law, and refuses what no law covers")
    func targetLoss() throws {
        let scenario = try Scenario.load(
            yaml: Self.base.replacing("steps: 20000", with: "target_loss: 2.2, loss_law: chinchilla"), file: "loss.yaml")
        let tokens = try #require(LossLaw.chinchilla.tokens(to: 2.2, parameters: Double(scenario.job.model.parameters.total)))
        #expect(scenario.job.training.length == .tokens(Int64(tokens.rounded(.up))))
        #expect(throws: ScenarioErrors.self) {
            try Scenario.load(yaml: Self.base.replacing("steps: 20000", with: "target_loss: 1.8, loss_law: chinchilla"), file: "loss.yaml")
        }
    }

    @Test("A trace that goes back in time is refused at its key")
    func badTrace() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "orrery-trace-\(UUID().uuidString).csv")
        defer { try? FileManager.default.removeItem(at: file) }
        try "time_s,nodes\n0,4\n100,3\n50,4\n".write(to: file, atomically: true, encoding: .utf8)
        let errors = #expect(throws: ScenarioErrors.self) {
            try Scenario.load(yaml: Self.base + "conditions: {spot: {trace: \(file.path)}}\n", file: "weeks.yaml")
        }
        #expect(errors?.errors.first?.keyPath == "conditions.spot.trace")
        #expect(errors?.errors.first?.reason.contains("goes back") == true)
    }
}
