import Plan
import Workload

/// A setting by its name in Megatron-LM's arguments, with `-`; no value for a flag.
struct LaunchArgument {
    var name: String
    var value: String?
}

extension LaunchWriter {
    mutating func megatron() {
        var arguments: [(title: String, list: [LaunchArgument])] = []
        arguments.append(("MODEL", shape()))
        arguments.append(("LAYOUT", degrees()))
        arguments.append(("TRAINING", numbers()))
        var lines = [
            "#!/bin/bash", "# \(name): written by orrery export \(format.rawValue). Data, tokenizer and checkpoints are for you to add.",
            "export CUDA_DEVICE_MAX_CONNECTIONS=1", "GPUS_PER_NODE=\(perNode)", "NNODES=\(max(1, job.cluster.gpus / max(1, perNode)))",
        ]
        for (title, list) in arguments {
            lines.append("\(title)=(")
            lines += list.map { "  --\($0.name)\($0.value.map { " \($0)" } ?? "")" }
            lines.append(")")
        }
        let program = "pretrain_\(model.causal ? "gpt" : "bert").py"
        let parts = arguments.map { "\"${\($0.title)[@]}\"" }.joined(separator: " ")
        lines.append("torchrun --nproc-per-node $GPUS_PER_NODE --nnodes $NNODES \(program) \(parts)")
        text = lines.joined(separator: "\n") + "\n"
        if let release = job.software.release { remarks.append("written for current releases; the scenario's is \(release)") }
    }

    mutating func shape() -> [LaunchArgument] {
        var list: [LaunchArgument] = []
        func add(_ name: String, _ value: Int) { list.append(LaunchArgument(name: name, value: "\(value)")) }
        func flag(_ name: String) { list.append(LaunchArgument(name: name)) }
        add("num-layers", model.layers)
        add("hidden-size", model.hidden)
        add("ffn-hidden-size", model.ffn)
        add("num-attention-heads", model.heads)
        if model.kvHeads != model.heads {
            flag("group-query-attention")
            add("num-query-groups", model.kvHeads)
        }
        if model.headDim > 0, model.headDim * model.heads != model.hidden { add("kv-channels", model.headDim) }
        switch model.attention {
        case .full: break
        case .sliding(let window, let period):
            list.append(LaunchArgument(name: "window-size", value: "(\(window),0)"))
            if period > 1 { add("window-attn-skip-freq", period) }
        case .mla(let query, let keys, let rope, let nope, let value):
            flag("multi-latent-attention")
            if let query { add("q-lora-rank", query) }
            add("kv-lora-rank", keys)
            add("qk-head-dim", nope)
            add("qk-pos-emb-head-dim", rope)
            add("v-head-dim", value)
        case .sparse: refuse("model.attention.kind", "\(program) has no sparse attention of this kind", "write full, sliding or mla")
        }
        switch model.activation {
        case .gelu: break
        case .swiglu: flag("swiglu")
        case .geglu: flag("quick-geglu")
        case .relu: flag("squared-relu")
        }
        if model.norm == .rms { list.append(LaunchArgument(name: "normalization", value: "RMSNorm")) }
        switch model.positions {
        case .learned: break
        case .rotary: list.append(LaunchArgument(name: "position-embedding-type", value: "rope"))
        case .none: list.append(LaunchArgument(name: "position-embedding-type", value: "none"))
        case .alibi: list.append(LaunchArgument(name: "position-embedding-type", value: "alibi"))
        }
        if !model.biases { flag("disable-bias-linear") }
        if model.qkvBias { flag("add-qkv-bias") }
        if model.qkNorm { flag("qk-layernorm") }
        if !model.tiedEmbeddings { flag("untie-embeddings-and-output-weights") }
        if model.mtpLayers > 0 { add("mtp-num-layers", model.mtpLayers) }
        experts(&list)
        // The padded size must come out as the vocabulary that is meant.
        let multiple = stride(from: 128, through: 1, by: -1).first { model.vocab % ($0 * max(1, layout.tensor)) == 0 } ?? 1
        add("vocab-size", model.vocab)
        add("make-vocab-size-divisible-by", multiple)
        if model.vocab % max(1, layout.tensor) != 0 {
            remarks.append("the program pads the vocabulary of \(model.vocab) to a multiple of tensor")
        }
        if model.normsPerLayer != 2 || model.embeddingNorm || model.attentionSinks || model.headBias {
            remarks.append("norms, sinks or biases that the program's arguments do not describe are left out of the model")
        }
        return list
    }

