import Calibration
import Cluster
import Foundation
import Plan
import Quantities
import Testing
import Workload

/// Published memory readings, where the shared folder is present. Each file's figure is compared with what its framework prints.
@Suite struct MemoryTruthTests {
    static let folder: URL = {
        if let path = ProcessInfo.processInfo.environment["ORRERY_SHARED"] { return URL(fileURLWithPath: path) }
        let here = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        var root = here.deletingLastPathComponent()
        // Walk up: a worktree may stand deeper than a plain clone.
        while root.path != "/" {
            let candidate = root.appendingPathComponent("shared")
            if FileManager.default.fileExists(atPath: candidate.appendingPathComponent("truth").path) { return candidate }
            root = root.deletingLastPathComponent()
        }
        return here.appendingPathComponent("../../../../shared")
    }()
    static var truth: [URL] {
        let files = try? FileManager.default.contentsOfDirectory(
            at: folder.appendingPathComponent("truth"), includingPropertiesForKeys: nil)
        return (files ?? []).filter { $0.pathExtension == "csv" }.sorted { $0.path < $1.path }
    }

    @Test(.enabled(if: !MemoryTruthTests.truth.isEmpty, "needs ../shared/truth/*.csv (or ORRERY_SHARED)"))
    func publishedReadingsAreMetWithinEightPercent() throws {
        var all: [Double] = []
        for file in Self.truth {
            var errors: [(id: String, error: Double)] = []
            for row in try MeasuredMemory.read(file) where row.memory != nil {
                let estimate = MemoryEstimate(job: row.job)
                let predicted = estimate.peak(MemoryEstimate.measure(of: row.job)) / 1e9
                guard let measured = row.memory else { continue }
                errors.append((row.id, predicted / measured - 1))
                if ProcessInfo.processInfo.environment["ORRERY_VERBOSE"] != nil {
                    print(
                        row.id, row.job.layout.schedule.rawValue, measured, fixed(predicted, decimals: 1),
                        fixed(100 * (predicted / measured - 1), decimals: 1))
                }
                #expect(estimate.fits, "\(row.id) ran, but the estimate of \(estimate.peak / 1e9) GB says that it does not fit")
            }
            guard let worst = errors.max(by: { abs($0.error) < abs($1.error) }) else { continue }
            let sorted = errors.map { abs($0.error) }.sorted()
            print(
                "\(file.lastPathComponent): \(errors.count) rows, median |error| \(fixed(100 * sorted[sorted.count / 2], decimals: 2)) %,",
                "worst \(fixed(100 * worst.error, decimals: 1)) % (\(worst.id))")
            all += sorted
        }
        try #require(all.count > 100)
        let median = all.sorted()[all.count / 2]
        print("all \(all.count) rows: median |error| \(fixed(100 * median, decimals: 2)) %")
        // Required: 8 %. Reached: under 4 %, which is held here.
        #expect(median < 0.04)
        let wide = all.filter { $0 > 0.15 }.count
        #expect(wide <= 2, "rows beyond 15 %")
    }

    @Test(.enabled(if: !MemoryTruthTests.truth.isEmpty, "needs ../shared/truth/*.csv (or ORRERY_SHARED)"))
    func jobsThatRanFit() throws {
        // Rows whose recomputation or ZeRO stage the source does not print may have run with another one: counted apart.
        var refused: [String] = []
        var guessed: [String] = []
        var count = 0
        for file in Self.truth {
            for row in try MeasuredMemory.read(file) {
                count += 1
                let estimate = MemoryEstimate(job: row.job)
                if !estimate.fits {
                    let line =
                        "\(row.id): \(fixed(estimate.peak / 1e9, decimals: 1)) GB of \(fixed(estimate.capacity / 1e9, decimals: 1)) GB"
                    if row.guessesMemoryPolicy { guessed.append(line) } else { refused.append(line) }
                }
            }
        }
        print(
            "\(refused.count + guessed.count) of \(count) rows that ran are said not to fit, \(guessed.count) of them with assumed policy")
        if ProcessInfo.processInfo.environment["ORRERY_VERBOSE"] != nil { for line in refused + guessed { print("  ", line) } }
        #expect(refused.isEmpty, "\(refused)")
        #expect(guessed.count <= 20)
    }
}

/// One row of the measured-runs format, as far as memory needs it.
struct MeasuredMemory {
    var id: String
    var job: Job
    var memory: Double?
    /// The source prints neither recomputation nor ZeRO stage; the row holds an assumption.
    var guessesMemoryPolicy = false

    static func read(_ file: URL) throws -> [MeasuredMemory] {
        let lines = split(try String(contentsOf: file, encoding: .utf8))
        guard let header = lines.first else { return [] }
        return try lines.dropFirst().compactMap { fields in
            guard fields.count == header.count else { return nil }
            let pairs = zip(header, fields).filter { !$0.1.isEmpty }
            return try MeasuredMemory(Dictionary(pairs.map { ($0.0, $0.1) }, uniquingKeysWith: { a, _ in a }))
        }
    }

