import Scenario

/// Batch, numbers and length of a run by the arguments of Megatron-LM and what is built on it.
extension LaunchBuilder {
    mutating func megatronTraining() throws(ScenarioErrors) {
        let micro = try integer("training.micro_batch", ["micro_batch_size", "batch_size"])
        if micro == nil { draft.assume("training.micro_batch", "1", "the file does not say") }
        if let batch = request.batch {
            draft.set("training.global_batch", "\(batch)", "--batch")
        } else if try integer("training.global_batch", ["global_batch_size"]) == nil {
            draft.assume("training.global_batch", "\(max(1, micro ?? 1) * replicas)", "the program's default, one micro-batch a replica")
        }
        if try integer("training.sequence", ["seq_length", "encoder_seq_length", "max_seq_length"]) == nil {
            if let sequence = request.sequence {
                draft.set("training.sequence", "\(sequence)", "--sequence")
            } else if let longest = try settings.integer(["max_position_embeddings"], for: "training.sequence") {
                draft.set("training.sequence", "\(longest.value)", from: longest.from)
            } else {
                throw launchFault(start, "", "the length of a sequence is not told", "give --sequence, or --seq-length in the script")
            }
        }
        try precision()
        try recompute()
        try length()
        let optimizers = [
            "adam": "adamw", "adamw": "adamw", "sgd": "sgd", "muon": "muon", "dist_muon": "muon", "lion": "lion", "lamb": "lamb",
            "fused_adam": "adamw",
            "distributed_fused_adam": "adamw", "distributed_adam": "adamw", "mcore_distributed_optim": "adamw", "adam8bit": "adam-8bit",
        ]
        let name = settings.has("optimizer") ? "optimizer" : "optim_name"
        try word("training.optimizer", [name], optimizers)
        settings.judge(
            ["rampup_batch_size", "step_batch_size_schedule"], .refused,
            "the batch grows while it trains; every step is taken to have the full batch")
    }

    private mutating func precision() throws(ScenarioErrors) {
        try excludes("fp16", "bf16", "keep one of the two formats")
        let formats = [
            "bf16": "bf16", "bf16-mixed": "bf16", "bf16_mixed": "bf16", "16": "fp16", "16-mixed": "fp16", "fp16": "fp16", "32": "fp32",
            "32-true": "fp32",
            "fp32": "fp32", "bf16_with_fp8_mixed": "fp8", "bf16_with_mxfp8_mixed": "mxfp8", "bf16_with_fp8_current_scaling_mixed": "fp8",
            "bf16_with_fp8_subchannel_scaling_mixed": "fp8", "nemotron_h_bf16_with_fp8_current_scaling_mixed": "fp8",
        ]
        let key = "training.precision.compute"
        for names in [["trainer_precision"], ["plugins_precision"], ["model_precision"], ["precision"], ["mixed_precision"]] {
            try word(key, names, formats)
        }
        try flag(key, ["fp16"], as: "fp16")
        try flag(key, ["bf16"], as: "bf16")
        if let format = try settings.word(["fp8_format", "fp8"], for: key), !["false", "0"].contains(format.value.lowercased()) {
            let recipe = try settings.word(["fp8_recipe"], for: "software.scaling")
            draft.set(key, recipe?.value.lowercased() == "mxfp8" ? "mxfp8" : "fp8", from: format.from)
            if let recipe { try scaling(recipe) }
        } else if let bare = settings.find(["fp8"]), bare.values.isEmpty {
            draft.set(key, "fp8", from: bare)
        }
        try flag(key, ["fp8_hybrid", "fp8_e4m3"], as: "fp8")
        try flag(key, ["fp4_format"], as: "nvfp4")
        draft.assume(key, "fp32", "no other format is asked for")
        try flag("training.precision.gradients", ["accumulate_allreduce_grads_in_fp32"], as: "fp32")
        if try flag("training.precision.gradients", ["grad_reduce_in_bf16"], as: "bf16") == true, draft[key] == "fp16" {
            draft.remove("training.precision.gradients")
            settings.judge(["grad_reduce_in_bf16"], .refused, "bf16 gradients of fp16 compute")
        }
        let kept = ["fp32": "fp32", "bf16": "bf16", "fp16": "fp16"]
        try word("training.precision.gradients", ["main_grads_dtype", "grad_sync_dtype"], kept)
        try word("training.precision.reduce", ["grad_reduce_dtype"], kept)
        try word("training.precision.master", ["main_params_dtype"], kept)
        try word("training.precision.moments", ["exp_avg_dtype"], kept.merging(["fp8": "fp8"]) { a, _ in a })
    }

    private mutating func scaling(_ recipe: (value: String, from: LaunchSetting)) throws(ScenarioErrors) {
        let names = ["delayed": "delayed", "tensorwise": "current", "current": "current", "mxfp8": "mx", "rowwise": "rowwise"]
        if try word("software.scaling", ["fp8_recipe"], names) == nil {
            settings.judge(["fp8_recipe"], .refused, "scales in blocks; the framework's usual scaling is taken")
        }
    }

