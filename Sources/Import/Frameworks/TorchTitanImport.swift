import Scenario

/// torchtitan's job configuration (torchtitan/config/job_config.py; older sections beside today's).
extension LaunchBuilder {
    static func torchtitan(_ request: ImportRequest) throws(ScenarioErrors) -> LaunchBuilder {
        let text = try LaunchFile.text(request.path)
        var launcher = LauncherOptions()
        var settings: [LaunchSetting] = []
        var remarks: [String] = []
        if request.path.lowercased().hasSuffix(".toml") || text.contains(/(?m)^\s*\[[a-z_]+\]\s*$/) {
            settings = try TOMLFile.settings(text, file: request.path)
        } else {
            // A script: CONFIG_FILE=... ./run_train.sh, or torchrun ... --job.config_file x.toml --training.steps 100.
            let launch = try ShellLaunch(try LaunchFile.script(text, request), file: request.path) { names in
                names.count { $0.contains(".") } + 1
            }
            (launcher, remarks) = (launch.launcher, launch.remarks)
            let named = launch.settings.first { $0.key == "job.config_file" }?.value ?? launch.script.variables["CONFIG_FILE"] ?? ""
            guard let file = LaunchFile.beside(request.path, named) else {
                throw launchFault(
                    LaunchPlace(file: request.path, line: 1), "", "the configuration \"\(named)\" cannot be read",
                    "give the TOML file, or put it beside the script")
            }
            settings = try TOMLFile.settings(file.text, file: file.path)
            let given = launch.settings.filter { $0.name.contains(".") && $0.key != "job.config_file" }
            settings.removeAll { old in given.contains { $0.key == old.key } }
            settings += given
        }
        var builder = LaunchBuilder(settings, request)
        (builder.launcher, builder.remarks) = (launcher, remarks)
        try builder.titan()
        return builder
    }

    private mutating func titan() throws(ScenarioErrors) {
        try titanModel()
        try integer("layout.tensor", ["parallelism.tensor_parallel_degree", "training.tensor_parallel_degree"])
        let pipeline =
            try integer("layout.pipeline", ["parallelism.pipeline_parallel_degree", "experimental.pipeline_parallel_degree"]) ?? 1
        try integer("layout.context", ["parallelism.context_parallel_degree", "experimental.context_parallel_degree"])
        try integer("layout.expert", ["parallelism.expert_parallel_degree", "experimental.expert_parallel_degree"])
        try integer("layout.expert_tensor", ["parallelism.expert_tensor_parallel_degree"])
        let replicate = try settings.integer(
            ["parallelism.data_parallel_replicate_degree", "training.data_parallel_replicate_degree"], for: "layout.data")
        let shard = try settings.integer(
            ["parallelism.data_parallel_shard_degree", "training.data_parallel_shard_degree", "training.data_parallel_degree"],
            for: "layout.zero", least: -1)
        if let shard, shard.value > 0, request.gpus == nil, launcher.gpus == nil {
            let cut = ["tensor", "pipeline", "context"].map { draft.integer("layout.\($0)") ?? 1 }.reduce(1) { min(1 << 30, $0 * $1) }
            launcher.total = LauncherOptions.Count(value: min(1 << 30, shard.value * (replicate?.value ?? 1)) * cut, from: shard.from)
        }
        try cluster()
        let groups = replicas * (draft.integer("layout.context") ?? 1)
        let copies = replicate?.value ?? 1
        let cut = max(1, groups / copies)
        // Context ranks share the shards too (torchtitan/distributed/parallel_dims.py, fsdp_enabled).
        let isSharded = cut > 1
        if let shard, shard.value > 0, shard.value * (draft.integer("layout.context") ?? 1) != cut {
            throw launchFault(
                shard.from.place, shard.from.shownName,
                "\(shard.value) shards x \(copies) copies are not the \(replicas) replicas of \(gpus) GPUs",
                "write -1, or \(replicas / max(1, copies))")
        }
        if let shard {
            draft.set("layout.zero", isSharded ? "3" : "0", from: shard.from)
        } else {
            draft.assume("layout.zero", isSharded ? "3" : "0", "the program's default, fully sharded")
        }
        if isSharded, let replicate, copies > 1 {
            draft.set("layout.shard_group", "\(cut)", from: replicate.from, "\(groups) ranks / \(copies) copies")
        }
        if let reshard = try settings.word(["parallelism.fsdp_reshard_after_forward"], for: "layout.reshard_after_forward"), isSharded {
            let value = ["always": "true", "never": "false", "default": pipeline > 1 ? "false" : "true"][reshard.value.lowercased()]
            if let value { draft.set("layout.reshard_after_forward", value, from: reshard.from) }
        }
        // Plans of its models split norms over the tensor group (torchtitan/models/llama3/infra/parallelize.py).
        if (draft.integer("layout.tensor") ?? 1) > 1 {
            draft.set("layout.sequence_parallel", "true", "the program always does with tensor parallelism")
        }
        try titanPipeline(pipeline)
        try titanTraining(pipeline)
    }