    private func experts(_ list: inout [LaunchArgument]) {
        guard let moe = model.moe else { return }
        func add(_ name: String, _ value: String?) { list.append(LaunchArgument(name: name, value: value)) }
        add("num-experts", "\(moe.experts)")
        add("moe-router-topk", "\(moe.active)")
        add("moe-ffn-hidden-size", "\(moe.ffn)")
        if moe.shared > 0 { add("moe-shared-expert-intermediate-size", "\(moe.sharedFFN ?? moe.shared * moe.ffn)") }
        if moe.denseLayers > 0 { add("moe-layer-freq", "([0]*\(moe.denseLayers)+[1]*\(model.layers - moe.denseLayers))".quotedForShell) }
        if let capacity = moe.capacity { add("moe-expert-capacity-factor", "\(capacity)") }
        if moe.balancingBias { add("moe-router-enable-expert-bias", nil) }
        if moe.sharedGate { add("moe-use-shared-expert-gate", nil) }
        if let limit = moe.nodeLimit { add("moe-router-group-topk", "\(limit)") }
    }

    mutating func degrees() -> [LaunchArgument] {
        var list: [LaunchArgument] = []
        func add(_ name: String, _ value: Int) { list.append(LaunchArgument(name: name, value: "\(value)")) }
        func flag(_ name: String) { list.append(LaunchArgument(name: name)) }
        add("tensor-model-parallel-size", layout.tensor)
        add("pipeline-model-parallel-size", layout.pipeline)
        if layout.pipeline > 1, layout.virtual > 1 { add("num-virtual-stages-per-pipeline-rank", layout.virtual) }
        if layout.context > 1 {
            add("context-parallel-size", layout.context)
            if layout.contextExchange == .allToAll { list.append(LaunchArgument(name: "cp-comm-type", value: "a2a")) }
        }
        if model.moe != nil {
            add("expert-model-parallel-size", layout.expert)
            add("expert-tensor-parallel-size", layout.expertTensor)
        }
        if layout.sequenceParallel, layout.tensor > 1 { flag("sequence-parallel") }
        switch layout.zero {
        case 0: break
        case 1: flag("use-distributed-optimizer")
        default:
            flag("use-distributed-optimizer")
            flag("use-megatron-fsdp")
            list.append(
                LaunchArgument(name: "data-parallel-sharding-strategy", value: layout.zero == 2 ? "optim_grads" : "optim_grads_params"))
        }
        if layout.zero > 0, let group = layout.shardGroup, group < data * layout.context {
            add("num-distributed-optimizer-instances", data * layout.context / group)
        }
        if layout.reshardAfterForward != nil {
            refuse("layout.reshard_after_forward", "no argument of \(program) says this", "leave it out")
        }
        stages(&list)
        if layout.overlap.gradReduce == true { flag("overlap-grad-reduce") }
        if layout.overlap.paramGather == true { flag("overlap-param-gather") }
        if layout.overlap.pipeline == false { flag("no-overlap-p2p-communication") }
        if layout.overlap.tensor == true || job.software.tensorOverlap == .userBuffer, layout.tensor > 1 { flag("tp-comm-overlap") }
        if Int(layout.bucket.baseValue) != 40_000_000 { add("ddp-bucket-size", Int(layout.bucket.baseValue) / 4) }
        switch layout.offload {
        case .none: break
        case .optimizer where layout.offloadTarget == .cpu: flag("optimizer-cpu-offload")
        default: refuse("layout.offload", "\(program) moves the optimizer to the host's memory only", "write optimizer")
        }
        return list
    }

    /// Layers of the first and the last stage, where those between are alike.
    private mutating func stages(_ list: inout [LaunchArgument]) {
        guard let layers = layout.stageLayers, layout.pipeline > 1, Set(layers).count > 1 else { return }
        guard layout.virtual == 1, layers.count == layout.pipeline, layers.count > 1, Set(layers.dropFirst().dropLast()).count <= 1 else {
            return refuse(
                "layout.stage_layers", "\(program) takes other numbers of layers for the first and the last stage only",
                "make those between alike, with virtual: 1")
        }
        let middle = layers.count > 2 ? layers[1] : layers[0]
        if layers[0] != middle || layers.count == 2 {
            list.append(LaunchArgument(name: "decoder-first-pipeline-num-layers", value: "\(layers[0])"))
        }
        if layers[layers.count - 1] != middle {
            list.append(LaunchArgument(name: "decoder-last-pipeline-num-layers", value: "\(layers[layers.count - 1])"))
        }
    }

