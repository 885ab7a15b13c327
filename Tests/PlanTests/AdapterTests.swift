import Calibration
import Cluster
import Plan
import TestSupport
import Testing
import Workload

/// LoRA, QLoRA, frozen parts and further passes: what trains, what it takes, what it sends.
@Suite struct AdapterTests {
    /// Weights of the linear layers of Llama 2 7B.
    private static let linear: Double = 32 * 4096 * (4 * 4096 + 3 * 11008)

    private static func job(_ preset: String = "llama2-7b", data: Int = 1, _ change: (inout Job) -> Void) throws -> Job {
        try JobFixture(preset, data: data).job { change(&$0) }
    }

    /// Trainable parameters as litgpt prints them, in its tables of resources: rank 8 on queries and values, r (in + out) each.
    @Test(arguments: [("llama2-7b", 4_194_304.0), ("llama2-13b", 6_553_600)])
    func trainedParametersAsPublished(preset: String, count: Double) throws {
        let job = try Self.job(preset) { $0.training.adapters = LowRankAdapters(rank: 8) }
        #expect(job.trainedParameters == count)
        let plan = try job.plan(try .shipped())
        #expect(plan.work.parameters[0].trained.total == count)
        #expect(plan.work.parameters[0].frozen.dense == Double(job.model.parameters.total))
    }

    /// Rank 16 on every linear layer of Llama 2 7B: 32 layers x 16 x (4 x 8,192 + 3 x 15,104).
    @Test func everyLinearLayer() throws {
        let job = try Self.job { $0.training.adapters = LowRankAdapters(rank: 16, targets: [.allLinear]) }
        let whole = 4.0 * 8192 + 3 * 15104
        #expect(job.trainedParameters == 512 * whole)
        let cut = try JobFixture("llama2-7b", tensor: 2).job { $0.training.adapters = job.training.adapters }
        // A of column-parallel layers and B of row-parallel ones are on both ranks.
        let own = try cut.plan(try .shipped()).work.parameters[0].trained.total
        let halves = 4.0 * 6144 + 3 * 9600
        #expect(own == 512 * halves)
    }

    /// 16 bits: 2 bytes a parameter of the base. nf4: 4.127 bits of the linear layers, 2 bytes of the tables and norms. Gradients and Adam's state are of
    /// the adapters alone: 4 + 4 and 8 bytes under Megatron's fp32 main gradients.
    @Test func memoryOfTheBase() throws {
        let full = try Self.job { _ in }
        let linear = Self.linear
        let total = Double(full.model.parameters.total)
        for base in LowRankAdapters.Base.allCases {
            let job = try Self.job { $0.training.adapters = LowRankAdapters(rank: 8, base: base) }
            let stage = MemoryEstimate(job: job).stages[0]
            let expected = linear * base.bytes + 2 * (total - linear) + 2 * 4_194_304
            #expect(abs(stage.parameters / expected - 1) < 1e-9, "\(base)")
            #expect(stage.gradients == 4 * 4_194_304)
            #expect(stage.optimizer == 12 * 4_194_304)
        }
        #expect(abs(LowRankAdapters.Base.nf4.bytes * 8 - 4.127) < 0.001)
    }

    /// No weight gradients of the base: two thirds of the products, and with replicas only the adapters' gradients travel.
    @Test func timeAndTraffic() throws {
        let data = try CalibrationData.shipped()
        let full = try Self.job(data: 2) { _ in }.plan(data)
        let lora = try Self.job(data: 2) { $0.training.adapters = LowRankAdapters(rank: 8) }.plan(data)
        let products = { (plan: Plan) in
            let passes = plan.costs.stages[0]
            return passes.forward.flops + passes.backward.flops + passes.weight.flops
        }
        // 6 become 4 of the base; the adapters' 6 are of 4.2 M among 6.6 G.
        let attention = full.costs.stages[0].backward.flops - full.costs.stages[0].weight.flops
        #expect(abs((products(lora) - 3.5 / 2.5 * attention) / (products(full) - 3.5 / 2.5 * attention) - 2 / 3.0) < 0.01)
        #expect(lora.costs.stages[0].weight.total < 0.25 * full.costs.stages[0].weight.total)
        let bytes = { (plan: Plan) in plan.dataCollectives(of: plan.work.parameters[0]).reduce.reduce(0) { $0 + $1.bytes } }
        #expect(abs(bytes(lora) / bytes(full) - 4_194_304 / 6_738_415_616) < 1e-9)
    }

