import Quantities
import Scenario
import Workload

/// DeepSpeed's configuration (deepspeed.ai/docs/config-json), alone or beside the command line that names it.
extension LaunchBuilder {
    static func deepspeed(_ request: ImportRequest) throws(ScenarioErrors) -> LaunchBuilder {
        let text = try LaunchFile.text(request.path)
        let isScript = !LaunchFile.isDocument(request.path) && text.first { !$0.isWhitespace } != "{"
        guard isScript else {
            var builder = LaunchBuilder(try TreeFile.settings(text, file: request.path), request)
            try builder.deepspeedAlone()
            return builder
        }
        let (settings, found) = try LaunchFile.arguments(request)
        guard let launch = found, !launch.program.isEmpty else {
            throw launchFault(
                LaunchPlace(file: request.path, line: 1), "", "no command of the file starts a program of Python",
                "give the script that starts the training, or the JSON file")
        }
        let named = settings.first { ["deepspeed_config", "deepspeed"].contains($0.key) && !$0.values.isEmpty && $0.value.contains(".") }
        var config: [LaunchSetting] = []
        if let named {
            let name = named.value.split(separator: "/").last.map(String.init) ?? named.value
            let written = launch.script.documents.first { $0.key == named.value || $0.key.hasSuffix("/" + name) || $0.key == name }
            if let written {
                config = try TreeFile.settings(written.value.text, file: written.value.place.file, firstLine: written.value.place.line)
            } else if let file = LaunchFile.beside(request.path, named.value) {
                config = try TreeFile.settings(file.text, file: file.path)
            } else {
                throw launchFault(
                    named.place, named.shownName, "the configuration \(named.value) cannot be read", "put it beside the script")
            }
        }
        var builder = LaunchBuilder(settings + config, request)
        builder.launcher = launch.launcher
        builder.remarks = launch.remarks
        if let named { builder.settings.judge([named.key], .taken, "its settings are listed with their own names") }
        if builder.settings.has("num_layers"), builder.settings.has("hidden_size") {
            try builder.checkBatches()
            try builder.agree("global_batch_size", "train_batch_size")
            try builder.agree("micro_batch_size", "train_micro_batch_size_per_gpu")
            builder.settings.judge(["deepspeed_activation_checkpointing"], .harmless, "which program recomputes, not what")
            if let stage = builder.settings.find(["zero_optimization.stage"]), let other = builder.settings.find(["zero_stage"]),
                stage.value != other.value
            {
                throw launchFault(
                    other.place, other.shownName, "\(other.shown) and \(stage.shown) (\(stage.place)) contradict each other",
                    "give both the same stage")
            }
            try builder.megatronAll(program: launch.program, framework: "megatron-deepspeed")
            try builder.zero()
        } else {
            try builder.trainerModel()
            try builder.deepspeedAlone()
        }
        return builder
    }

    /// The model and the lengths by the options of Hugging Face's trainers.
    private mutating func trainerModel() throws(ScenarioErrors) {
        guard request.model == nil else { return settings.judge(["model_name_or_path"], .harmless, "the model is that of --model") }
        guard
            let name = settings.take(
                ["model_name_or_path", "model_name", "model_path", "model", "base_model", "pretrained_model_name_or_path"],
                for: "model.preset")
        else { return }
        if let preset = Self.preset(named: name.value) {
            draft.set("model.preset", preset, from: name)
            model = try? Architecture.preset(preset)
        } else if let config = LaunchFile.beside(request.path, name.value + "/config.json") {
            _ = try published(config.path, name.shown)
        } else {
            let close = nearest(name.value.split(separator: "/").last.map(String.init) ?? name.value, in: Architecture.presetNames)
            throw launchFault(
                name.place, name.shownName, "\"\(name.value)\" is no model of the catalogue",
                "give --model with its config.json, or a name of orrery catalogue models\(close.map { ", such as \($0)" } ?? "")")
        }
    }