    private mutating func titanModel() throws(ScenarioErrors) {
        if try modelOfCall() != nil { return settings.judge(["model.name", "model.flavor"], .harmless, "the model is that of --model") }
        guard let name = settings.take(["model.name"], for: "model.preset"),
            let flavor = settings.take(["model.flavor"], for: "model.preset")
        else {
            throw launchFault(
                start, "model.flavor", "the file does not tell the model", "write name and flavor under [model], or give --model")
        }
        let family = name.value.lowercased()
        let size = flavor.value.lowercased()
        let special = [
            "llama4 17bx16e": "llama4-scout", "llama4 17bx128e": "llama4-maverick", "deepseek_v3 671b": "deepseek-v3",
            "deepseek_v3 236b": "deepseek-v2",
            "deepseek_v3 16b": "deepseek-v2-lite", "qwen3 30b-a3b": "qwen3-30b-a3b", "llama3 3b": "llama3.2-3b", "llama3 1b": "llama3.2-1b",
        ]
        let preset = special["\(family) \(size)"] ?? Self.preset(named: "\(family)-\(size)")
        if let preset { return draft.set("model.preset", preset, from: flavor) }
        guard size.hasPrefix("debug") else {
            throw launchFault(
                flavor.place, flavor.shownName, "the flavour \(flavor.value) of \(name.value) is no model of the catalogue",
                "give --model with its config.json, or a name of orrery catalogue models")
        }
        // Its smallest flavour (torchtitan/models/llama3/__init__.py): 6 layers of 256.
        for (key, value) in [
            ("layers", "6"), ("hidden", "256"), ("heads", "16"), ("ffn", "768"), ("vocab", "2048"), ("activation", "swiglu"),
        ] {
            draft.set("model.\(key)", value, from: flavor)
        }
    }

    private mutating func titanPipeline(_ pipeline: Int) throws(ScenarioErrors) {
        let names = ["parallelism.pipeline_parallel_schedule", "experimental.pipeline_parallel_schedule"]
        guard pipeline > 1 else { return settings.judge(names, .harmless, "there is no pipeline") }
        let schedules = [
            "1f1b": "1f1b", "gpipe": "gpipe", "interleaved1f1b": "interleaved", "interleavedzerobubble": "zb-h1", "zbvzerobubble": "zb-v",
            "dualpipev": "dualpipev",
        ]
        let schedule = try word("layout.schedule", names, schedules) ?? "1f1b"
        let perStage = try settings.integer(["parallelism.pipeline_parallel_layers_per_stage"], for: "layout.virtual")
        if schedule == "interleaved" || schedule == "zb-h1" {
            if schedule == "zb-h1" {
                settings.judge(names, .refused, "zero bubbles with several chunks a rank; taken as zb-h1")
                return
            }
            let points = settings.find(["parallelism.pipeline_parallel_split_points", "experimental.pipeline_parallel_split_points"])?
                .values.count
            if let perStage, let preset = draft["model.preset"], let layers = try layersOfModel(), !preset.isEmpty {
                let stages = (layers + perStage.value - 1) / perStage.value
                guard stages % pipeline == 0 else {
                    throw launchFault(
                        perStage.from.place, perStage.from.shownName,
                        "\(layers) layers make \(stages) stages, which the \(pipeline) ranks cannot share evenly",
                        "give a number that makes a multiple of \(pipeline) stages")
                }
                draft.set("layout.virtual", "\(stages / pipeline)", from: perStage.from)
            } else if let points, (points + 1) % pipeline == 0, points + 1 > pipeline {
                settings.judge(
                    ["parallelism.pipeline_parallel_split_points", "experimental.pipeline_parallel_split_points"], .taken, "stages counted")
                draft.set("layout.virtual", "\((points + 1) / pipeline)", "the number of split points")
            } else {
                draft.assume("layout.virtual", "2", "the program's default, two stages a rank")
            }
        }
    }

