import Foundation
import Plan
import Simulation
import Cluster
import Testing
import Workload

@testable import Scenario

@Suite struct LoadTests {
    @Test func readsEverySection() throws {
        let scenario = try Fixture.load(Fixture.valid)
        #expect(scenario.name == "test")
        #expect(scenario.job.model == Fixture.tiny)
        #expect(scenario.job.cluster.gpus == 16 && scenario.job.cluster.nodes == 2 && scenario.job.cluster.intraNode.name == "nvlink4")
        // 16 GPUs / (tensor 2 x pipeline 2) = 4 replicas; 64 / (4 x 2) = 8 micro-batches.
        #expect(scenario.job.data == 4 && scenario.job.microBatches == 8)
        #expect(scenario.job.training.length == .steps(100))
        #expect(scenario.conditions.kernelJitter == 0.01 && scenario.conditions.networkJitter == 0.02)
        #expect(scenario.prices.gpuHour?.dollarsPerHour == 2)
        #expect(scenario.settings.seed == 7)
    }

    @Test func theContractsExampleIsAccepted() throws {
        // The commented example of the scenario format, less what is not available yet.
        let text = """
            orrery: 1
            name: llama3-405b-16k
            model:
              preset: llama3-405b
              kind: transformer
              layers: 126
              hidden: 16384
              heads: 128
              kv_heads: 8
              head_dim: 128
              ffn: 53248
              activation: swiglu
              vocab: 128256
              tied_embeddings: false
              causal: true
              attention: {kind: full}
              sharing: {attention: 1, blocks: 1}
            cluster:
              gpu: h100-sxm-80gb
              gpus: 16384
              gpus_per_node: 8
              intra_node: {link: nvlink4}
              inter_node: {link: roce-400g, nics_per_node: 8, topology: {kind: fat_tree, rails: 8, levels: 3, radix: 64, oversubscription: 1.0}}
              storage: {write: 2 TB/s, read: 2 TB/s}
              placement: packed
            layout:
              tensor: 8
              pipeline: 16
              virtual: 1
              context: 1
              expert: 1
              expert_tensor: 1
              data: auto
              sequence_parallel: true
              zero: 1
              shard_group: all
              schedule: 1f1b
              stage_layers: auto
              overlap: {grad_reduce: true, param_gather: true, tensor: false, pipeline: true}
              bucket: 40 MB
              offload: none
            training:
              global_batch: 2048
              micro_batch: 1
              sequence: 8192
              precision: bf16
              recompute: none
              optimizer: adamw
              compression: none
              synchronization: {kind: sync}
              tokens: 15.6T
              data: {loading: 3 GB/s, prefetch: 2}
            conditions:
              jitter: {kernel: 1%, network: 2%}
              slow_gpus: [{share: 0.5%, slowdown: 1.3}, {gpu: 17, slowdown: 1.5, from: 10 s}]
            software: {framework: megatron-lm, release: core-0.8, flash_attention: true, tensor_overlap: none, cuda_graphs: false}
            prices: {gpu_hour: 2.00 USD/h, electricity: 0.08 USD/kWh, pue: 1.2, carbon: 0.35 kg/kWh}
            simulate: {steps: 1, samples: 200, seed: 1, detail: auto, network: auto, timeline: true}
            """
        let scenario = try Fixture.load(text)
        #expect(scenario.name == "llama3-405b-16k" && scenario.job.data == 128 && scenario.job.microBatches == 16)
        #expect(scenario.job.training.length == .tokens(15_600_000_000_000))
        #expect(scenario.job.cluster.interNode?.nodeBandwidth == 400e9)
        #expect(scenario.conditions.slowGPUs.count == 2 && scenario.conditions.slowGPUs[1].from.seconds == 10)
    }

    /// The same codec as a list, a mapping with its defaults written out, and left to the defaults; a word alone is a format.
    @Test func compressionIsAWordAMappingOrAList() throws {
        func codec(_ text: String) throws -> GradientCompression? {
            try Fixture.load(Fixture.valid, overrides: ["training.compression=\(text)"]).job.training.compression
        }
        let short = try #require(try codec("{topk: 5%, values: e4m3}"))
        #expect(try codec("[topk: 5%, values: e4m3, indices: delta, error_feedback: true]") == short)
        #expect(try codec("{topk: 5%, values: e4m3, block: 256, indices: delta}") == short)
        #expect(short.keepsResidual && short.name.hasPrefix("top 5.0% + E4M3"))
        #expect(try codec("{topk: 5%, values: e4m3, error_feedback: false}")?.keepsResidual == false)
        #expect(try codec("{topk: 5%, values: e4m3, indices: elias-fano}") != short)
        #expect(try codec("none") == nil)
        #expect(try codec("bf16")?.bytesPerElement(side: 1000) == 2.000008)
        #expect(try codec("{powersgd: 2}")?.name == "PowerSGD rank 2 with error feedback")
        #expect(try codec("{randomk: 1%}")?.keepsResidual == false)
    }