    private static func split(_ text: String) -> [[String]] {
        var rows: [[String]] = []
        var row: [String] = []
        var field = ""
        var quoted = false
        for character in text {
            switch character {
            case "\"": quoted.toggle()
            case "," where !quoted:
                row.append(field)
                field = ""
            case "\n" where !quoted, "\r\n" where !quoted:
                rows.append(row + [field])
                row = []
                field = ""
            default: field.append(character)
            }
        }
        return rows
    }

    init(_ row: [String: String]) throws {
        func int(_ key: String, _ fallback: Int = 1) -> Int { row[key].flatMap { Int($0) } ?? fallback }
        id = row["id"] ?? "?"
        memory = row["memory_gb"].flatMap { Double($0) }
        let assumed = (row["assumed"] ?? "").split(separator: ";")
        guessesMemoryPolicy = assumed.contains("recompute") || assumed.contains("zero")
        var model = Architecture(name: id)
        model.layers = int("layers")
        model.hidden = int("hidden")
        model.heads = int("heads")
        model.kvHeads = int("kv_heads", model.heads)
        model.headDim = int("head_dim", model.hidden / max(1, model.heads))
        model.ffn = int("ffn", 4 * model.hidden)
        model.activation = Architecture.Activation(rawValue: row["activation"] ?? "gelu") ?? .gelu
        model.vocab = int("vocab", 50257)
        let gated = model.activation.isGated
        model.norm = gated ? .rms : .layer
        model.biases = !gated
        model.positions = gated ? .rotary : row["framework"] == "megatron-deepspeed" ? .alibi : .learned(length: int("sequence"))
        model.tiedEmbeddings = row["tied_embeddings"].map { $0 == "true" } ?? !gated
        model.mtpLayers = int("mtp_layers", 0)
        if row["attention"] == "mla" {
            model.attention = .mla(
                queryRank: row["q_rank"].flatMap { Int($0) }, kvRank: int("kv_rank", 512), ropeDim: int("rope_dim", 64),
                nopeDim: model.headDim,
                valueDim: model.headDim)
        }
        if let experts = row["experts"].flatMap({ Int($0) }), experts > 1 {
            let capacity = row["routing"]?.contains("drop") == true && row["routing"]?.contains("dropless") == false ? 1.0 : nil
            model.moe = Architecture.MoE(
                experts: experts, active: int("active_experts"), shared: int("shared_experts", 0), ffn: int("expert_ffn"),
                denseLayers: int("dense_layers", 0), capacity: capacity)
        }
        var layout = Layout()
        layout.tensor = int("tensor")
        layout.pipeline = int("pipeline")
        layout.virtual = int("virtual")
        layout.context = int("context")
        layout.expert = int("expert")
        layout.expertTensor = int("expert_tensor")
        layout.data = row["data"].flatMap { Int($0) }
        layout.sequenceParallel = row["sequence_parallel"] == "true"
        layout.zero = int("zero", 0)
        layout.schedule = ScheduleKind(rawValue: row["schedule"] ?? "1f1b") ?? .oneForwardOneBackward
        var training = TrainingSpec()
        training.globalBatch = int("global_batch")
        training.microBatch = int("micro_batch")
        training.sequence = int("sequence")
        training.recompute = row["recompute"] == "full" ? .full : row["recompute"] == "selective" ? .selective : .none
        var software = SoftwareStack(framework: row["framework"] ?? "megatron-lm")
        software.flashAttention = row["flash_attention"].map { $0 == "true" }
        software.gradientPrecision = row["gradient_precision"]
        software.stageBalance = row["stage_balance"].flatMap { SoftwareStack.StageBalance(rawValue: $0) }
        job = Job(
            model: model, cluster: try Self.cluster(row["hardware"] ?? "", gpus: int("gpus"), perNode: int("gpus_per_node", 8)),
            layout: layout, precision: PrecisionPolicy(compute: Precision(rawValue: row["precision"] ?? "bf16") ?? .bf16),
            training: training, software: software)
    }

    /// Physical memory: a card of "80 GB" has 80 GiB.
    static func cluster(_ hardware: String, gpus: Int, perNode: Int) throws -> ClusterSpec {
        let sizes: [(String, Double)] = [
            ("gb300", 288), ("gb200", 186), ("b300", 288), ("b200", 180), ("h200", 141), ("96gb", 96), ("h100", 80), ("40gb", 40),
            ("32gb", 32),
        ]
        let size = sizes.first { hardware.contains($0.0) }?.1 ?? 80
        let generation: Generation = hardware.contains("a100") ? .ampere : hardware.contains("h100") ? .hopper : .blackwell
        return ClusterSpec(
            name: hardware,
            accelerator: Accelerator(
                name: hardware, generation: generation, computeUnits: 108, peaks: [.bf16: 312e12],
                memory: Bytes(Int64(size * 1_073_741_824)),
                memoryBandwidth: try Bandwidth(baseValue: 2e12), boardPower: try Power(baseValue: 400), source: "test"),
            gpus: gpus, gpusPerNode: perNode,
            intraNode: Link(
                name: "nvlink", fabric: .nvlink, bandwidth: try Bandwidth(baseValue: 300e9), latency: .zero, source: "test"), interNode: nil
        )
    }
}
