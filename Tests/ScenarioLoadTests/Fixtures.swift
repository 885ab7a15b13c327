import Calibration
import Cluster
import Cost
import Foundation
import Plan
import Quantities
import Testing
import Workload

@testable import Scenario

/// Two models beside the real catalogue, so that these tests depend on no model's presets.
enum Fixture {
    static let library: Library = {
        var library = Library.standard
        library.models = Library.Lookup(["llama3-405b": big, "tiny": tiny, "resnet50": resnet])
        var book = PriceBook()
        book.gpuHour = try? HourlyPrice(baseValue: 2)
        book.pue = 1.1
        library.prices = Library.Lookup(["rented": book])
        library.huggingFace = { json, _ in
            json.contains("\"llama\"") ? .success(tiny) : .failure(QuantityError("model_type is not known"))
        }
        return library
    }()

    /// Llama 3 405B (arXiv:2407.21783, Table 3).
    static let big: Architecture = {
        var model = Architecture(name: "llama3-405b")
        (model.layers, model.hidden, model.heads, model.kvHeads, model.headDim) = (126, 16384, 128, 8, 128)
        (model.ffn, model.vocab, model.activation, model.norm) = (53248, 128256, .swiglu, .rms)
        (model.positions, model.tiedEmbeddings, model.biases, model.sequence) = (.rotary, false, false, 8192)
        return model
    }()
    static let tiny: Architecture = {
        var model = Architecture(name: "tiny")
        (model.layers, model.hidden, model.heads, model.kvHeads, model.headDim) = (8, 512, 8, 8, 64)
        (model.ffn, model.vocab, model.sequence) = (2048, 32000, 1024)
        return model
    }()
    static let resnet: Architecture = {
        var model = Architecture(name: "resnet50")
        model.kind = .resnet(depth: 50, imageSize: 224)
        return model
    }()

    /// A legal scenario; tests change a line of it.
    static let valid = """
        orrery: 1
        model:
          preset: tiny
        cluster:
          gpu: h100-sxm-80gb
          gpus: 16
        layout:
          tensor: 2
          pipeline: 2
        training:
          global_batch: 64
          micro_batch: 2
          sequence: 1024
          precision: bf16
          recompute: none
          steps: 100
        conditions:
          jitter: {kernel: 1%, network: 2%}
        software:
          framework: megatron-lm
        prices:
          gpu_hour: 2.00 USD/h
        simulate:
          seed: 7
        """

    static func load(_ yaml: String, overrides: [String] = []) throws(ScenarioErrors) -> Scenario {
        try Scenario.load(yaml: yaml, file: "test.yaml", overrides: overrides, library: library)
    }

    static func errors(_ yaml: String, overrides: [String] = []) -> [ScenarioError] {
        do {
            _ = try load(yaml, overrides: overrides)
            return []
        } catch { return error.errors }
    }

    /// A directory that is removed again.
    static func withFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-scenario-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }

    /// The folder of published measurements, where this checkout stands beside it.
    static let truth: URL? = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let named = ProcessInfo.processInfo.environment["ORRERY_SHARED"].map { URL(fileURLWithPath: $0) }
        let folders = [named, root.appendingPathComponent("../shared"), root.appendingPathComponent("../../shared")].compactMap { $0 }
        return folders.map { $0.appendingPathComponent("truth").standardizedFileURL }.first {
            FileManager.default.fileExists(atPath: $0.path)
        }
    }()
}