    private mutating func titanTraining(_ pipeline: Int) throws(ScenarioErrors) {
        let local = try settings.integer(["training.local_batch_size", "training.batch_size"], for: "training.micro_batch")
        let perRank = local?.value ?? 8
        var micro = perRank
        // Under a pipeline the local batch is cut into micro-batches, by default of one sequence.
        if pipeline > 1 {
            let size = try settings.integer(["parallelism.pipeline_parallel_microbatch_size"], for: "training.micro_batch")
            let count = try settings.integer(["experimental.pipeline_parallel_microbatches"], for: "training.micro_batch")
            micro = size?.value ?? count.map { max(1, perRank / $0.value) } ?? 1
            if let size {
                draft.set("training.micro_batch", "\(micro)", from: size.from)
            } else if let count {
                draft.set("training.micro_batch", "\(micro)", from: count.from)
            } else {
                draft.assume("training.micro_batch", "1", "the program's default under a pipeline")
            }
        } else if let local {
            draft.set("training.micro_batch", "\(micro)", from: local.from)
        } else {
            draft.assume("training.micro_batch", "8", "the program's default")
        }
        let global = try settings.integer(["training.global_batch_size"], for: "training.global_batch", least: -1)
        if let batch = request.batch {
            draft.set("training.global_batch", "\(batch)", "--batch")
        } else if let global, global.value > 0 {
            draft.set("training.global_batch", "\(global.value)", from: global.from)
        } else if let local {
            draft.set("training.global_batch", "\(min(1 << 30, perRank) * replicas)", from: local.from, "x \(replicas) replicas")
        } else {
            draft.assume("training.global_batch", "\(perRank * replicas)", "the local batch of \(replicas) replicas")
        }
        if let sequence = request.sequence {
            draft.set("training.sequence", "\(sequence)", "--sequence")
        } else if try integer("training.sequence", ["training.seq_len"]) == nil {
            draft.assume("training.sequence", "2048", "the program's default")
        }
        try integer("training.steps", ["training.steps"])
        try titanNumbers()
        draft.set("software.framework", "torchtitan", "the kind of file")
        try flag("software.compiled", ["compile.enable", "training.compile"], otherwise: "false")
        if (draft.integer("layout.tensor") ?? 1) > 1 {
            try flag(
                "software.tensor_overlap", ["parallelism.enable_async_tensor_parallel", "experimental.enable_async_tensor_parallel"],
                as: "async", otherwise: "none")
        } else {
            settings.judge(
                ["parallelism.enable_async_tensor_parallel", "experimental.enable_async_tensor_parallel"], .harmless,
                "there is no tensor parallelism")
        }
    }

    private mutating func titanNumbers() throws(ScenarioErrors) {
        let key = "training.precision.compute"
        try word(key, ["training.mixed_precision_param", "training.dtype"], ["bfloat16": "bf16", "float32": "fp32", "float16": "fp16"])
        draft.assume(key, "bf16", "the program's default")
        try word("training.precision.reduce", ["training.mixed_precision_reduce"], ["bfloat16": "bf16", "float32": "fp32"])
        for names in [["model.converters"], ["training.converters"]] {
            guard let list = settings.take(names, for: key) else { continue }
            if list.values.contains(where: { $0.contains("float8") }) { draft.set(key, "fp8", from: list) }
            if list.values.contains(where: { $0.contains("mx") }) { draft.set(key, "mxfp8", from: list) }
        }
        try flag(key, ["float8.enable_float8_linear", "float8.enable_fp8_linear", "training.fp8_linear"], as: "fp8")
        try word(
            "software.scaling", ["float8.recipe_name", "quantize.linear.float8.recipe_name", "float8.scaling_type_input"],
            ["rowwise": "rowwise", "tensorwise": "tensorwise", "delayed": "delayed", "dynamic": "tensorwise"])
        if draft[key] != "fp8" { draft.remove("software.scaling") }
        try word("training.optimizer", ["optimizer.name"], ["adamw": "adamw", "adam": "adam", "muon": "muon"])
        guard let mode = settings.take(["activation_checkpoint.mode", "training.enable_selective_ac"], for: "training.recompute") else {
            return draft.assume("training.recompute", "selective", "the program's default")
        }
        let option = try settings.word(
            ["activation_checkpoint.selective_ac_option", "activation_checkpoint.selective_ac_type"], for: "training.recompute")
        switch mode.value {
        case "none": draft.set("training.recompute", "none", from: mode)
        case "full": draft.set("training.recompute", "full", from: mode)
        case "selective":
            if let option, let every = Int(option.value), every > 1, let layers = try layersOfModel() {
                let stages = (draft.integer("layout.pipeline") ?? 1)
                draft.set("training.recompute", "{layers: \(max(1, layers / stages / every))}", from: option.from, "every \(every)th layer")
            } else {
                draft.set("training.recompute", option?.value == "1" ? "full" : "selective", from: option?.from ?? mode)
            }
        case "memory_budget":
            draft.set("training.recompute", "auto", from: mode, "as much as fits")
        default:
            throw launchFault(mode.place, mode.shownName, "\"\(mode.value)\" is no mode", "write none, selective or full")
        }
    }
}