    /// Everything by the configuration; the model and the sequence from elsewhere.
    private mutating func deepspeedAlone() throws(ScenarioErrors) {
        if draft["model.preset"] == nil, draft["model.huggingface"] == nil, try modelOfCall() == nil {
            throw launchFault(
                start, "", "the configuration does not tell the model",
                "give --model with a config.json or a name of orrery catalogue models")
        }
        try checkBatches()
        try agree("train_micro_batch_size_per_gpu", "per_device_train_batch_size")
        for format in ["bf16", "fp16"] { try agree("\(format).enabled", format) }
        try integer("layout.tensor", ["tensor_parallel.autotp_size", "tensor_parallel.tp_size", "autotp_size"])
        try integer("layout.pipeline", ["pipeline.stages", "pipeline_parallel_size"])
        if let sequence = try settings.integer(["sequence_parallel_size", "ulysses_sequence_parallel_size"], for: "layout.context"),
            sequence.value > 1
        {
            draft.set("layout.context", "\(sequence.value)", from: sequence.from)
            draft.set("layout.context_exchange", "all-to-all", from: sequence.from)
        }
        try batchGPUs()
        try cluster()
        try zero()
        try batches()
        if let sequence = request.sequence {
            draft.set("training.sequence", "\(sequence)", "--sequence")
        } else if try integer(
            "training.sequence",
            ["max_seq_length", "model_max_length", "cutoff_len", "block_size", "max_seq_len", "max_length", "seq_length"]) == nil
        {
            let longest = model?.sequence ?? 0
            draft.assume("training.sequence", "\(longest > 0 ? min(4096, longest) : 4096)", "the file does not say; give --sequence")
        }
        try deepspeedTraining()
        draft.set("software.framework", "deepspeed", "the kind of file")
    }

    /// The three numbers of a batch must agree with the number of GPUs; two of them and the GPUs give the third.
    private func checkBatches() throws(ScenarioErrors) {
        guard let batch = settings.find(["train_batch_size"]), let total = wholeNumber(batch.value),
            let micro = settings.find(["train_micro_batch_size_per_gpu"]).flatMap({ wholeNumber($0.value) }),
            let steps = settings.find(["gradient_accumulation_steps"]).flatMap({ wholeNumber($0.value) })
        else { return }
        guard micro > 0, steps > 0, micro < 1 << 30, steps < 1 << 30, total % (micro * steps) == 0 else {
            throw launchFault(
                batch.place, batch.shownName,
                "\(total) is no multiple of train_micro_batch_size_per_gpu x gradient_accumulation_steps (\(micro) x \(steps))",
                "write their product times the number of replicas")
        }
    }

    /// What the configuration and the trainer both say must be the same.
    private mutating func agree(_ name: String, _ other: String) throws(ScenarioErrors) {
        guard name != other, let a = settings.find([name]), a.value.lowercased() != "auto", let b = settings.find([other]) else { return }
        guard b.values.isEmpty || a.value.lowercased() == b.value.lowercased() else {
            throw launchFault(
                b.place, b.shownName, "\(b.shown) and \(a.shown) (\(a.place)) contradict each other",
                "write \(name): auto, or the same in both")
        }
        settings.judge([other], .harmless, "the configuration says the same (\(a.place))")
    }

    /// GPUs that the three numbers of a batch imply, where nothing else says.
    private mutating func batchGPUs() throws(ScenarioErrors) {
        guard request.gpus == nil, launcher.gpus == nil, let batch = settings.find(["train_batch_size"]),
            let total = wholeNumber(batch.value),
            let micro = settings.find(["train_micro_batch_size_per_gpu"]).flatMap({ wholeNumber($0.value) }), micro > 0
        else { return }
        let steps = settings.find(["gradient_accumulation_steps"]).flatMap { wholeNumber($0.value) } ?? 1
        guard steps > 0, micro < 1 << 30, steps < 1 << 30, total % (micro * steps) == 0 else { return }
        let replicas = total / (micro * steps)
        launcher.total = LauncherOptions.Count(
            value: min(
                10_000_000,
                replicas * (draft.integer("layout.tensor") ?? 1) * (draft.integer("layout.pipeline") ?? 1)
                    * (draft.integer("layout.context") ?? 1)),
            from: batch)
    }

    private mutating func batches() throws(ScenarioErrors) {
        let micro = try integer(
            "training.micro_batch", ["train_micro_batch_size_per_gpu", "per_device_train_batch_size", "micro_batch_size"])
        if micro == nil { draft.assume("training.micro_batch", "1", "the file does not say, or says auto") }
        let steps = try settings.integer(["gradient_accumulation_steps"], for: "training.global_batch")
        if let batch = request.batch { return draft.set("training.global_batch", "\(batch)", "--batch") }
        if try integer("training.global_batch", ["train_batch_size"]) != nil { return }
        let (a, b) = (min(1 << 20, micro ?? 1), min(1 << 20, steps?.value ?? 1))
        if let steps {
            draft.set("training.global_batch", "\(a * b * replicas)", from: steps.from, "x \(a) x \(replicas) replicas")
        } else {
            draft.assume("training.global_batch", "\(a * replicas)", "one micro-batch a replica")
        }
    }

