import Calibration
import Cluster
import Plan
import Quantities
import Workload

/// One row of a table to a job.
enum MeasuredRow {
    /// A cell of the wrong type leaves the row without a job: its reason says which cell, and `cells` holds the fault.
    static func run(_ cells: inout MeasuredCells, library: Library) -> MeasuredRun {
        let time = cells.number("step_time_s")
        let hardware = cells.text("hardware") ?? ""
        let memory = cells.number("memory_gb")
        let weight = cells.number("weight")
        if cells.text("step_time_s") == nil { cells.report("step_time_s", "the cell is empty", "write the seconds of one step") }
        let model = model(&cells, library)
        let layout = layout(&cells)
        let training = training(&cells)
        let precision = precision(&cells)
        let software = software(&cells)
        let gpus = cells.integer("gpus", 1...10_000_000)
        let perNode = cells.integer("gpus_per_node", 1...1024)
        let linkRate = cells.number("link_gbit_s_measured") ?? cells.number("link_gbit_s")
        var run = MeasuredRun(
            id: cells.text("id") ?? "line \(cells.line)", file: cells.file, line: cells.line, hardware: hardware,
            framework: software.framework,
            source: cells.text("source") ?? "", job: nil, reason: nil, stepTimeS: time ?? 0, memoryGB: memory, weight: weight ?? 1,
            completeness: cells.text("completeness"), warnings: [], columns: cells.all, group: group(cells))
        let assumed = Set((cells.text("assumed") ?? "").split(separator: ";").map { String($0).trimmingSpaces })
        run.open = assumed.union(["zero", "recompute"].filter { cells.text($0) == nil })
        run.isExcluded = cells.flag("outlier") ?? false
        run.memoryMeasure = cells.choice("memory_measure", MemoryMeasure.self) ?? StackTable.printed(by: run.source)
        guard cells.errors.isEmpty else {
            run.reason = cells.errors.map { "\($0.keyPath): \($0.reason)" }.joined(separator: "; ")
            run.warnings = cells.warnings
            return run
        }
        switch (model, gpus) {
        case (.failure(let error), _): run.reason = error.message
        case (_, nil): run.reason = "gpus is unknown"
        case (.success(let model), let gpus?):
            let machines = MeasuredMachines(
                hardware: hardware, gpus: gpus, gpusPerNode: perNode ?? 8, interNode: cells.text("inter_node") ?? "unknown",
                intraNode: cells.text("intra_node"), linkRate: linkRate.flatMap { try? Bandwidth(parsing: "\($0) Gb/s") })
            if perNode == nil { cells.remark("gpus_per_node is unknown: 8 is taken") }
            switch library.measuredCluster(machines) {
            case .failure(let error): run.reason = error.message
            case .success(let (cluster, remarks)):
                for remark in remarks { cells.remark(remark) }
                var job = Job(model: model, cluster: cluster, layout: layout, precision: precision, training: training, software: software)
                if let steps = localSteps(&cells) { run.localUpdates = LocalUpdates(steps: steps, parting: &job) }
                let problems = job.problems()
                if problems.isEmpty {
                    run.job = job
                } else {
                    run.reason = problems.map { "\($0.keyPath): \($0.reason)" }.joined(separator: "; ")
                }
            }
        }
        run.warnings = cells.warnings
        return run
    }

    private static func group(_ cells: MeasuredCells) -> String {
        ["hardware", "gpus", "layers", "hidden", "heads", "ffn", "experts", "sequence", "vocab"].map { cells.text($0) ?? "-" }.joined(
            separator: "/")
    }

    private enum AttentionName: String, CaseIterable { case full, mla, sliding }

    /// The columns give widths; what they leave open follows from the activation: gated units come with RMSNorm, rotary positions and no biases
    /// (the Llama lineage), the rest with LayerNorm, learned positions and biases (GPT).
    /// Workers that train alone and average their parameters now and then.
    private static func localSteps(_ cells: inout MeasuredCells) -> Int? {
        guard let name = cells.text("algorithm")?.lowercased(), !["ddp", "sync", "synchronous", "allreduce"].contains(name) else {
            return nil
        }
        return cells.integer("inner_steps", default: 1)
    }

    /// A model that the row names and does not describe.
    private static func named(_ cells: inout MeasuredCells, _ library: Library) -> Architecture? {
        guard cells.text("layers") == nil, let name = cells.text("model"), var model = library.models.find(name) else { return nil }
        if case .resnet(let depth, let size) = model.kind {
            model.kind = .resnet(depth: depth, imageSize: cells.integer("image", 32...8192) ?? size)
        }
        return model
    }