    /// One of: full, full of some layers of a stage, the core of the attention, modules by name.
    private mutating func recompute() throws(ScenarioErrors) {
        let key = "training.recompute"
        if let granularity = settings.find(["recompute_granularity", "activations_checkpoint_granularity"]), granularity.value == "full",
            let other = settings.find(["recompute_activations"]), other.values.first?.lowercased() != "false"
        {
            throw launchFault(
                granularity.place, granularity.shownName, "\(granularity.shown) and \(other.shown) (\(other.place)) contradict each other",
                "keep one of the two: --recompute-activations means selective")
        }
        // Before 2022, and in Megatron-DeepSpeed: whole layers.
        try flag(key, ["checkpoint_activations", "gradient_checkpointing"], as: "full", otherwise: nil, "whole layers")
        if settings.has("checkpoint_activations") || settings.has("gradient_checkpointing") {
            settings.judge(["checkpoint_num_layers"], .harmless, "layers between two kept inputs; every layer is recomputed")
        } else {
            settings.judge(["checkpoint_num_layers"], .harmless, "nothing is recomputed by whole layers")
        }
        try flag(key, ["recompute_activations"], as: "selective")
        let found = try settings.word(["recompute_granularity", "activations_checkpoint_granularity"], for: key)
        guard let found else {
            settings.judge(
                ["recompute_method", "recompute_num_layers", "activations_checkpoint_method", "activations_checkpoint_num_layers"],
                .harmless, "nothing is recomputed, or by whole layers")
            return
        }
        let method = try settings.word(["recompute_method", "activations_checkpoint_method"], for: key)?.value
        let layers = try settings.integer(["recompute_num_layers", "activations_checkpoint_num_layers"], for: key, least: 0)
        switch found.value {
        case "full":
            if method == "block", let layers {
                draft.set(key, "{layers: \(layers.value)}", from: layers.from, "\(found.from.shown), block")
            } else {
                draft.set(
                    key, "full", from: found.from,
                    layers.map { $0.value > 1 ? "inputs of every \($0.value)th layer are kept; here of every layer" : "" } ?? "")
            }
        case "selective": try selective(found.from)
        default:
            throw launchFault(found.from.place, found.from.shownName, "\"\(found.value)\" is no granularity", "write full or selective")
        }
    }

    private mutating func selective(_ from: LaunchSetting) throws(ScenarioErrors) {
        let names = [
            "core_attn": "core-attention", "layernorm": "norms", "moe_act": "activation", "mla_up_proj": "mla-up", "mlp": "mlp",
            "moe": "moe",
        ]
        guard let modules = settings.take(["recompute_modules"], for: "training.recompute") else {
            return draft.set("training.recompute", "selective", from: from)
        }
        let words = modules.values.flatMap { $0.split { ", []'\"".contains($0) }.map(String.init) }
        let known = words.compactMap { names[$0] }
        let strange = words.filter { names[$0] == nil }
        if !strange.isEmpty {
            remarks.append(
                "\(modules.place): \(strange.joined(separator: ", ")) of \(modules.shownName) cannot be recomputed alone and is left out")
        }
        guard !known.isEmpty else { return settings.judge(["recompute_modules"], .refused, "no part of it can be recomputed alone here") }
        draft.set(
            "training.recompute", known == ["core-attention"] ? "selective" : "{modules: [\(known.joined(separator: ", "))]}", from: modules
        )
    }

    private mutating func length() throws(ScenarioErrors) {
        if try integer("training.steps", ["train_iters", "max_steps", "trainer_max_steps"], least: 1) != nil { return }
        if let tokens = try settings.integer(["train_tokens", "train_data_exact_num_tokens"], for: "training.tokens") {
            draft.set("training.tokens", "\(tokens.value)", from: tokens.from)
            return
        }
        if let samples = try settings.integer(["train_samples"], for: "training.steps"), let batch = draft.integer("training.global_batch")
        {
            draft.set("training.steps", "\(max(1, samples.value / max(1, batch)))", from: samples.from, "samples / batch")
        }
    }

    /// What the stack is told to do.
    mutating func megatronSoftware(framework: String, _ why: String) throws(ScenarioErrors) {
        draft.set("software.framework", framework, why)
        try flag(
            "software.flash_attention",
            ["use_flash_attn", "use_flash_attn_v2", "use_flash_attn_triton", "flash_attention", "use_flash_attention"])
        try word(
            "software.flash_attention", ["attention_backend"],
            ["flash": "true", "fused": "true", "unfused": "false", "local": "false", "auto": "true"])
        try word("software.transformer_engine", ["transformer_impl"], ["transformer_engine": "true", "local": "false"])
        if let engine = try settings.flag(["transformer_engine"], for: "software.transformer_engine") {
            draft.set("software.transformer_engine", engine.value ? "true" : "false", from: engine.from)
        }
        if (draft.integer("layout.tensor") ?? 1) > 1 {
            try flag("software.tensor_overlap", ["tp_comm_overlap", "ub_tp_comm_overlap"], as: "user-buffer", otherwise: "none")
            try flag("software.tensor_overlap", ["async_tensor_model_parallel_allreduce"], as: "async")
            try flag("software.tensor_overlap", ["no_async_tensor_model_parallel_allreduce"], as: "none")
        } else {
            settings.judge(
                [
                    "tp_comm_overlap", "ub_tp_comm_overlap", "async_tensor_model_parallel_allreduce",
                    "no_async_tensor_model_parallel_allreduce",
                ], .harmless,
                "there is no tensor parallelism")
        }
        try flag("software.cuda_graphs", ["enable_cuda_graph", "external_cuda_graph"])
        if let graphs = try settings.word(["cuda_graph_impl"], for: "software.cuda_graphs"), graphs.value != "none" {
            draft.set("software.cuda_graphs", "true", from: graphs.from)
        }
        guard draft["model.moe.experts"] != nil else { return }
        try flag("software.routing", ["moe_router_force_load_balancing"], as: "even")
        try flag("software.routing", ["moe_pad_expert_input_to_capacity"], as: draft["software.routing"] == "even" ? "even+drop" : "drop")
    }
}