    @Test func fieldsOverrideThePresetAndDerivedWidthsFollow() throws {
        let model = try Fixture.load(Fixture.valid, overrides: ["model.hidden=1024", "model.heads=16"]).job.model
        // head_dim was hidden / heads and kv_heads was heads, so both follow: 1024 / 16 = 64, and 16.
        #expect(model.headDim == 64 && model.kvHeads == 16 && model.ffn == 2048)
    }

    @Test func partsOfAPresetsExpertsAndAttentionMayChange() throws {
        let mla = "{kind: mla, q_rank: 96, kv_rank: 64, rope_dim: 16}"
        let overrides = ["model.attention=\(mla)", "model.moe={experts: 8, active: 2, ffn: 512}"]
        let whole = try Fixture.load(Fixture.valid, overrides: overrides).job.model
        var library = Fixture.library
        library.models = Library.Lookup(["tiny": whole])
        let changed = try Scenario.load(
            yaml: Fixture.valid, file: "x", overrides: ["model.moe={imbalance: 1.5}", "model.attention={q_rank: none}"], library: library
        ).job.model
        #expect(changed.moe?.experts == 8 && changed.moe?.imbalance == 1.5)
        #expect(changed.attention == .mla(queryRank: nil, kvRank: 64, ropeDim: 16, nopeDim: 128, valueDim: 128))
    }

