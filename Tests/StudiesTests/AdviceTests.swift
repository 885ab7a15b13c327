import Scenario
import Testing

@testable import Studies

@Suite("Advice") struct AdviceTests {
    private static let job = """
        name: advised
        model: {preset: llama3.2-1b}
        cluster: {gpu: a100-sxm-80gb, gpus: 8}
        layout: {tensor: 8, sequence_parallel: false, zero: 1}
        training: {global_batch: 64, micro_batch: 1, sequence: 1024, precision: bf16, recompute: full, steps: 1000}
        software: {framework: megatron-lm}
        """

    /// Tensor parallelism over eight GPUs with everything recomputed is a poor layout of a model of 1.2 B parameters.
    @Test func adviceAppliedIsWhatItPromises() throws {
        let document = try ScenarioDocument(yaml: Self.job, file: "advised.yaml")
        let study = try Study.shipped()
        let answer = try study.advise(document)
        #expect(!answer.taken.isEmpty && answer.before / answer.after > 1.5)
        // The settings laid over the file give the promised time.
        let applied = try study.run(try Scenario.load(document, overrides: answer.settings))
        #expect(applied.valid && abs(applied.run.wallClockS / answer.after - 1) < 1e-9)
        // What changes the loss is tried and not taken.
        #expect(answer.taken.allSatisfy { $0.rule.risk == .none } && answer.rejected.contains { $0.rule.risk == .quality })
    }

    @Test func stoppedAtOnceItTakesNothing() throws {
        var study = try Study.shipped()
        study.isStopped = { true }
        let answer = try study.advise(try ScenarioDocument(yaml: Self.job, file: "advised.yaml"))
        #expect(answer.taken.isEmpty && answer.before == answer.after)
    }
}
