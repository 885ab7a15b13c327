import Scenario

/// How Megatron-LM and what is built on it cut a job, by their arguments.
extension LaunchBuilder {
    mutating func megatronDegrees() throws(ScenarioErrors) {
        try integer("layout.tensor", ["tensor_model_parallel_size", "model_parallel_size", "intra_layer_model_parallel_size"])
        try integer("layout.pipeline", ["pipeline_model_parallel_size", "inter_layer_model_parallel_size"])
        try integer("layout.context", ["context_parallel_size", "ds_sequence_parallel_size"])
        if settings.has("ds_sequence_parallel_size"), let setting = settings.find(["ds_sequence_parallel_size"]), setting.value != "1" {
            draft.set("layout.context_exchange", "all-to-all", from: setting)
        }
        // core/parallel_state.py: an expert's matrices are cut as the others unless something else is asked for.
        let expert = try integer("layout.expert", ["expert_model_parallel_size", "moe_expert_parallel_size", "ep_world_size"])
        if try integer("layout.expert_tensor", ["expert_tensor_parallel_size"]) == nil, let tensor = draft["layout.tensor"], tensor != "1",
            expert != nil || settings.has("num_experts") || settings.has("num_moe_experts")
        {
            draft.assume("layout.expert_tensor", tensor, "the program's default, that of tensor")
        }
    }

    mutating func megatronLayout() throws(ScenarioErrors) {
        let tensor = draft.integer("layout.tensor") ?? 1
        let pipeline = draft.integer("layout.pipeline") ?? 1
        try excludes(
            "num_layers_per_virtual_pipeline_stage", "num_virtual_stages_per_pipeline_rank", "keep one of the two")
        if tensor > 1 {
            try flag("layout.sequence_parallel", ["sequence_parallel"])
        } else {
            settings.judge(["sequence_parallel"], .harmless, "the program turns it off without tensor parallelism")
        }
        try word(
            "layout.context_exchange", ["cp_comm_type", "context_parallel_algo", "cp_communication_type"],
            ["p2p": "ring", "ring": "ring", "a2a": "all-to-all", "ulysses_cp_algo": "all-to-all", "megatron_cp_algo": "ring"])
        try virtualStages(pipeline: pipeline)
        try stageLayers(pipeline: pipeline)
        try sharding()
        if pipeline > 1 {
            try flag(
                "layout.schedule", ["enable_zero_bubble", "zero_bubble_v_schedule"],
                as: settings.has("zero_bubble_v_schedule") ? "zb-v" : "zb-1p")
        }
        try flag("layout.overlap.grad_reduce", ["overlap_grad_reduce", "overlap_grad_sync"], otherwise: "false")
        try flag("layout.overlap.param_gather", ["overlap_param_gather", "overlap_param_sync"], otherwise: "false")
        try flag("layout.overlap.pipeline", ["no_overlap_p2p_communication"], as: "false")
        try flag("layout.overlap.pipeline", ["overlap_p2p_comm"], otherwise: "false")
        if let bucket = try settings.integer(["ddp_bucket_size"], for: "layout.bucket") {
            draft.set("layout.bucket", "\(min(1 << 50, bucket.value) * 4) B", from: bucket.from, "elements of 4 bytes")
        }
        if try flag("layout.offload", ["optimizer_cpu_offload", "cpu_optimizer", "use_cpu_initialization_and_offload"], as: "optimizer")
            == true
        {
            if let share = try settings.number(["optimizer_offload_fraction"], for: "layout.offload"), share.value < 1 {
                settings.judge(
                    ["optimizer_offload_fraction"], .refused, "a part of the optimizer's state on the host; all of it is taken to be there")
            }
        }
    }

