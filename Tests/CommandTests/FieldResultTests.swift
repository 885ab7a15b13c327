import Foundation
import Testing

/// Small inputs on which users first stumbled, each with its right answer. They live in ../shared/cases (or $ORRERY_SHARED/cases).
enum FieldCase {
    static let root =
        (ProcessInfo.processInfo.environment["ORRERY_SHARED"]
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("shared").path) + "/cases"
    static var areHere: Bool { FileManager.default.fileExists(atPath: root + "/field") }
    static func path(_ name: String) -> String { "\(root)/\(name)" }

    /// The result of `orrery run`, whether the job fits or not.
    static func result(_ name: String, _ settings: String...) throws -> [String: Any] {
        let outcome = try Program.run(["run", path(name), "--json"] + settings.flatMap { ["--set", $0] })
        #expect(outcome.status < 2, "\(name): \(outcome.errors)")
        return try object(outcome.output)
    }

    static func seconds(_ result: [String: Any]) throws -> Double {
        let time = try #require((result["step"] as? [String: Any])?["time_s"])
        return try #require(time as? Double ?? (time as? [String: Any])?["mean"] as? Double)
    }

    static func peak(_ result: [String: Any]) throws -> Double {
        try #require((result["memory"] as? [String: Any])?["peak_bytes"] as? Double)
    }
}

