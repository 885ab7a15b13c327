import Calibration
import Cluster
import Foundation
import Plan
import Quantities
import Testing
import Workload

/// Activation memory of the four models of Korthikanti et al. 2022 (arXiv:2205.05198, table 3), against the paper's own equations.
@Suite struct MemoryActivationTests {
    struct Published: Sendable, CustomTestStringConvertible {
        var name: String
        var heads: Int
        var hidden: Int
        var layers: Int
        var pipeline: Int
        var virtual: Int
        var microBatch: Int
        var testDescription: String { name }
        var sbh: Double { 2048.0 * Double(microBatch * hidden) }
        /// 5as/h, the attention core's share.
        var core: Double { 5 * Double(heads) * 2048 / Double(hidden) }
    }
    static let tensor = 8
    static let models = [
        Published(name: "22B", heads: 64, hidden: 6144, layers: 48, pipeline: 1, virtual: 1, microBatch: 4),
        Published(name: "175B (GPT-3)", heads: 96, hidden: 12288, layers: 96, pipeline: 8, virtual: 3, microBatch: 1),
        Published(name: "530B (MT-NLG)", heads: 128, hidden: 20480, layers: 105, pipeline: 35, virtual: 3, microBatch: 1),
        Published(name: "1T", heads: 160, hidden: 25600, layers: 128, pipeline: 64, virtual: 1, microBatch: 1),
    ]

    static func job(_ published: Published, recompute: Recompute, sequenceParallel: Bool, tensor: Int = Self.tensor) throws -> Job {
        var model = Architecture(name: published.name)
        model.layers = published.layers
        model.hidden = published.hidden
        model.heads = published.heads
        model.kvHeads = published.heads
        model.headDim = published.hidden / published.heads
        model.ffn = 4 * published.hidden
        model.vocab = 51200
        model.positions = .learned(length: 2048)
        var layout = Layout()
        layout.tensor = tensor
        layout.pipeline = published.pipeline
        layout.virtual = published.virtual
        layout.schedule = published.virtual > 1 ? .interleaved : .oneForwardOneBackward
        layout.sequenceParallel = sequenceParallel
        var training = TrainingSpec()
        training.globalBatch = 10 * published.pipeline * published.microBatch
        training.microBatch = published.microBatch
        training.sequence = 2048
        training.recompute = recompute
        var software = SoftwareStack(framework: "megatron-lm")
        software.flashAttention = false
        let gpus = tensor * published.pipeline
        return Job(
            model: model, cluster: try MeasuredMemory.cluster("a100-sxm-80gb", gpus: gpus, perNode: 8), layout: layout,
            precision: PrecisionPolicy(compute: .fp16), training: training, software: software)
    }