    private mutating func zero() throws(ScenarioErrors) {
        let stage = try integer("layout.zero", ["zero_optimization.stage"], least: 0)
        if stage == nil, draft["layout.zero"] == nil, let old = try settings.flag(["zero_optimization"], for: "layout.zero") {
            draft.set("layout.zero", old.value ? "1" : "0", from: old.from)
        }
        draft.assume("layout.zero", "0", "the program's default")
        let isSharded = draft["layout.zero"] != "0"
        try flag("layout.overlap.grad_reduce", ["zero_optimization.overlap_comm"], otherwise: isSharded ? "false" : nil)
        if let bucket = try settings.number(["zero_optimization.reduce_bucket_size"], for: "layout.bucket"), bucket.value >= 1, isSharded {
            draft.set("layout.bucket", "\(Int(min(1e15, bucket.value)) * 2) B", from: bucket.from, "elements of 2 bytes")
        }
        if let group = try settings.integer(
            ["zero_optimization.zero_hpz_partition_size", "zero_optimization.mics_shard_size"], for: "layout.shard_group", least: -1),
            group.value > 1
        {
            draft.set("layout.shard_group", "\(group.value)", from: group.from)
        }
        let old = try settings.flag(["zero_optimization.cpu_offload"], for: "layout.offload")
        let optimizer = try settings.word(["zero_optimization.offload_optimizer.device"], for: "layout.offload")
        let parameters = try settings.word(["zero_optimization.offload_param.device"], for: "layout.offload")
        for (found, what) in [(optimizer, "optimizer"), (parameters, "parameters")] {
            guard let found else { continue }
            switch found.value.lowercased() {
            case "cpu", "nvme": draft.set("layout.offload", "{what: \(what), to: \(found.value.lowercased())}", from: found.from)
            case let other:
                throw launchFault(found.from.place, found.from.shownName, "\"\(other)\" is no place for state", "write none, cpu or nvme")
            }
        }
        if let old, old.value, optimizer == nil { draft.set("layout.offload", "{what: optimizer, to: cpu}", from: old.from) }
    }

    private mutating func deepspeedTraining() throws(ScenarioErrors) {
        for (a, b) in [("fp16.enabled", "bf16.enabled"), ("fp16", "bf16")] { try excludes(a, b, "enable one of the two formats") }
        let key = "training.precision.compute"
        for names in [["fp16.enabled", "fp16"], ["bf16.enabled", "bfloat16.enabled", "bf16"]] {
            guard let setting = settings.find(names) else { continue }
            let format = setting.key.hasPrefix("fp16") ? "fp16" : "bf16"
            if setting.value.lowercased() == "auto" {
                _ = settings.take(names, for: key)
                if format == "bf16" { draft.assume(key, "bf16", "the file says auto") }
            } else {
                try flag(key, names, as: format)
            }
        }
        draft.assume(key, "fp32", "no other format is enabled")
        try word(
            "training.precision.reduce", ["communication_data_type"], ["fp32": "fp32", "fp16": "fp16", "bf16": "bf16", "bfp16": "bf16"])
        try word("training.precision.gradients", ["data_types.grad_accum_dtype"], ["fp32": "fp32", "fp16": "fp16", "bf16": "bf16"])
        let optimizers = [
            "adam": "adamw", "adamw": "adamw", "deepspeedcpuadam": "adamw", "fusedadam": "adamw", "lamb": "lamb", "sgd": "sgd",
            "lion": "lion", "muon": "muon",
            "adafactor": "adafactor", "adamw_torch": "adamw", "adamw_bnb_8bit": "adam-8bit", "paged_adamw_8bit": "adam-8bit",
            "adamw_torch_fused": "adamw",
        ]
        try word("training.optimizer", ["optim"], optimizers)
        try word("training.optimizer", ["optimizer.type"], optimizers)
        if try flag("training.recompute", ["gradient_checkpointing"], as: "full") == nil {
            let parts = settings.all.filter { $0.key.hasPrefix("activation_checkpointing.") }
            if let first = parts.first {
                draft.set("training.recompute", "full", from: first, "assumed: the section says that layers are recomputed")
                for part in parts { settings.judge([part.key], .harmless, "how layers are recomputed, not which") }
                _ = settings.take([first.key], for: "training.recompute")
            }
        }
        try integer("training.steps", ["max_steps", "train_iters"])
        if draft.integer("training.steps") == nil,
            let total = try settings.integer(["scheduler.params.total_num_steps"], for: "training.steps")
        {
            draft.set("training.steps", "\(total.value)", from: total.from)
        }
        try flag("software.flash_attention", ["use_flash_attn", "use_flash_attention", "flash_attn"])
    }
}