    /// Kept in shards, the base is gathered for each pass in its own bits.
    @Test func gatheredBase() throws {
        let data = try CalibrationData.shipped()
        func gathered(_ base: LowRankAdapters.Base) throws -> Double {
            let job = try Self.job(data: 8) {
                $0.layout.zero = 3
                $0.training.adapters = LowRankAdapters(rank: 8, base: base)
            }
            let plan = try job.plan(data)
            return plan.work.stages[0].reduce(0) { sum, unit in
                plan.dataCollectives(of: plan.work.unitParameters[unit]).gather.reduce(sum) { $0 + $1.bytes }
            }
        }
        let linear = Self.linear
        #expect(abs(try gathered(.bf16) / (2 * (6_738_415_616 + 4_194_304)) - 1) < 1e-9)
        #expect(abs((try gathered(.bf16) - gathered(.int8)) / linear - 1) < 1e-9)
    }

    /// Frozen parts: gradients and state of the rest. With the whole body frozen nothing is kept of it and no pass goes back.
    @Test func frozenParts() throws {
        let job = try Self.job { $0.training.frozen = [.embedding, .attention] }
        let count = job.model.parameters
        #expect(job.trainedParameters == Double(count.total - count.embedding - 32 * count.perDenseLayer.attention))
        #expect(abs(MemoryEstimate(job: job).stages[0].gradients / (4 * job.trainedParameters) - 1) < 1e-3)

        let probe = try Self.job { $0.training.frozen = ModelParts.all.subtracting(.head) }
        let plan = try probe.plan(try .shipped())
        #expect(probe.trainedParameters == 4096 * 32000)
        let whole = try Self.job { _ in }.plan(try .shipped())
        #expect(plan.costs.stages[0].backward.total < 0.05 * whole.costs.stages[0].backward.total)
        #expect(plan.memory.stages[0].activations < 0.1 * whole.memory.stages[0].activations)
    }

    /// DPO: a frozen copy goes forward once more. Beside adapters the base itself is that copy.
    @Test func referencePass() throws {
        let data = try CalibrationData.shipped()
        let plain = try Self.job(data: 8) { $0.layout.zero = 3 }.plan(data)
        let dpo = try Self.job(data: 8) {
            $0.layout.zero = 3
            $0.training.passes.reference = 1
        }.plan(data)
        #expect(dpo.costs.stages[0].forward.flops == 2 * plain.costs.stages[0].forward.flops)
        #expect(dpo.costs.stages[0].backward.flops == plain.costs.stages[0].backward.flops)
        // Gathered for three passes where there were two, charged as longer messages, which start once: a few per cent less than 1.5 times.
        // Another 2 bytes a parameter in shards.
        #expect(abs(dpo.costs.unitData[1].gather / plain.costs.unitData[1].gather - 1.5) < 0.05)
        let more = dpo.memory.stages[0].parameters - plain.memory.stages[0].parameters
        #expect(abs(more / (2 * 6_738_415_616 / 8) - 1) < 1e-3)
        #expect(abs(dpo.job.modelFLOPs() / plain.job.modelFLOPs() - 4 / 3.0) < 1e-9)

        let lora = try Self.job { $0.training.adapters = LowRankAdapters(rank: 8) }
        let loraDPO = try Self.job {
            $0.training.adapters = LowRankAdapters(rank: 8)
            $0.training.passes.reference = 1
        }
        #expect(MemoryEstimate(job: lora) == MemoryEstimate(job: loraDPO))
    }

    @Test func refusals() throws {
        func reason(_ change: (inout Job) -> Void) throws -> String {
            try Self.job("llama2-7b", data: 1, change).problems().map { "\($0.keyPath): \($0.reason); \($0.suggestion)" }.joined(
                separator: "\n")
        }
        #expect(try reason { $0.training.frozen = .all }.contains("nothing is left to train"))
        #expect(try reason { $0.training.frozen = [.experts] }.contains("has no experts"))
        #expect(try reason { $0.training.adapters = LowRankAdapters(rank: 5000) }.contains("rank of at most 4096"))
        #expect(
            try reason {
                $0.training.adapters = LowRankAdapters(rank: 8, base: .nf4)
                $0.precision.compute = .fp8
            }.contains("base: bf16"))
        #expect(
            try reason {
                $0.training.frozen = ModelParts.all.subtracting(.head)
                $0.training.recompute = .full
            }.contains("recompute: none"))
    }
}
