import Plan
import Workload

extension LaunchWriter {
    /// Flavours by the names of the catalogue; the reader's table turned round.
    private static let flavors: [String: (name: String, flavor: String)] = [
        "llama3-8b": ("llama3", "8B"), "llama3-70b": ("llama3", "70B"), "llama3-405b": ("llama3", "405B"), "llama3.2-1b": ("llama3", "1B"),
        "llama3.2-3b": ("llama3", "3B"), "llama2-7b": ("llama2", "7B"), "llama2-13b": ("llama2", "13B"), "llama2-70b": ("llama2", "70B"),
        "llama4-scout": ("llama4", "17bx16e"), "llama4-maverick": ("llama4", "17bx128e"), "deepseek-v2-lite": ("deepseek_v3", "16B"),
        "deepseek-v2": ("deepseek_v3", "236B"), "deepseek-v3": ("deepseek_v3", "671B"), "qwen3-0.6b": ("qwen3", "0.6B"),
        "qwen3-1.7b": ("qwen3", "1.7B"),
        "qwen3-4b": ("qwen3", "4B"), "qwen3-8b": ("qwen3", "8B"), "qwen3-14b": ("qwen3", "14B"), "qwen3-32b": ("qwen3", "32B"),
    ]

    mutating func torchtitan() {
        guard let flavor = Self.flavors[model.name] else {
            return refuse(
                "model", "\(program) has no flavour of \(model.name)", "name one of \(Self.flavors.keys.sorted().joined(separator: ", "))")
        }
        var lines = [
            "# \(name): written by orrery export \(format.rawValue), for \(job.cluster.gpus) GPUs. Data, tokenizer and checkpoints are for you to add.",
            "[model]",
            "name = \"\(flavor.name)\"", "flavor = \"\(flavor.flavor)\"",
        ]
        switch job.precision.compute {
        case .fp8: lines.append("converters = [\"float8\"]")
        case .mxfp8: lines.append("converters = [\"mx\"]")
        case .bf16, .fp32: break
        default:
            refuse("training.precision.compute", "\(program) has no \(job.precision.compute.rawValue)", "write bf16, fp8, mxfp8 or fp32")
        }
        let isPipelined = layout.pipeline > 1
        lines += [
            "", "[training]", "local_batch_size = \(isPipelined ? max(1, training.globalBatch / max(1, data)) : training.microBatch)",
            "global_batch_size = \(training.globalBatch)", "seq_len = \(training.sequence)",
        ]
        if let steps { lines.append("steps = \(steps)") }
        if job.precision.compute == .fp32 { lines.append("mixed_precision_param = \"float32\"") }
        switch job.precision.reduce {
        case nil: break
        case .fp32?: lines.append("mixed_precision_reduce = \"float32\"")
        case .bf16?: lines.append("mixed_precision_reduce = \"bfloat16\"")
        default: refuse("training.precision.reduce", "\(program) reduces in fp32 or bf16", "write one of the two")
        }
        for (key, value) in [("gradients", job.precision.gradients), ("master", job.precision.master), ("moments", job.precision.moments)]
        where value != nil {
            refuse("training.precision.\(key)", "no setting of \(program) says this", "leave it out")
        }
        lines += ["", "[parallelism]"] + titanDegrees() + titanRest()
        text = lines.joined(separator: "\n") + "\n"
    }

