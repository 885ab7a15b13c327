import Foundation
import Plan
import Planner
import Quantities
import Scenario
import Testing

@testable import Import

@Suite("What is written is read back as the same job")
struct RoundTripTests {
    /// A job of each kind of model, small enough that its whole space is gone through.
    private static func scenario(_ model: String, framework: String) throws -> Scenario {
        try Scenario.loadAnyLayout(
            yaml: """
                model: {preset: \(model)}
                cluster: {gpu: h100-sxm-80gb, gpus: 32}
                training: {global_batch: 64, sequence: 4096}
                software: {framework: \(framework)}
                """, file: "job.yaml")
    }

    @Test(
        "All layouts that a program has",
        arguments: [
            (LaunchFormat.megatron, "llama3-8b", "megatron-lm"), (.megatron, "mixtral-8x7b", "megatron-lm"), (.nemo, "llama3-8b", "nemo"),
            (.torchtitan, "llama3-8b", "torchtitan"), (.deepspeed, "llama3-8b", "deepspeed"),
        ])
    func layouts(_ format: LaunchFormat, _ model: String, _ framework: String) throws {
        let start = try Self.scenario(model, framework: framework)
        let space = SearchSpace(job: start.job)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-round-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let endings: [LaunchFormat: String] = [.megatron: "sh", .nemo: "yaml", .torchtitan: "toml", .deepspeed: "json"]
        // An odd step goes through every kind of layout of a large space.
        let step = max(1, space.choices.count / (format == .deepspeed ? 400 : format == .torchtitan ? 150 : 50)) | 1
        var (written, refused) = (0, Set<String>())
        for index in stride(from: 0, to: space.choices.count, by: step) {
            var scenario = start
            scenario.job = space.job(space.choices[index])
            // Written as the layers that it stands for.
            if case .auto = scenario.job.training.recompute { continue }
            let launch: ExportedLaunch
            do throws(Faults) { launch = try exportLaunch(scenario, format) } catch {
                for fault in error.all { refused.insert(fault.keyPath) }
                continue
            }
            let path = folder.appendingPathComponent("launch.\(endings[format] ?? "txt")").path
            try launch.text.write(toFile: path, atomically: true, encoding: .utf8)
            var request = ImportRequest(format, path: path)
            (request.gpus, request.sequence) = (format == .megatron || format == .nemo ? nil : 32, format == .deepspeed ? 4096 : nil)
            if format == .deepspeed { request.model = model }
            let back = try importLaunch(request).scenario.job
            let (a, b) = (LayoutChoice(of: scenario.job), LayoutChoice(of: back))
            #expect(a == b, "\(launch.text)")
            #expect(back.cluster.gpus == 32 && back.training.globalBatch == 64 && back.training.sequence == 4096)
            #expect(back.precision == scenario.job.precision && back.training.optimizer == scenario.job.training.optimizer)
            #expect(
                back.model.layers == scenario.job.model.layers && back.model.parameters.total == scenario.job.model.parameters.total,
                "\(launch.text)")
            written += 1
        }
        #expect(written >= 10, "\(format.rawValue): \(written) of \(space.choices.count), refused for \(refused.sorted())")
    }

    @Test("What a program does not offer is refused with its key")
    func refusals() throws {
        func faults(_ layout: String, _ format: LaunchFormat, training: String = "") throws -> [String] {
            let scenario = try Scenario.load(
                yaml: """
                    model: {preset: llama3-8b}
                    cluster: {gpu: h100-sxm-80gb, gpus: 32}
                    layout: \(layout)
                    training: {global_batch: 64, micro_batch: 2, sequence: 4096\(training)}
                    software: {framework: generic}
                    """, file: "job.yaml")
            do throws(Faults) { _ = try exportLaunch(scenario, format) } catch { return error.all.map(\.keyPath) }
            return []
        }
        #expect(try faults("{tensor: 2, pipeline: 4, schedule: zb-v}", .megatron).contains("layout.schedule"))
        #expect(try faults("{zero: 1}", .torchtitan).contains("layout.zero"))
        #expect(try faults("{pipeline: 2, zero: 3}", .megatron).contains("layout.zero"))
        #expect(try faults("{tensor: 2, sequence_parallel: true}", .deepspeed).contains("layout.sequence_parallel"))
        #expect(try faults("{tensor: 4, tensor_algorithm: 2d}", .nemo).contains("layout.tensor_algorithm"))
        #expect(try faults("{tensor: 2, pipeline: 4, schedule: zb-v, sequence_parallel: true}", .torchtitan) == [])
        // Nothing is dropped in silence.
        #expect(try faults("{zero: 1}", .deepspeed, training: ", adapters: {kind: lora, rank: 16}").contains("training.adapters"))
        #expect(try faults("{zero: 1}", .deepspeed, training: ", frozen: [embedding]").contains("training.frozen"))
        #expect(try faults("{zero: 1}", .deepspeed, training: ", passes: {reference: 1}").contains("training.passes"))
        #expect(try faults("{zero: 1, offload: activations}", .deepspeed).contains("layout.offload"))
        #expect(try faults("{zero: 1, offload: {what: optimizer, share: 50%}}", .deepspeed).contains("layout.offload"))
    }

    @Test("Automatic recomputation is written as the layers that it stands for")
    func automatic() throws {
        let scenario = try Scenario.load(
            yaml: """
                model: {preset: llama3-8b}
                cluster: {gpu: h100-sxm-80gb, gpus: 8}
                layout: {tensor: 2, sequence_parallel: true, zero: 1}
                training: {global_batch: 64, micro_batch: 4, sequence: 8192, recompute: auto}
                software: {framework: megatron-lm}
                """, file: "job.yaml")
        let text = try exportLaunch(scenario, .megatron).text
        #expect(text.contains("--recompute-method block\n  --recompute-num-layers "), "\(text)")
    }

    @Test("A row of a search is laid over its scenario")
    func row() throws {
        let document = """
            {"ranked": [{"layout": {"tensor": 2, "sequence_parallel": true, "schedule": "1f1b", "stage_layers": "auto"},
              "training": {"micro_batch": 2, "recompute": "3 layers"}}]}
            """
        #expect(
            try searchedLayout(document, file: "s.json", rank: 1) == [
                "layout.tensor=2", "layout.sequence_parallel=true", "layout.schedule=1f1b", "layout.stage_layers=auto",
                "training.micro_batch=2",
                "training.recompute={layers: 3}",
            ])
        #expect(throws: Fault.self) { try searchedLayout(document, file: "s.json", rank: 2) }
        #expect(throws: Fault.self) { try searchedLayout("{", file: "s.json", rank: 1) }
    }
}
