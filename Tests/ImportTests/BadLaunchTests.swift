import Foundation
import Scenario
import Testing

@testable import Import

@Suite("Launch files that are wrong")
struct BadLaunchTests {
    private static let shape =
        "--num-layers 4 --hidden-size 256 --num-attention-heads 4 --seq-length 128 --micro-batch-size 1 --global-batch-size 8 --bf16"

    /// The first fault of a text, as "line: reason"; empty where it is taken.
    private func fault(_ format: LaunchFormat, _ text: String, ending: String = "sh", model: String? = nil, gpus: Int? = 8) throws -> String
    {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-\(UUID().uuidString).\(ending)").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        var request = ImportRequest(format, path: path)
        (request.model, request.gpus) = (model, gpus)
        do throws(ScenarioErrors) { _ = try importLaunch(request) } catch {
            return error.errors.first.map { "\($0.line): \($0.keyPath) \($0.reason)" } ?? ""
        }
        return ""
    }

    @Test(
        "Each says its line and what is wrong",
        arguments: [
            ("torchrun pretrain_gpt.py \(shape) \\\n  --fp16\n", "1: --bf16 --fp16"), ("echo hello\n", "1:  no command"),
            (
                "N=$(cat layers.txt)\ntorchrun pretrain_gpt.py \(shape) \\\n  --pipeline-model-parallel-size $N\n",
                "3: --pipeline-model-parallel-size its value comes from the command $(cat layers.txt)"
            ),
            (
                "torchrun pretrain_gpt.py \(shape) --tensor-model-parallel-size two\n",
                "1: --tensor-model-parallel-size \"two\" is no whole number"
            ),
            ("if [ 1 -eq 1 ]; then\ntorchrun pretrain_gpt.py \(shape)\n", "\"fi\" is missing"),
            ("echo \"open\ntorchrun pretrain_gpt.py\n", "1:  a quote is not closed"),
            (
                "torchrun pretrain_gpt.py \(shape) --pipeline-model-parallel-size 4 \\\n--num-layers-per-virtual-pipeline-stage 3\n",
                "2: --num-layers-per-virtual-pipeline-stage 3 layers a chunk"
            ),
            ("torchrun pretrain_gpt.py \(shape) --recompute-activations \\\n --recompute-granularity full\n", "2: --recompute-granularity"),
            ("torchrun pretrain_gpt.py \(shape) \\\n--tensor-model-parallel-size 3\n", "2: --tensor-model-parallel-size 3: layout.tensor"),
            ("torchrun pretrain_t5.py \(shape)\n", "models of this kind"), ("", "the file is empty"),
        ])
    func scripts(_ text: String, _ expected: String) throws {
        let found = try fault(.megatron, text)
        #expect(found.contains(expected), "\(found)")
    }

    @Test("Nothing of a script is run")
    func neverRun() throws {
        let canary = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-canary-\(UUID().uuidString)").path
        let text =
            "X=$(touch \(canary))\n`touch \(canary)`\ntouch \(canary)\ntorchrun pretrain_gpt.py \(Self.shape) --save $(touch \(canary)) --lr $X\n"
        #expect(try fault(.megatron, text) == "")
        #expect(!FileManager.default.fileExists(atPath: canary))
    }

    @Test("Documents: truncated, contradicting, without a model")
    func documents() throws {
        #expect(
            try fault(.torchtitan, "[model]\nname = \"llama3\"\nflavor = \"8B\n", ending: "toml").hasPrefix(
                "3:  this is not TOML: a text is not closed"))
        #expect(
            try fault(.torchtitan, "[model]\nname = \"llama3\"\nflavor = \"8B\"\n[training\n", ending: "toml").hasPrefix(
                "4:  this is not TOML"))
        #expect(try fault(.torchtitan, "[model]\nname = \"llama3\"\nflavor = \"9B\"\n", ending: "toml").hasPrefix("3: model.flavor"))
        #expect(try fault(.deepspeed, "{\"zero_optimization\": {\"stage\": 3}\n", ending: "json").contains("this is not JSON"))
        #expect(try fault(.deepspeed, "{\"zero_optimization\": {\"stage\": 3}}", ending: "json").contains("does not tell the model"))
        #expect(
            try fault(.deepspeed, "{\"fp16\": {\"enabled\": true},\n\"bf16\": {\"enabled\": true}}", ending: "json", model: "gpt2")
                .hasPrefix("2: bf16.enabled fp16.enabled: true"))
        #expect(
            try fault(
                .deepspeed, "{\"train_batch_size\": 10, \"train_micro_batch_size_per_gpu\": 4, \"gradient_accumulation_steps\": 1}",
                ending: "json", model: "gpt2"
            ).hasPrefix("1: train_batch_size 10 is no multiple"))
        #expect(try fault(.nemo, "model:\n  num_layers: 4\n bad\n", ending: "yaml").contains("this is not YAML"))
        #expect(try fault(.huggingface, "{\"model_type\": \"nothing\"}", ending: "json").contains("nothing"))
        #expect(try fault(.mlperf, "export DGXNNODES=1\n").contains("neither the file nor its path tells the benchmark"))
    }

    @Test("Mutilated scripts are faults or scenarios, never a crash")
    func cut() throws {
        let whole = try #require(readTextFile("\(LaunchCase.folder)/megatron/mixtral-8x7b.sh"))
        for length in stride(from: 0, to: whole.count, by: 97) { _ = try fault(.megatron, String(whole.prefix(length))) }
        let toml = try #require(readTextFile("\(LaunchCase.folder)/torchtitan/llama3-405b-pp.toml"))
        for length in stride(from: 0, to: toml.count, by: 41) {
            _ = try fault(.torchtitan, String(toml.prefix(length)), ending: "toml", gpus: 512)
        }
    }
}
