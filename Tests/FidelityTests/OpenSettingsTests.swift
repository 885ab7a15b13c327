import Calibration
import Foundation
import Scenario
import Testing

@testable import Fidelity
@testable import Plan

private let header =
    "id,hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,vocab,sequence,global_batch,micro_batch,tensor,pipeline,data,zero,recompute,"
    + "precision,framework,step_time_s,completeness,assumed"

/// A model of 3.6 billion parameters on one A100 each. Mixed-precision Adam keeps 16 bytes a parameter, 58 GB, and Megatron-DeepSpeed's step without
/// ZeRO two flat fp32 copies of the gradient, 8 bytes, 29 GB: 87 GB of 80. With ZeRO-1 over 64 ranks the 12 bytes of states are shared and all fits.
private func unstated(zero: String = "0", recompute: String = "full", assumed: String) -> String {
    "r,a100-sxm-80gb,64,8,ib-hdr-200g-x4,30,3072,32,51200,2048,512,4,1,1,64,\(zero),\(recompute),fp16,megatron-deepspeed,3.6,A,\(assumed)"
}

@Suite("Memory settings that a table leaves open")
struct OpenSettingsTests {
    private func prepared(_ row: String) throws -> PreparedRun {
        let runs = try MeasuredRuns.read(csv: header + "\n" + row, file: "made.csv")
        return try PreparedRun(try #require(runs.first), data: .shipped())
    }

    @Test("an assumed ZeRO stage gives way to the least that fits, and it is said")
    func assumedStage() throws {
        let run = try prepared(unstated(assumed: "vocab;zero"))
        #expect(run.plan.memory.fits && run.plan.job.layout.zero == 1)
        #expect(run.run.warnings.contains { $0.contains("zero 1 is taken") })
    }

    @Test("an empty cell counts as open")
    func emptyStage() throws {
        let run = try prepared(unstated(zero: "", assumed: ""))
        #expect(run.plan.memory.fits && run.plan.job.layout.zero == 1)
    }

    @Test("what the table states stands, also where it does not fit")
    func statedStage() throws {
        let run = try prepared(unstated(assumed: "vocab;recompute"))
        #expect(!run.plan.memory.fits && run.plan.job.layout.zero == 0)
        #expect(!run.run.warnings.contains { $0.contains("is taken, the least") })
    }

    @Test("recomputation that was a guess: the fewest layers that fit, one fewer does not")
    func assumedRecomputation() throws {
        // 20 billion parameters over 8 ranks of a pipeline, flash attention, micro-batches of 8 x 8,192 tokens: activations alone are beyond 80 GB.
        let row =
            "r,h100-sxm-80gb,64,8,ib-ndr-400g-x8,64,5120,40,51200,8192,512,4,1,8,8,1,none,bf16,megatron-lm,3.6,B,recompute"
        let run = try prepared(row)
        #expect(run.plan.memory.fits)
        guard case .layers(let count) = run.plan.job.training.recompute else {
            Issue.record("no layer is recomputed: \(run.plan.job.training.recompute)")
            return
        }
        var fewer = run.plan.job
        fewer.training.recompute = count > 1 ? .layers(count - 1) : .none
        #expect(!(try fewer.plan(.shipped()).memory.fits))
    }

    /// Without sequence parallelism every rank of a tensor group keeps the outputs of both norms in full, 4 s b h bytes a layer, of some 20 s b h
    /// in all at TP 4: among the depths that do not fit as they stand, the shallowest need no more than these.
    @Test("before any layer is repeated whole, the outputs of norms and activations are")
    func cheapModulesFirst() throws {
        func row(_ layers: Int) -> String {
            "r,h100-sxm-80gb,64,8,ib-ndr-400g-x8,\(layers),5120,40,51200,4096,512,4,4,1,16,1,none,bf16,megatron-lm,3.6,B,recompute"
        }
        let fits = try (1...80).first { layers in
            try !prepared(row(layers).replacingOccurrences(of: "B,recompute", with: "B,")).plan.memory.fits
        }
        let first = try #require(fits)
        let run = try prepared(row(first))
        #expect(run.plan.memory.fits)
        #expect(run.plan.job.training.recompute == .modules(.norms))
        #expect(run.run.warnings.contains { $0.contains("recompute of norms is taken") })
        // Much deeper, whole layers it has to be, or nothing helps; never a false alarm that a layer less would cure.
        let deep = try prepared(row(first * 3 / 2))
        if case .modules = deep.plan.job.training.recompute { #expect(deep.plan.memory.fits) }
    }

    @Test("a column name that does not exist changes nothing")
    func unknownName() throws {
        let run = try prepared(unstated(zero: "1", assumed: "no-such-column; ;zero"))
        #expect(run.plan.job.layout.zero == 1 && run.plan.job.training.recompute == .full)
    }

    /// forward 10 s of kernels, of which attention core 2 and memory-bound 3, and gathers of 1 s: 3 + 1 + share x (10 - 2 - 3).
    @Test("op-level selective recomputation repeats all memory-bound kernels and gathers, and a share of the products")
    func selective() throws {
        let row = "r,h100-96gb-500w,64,8,roce-400g-x8,32,4096,32,128256,8192,96,12,8,1,8,3,selective,bf16,torchtitan,2.8,A,"
        let model = try prepared(row).plan.model
        var cost = LayerCost()
        cost.forward.seconds[.forward] = 10
        cost.forward.seconds[.sequenceComm] = 2
        cost.core.seconds[.forward] = 2
        cost.elementwise.seconds[.forward] = 3
        cost.elementwise.seconds[.sequenceComm] = 1
        let again = Recomputation(.selective, model: model).cost(of: cost, full: false).cost
        let share = model.constants[.selectiveShare]
        #expect(abs(again.seconds[.recompute] - (3 + share * 5)) < 1e-12)
        #expect(again.seconds[.sequenceComm] == 1 && again.seconds[.forward] == 0)
    }
}
