import Foundation
import Scenario
import Studies
import Testing

@Suite("Updates of a run under way")
struct UpdateTests {
    private static let base = """
        model: {preset: llama3-8b}
        cluster: {gpu: h100-sxm-80gb, gpus: 256, inter_node: {link: ib-ndr-400g, nics_per_node: 8}}
        layout: {tensor: 2, zero: 1}
        training: {global_batch: 512, micro_batch: 1, sequence: 8192, recompute: selective, steps: 2000}
        prices: {gpu_hour: 2.00 USD/h}

        """

    private func answer(_ text: String, set: [String] = [], from: String = "", to: String = "") throws -> RunAnswer {
        var scenario = try Scenario.load(
            yaml: (from.isEmpty ? Self.base : Self.base.replacing(from, with: to)) + text, file: "updates.yaml", overrides: set)
        scenario.settings.timeline = false
        scenario.runSamples = 50
        return try Study.shipped().run(scenario)
    }

    @Test("Deeper from step 1,000 on: two stretches of a thousand steps each, and the switch between them")
    func deeper() throws {
        let (before, after) = (try answer(""), try answer("", set: ["model.layers=48"]))
        let updated = try answer("updates: [{at_step: 1000, change: {layers: 48, init: identity}}]\n")
        #expect(updated.phases.count == 2)
        let switchS = updated.phases[1].switchS
        // State of 8 B parameters written and of 11 B read at 1.2 GB/s a node, and processes started.
        #expect(switchS > 30 && switchS < 120)
        let steps = 1000 * (before.result.step.timeS.mean + after.result.step.timeS.mean)
        #expect(abs(updated.run.wallClockS - steps - switchS) < 1e-6 * steps)
        #expect(abs(updated.run.goodput - steps / updated.run.wallClockS) < 1e-9)
        #expect(abs(updated.bill.energyKWh / (before.bill.energyKWh + after.bill.energyKWh) - 0.5) < 1e-6)
        #expect(updated.json().contains("\"switch_s\""))
    }

    @Test("Another batch or rate costs no switch; a longer sequence takes fewer steps to the same tokens")
    func batch() throws {
        let batch = try answer("updates: [{at_step: 500, change: {global_batch: 1024}}, {at_step: 900, change: {rate: 0.0001}}]\n")
        #expect(batch.phases.map(\.switchS) == [0, 0, 0])
        #expect(batch.run.goodput == 1)
        #expect(batch.run.tokens == 8192 * (500 * 512 + 1500 * 1024))
        let longer = try answer(
            "updates: [{at_step: 500, change: {sequence: 16384}}]\n", from: "steps: 2000", to: "tokens: 8388608000")
        // 2,000 steps of 4,194,304 tokens: 500 of them, then 750 of twice as many.
        #expect(longer.phases.map(\.steps) == [500, 750])
    }

    @Test("Under failures the steps of both stretches are done, and the switch is paid")
    func weeks() throws {
        let conditions = "conditions: {failures: {node_mtbf: 20 d, detect: 1 min, restart: 5 min}}\n"
        let outcome = try #require(try answer(conditions + "updates: [{at_step: 1000, change: {layers: 48}}]\n").outcome)
        let plain = try answer("updates: [{at_step: 1000, change: {layers: 48}}]\n")
        #expect(abs(outcome.idealS.mean / plain.phases.reduce(0.0) { $0 + Double($1.steps) * $1.step.step.timeS.mean } - 1) < 1e-9)
        #expect(abs(outcome.steps.mean - 2000) < 1)
        let resizing = try #require(outcome.lostS.first { $0.name == "resizing" }).seconds.mean
        #expect(abs(resizing - plain.phases[1].switchS) < 1e-9)
    }

    @Test("Updates that cannot be are refused at their place")
    func refused() throws {
        func reason(_ text: String) -> String {
            do {
                _ = try answer(text)
                return ""
            } catch { return "\(error)" }
        }
        #expect(reason("updates: [{at_step: 3000, change: {layers: 48}}]\n").contains("not before the run's last"))
        #expect(reason("updates: [{at_step: 900, change: {layers: 48}}, {at_step: 800, change: {layers: 56}}]\n").contains("not later"))
        #expect(reason("updates: [{at_step: 900, change: {init: identity}}]\n").contains("nothing changes"))
        #expect(reason("updates: [{at_step: 900, change: {tensor: 3}}]\n").contains("updates[0].change"))
        #expect(reason("updates: [{change: {layers: 48}}]\n").contains("at_step"))
    }
}