    private static func model(_ cells: inout MeasuredCells, _ library: Library) -> Result<Architecture, QuantityError> {
        if let model = named(&cells, library) { return .success(model) }
        if let name = cells.text("model"), cells.text("layers") == nil {
            let close = nearest(name, in: library.models.names).map { " (did you mean \($0)?)" } ?? ""
            return .failure(QuantityError("model \(name) is not in the catalogue and layers is unknown\(close)"))
        }
        var model = Architecture(name: cells.text("id") ?? "model")
        for (name, path) in [("layers", \Architecture.layers), ("hidden", \.hidden), ("heads", \.heads), ("vocab", \.vocab)] {
            guard let value = cells.integer(name) else { return .failure(QuantityError("\(name) is unknown")) }
            model[keyPath: path] = value
        }
        model.kvHeads = cells.integer("kv_heads") ?? model.heads
        model.headDim = cells.integer("head_dim") ?? model.hidden / model.heads
        let ffn = cells.integer("ffn")
        if cells.text("activation") == nil { cells.remark("activation is unknown: gelu is taken") }
        model.activation = cells.choice("activation", Architecture.Activation.self) ?? .gelu
        let gated = model.activation.isGated
        model.norm = gated ? .rms : .layer
        model.biases = !gated
        model.positions = gated ? .rotary : .learned(length: cells.integer("sequence") ?? 0)
        model.tiedEmbeddings = cells.flag("tied_embeddings") ?? !gated
        model.mtpLayers = cells.integer("mtp_layers", 0...100) ?? 0
        if cells.flag("causal") == false { encoder(&model) }
        if !head(&cells, &model) { return .failure(QuantityError("head \"\(cells.text("head") ?? "")\" is none of lm, mlm, qa-2, cls-N")) }
        model.moe = experts(&cells)
        if let ffn {
            model.ffn = ffn
        } else if model.moe.map({ $0.denseLayers > 0 }) ?? true {
            model.ffn = 4 * model.hidden
            cells.remark("ffn is unknown: 4 x hidden is taken")
        }
        switch cells.choice("attention", AttentionName.self) {
        case .mla?:
            guard let rank = cells.integer("kv_rank"), let rope = cells.integer("rope_dim") else {
                return .failure(QuantityError("attention mla needs kv_rank and rope_dim"))
            }
            model.attention = .mla(
                queryRank: cells.integer("q_rank"), kvRank: rank, ropeDim: rope, nopeDim: model.headDim, valueDim: model.headDim)
        case .sliding? where cells.text("window") == nil: cells.remark("attention sliding without window: full attention is taken")
        default: if let window = cells.integer("window") { model.attention = .sliding(window: window, period: 2) }
        }
        return .success(model)
    }

    /// BERT and its like see both ways: learned positions and segments, norms behind each block (arXiv:1810.04805).
    private static func encoder(_ model: inout Architecture) {
        model.causal = false
        guard !model.activation.isGated else { return }
        model.positions = .learned(length: 512)
        model.tokenTypes = 2
        model.embeddingNorm = true
        model.finalNorm = false
    }

    /// What stands on the last layer: a language model's output matrix, BERT's masked one over the positions that it scores, or a classifier's.
    private static func head(_ cells: inout MeasuredCells, _ model: inout Architecture) -> Bool {
        guard let name = cells.text("head") else { return true }
        switch name {
        case "lm": return true
        case "mlm":
            model.maskedLMHead = true
            model.pooler = true
            // Loaders make room for 20 of 128 and 80 of 512 positions, a little above the 15 % that are masked.
            model.scoredShare = 0.156
            return true
        default:
            guard let dash = name.lastIndex(of: "-"), let outputs = Int(name[name.index(after: dash)...]), (1...1_000_000).contains(outputs)
            else { return false }
            model.outputs = outputs
            return true
        }
    }

    private static func experts(_ cells: inout MeasuredCells) -> Architecture.MoE? {
        guard let experts = cells.integer("experts"), experts > 1 else { return nil }
        let routing = (cells.text("routing") ?? "").split(separator: "+")
        return Architecture.MoE(
            experts: experts, active: cells.integer("active_experts", default: 1), shared: cells.integer("shared_experts", 0...1000) ?? 0,
            ffn: cells.integer("expert_ffn", 1...1_000_000_000) ?? cells.integer("ffn") ?? 1,
            denseLayers: cells.integer("dense_layers", 0...10_000) ?? 0,
            capacity: routing.contains("drop") ? 1 : nil)
    }