    private mutating func titanDegrees() -> [String] {
        if layout.tensor > 1, !layout.sequenceParallel {
            refuse("layout.sequence_parallel", "\(program)'s plans split norms over the tensor group", "write true")
        }
        if layout.context > 1, layout.contextExchange != .ring {
            refuse("layout.context_exchange", "\(program) passes keys and values round", "write ring")
        }
        if layout.offload != .none { refuse("layout.offload", "\(program) moves all state or nothing", "write none") }
        if layout.overlap != Layout.Overlap() { refuse("layout.overlap", "no setting of \(program) says this", "leave it out") }
        if Int(layout.bucket.baseValue) != 40_000_000 {
            refuse("layout.bucket", "\(program) sends gradients layer by layer", "leave it out")
        }
        if layout.stageLayers != nil { refuse("layout.stage_layers", "no number of \(program)'s configuration says this", "write auto") }
        if ![0, 3].contains(layout.zero) {
            refuse("layout.zero", "\(program)'s fully_shard shards parameters with the rest", "write zero: 3, or 0")
        }
        if layout.zero == 0, layout.context > 1 {
            refuse("layout.zero", "\(program) shards over context ranks in any case", "write zero: 3")
        }
        let groups = data * layout.context
        let copies = layout.zero == 0 ? data : groups / max(1, layout.shardGroup ?? groups)
        let shards = layout.zero == 0 ? 1 : groups / max(1, copies * layout.context)
        if layout.zero != 0, shards * copies != data {
            refuse(
                "layout.shard_group", "a copy spans whole context groups in \(program)",
                "write a multiple of context that divides \(groups)")
        }
        var lines = [
            "data_parallel_replicate_degree = \(copies)", "data_parallel_shard_degree = \(shards)",
            "tensor_parallel_degree = \(layout.tensor)",
            "pipeline_parallel_degree = \(layout.pipeline)", "context_parallel_degree = \(layout.context)",
        ]
        if model.moe != nil {
            lines += ["expert_parallel_degree = \(layout.expert)", "expert_tensor_parallel_degree = \(layout.expertTensor)"]
        }
        if let reshard = layout.reshardAfterForward { lines.append("fsdp_reshard_after_forward = \"\(reshard ? "always" : "never")\"") }
        if job.software.tensorOverlap == .async, layout.tensor > 1 { lines.append("enable_async_tensor_parallel = true") }
        guard layout.pipeline > 1 else { return lines }
        let schedules: [ScheduleKind: String] = [
            .gpipe: "GPipe", .oneForwardOneBackward: "1F1B", .interleaved: "Interleaved1F1B", .zbV: "ZBVZeroBubble",
            .dualpipeV: "DualPipeV",
        ]
        if let schedule = schedules[layout.schedule] { lines.append("pipeline_parallel_schedule = \"\(schedule)\"") }
        lines.append("pipeline_parallel_microbatch_size = \(training.microBatch)")
        if layout.schedule == .interleaved, layout.virtual != 2 {
            let each = titanLayersPerStage(layers: model.layers, stages: layout.pipeline * layout.virtual)
            if let each {
                lines.append("pipeline_parallel_layers_per_stage = \(each)")
            } else {
                refuse(
                    "layout.virtual",
                    "\(model.layers) layers do not make \(layout.pipeline * layout.virtual) stages of one length in \(program)",
                    "write another virtual")
            }
        }
        return lines
    }

    private mutating func titanRest() -> [String] {
        var lines = ["", "[activation_checkpoint]"]
        switch training.recompute {
        case .none: lines.append("mode = \"none\"")
        case .full: lines.append("mode = \"full\"")
        case .selective: lines += ["mode = \"selective\"", "selective_ac_option = \"op\""]
        case .layers(let layers):
            let each = max(1, model.layers / layout.pipeline)
            if layers > 0, let every = (2...max(2, each)).first(where: { max(1, each / $0) == layers }) {
                lines += ["mode = \"selective\"", "selective_ac_option = \"\(every)\""]
            } else {
                refuse(
                    "training.recompute", "\(program) recomputes every n-th layer, which makes no \(layers) of \(each)",
                    "write none, selective or full")
            }
        default:
            refuse("training.recompute", "\(program) recomputes whole layers, or chosen operations of all", "write none, selective or full")
        }
        switch training.optimizer {
        case .adamw: lines += ["", "[optimizer]", "name = \"AdamW\""]
        case .adam: lines += ["", "[optimizer]", "name = \"Adam\""]
        default: refuse("training.optimizer", "\(program)'s configuration has Adam and AdamW", "write adamw")
        }
        if let scaling = job.software.scaling, job.precision.compute == .fp8 {
            lines += ["", "[float8]", "recipe_name = \"\(scaling.rawValue)\""]
        }
        if let compiled = job.software.compiled { lines += ["", "[compile]", "enable = \(compiled)"] }
        return lines
    }
}

/// Layers of a stage with which a model falls into so many stages, as torchtitan counts them (distributed/pipeline_parallel.py); nil where none does.
func titanLayersPerStage(layers: Int, stages: Int) -> Int? {
    guard stages > 0, layers >= stages else { return nil }
    let each = (layers + stages - 1) / stages
    return (layers + each - 1) / each == stages ? each : nil
}