    @Test func theStandardLibraryKnowsPresetsOfModelsAndClusters() throws {
        let text = Fixture.valid.replacing("preset: tiny", with: "preset: llama3-8b").replacing(
            "gpu: h100-sxm-80gb", with: "preset: selene")
        let scenario = try Scenario.load(yaml: text, file: "x")
        #expect(
            scenario.job.model.layers == 32 && scenario.job.cluster.accelerator.name == "a100-sxm-80gb" && scenario.job.cluster.gpus == 16)
        for name in Library.standard.models.names {
            let model = try Scenario.load(
                yaml: Fixture.valid, file: "x", overrides: ["model={preset: \(name)}", "layout={}", "training.sequence=512"])
            #expect(model.job.model.name == name)
        }
    }

    @Test func modelsWithoutPresetTakeTheLineageOfTheirActivation() throws {
        let fields = "layers: 4, hidden: 256, heads: 4, ffn: 1024, vocab: 1000"
        let llama = try Fixture.load(Fixture.valid.replacing("preset: tiny", with: "{\(fields), activation: swiglu}")).job.model
        let gpt = try Fixture.load(Fixture.valid.replacing("preset: tiny", with: "{\(fields)}")).job.model
        #expect(llama.positions == .rotary && !llama.biases && llama.norm == .rms && llama.headDim == 64 && llama.kvHeads == 4)
        #expect(gpt.positions == .learned(length: 1024) && gpt.biases && gpt.norm == .layer)
    }

    @Test func shortAndLongFormsAgree() throws {
        let short = try Fixture.load(Fixture.valid).job
        let long = try Fixture.load(
            Fixture.valid.replacing("precision: bf16", with: "precision: {compute: bf16}")
                .replacing("recompute: none", with: "recompute: none\n  optimizer: {kind: adamw}")
        ).job
        #expect(short == long)
        let layers = try Fixture.load(Fixture.valid, overrides: ["training.recompute={layers: 2}"]).job
        #expect(layers.training.recompute == .layers(2))
    }

    @Test func nodesGiveGPUs() throws {
        #expect(try Fixture.load(Fixture.valid.replacing("gpus: 16", with: "nodes: 4")).job.cluster.gpus == 32)
        #expect(try Fixture.load(Fixture.valid, overrides: ["cluster.nodes=1"]).job.cluster.gpus == 8)
    }

    @Test func hashIgnoresFormattingOnly() throws {
        let base = try Fixture.load(Fixture.valid).hash
        let other = Fixture.valid.replacing(
            "jitter: {kernel: 1%, network: 2%}", with: "jitter:\n    network: \"2%\"   # a comment\n    kernel: 1%")
        #expect(try Fixture.load(other).hash == base)
        #expect(try Fixture.load(Fixture.valid, overrides: ["simulate.seed=8"]).hash != base)
        #expect(base.count == 16)
    }

    @Test func hashIsFNV1a() {
        // FNV-1a 64 of the three bytes "a" in quotes, computed by the definition: published vector for "a" is af63dc4c8601ec8c.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\"a\"".utf8 { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
        let tree = Tree(place: .start(of: "x"), content: .scalar("a", quoted: false))
        #expect(tree.hash([:]) == String(hash, radix: 16))
    }

    @Test func everyKeyOfTheSchemaIsAccepted() throws {
        // A key is accepted when writing it gives no fault at its path; values may still contradict other keys elsewhere.
        for entry in Scenario.schema where entry.available && !entry.keyPath.contains("[]") && entry.type != "mapping" {
            guard
                !["extends", "vary", "zip", "model.huggingface", "software.measurements", "software.runs", "layout.schedule.file"].contains(
                    entry.keyPath)
            else { continue }
            var context: [String] = []
            if entry.keyPath.hasPrefix("model.attention.") {
                for kind in ["{kind: sliding, window: 8}", "{kind: sparse, top_k: 8}", "{kind: mla, kv_rank: 8, rope_dim: 8}"] {
                    let faults = Fixture.errors(
                        Fixture.valid, overrides: ["model.attention=\(kind)", "\(entry.keyPath)=\(entry.example)"])
                    if faults.allSatisfy({ $0.keyPath != entry.keyPath }) { context = ["model.attention=\(kind)"] }
                }
            }
            if entry.keyPath.hasPrefix("model.moe.") { context = ["model.moe={experts: 8, active: 2, ffn: 512}"] }
            let faults = Fixture.errors(Fixture.valid, overrides: context + ["\(entry.keyPath)=\(entry.example)"])
            let own = faults.filter { $0.keyPath == entry.keyPath && ($0.reason.contains("unknown key") || $0.reason.contains("expected")) }
            #expect(own.isEmpty, "\(entry.keyPath): \(own)")
        }
        #expect(Set(Scenario.schema.map(\.keyPath)).count == Scenario.schema.count, "a key is listed twice")
        for key in [
            "model.moe.dense_layers", "cluster.inter_node.topology.rails", "training.recompute.layers", "conditions.slow_gpus[].share",
        ] {
            #expect(Scenario.schema.contains { $0.keyPath == key }, "\(key) is not listed")
        }
    }

    @Test func overridesAreCheckedLikeWrittenKeys() throws {
        let unknown = Fixture.errors(Fixture.valid, overrides: ["layout.tensr=4"])
        #expect(unknown.first?.suggestion == "did you mean \"layout.tensor\"?")
        let wrong = try #require(Fixture.errors(Fixture.valid, overrides: ["layout.tensor=four"]).first)
        #expect(wrong.file == "layout.tensor=four" && wrong.column == 15 && wrong.keyPath == "layout.tensor")
        #expect(Fixture.errors(Fixture.valid, overrides: ["nonsense"]).first?.suggestion.contains("key=value") == true)
        #expect(try Fixture.load(Fixture.valid, overrides: ["training.precision.gradients=fp32"]).job.precision.gradients == .fp32)
    }

    @Test func allFaultsComeAtOnceInOrder() {
        let text = Fixture.valid.replacing("tensor: 2", with: "tensor: two").replacing("seed: 7", with: "sed: 7")
            .replacing("gpu_hour: 2.00 USD/h", with: "gpu_hour: 2.00")
        let errors = Fixture.errors(text)
        #expect(errors.map(\.line) == [8, 22, 24])
        #expect(errors.map(\.keyPath) == ["layout.tensor", "prices.gpu_hour", "simulate.sed"])
    }

    @Test func theExampleScenarioLoads() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let scenario = try Scenario.load(path: root.appendingPathComponent("scenarios/llama3-405b-16k.yaml").path)
        // 16,384 / (8 x 16) = 128 replicas; 16 M tokens / 8,192 = 2,048 sequences; 2,048 / 128 = 16 micro-batches.
        #expect(scenario.name == "llama3-405b-16k" && scenario.job.data == 128 && scenario.job.microBatches == 16)
    }

    @Test func placementsByWordAndByList() throws {
        func placement(_ text: String) throws -> PlacementRule {
            try Fixture.load(Fixture.valid.replacing("gpus: 16", with: "gpus: 16\n  placement: \(text)")).job.cluster.placement
        }
        #expect(try Fixture.load(Fixture.valid).job.cluster.placement == .packed)
        #expect(try placement("packed") == .packed)
        #expect(try placement("spread") == .spread)
        #expect(try placement("searched") == .searched)
        let turned = Array((0..<16).reversed())
        #expect(try placement("\(turned)") == .listed(turned))
    }

    @Test(arguments: [
        ("sprad", "did you mean \"spread\"?"), ("[0, 1, 2]", "a list of 3 GPUs for 16 ranks"),
        ("[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14]", "GPU 14 has two ranks"),
        ("[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16]", "the cluster has 0...15"),
        ("[-1]", "outside 0"), ("{kind: spread}", "a mapping stands"), ("[a]", "not a whole number"),
    ])
    func badPlacements(text: String, says: String) {
        let errors = Fixture.errors(Fixture.valid.replacing("gpus: 16", with: "gpus: 16\n  placement: \(text)"))
        #expect(!errors.isEmpty)
        let all = errors.map { "\($0)" }.joined(separator: "\n")
        #expect(all.contains("cluster.placement") && all.contains(says), "\(all)")
    }
}