@Suite(.enabled(if: FieldCase.areHere, "needs ../shared/cases (or ORRERY_SHARED)")) struct FieldResultTests {
    /// Two GPUs in two machines: each receives 13.5 GB of parameters and 13.5 GB of gradients through 1.25 GB/s, 21 s at least; none crosses NVLink.
    @Test func oneGPUANodeTalksOverTheNetwork() throws {
        let result = try FieldCase.result("field/one-gpu-per-node.yaml")
        #expect(try FieldCase.seconds(result) > 21)
        let traffic = try #require(result["traffic_bytes"] as? [String: Any])
        #expect(traffic["nvlink"] as? Double == 0)
        #expect(abs((traffic["network"] as? Double ?? 0) / 26.95e9 - 1) < 0.01)
        let outcome = try Program.run(
            "collective", "--cluster", FieldCase.path("field/one-gpu-per-node-cluster.yaml"), "--op", "all_reduce", "--ranks", "2",
            "--from",
            "1250M", "--to", "1250M", "--json")
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
        // 1.25 GB out and in at 1.25 GB/s: a second, and no bus faster than the port.
        #expect((rows[0]["busbw"] as? Double ?? .infinity) <= 1.25)
    }

    /// Current releases of Megatron-LM have fused attention: 19.6 s, not the 30 s of unfused attention, and a remark on what was assumed.
    @Test func megatronOnA100HasFusedAttention() throws {
        let result = try FieldCase.result("field/megatron-a100.yaml")
        let stated = try FieldCase.result("field/megatron-a100.yaml", "software.flash_attention=true")
        #expect(try FieldCase.seconds(result) == FieldCase.seconds(stated))
        let warnings = try #require(result["warnings"] as? [String])
        #expect(warnings.contains { $0.contains("software.flash_attention is not given") && $0.contains("times as long") }, "\(warnings)")
        #expect((stated["warnings"] as? [String])?.contains { $0.contains("flash_attention is not given") } == false)
    }

    static func tokensPerGPU(_ result: [String: Any]) throws -> Double {
        try #require((result["step"] as? [String: Any])?["tokens_per_s_per_gpu"] as? Double)
    }

    /// torchtitan's page of December 2024: 5762 tokens a second and GPU eager, 6667 compiled; and no key goes by unsaid.
    @Test func keysThatDidNothing() throws {
        let plain = try FieldCase.result("field/dead-keys.yaml")
        let compiled = try FieldCase.result("field/dead-keys.yaml", "software.compiled=true")
        #expect(abs(try Self.tokensPerGPU(plain) / 5762 - 1) < 0.08)
        #expect(abs(try Self.tokensPerGPU(compiled) / 6667 - 1) < 0.08)
        #expect((plain["warnings"] as? [String])?.contains { $0.contains("compiled") } == false)
        for (key, value) in [
            ("software.transformer_engine", "true"), ("layout.overlap.grad_reduce", "false"), ("layout.overlap.param_gather", "false"),
            ("layout.bucket", "400 MB"),
        ] {
            let changed = try FieldCase.result("field/dead-keys.yaml", "\(key)=\(value)")
            #expect((changed["warnings"] as? [String])?.contains { $0.contains(key) } == true, "\(key)")
        }
    }

    /// Beside the backward pass, reduction takes no longer than behind it.
    @Test func overlapCostsNothing() throws {
        let outcome = try Program.run("compare", FieldCase.path("field/overlap-sign.yaml"), "--json")
        let runs = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
        let (on, off) = (try FieldCase.seconds(runs[0]), try FieldCase.seconds(runs[1]))
        #expect(on <= off)
        #expect(on <= 4.02)
    }

    /// 141.8 GiB measured with eight loss chunks and op-level selective recomputation, which keeps no grouped products.
    @Test func lossInChunks() throws {
        let result = try FieldCase.result("field/loss-memory.yaml", "training.loss={chunks: 8}")
        let peak = try FieldCase.peak(result) / 1_073_741_824
        #expect(abs(peak / 141.8 - 1) < 0.10, "\(peak) GiB")
    }

    /// Weights, gradients and 8-bit moments at 2 bytes each: 42 GB measured.
    @Test func pureSixteenBits() throws {
        #expect(abs(try FieldCase.peak(try FieldCase.result("field/pure-bf16.yaml")) / 42e9 - 1) < 0.10)
    }

    /// FSDP under a pipeline keeps what it gathered: 100 tokens a second and GPU.
    @Test func gatheredUnderAPipeline() throws {
        #expect(abs(try Self.tokensPerGPU(try FieldCase.result("field/fsdp-pipeline.yaml")) / 100 - 1) < 0.08)
    }

    /// 32,768 tokens on one rank and 65,536 on two: 3890 and 2540 tokens a second and GPU.
    @Test(arguments: [(1, 32768, 8, 3890.0), (2, 65536, 4, 2540)])
    func longSequences(ranks: Int, sequence: Int, batch: Int, measured: Double) throws {
        let result = try FieldCase.result(
            "field/long-context.yaml", "layout.context=\(ranks)", "training.sequence=\(sequence)", "training.global_batch=\(batch)")
        #expect(abs(try Self.tokensPerGPU(result) / measured - 1) < 0.08)
    }

    @Test func aDefaultSequenceIsSaid() throws {
        let result = try FieldCase.result("field/hf-long-default.yaml")
        #expect((result["warnings"] as? [String])?.contains { $0.contains("training.sequence is not given: 131072") } == true)
    }

    /// The node of the RTX 4090: PCIe 4.
    @Test func consumerCardsHaveANode() throws {
        let outcome = try Program.run("run", FieldCase.path("field/rtx3090-node.yaml"))
        #expect(outcome.output.contains("pcie4"))
    }

    /// LoRA is said by a key of its own: 21.3 GB measured of litgpt, 7B, rank 8 on queries and values.
    @Test func adapters() throws {
        let outcome = try Program.run("run", FieldCase.path("field/lora.yaml"))
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("training.adapters: {kind: lora, rank: 16}"), "\(outcome.errors)")
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("lora-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        try """
        model: {preset: llama2-7b}
        cluster: {gpu: a100-sxm-40gb, gpus: 1}
        training: {global_batch: 128, micro_batch: 1, sequence: 1304, adapters: {rank: 8, dropout: 5 %}}
        software: {framework: pytorch-ddp}
        """.write(to: file, atomically: true, encoding: .utf8)
        let result = try object(try Program.run("run", file.path, "--json").output)
        // The report is of what the allocator handed out: without the context and what lies idle between blocks.
        let memory = try #require(result["memory"] as? [String: Any])
        let allocated = try FieldCase.peak(result) - (memory["fragmentation"] as? Double ?? 0)
        #expect(abs(allocated / 21.3e9 - 1) < 0.10)
    }

    /// Small messages on sixteen A100 of two nodes, as ABCI measured them: within 30 %, each no slower than the next.
    @Test func latenciesOfCollectives() throws {
        let outcome = try Program.run(
            "collective", "--cluster", FieldCase.path("field/collective-16-a100.yaml"), "--op", "all_reduce", "--ranks", "16", "--from",
            "8",
            "--to", "2G", "--factor", "4", "--json")
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
        var last = 0.0
        let measured: [Int: Double] = [8: 22.5, 32768: 45.6, 131072: 63.2, 524288: 118.5]
        for row in rows {
            let time = try #require(row["microseconds"] as? Double)
            #expect(time >= last)
            last = time
            guard let size = row["size"] as? Int, let real = measured[size] else { continue }
            #expect(abs(time / real - 1) < 0.30, "\(size) B: \(time) us for \(real)")
        }
        let eight = try Program.run(
            "collective", "--cluster", FieldCase.path("field/collective-8-a100.yaml"), "--op", "all_reduce", "--ranks", "8", "--from",
            "10G",
            "--to", "10G", "--json")
        let large = try #require(try JSONSerialization.jsonObject(with: Data(eight.output.utf8)) as? [[String: Any]])
        #expect(abs((large[0]["busbw"] as? Double ?? 0) / 233 - 1) < 0.05)
    }
}
