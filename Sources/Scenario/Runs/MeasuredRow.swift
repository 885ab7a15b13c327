import Calibration
import Cluster
import Plan
import Quantities
import Workload

/// One row of a table to a job.
enum MeasuredRow {
    /// - Returns: nil where a cell has the wrong type, and then `cells` holds the fault.
    static func run(_ cells: inout MeasuredCells, library: Library) -> MeasuredRun? {
        let time = cells.number("step_time_s")
        let hardware = cells.text("hardware") ?? ""
        let memory = cells.number("memory_gb")
        let weight = cells.number("weight")
        if cells.text("step_time_s") == nil { cells.report("step_time_s", "the cell is empty", "write the seconds of one step") }
        let model = model(&cells)
        let layout = layout(&cells)
        let training = training(&cells)
        let precision = precision(&cells)
        let software = software(&cells)
        let gpus = cells.integer("gpus", 1...10_000_000)
        let perNode = cells.integer("gpus_per_node", 1...1024)
        guard cells.errors.isEmpty, let time else { return nil }
        var run = MeasuredRun(
            id: cells.text("id") ?? "line \(cells.line)", file: cells.file, line: cells.line, hardware: hardware,
            framework: software.framework,
            source: cells.text("source") ?? "", job: nil, reason: nil, stepTimeS: time, memoryGB: memory, weight: weight ?? 1,
            completeness: cells.text("completeness"), warnings: [], columns: cells.all, group: group(cells))
        let assumed = Set((cells.text("assumed") ?? "").split(separator: ";").map { String($0).trimmingSpaces })
        run.open = assumed.union(["zero", "recompute"].filter { cells.text($0) == nil })
        switch (model, gpus) {
        case (.failure(let error), _): run.reason = error.message
        case (_, nil): run.reason = "gpus is unknown"
        case (.success(let model), let gpus?):
            let machines = MeasuredMachines(
                hardware: hardware, gpus: gpus, gpusPerNode: perNode ?? 8, interNode: cells.text("inter_node") ?? "unknown")
            if perNode == nil { cells.remark("gpus_per_node is unknown: 8 is taken") }
            switch library.measuredCluster(machines) {
            case .failure(let error): run.reason = error.message
            case .success(let (cluster, remarks)):
                for remark in remarks { cells.remark(remark) }
                let job = Job(model: model, cluster: cluster, layout: layout, precision: precision, training: training, software: software)
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
    private static func model(_ cells: inout MeasuredCells) -> Result<Architecture, QuantityError> {
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
        case .sliding? where cells.text("window") == nil: return .failure(QuantityError("attention sliding needs window"))
        default: if let window = cells.integer("window") { model.attention = .sliding(window: window, period: 2) }
        }
        return .success(model)
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
        return layout
    }

    private enum RecomputeName: String, CaseIterable { case none, selective, full }

    private static func training(_ cells: inout MeasuredCells) -> TrainingSpec {
        var training = TrainingSpec()
        training.globalBatch = cells.integer("global_batch", default: 1)
        training.microBatch = cells.integer("micro_batch", default: 1)
        training.sequence = cells.integer("sequence", 1...1_000_000_000, default: 2048)
        switch cells.choice("recompute", RecomputeName.self) {
        case .full?: training.recompute = .full
        case .selective?: training.recompute = .selective
        case RecomputeName.none?: break
        case nil: cells.remark("recompute is unknown: none is taken")
        }
        return training
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