    private static func layout(_ cells: inout MeasuredCells) -> Layout {
        var layout = Layout()
        layout.tensor = cells.integer("tensor", default: 1)
        layout.pipeline = cells.integer("pipeline", default: 1)
        layout.virtual = cells.integer("virtual", 1...10_000) ?? 1
        layout.context = cells.integer("context", 1...1_000_000) ?? 1
        layout.expert = cells.integer("expert", 1...1_000_000) ?? 1
        layout.expertTensor = cells.integer("expert_tensor", 1...1_000_000) ?? 1
        layout.data = cells.integer("data", 1...1_000_000)
        if let sequenceParallel = cells.flag("sequence_parallel") {
            layout.sequenceParallel = sequenceParallel
        } else if layout.tensor > 1 {
            cells.remark("sequence_parallel is unknown: false is taken")
        }
        layout.zero = cells.integer("zero", 0...3, default: 0)
        layout.schedule = cells.choice("schedule", ScheduleKind.self) ?? (layout.virtual > 1 ? .interleaved : .oneForwardOneBackward)
        layout.overlap.gradReduce = cells.flag("data_overlap")
        if let group = cells.text("shard_group"), group != "all" { layout.shardGroup = cells.integer("shard_group", 1...1_000_000) }
        if cells.text("offload") == "optimizer" { layout.offload = .optimizer }
        return layout
    }

    private enum RecomputeName: String, CaseIterable { case none, selective, full }

    private static func training(_ cells: inout MeasuredCells) -> TrainingSpec {
        var training = TrainingSpec()
        training.globalBatch = cells.integer("global_batch", 1...1_000_000_000, default: 1)
        training.microBatch = cells.integer("micro_batch", default: 1)
        let isCNN = cells.text("layers") == nil && cells.text("image") != nil
        training.sequence = isCNN ? 1 : cells.integer("sequence", 1...1_000_000_000, default: 2048)
        switch cells.choice("recompute", RecomputeName.self) {
        case .full?: training.recompute = .full
        case .selective?: training.recompute = .selective
        case RecomputeName.none?: break
        case nil: cells.remark("recompute is unknown: none is taken")
        }
        if let chunks = cells.integer("loss_chunks", 1...1_000_000), chunks > 1 { training.loss = .chunks(chunks) }
        if let name = cells.text("optimizer") {
            let word = ["sgd-momentum": "momentum", "adamw-8bit": "adam-8bit", "adam-fused": "adam"][name] ?? name
            if let kind = OptimizerKind(rawValue: word) {
                training.optimizer = kind
            } else {
                cells.remark("optimizer \(name) is not known: \(training.optimizer.rawValue) is taken")
            }
        } else if isCNN {
            training.optimizer = .momentum
        }
        training.adapters = adapters(&cells)
        return training
    }

    /// `lora` or `qlora`, with the rank behind a dash: on all linear layers.
    private static func adapters(_ cells: inout MeasuredCells) -> LowRankAdapters? {
        guard let text = cells.text("adapters")?.lowercased(), text != "none" else { return nil }
        let parts = text.split(separator: "-", maxSplits: 1)
        guard let kind = parts.first, kind == "lora" || kind == "qlora" else {
            cells.remark("adapters \(text) is none of lora-16, qlora-16, none: all parameters are taken to train")
            return nil
        }
        let rank = parts.count > 1 ? Int(parts[1]).flatMap { (1...65_536).contains($0) ? $0 : nil } : nil
        if rank == nil { cells.remark("rank of the adapters is unknown: 16 is taken") }
        return LowRankAdapters(rank: rank ?? 16, targets: [.allLinear], base: kind == "qlora" ? .nf4 : .bf16)
    }

    private static func precision(_ cells: inout MeasuredCells) -> PrecisionPolicy {
        var precision = PrecisionPolicy(compute: cells.choice("precision", Precision.self) ?? .bf16)
        precision.gradients = cells.choice("gradient_precision", Precision.self)
        if cells.text("precision") == nil { cells.remark("precision is unknown: bf16 is taken") }
        return precision
    }

    private static func software(_ cells: inout MeasuredCells) -> SoftwareStack {
        var stack = SoftwareStack(framework: cells.text("framework") ?? SoftwareSection.usualFramework)
        if cells.text("framework") == nil { cells.remark("framework is unknown: \(stack.framework) is taken") }
        stack.release = cells.text("release")
        stack.flashAttention = cells.flag("flash_attention")
        stack.tensorOverlap = cells.choice("tensor_overlap", SoftwareStack.TensorOverlap.self)
        stack.dataOverlap = cells.flag("data_overlap")
        stack.scaling = cells.choice("scaling", SoftwareStack.Scaling.self)
        stack.launchBlocking = cells.flag("launch_blocking")
        stack.stageBalance = cells.choice("stage_balance", SoftwareStack.StageBalance.self)
        stack.gradientPrecision = cells.text("gradient_precision")
        stack.routing = cells.text("routing")
        stack.environment = cells.text("environment")
        stack.transformerEngine = cells.flag("transformer_engine")
        stack.compiled = cells.flag("compiled")
        return stack
    }
}