    private mutating func virtualStages(pipeline: Int) throws(ScenarioErrors) {
        let layers = draft.integer("model.layers")
        if let each = try settings.integer(["num_layers_per_virtual_pipeline_stage", "virtual_pipeline_num_layers"], for: "layout.virtual")
        {
            guard pipeline > 1 else {
                return settings.judge(["num_layers_per_virtual_pipeline_stage"], .harmless, "there is no pipeline")
            }
            guard let layers else {
                return settings.judge(
                    ["num_layers_per_virtual_pipeline_stage"], .refused,
                    "chunks of a model whose layers the file does not give; write layout.virtual")
            }
            guard layers % pipeline == 0, layers / pipeline % each.value == 0 else {
                throw launchFault(
                    each.from.place, each.from.shownName,
                    "\(each.value) layers a chunk do not divide the \(layers) layers of \(pipeline) stages",
                    "give a divisor of \(max(1, layers / max(1, pipeline)))")
            }
            draft.set(
                "layout.virtual", "\(layers / pipeline / each.value)", from: each.from,
                "\(layers) layers / \(pipeline) stages / \(each.value)")
            return
        }
        let names = ["num_virtual_stages_per_pipeline_rank", "virtual_pipeline_model_parallel_size"]
        if pipeline > 1 { try integer("layout.virtual", names) } else { settings.judge(names, .harmless, "there is no pipeline") }
    }

    private mutating func stageLayers(pipeline: Int) throws(ScenarioErrors) {
        let firstNames = ["decoder_first_pipeline_num_layers", "num_layers_in_first_pipeline_stage"]
        let lastNames = ["decoder_last_pipeline_num_layers", "num_layers_in_last_pipeline_stage"]
        let first = try settings.integer(firstNames, for: "layout.stage_layers", least: 0)
        let last = try settings.integer(lastNames, for: "layout.stage_layers", least: 0)
        try flag("software.stage_balance", ["account_for_embedding_in_pipeline_split"], as: "embeddings-as-layers")
        try flag("software.stage_balance", ["account_for_loss_in_pipeline_split"], as: "embeddings-as-layers")
        guard let from = first?.from ?? last?.from, let layers = draft.integer("model.layers"), pipeline > 1 else { return }
        let chunks = draft.integer("layout.virtual") ?? 1
        let middles = pipeline - (first == nil ? 0 : 1) - (last == nil ? 0 : 1)
        let rest = layers - (first?.value ?? 0) - (last?.value ?? 0)
        guard chunks == 1 else {
            settings.judge(
                firstNames + lastNames, .refused, "stages of different length with several chunks; dealt by the stack's rule here")
            return
        }
        guard middles > 0 ? rest >= 0 && rest % middles == 0 : rest == 0 else {
            throw launchFault(
                from.place, from.shownName, "the \(rest) other layers cannot be dealt evenly to the \(middles) other stages",
                "give first and last stages that leave a multiple of \(max(1, middles))")
        }
        let each = middles > 0 ? rest / middles : 0
        let all = (first.map { [$0.value] } ?? []) + [Int](repeating: each, count: middles) + (last.map { [$0.value] } ?? [])
        draft.set("layout.stage_layers", "[\(all.map { "\($0)" }.joined(separator: ", "))]", from: from)
    }

    private mutating func sharding() throws(ScenarioErrors) {
        if let stage = try settings.integer(["zero_stage"], for: "layout.zero", least: 0) {
            draft.set("layout.zero", "\(stage.value)", from: stage.from)
        }
        try flag("layout.zero", ["use_distributed_optimizer", "use_dist_ckpt_optimizer"], as: "1")
        try flag("layout.zero", ["use_torch_fsdp2"], as: "3")
        if let optimizer = settings.find(["optimizer", "optim_name"]),
            [
                "mcore_distributed_optim", "distributed_fused_adam", "distributed_adam",
            ].contains(optimizer.value.lowercased())
        {
            draft.set("layout.zero", "1", from: optimizer)
        }
        let strategies = ["no_shard": "0", "optim": "1", "optim_grads": "2", "optim_grads_params": "3"]
        if settings.has("use_custom_fsdp") || settings.has("use_megatron_fsdp") {
            try flag("layout.zero", ["use_custom_fsdp", "use_megatron_fsdp"], as: "0", otherwise: nil, "as far as the strategy says")
            try word("layout.zero", ["data_parallel_sharding_strategy"], strategies)
        } else {
            settings.judge(["data_parallel_sharding_strategy"], .harmless, "the program asks for it with --use-megatron-fsdp only")
        }
        if let instances = try settings.integer(["num_distributed_optimizer_instances"], for: "layout.shard_group"), instances.value > 1 {
            let context = draft.integer("layout.context") ?? 1
            draft.set(
                "layout.shard_group", "\(max(1, replicas * context / instances.value))", from: instances.from,
                "\(replicas * context) ranks / \(instances.value)")
        }
        draft.assume("layout.zero", "0", "the program's default, no distributed optimizer")
    }
}
