import Calibration
import Cluster
import Plan
import Quantities
import Testing
import Workload

/// Parameters, gradients and optimizer state, in-flight counts, the verdict and its suggestions.
@Suite struct MemoryStateTests {
    static func job(layers: Int = 32, hidden: Int = 4096, gpus: Int = 64, framework: String = "megatron-deepspeed") throws -> Job {
        var model = Architecture(name: "test")
        model.layers = layers
        model.hidden = hidden
        model.heads = hidden / 128
        model.kvHeads = model.heads
        model.headDim = 128
        model.ffn = 4 * hidden
        model.vocab = 50304
        var training = TrainingSpec()
        training.globalBatch = gpus
        training.sequence = 2048
        return Job(
            model: model, cluster: try MeasuredMemory.cluster("a100-sxm-80gb", gpus: gpus, perNode: 8), layout: Layout(),
            precision: PrecisionPolicy(compute: .fp16), training: training,
            software: SoftwareStack(framework: framework))
    }

    static func states(_ job: Job) throws -> Double {
        let stage = try #require(MemoryEstimate(job: job).stages.first)
        return stage.parameters + stage.gradients + stage.optimizer
    }

    /// ZeRO (arXiv:1910.02054), figure 1: 7.5 B parameters on 64 GPUs take 120, 31.4, 16.6 and 1.9 GB.
    @Test func zeroStagesOfThePaper() throws {
        var job = try Self.job()
        let parameters = try Self.states(job) / 16
        for (stage, published) in [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.9)] {
            job.layout.zero = stage
            let scaled = try Self.states(job) / parameters * 7.5
            #expect(abs(scaled - published) < 0.06, "ZeRO-\(stage): \(scaled) GB for \(published)")
        }
    }

    /// Bytes a parameter: fp16 2 + 2 + 12; bf16 in Megatron-LM keeps fp32 main gradients, 18; under BLOOM's BF16 optimizer also the 16-bit one, 20;
    /// fp32 4 + 4 + 8.
    @Test func bytesAParameter() throws {
        var job = try Self.job(framework: "megatron-lm")
        let parameters = try Self.states(job) / 16
        job.precision = PrecisionPolicy(compute: .bf16)
        #expect(try Self.states(job) / parameters == 18)
        job.precision = PrecisionPolicy(compute: .fp32)
        #expect(try Self.states(job) / parameters == 16)
        job.training.optimizer = .sgd
        #expect(try Self.states(job) / parameters == 8)
        job = try Self.job()
        job.precision = PrecisionPolicy(compute: .bf16)
        job.software.gradientPrecision = "fp32"
        #expect(try Self.states(job) / parameters == 20)
    }

    /// 8 experts over 4 expert ranks: each holds 2. Two of 8 replicas share an expert, so its state is cut by 2 where the dense one is cut by 8.
    @Test func expertsHaveTheirOwnReplicas() throws {
        var job = try Self.job(layers: 1, hidden: 1024, gpus: 8)
        job.model.vocab = 0
        job.model.biases = false
        job.layout.expert = 4
        job.layout.zero = 1
        let experts = 2.0 * 2 * 1024 * 512
        func optimizer(ffn: Int) throws -> Double {
            job.model.moe = Architecture.MoE(experts: 8, active: 1, ffn: ffn)
            return try #require(MemoryEstimate(job: job).stages.first).optimizer
        }
        let difference = try optimizer(ffn: 1024) - optimizer(ffn: 512)
        #expect(difference == 12 * experts / 2)
    }

    /// 1F1B with p = 4, m = 8: 4 3 2 1. GPipe: 8. Interleaved v = 2 at rank 0: 2 x 3 + 4 + 1 = 11 forwards over chunks of 4: 7 and 4.
    @Test func inFlightClosedForms() throws {
        var job = try Self.job(gpus: 4)
        job.layout.pipeline = 4
        job.training.globalBatch = 8
        #expect(StagePlacement(job: job).inFlight == [[4], [3], [2], [1]])
        job.layout.schedule = .gpipe
        #expect(StagePlacement(job: job).inFlight == [[8], [8], [8], [8]])
        job.layout.schedule = .interleaved
        job.layout.virtual = 2
        #expect(StagePlacement(job: job).inFlight[0] == [7, 4])
        #expect(StagePlacement(job: job).inFlight[3] == [4, 1])
        job.layout.schedule = .zbV
        #expect(StagePlacement(job: job).virtualStage == [[0, 7], [1, 6], [2, 5], [3, 4]])
        // No more than there are micro-batches.
        job.layout.schedule = .oneForwardOneBackward
        job.layout.virtual = 1
        job.training.globalBatch = 2
        #expect(StagePlacement(job: job).inFlight == [[2], [2], [2], [1]])
    }

    /// Placing by hand what the closed form gives must change nothing.
    @Test func explicitPlacementIsTheSame() throws {
        var job = try Self.job(gpus: 4)
        job.layout.pipeline = 4
        let automatic = MemoryEstimate(job: job)
        let placement = StagePlacement(job: job)
        #expect(MemoryEstimate(job: job, stageLayers: placement.layers, inFlight: placement.inFlight) == automatic)
        #expect(placement.layers == [[8], [8], [8], [8]])
    }

    /// Each saving really saves, on every stage: flash over unfused, selective and full recomputation, sequence parallelism, half a micro-batch.
    @Test func savingsOrder() throws {
        var job = try Self.job(gpus: 32)
        job.layout.pipeline = 4
        job.layout.tensor = 8
        job.training.microBatch = 4
        job.training.globalBatch = 64
        let plain = MemoryEstimate(job: job).peak
        func peak(_ edit: (inout Job) -> Void) -> Double {
            var changed = job
            edit(&changed)
            return MemoryEstimate(job: changed).peak
        }
        #expect(peak { $0.software.flashAttention = true } < plain)
        #expect(peak { $0.training.recompute = .selective } < plain)
        #expect(peak { $0.training.recompute = .full } < peak { $0.training.recompute = .selective })
        #expect(peak { $0.training.recompute = .layers(4) } < plain)
        #expect(peak { $0.training.recompute = .layers(8) } == peak { $0.training.recompute = .full })
        #expect(peak { $0.layout.sequenceParallel = true } < plain)
        #expect(peak { $0.training.microBatch = 2 } < plain)
    }

    /// Parameters of ResNet-50 and -152 as torchvision counts them: 25,557,032 and 60,192,808. Momentum SGD in fp32 keeps 4 + 4 + 4 bytes of each.
    @Test func residualNetworks() throws {
        for (depth, parameters) in [(50, 25_557_032.0), (152, 60_192_808.0)] {
            var job = try Self.job(gpus: 8, framework: "pytorch-ddp")
            job.model.kind = .resnet(depth: depth, imageSize: 224)
            job.precision = PrecisionPolicy(compute: .fp32)
            job.training.optimizer = .momentum
            job.training.microBatch = 32
            #expect(try Self.states(job) == 12 * parameters)
            #expect(MemoryEstimate(job: job).fits)
        }
    }

    /// A 70 B dense model without sharding does not fit; every suggestion names a change and the peak that follows, with the margin free.
    @Test func suggestionsFit() throws {
        var job = try Self.job(layers: 80, hidden: 8192, gpus: 64, framework: "megatron-lm")
        job.precision = PrecisionPolicy(compute: .bf16)
        job.cluster.interNode = try Catalogue.usualNode(for: "a100-sxm-80gb")?.interNode
        #expect(!MemoryEstimate(job: job).fits)
        let suggestions = MemoryEstimate.suggestions(job)
        #expect(!suggestions.isEmpty)
        for one in suggestions {
            let limit = Double(job.cluster.accelerator.usable.count) * 0.95
            #expect(!one.keys.isEmpty && one.peak <= limit && one.job.problems().isEmpty, "\(one.text)")
            #expect(MemoryEstimate(job: one.job).peak == one.peak)
        }
        let small = try Self.job(layers: 2, hidden: 1024, gpus: 8)
        #expect(MemoryEstimate.suggestions(small).isEmpty)
        // 16 bytes for each of 460 G parameters do not fit into 8 GPUs; a larger cluster does, and the answer names its size.
        var wide = try Self.job(layers: 96, hidden: 20000 / 128 * 128, gpus: 8)
        wide.precision = PrecisionPolicy(compute: .bf16)
        let larger = try #require(MemoryEstimate.suggestions(wide).first)
        #expect(larger.text.hasPrefix("cluster.gpus:"), "\(larger.text)")
        // A quadrillion parameters: nothing helps, and the answer says so.
        let hopeless = try Self.job(layers: 100, hidden: 983_040, gpus: 8)
        #expect(MemoryEstimate.suggestions(hopeless).first?.text.hasPrefix("no cut over 64 times") == true)
    }

    /// Uncut, the parameters held are those of the model, counted independently by module Workload: every preset, fp32, 4 bytes each, to 0.1 %.
    @Test func uncutParametersAreTheModels() throws {
        for name in Architecture.presetNames {
            var job = try Self.job(gpus: 1, framework: "megatron-lm")
            job.model = try Architecture.preset(name)
            job.precision = PrecisionPolicy(compute: .fp32)
            let held = try #require(MemoryEstimate(job: job).stages.first).parameters / 4
            #expect(abs(held / Double(job.model.parameters.trained) - 1) < 0.001, "\(name): \(held) for \(job.model.parameters.trained)")
        }
    }

    /// Cut over pipeline and tensor ranks, the parts of all GPUs sum to the model plus what is held in copies: norms, and a tied table twice.
    @Test func cutParametersSumToTheModel() throws {
        var job = try Self.job(gpus: 32, framework: "megatron-lm")
        job.model.biases = false
        job.precision = PrecisionPolicy(compute: .fp32)
        job.layout.pipeline = 4
        job.layout.tensor = 8
        let held = MemoryEstimate(job: job).stages.reduce(0) { $0 + $1.parameters / 4 } * 8
        let norms = Double(7 * (32 * 2 + 1) * 2 * 4096)
        #expect(abs(held - (Double(job.model.parameters.total) + norms + 50304 * 4096)) < 1)
    }
}