    mutating func numbers() -> [LaunchArgument] {
        var list: [LaunchArgument] = []
        func add(_ name: String, _ value: String?) { list.append(LaunchArgument(name: name, value: value)) }
        add("micro-batch-size", "\(training.microBatch)")
        add("global-batch-size", "\(training.globalBatch)")
        add("seq-length", "\(training.sequence)")
        add("max-position-embeddings", "\(training.sequence)")
        if let steps { add("train-iters", "\(steps)") }
        switch job.precision.compute {
        case .bf16: add("bf16", nil)
        case .fp16: add("fp16", nil)
        case .fp8, .mxfp8:
            add("bf16", nil)
            add("fp8-format", "hybrid")
            let recipes = ["delayed": "delayed", "current": "tensorwise", "tensorwise": "tensorwise"]
            if job.precision.compute == .mxfp8 {
                add("fp8-recipe", "mxfp8")
            } else if let scaling = job.software.scaling, let recipe = recipes[scaling.rawValue] {
                add("fp8-recipe", recipe)
            }
        case .nvfp4:
            add("bf16", nil)
            add("fp4-format", "e2m1")
        case .fp32: break
        default:
            refuse("training.precision.compute", "\(program) has no \(job.precision.compute.rawValue)", "write bf16, fp16, fp8 or fp32")
        }
        recomputation(&list)
        formats(&list)
        switch training.optimizer {
        case .adam, .adamw: break
        case .sgd, .momentum: add("optimizer", "sgd")
        case .muon: add("optimizer", "muon")
        default: refuse("training.optimizer", "\(program) has no \(training.optimizer.rawValue)", "write adamw, sgd or muon")
        }
        return list
    }

    private mutating func recomputation(_ list: inout [LaunchArgument]) {
        func add(_ name: String, _ value: String?) { list.append(LaunchArgument(name: name, value: value)) }
        switch training.recompute {
        case .none, .auto, .perRank: break
        case .selective: add("recompute-granularity", "selective")
        case .full:
            add("recompute-granularity", "full")
            add("recompute-method", "uniform")
            add("recompute-num-layers", "1")
        case .layers(let layers):
            add("recompute-granularity", "full")
            add("recompute-method", "block")
            add("recompute-num-layers", "\(layers)")
        case .modules(let modules):
            let names: [(RecomputedModules, String)] = [
                (.norms, "layernorm"), (.latentUp, "mla_up_proj"), (.activation, "moe_act"), (.mlp, "mlp"), (.moe, "moe"),
                (.attentionCore, "core_attn"),
            ]
            add("recompute-granularity", "selective")
            add("recompute-modules", names.filter { modules.contains($0.0) }.map(\.1).joined(separator: " "))
        }
    }

    private mutating func formats(_ list: inout [LaunchArgument]) {
        let precision = job.precision
        func flag(_ name: String) { list.append(LaunchArgument(name: name)) }
        switch precision.gradients {
        case nil: break
        case .fp32?: flag("accumulate-allreduce-grads-in-fp32")
        case .bf16? where precision.compute != .fp16: flag("grad-reduce-in-bf16")
        default: refuse("training.precision.gradients", "\(program) keeps gradients in fp32 or bf16", "write one of the two")
        }
        if let reduce = precision.reduce, reduce != precision.gradients {
            refuse("training.precision.reduce", "\(program) sends gradients as it keeps them", "leave it out")
        }
        if precision.master != nil || precision.moments != nil { flag("use-precision-aware-optimizer") }
        if let master = precision.master, master != .fp32 { list.append(LaunchArgument(name: "main-params-dtype", value: master.rawValue)) }
        if let moments = precision.moments, moments != .fp32 { list.append(LaunchArgument(name: "exp-avg-dtype", value: moments.rawValue)) }
    }
}

extension String {
    /// In double quotes, for a script.
    fileprivate var quotedForShell: String { "\"\(self)\"" }
}
