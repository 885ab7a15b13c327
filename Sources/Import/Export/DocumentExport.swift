import Plan
import Quantities
import Workload

extension LaunchWriter {
    /// NeMo's YAML: Megatron-LM's arguments under their names there.
    mutating func nemo() {
        var lines = [
            "# \(name): written by orrery export \(format.rawValue). Data, tokenizer and checkpoints are for you to add.", "trainer:",
            "  num_nodes: \(max(1, job.cluster.gpus / max(1, perNode)))",
            "  devices: \(perNode)",
        ]
        let formats: [String: String] = ["bf16": "bf16", "fp16": "16", "fp32": "32", "fp8": "bf16", "mxfp8": "bf16", "nvfp4": "bf16"]
        lines.append("  precision: \(formats[job.precision.compute.rawValue] ?? "bf16")")
        if let steps { lines.append("  max_steps: \(steps)") }
        lines.append("model:")
        let renamed = [
            "seq-length": "encoder_seq_length", "disable-bias-linear": "bias",
            "untie-embeddings-and-output-weights": "share_embeddings_and_output_weights",
            "num-virtual-stages-per-pipeline-rank": "virtual_pipeline_model_parallel_size",
            "recompute-granularity": "activations_checkpoint_granularity",
            "recompute-method": "activations_checkpoint_method", "recompute-num-layers": "activations_checkpoint_num_layers",
            "tp-comm-overlap": "ub_tp_comm_overlap",
            "num-experts": "num_moe_experts", "overlap-grad-reduce": "overlap_grad_sync", "overlap-param-gather": "overlap_param_sync",
        ]
        let left = [
            "group-query-attention", "bf16", "fp16", "train-iters", "use-distributed-optimizer", "accumulate-allreduce-grads-in-fp32",
        ]
        for argument in shape() + degrees() + numbers() where !left.contains(argument.name) {
            let key = renamed[argument.name] ?? argument.name.replacing("-", with: "_")
            switch argument.name {
            case "disable-bias-linear", "untie-embeddings-and-output-weights": lines.append("  \(key): false")
            case "swiglu": lines.append("  activation: fast-swiglu")
            case "quick-geglu": lines.append("  activation: geglu")
            case "squared-relu": lines.append("  activation: squared-relu")
            case "fp8-format": lines += ["  fp8: true", "  fp8_hybrid: true"]
            case "no-overlap-p2p-communication": lines.append("  overlap_p2p_comm: false")
            case "use-megatron-fsdp", "data-parallel-sharding-strategy", "num-distributed-optimizer-instances":
                refuse(
                    "layout.zero", "\(program)'s configuration shards the optimizer over all replicas only",
                    "write zero: 0 or 1, without shard_group")
            case "ddp-bucket-size": lines.append("  ddp_bucket_size: \(argument.value ?? "")")
            default: lines.append("  \(key): \((argument.value ?? "true").filter { $0 != "\"" }.quotedForYAML)")
            }
        }
        lines += [
            "  optim:", "    name: \(layout.zero > 0 ? "distributed_fused_adam" : training.optimizer == .sgd ? "sgd" : "fused_adam")",
        ]
        if training.optimizer != .adamw, training.optimizer != .adam {
            refuse("training.optimizer", "\(program)'s configuration is written for Adam", "write adamw")
        }
        if let gradients = job.precision.gradients { lines.append("    grad_sync_dtype: \(gradients.rawValue)") }
        lines.removeAll { $0.contains("grad_reduce_in_bf16") }
        text = lines.joined(separator: "\n") + "\n"
    }

    /// DeepSpeed's JSON. The program that reads it brings the model.
    mutating func deepspeed() {
        if layout.sequenceParallel, layout.tensor > 1 {
            refuse("layout.sequence_parallel", "no key of \(program)'s configuration says this", "write false")
        }
        if layout.virtual > 1 { refuse("layout.virtual", "\(program)'s pipeline has one chunk a rank", "write virtual: 1") }
        if layout.context > 1, layout.contextExchange == .ring {
            refuse("layout.context_exchange", "\(program) exchanges sequence for heads", "write all-to-all")
        }
        if layout.expert > 1 || layout.expertTensor > 1 {
            refuse("layout.expert", "experts are cut by the program's code, not by its configuration", "write expert: 1")
        }
        if layout.stageLayers != nil { refuse("layout.stage_layers", "no key of \(program)'s configuration says this", "write auto") }
        let compute = job.precision.compute
        if ![.bf16, .fp16, .fp32].contains(compute) {
            refuse("training.precision.compute", "\(program)'s configuration has bf16, fp16 and fp32", "write one of these")
        }
        if job.precision.master != nil || job.precision.moments != nil {
            refuse("training.precision", "no key of \(program)'s configuration says this", "leave out master and moments")
        }
        if layout.reshardAfterForward != nil {
            refuse("layout.reshard_after_forward", "no key of \(program)'s configuration says this", "leave it out")
        }
        if layout.overlap.tensor != nil || layout.overlap.pipeline != nil || layout.overlap.paramGather != nil {
            refuse("layout.overlap", "\(program)'s configuration has overlap_comm only", "leave out all but grad_reduce")
        }
        let steps = max(1, training.globalBatch / max(1, training.microBatch * data))
        var members: [(key: String, value: JSONValue)] = [
            ("train_batch_size", .integer(training.globalBatch)), ("train_micro_batch_size_per_gpu", .integer(training.microBatch)),
            ("gradient_accumulation_steps", .integer(steps)),
        ]
        if compute != .fp32 { members.append((compute.rawValue, .object([("enabled", .bool(true))]))) }
        var zero: [(key: String, value: JSONValue)] = [("stage", .integer(layout.zero))]
        if layout.zero > 0 {
            zero.append(("reduce_bucket_size", .integer(Int(layout.bucket.baseValue) / 2)))
            if let overlap = layout.overlap.gradReduce { zero.append(("overlap_comm", .bool(overlap))) }
            if let group = layout.shardGroup { zero.append(("zero_hpz_partition_size", .integer(group))) }
        }
        if layout.offload != .none {
            let place = JSONValue.object([("device", .string(layout.offloadTarget.rawValue))])
            zero.append((layout.offload == .optimizer ? "offload_optimizer" : "offload_param", place))
        }
        members.append(("zero_optimization", .object(zero)))
        if layout.tensor > 1 { members.append(("tensor_parallel", .object([("autotp_size", .integer(layout.tensor))]))) }
        if layout.pipeline > 1 { members.append(("pipeline", .object([("stages", .integer(layout.pipeline))]))) }
        if layout.context > 1 { members.append(("sequence_parallel_size", .integer(layout.context))) }
        if let gradients = job.precision.gradients {
            members.append(("data_types", .object([("grad_accum_dtype", .string(gradients.rawValue))])))
        }
        if let reduce = job.precision.reduce { members.append(("communication_data_type", .string(reduce.rawValue))) }
        switch training.recompute {
        case .none: break
        case .full: members.append(("activation_checkpointing", .object([("partition_activations", .bool(false))])))
        default: refuse("training.recompute", "\(program)'s configuration recomputes whole layers or nothing", "write full or none")
        }
        let optimizers: [OptimizerKind: String] = [
            .adam: "Adam", .adamw: "AdamW", .lamb: "Lamb", .sgd: "SGD", .lion: "Lion", .muon: "Muon",
        ]
        if let optimizer = optimizers[training.optimizer] {
            members.append(("optimizer", .object([("type", .string(optimizer))])))
        } else {
            refuse(
                "training.optimizer", "\(program)'s configuration has no \(training.optimizer.rawValue)",
                "write adamw, lamb, sgd, lion or muon")
        }
        text = JSONValue.object(members).text() + "\n"
        remarks.append(
            "the configuration holds neither the model (\(model.name)), the sequence (\(training.sequence) tokens) nor the \(job.cluster.gpus) GPUs"
        )
    }
}

extension String {
    fileprivate var quotedForYAML: String { contains { "[]{}(),:#*".contains($0) } ? "\"\(self)\"" : self }
}