    /// Table 2: bytes a layer keeps.
    @Test(arguments: models) func bytesOfALayer(_ model: Published) throws {
        let t = Double(Self.tensor)
        let rows: [(Recompute, Bool, Int, Double)] = [
            (.none, false, 1, model.sbh * (34 + model.core)),
            (.none, false, 8, model.sbh * (10 + 24 / t + model.core / t)),
            (.none, true, 8, model.sbh / t * (34 + model.core)),
            (.selective, false, 8, model.sbh * (10 + 24 / t)),
            (.selective, true, 8, model.sbh * 34 / t),
            (.full, false, 8, model.sbh * 2),
            // The paper's table keeps the whole input; the input of a sequence-parallel layer is cut like every other tensor of its width.
            (.full, true, 8, model.sbh * 2 / t),
        ]
        for (recompute, sequenceParallel, tensor, expected) in rows {
            let job = try Self.job(model, recompute: recompute, sequenceParallel: sequenceParallel, tensor: tensor)
            let kept = LayerActivations(job: job, isExpert: false).kept(recompute).stored
            #expect(
                abs(kept / expected - 1) < 0.001,
                "\(model.name) \(recompute) sequence parallel \(sequenceParallel): \(kept) for \(expected)")
        }
    }

    /// Equation 5: the first stage holds L layers' worth, whatever the pipeline; interleaved L (1 + (p-1)/(pm)). The estimate adds what the paper
    /// leaves out (workspace of one layer, dropout of the embedding), which stays within 3 %.
    @Test(arguments: models) func bytesOfTheFirstStage(_ model: Published) throws {
        let t = Double(Self.tensor)
        let p = Double(model.pipeline)
        let depth = Double(model.layers) * (model.virtual > 1 ? 1 + (p - 1) / (p * Double(model.virtual)) : 1)
        for (recompute, each) in [(Recompute.none, (34 + model.core) / t), (.selective, 34 / t), (.full, 2 / t)] {
            let job = try Self.job(model, recompute: recompute, sequenceParallel: true)
            let layer = LayerActivations(job: job, isExpert: false)
            let held = try #require(MemoryEstimate(job: job).stages.first).activations
            // What the equation leaves out, each by hand: one live layer or, where the head stands on the same stage, the loss with fp32 copies;
            // the norm and head input there; the embedding's dropout of every sequence in flight (section 4.3).
            let logits = 2048.0 * Double(model.microBatch) * 51200 / t
            let live = layer.kept(recompute).live + layer.workspace
            let ends = model.pipeline == 1 ? max(live, logits * 10) + 4 * model.sbh / t : live
            let rounds = model.virtual > 1 ? 1 + (p - 1) / (p * Double(model.virtual)) : 1
            // Interleaved, the first chunk alone meets the embedding: p + (p-1) of the warm-up's forwards at most.
            let embedding = model.sbh / t * p * (model.virtual > 1 ? 2 - 1 / p : rounds)
            let expected = model.sbh * depth * each
            #expect(
                abs((held - ends - embedding) / expected - 1) < 0.03, "\(model.name) \(recompute): \((held - ends - embedding) / expected)")
            // Without recomputation the live layer's workspace vanishes beside the rest.
            if recompute == .none, model.pipeline > 1 { #expect(abs((held - embedding) / expected - 1) < 0.03) }
        }
    }

    /// Section 5: selective recomputation saves 70 % of GPT-3's activations and 65 % of MT-NLG's.
    @Test func selectiveSavesWhatThePaperSays() throws {
        for (model, saved) in [(Self.models[1], 0.70), (Self.models[2], 0.65)] {
            let layer = LayerActivations(job: try Self.job(model, recompute: .selective, sequenceParallel: true), isExpert: false)
            #expect(abs(layer.attentionCore / layer.total - saved) < 0.005)
        }
    }

    /// Llama layer under FlashAttention, one token, bf16, tensor 1, h 4096, 32 heads of 128 and as many key-value heads, ffn 11008:
    /// norm inputs 2 x 8192, their outputs 2 x 8192, q, k, v 3 x 8192 and q, k held by the value's view 2 x 8192, output 8192,
    /// gate and up 2 x 22016, product 22016; log-sum-exp 4 x 32.
    @Test func gatedLayerByHand() throws {
        var job = try Self.job(Self.models[0], recompute: .none, sequenceParallel: false, tensor: 1)
        job.model.hidden = 4096
        job.model.heads = 32
        job.model.kvHeads = 32
        job.model.headDim = 128
        job.model.ffn = 11008
        job.model.activation = .swiglu
        job.model.norm = .rms
        job.model.positions = .rotary
        job.software.flashAttention = true
        job.precision = PrecisionPolicy(compute: .bf16)
        job.training.microBatch = 1
        func bytesAToken() -> Double { LayerActivations(job: job, isExpert: false).total / 2048 }
        let multiHead: Double = 10 * 8192 + 3 * 22016 + 128
        #expect(bytesAToken() == multiHead)
        // Grouped queries: 8 key-value heads save 3 x 6144 of k, v and the held k.
        job.model.kvHeads = 8
        #expect(bytesAToken() == multiHead - 3 * 6144)
        // Eight-bit inputs of the four linear layers take one byte; the attention output is kept in both formats.
        job.model.kvHeads = 32
        job.precision = PrecisionPolicy(compute: .fp8)
        let eightBit: Double = multiHead - 2 * 4096 + 4096 - 11008
        #expect(bytesAToken() == eightBit)
        // Context parallelism cuts the tokens.
        job.layout.context = 4
        #expect(bytesAToken() == eightBit / 4)
    }

    /// Experts hold `active` copies of each token: doubling `active` adds the routed tensors once more, and nothing else.
    @Test func expertsHoldActiveCopies() throws {
        var job = try Self.job(Self.models[0], recompute: .none, sequenceParallel: false, tensor: 1)
        job.software.flashAttention = true
        job.model.activation = .swiglu
        func total(active: Int) -> Double {
            job.model.moe = Architecture.MoE(experts: 8, active: active, ffn: 1000)
            return LayerActivations(job: job, isExpert: true).total
        }
        let tokens = 2048.0 * 4
        // in 2h, gate and up 4 f, product 2 f, out 2h.
        let perCopy = tokens * (4 * 6144 + 6 * 1000)
        #expect(total(active: 2) - total(active: 1) == perCopy)
        #expect(total(active: 4) - total(active: 2) == 2 * perCopy)
    }
}
