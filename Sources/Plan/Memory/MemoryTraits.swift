import Calibration
import Cluster
import Workload

/// What a framework keeps in device memory and what its memory figure counts. One set a framework family; each value has its reason beside it.
struct MemoryTraits: Sendable {
    enum Family: Sendable {
        /// Megatron-LM and what is built on it: NeMo, Megatron Bridge, MLPerf's GPT, MegaScale, the zero-bubble fork.
        case megatron
        /// DeepSpeed's own optimizers and pipeline engine (Megatron-DeepSpeed).
        case deepSpeed
        /// PyTorch FSDP: torchtitan, llm-foundry, fms-fsdp.
        case fsdp
        /// XLA programs with ahead-of-time buffer assignment (Pax, MaxText).
        case xla
    }

    var family: Family
    var framework: String
    /// Softmax(QK^T) is never written out (FlashAttention, cuDNN).
    var flash: Bool
    /// Attention, residual and embedding dropout keep one byte an element.
    var dropout: Bool
    /// The cross entropy works on the logits in place. Megatron-LM before FlashAttention made fp32 copies; later releases fuse it.
    var fusedLoss: Bool
    /// Bytes of CUDA context, library handles and NCCL channels, outside the allocator.
    var context: Double
    /// Share of the activations that the caching allocator cannot reuse. It gives them back before it fails.
    var slack: Double
    var measure: MemoryMeasure
    /// Gated activations and their product are kept apart (eager code), not made again in one kernel.
    var keepsGate = false
    /// Bytes that the loss holds of a logit beside the 16-bit one where it is not fused.
    var lossBytes = 8.0
    /// Bytes that a stage with the head keeps for each hidden element of each token whole, where there is a tensor group.
    var headBytes = 0.0
    /// The figure is printed by the first rank alone.
    var printsFirstStage = false
    /// Weights, gradients and states of the optimizer are all 16-bit, and there are no masters (single-device fine-tuning).
    var isPure16 = false

    init(_ job: Job) {
        let name = job.software.framework.lowercased()
        framework = name
        family =
            if name.contains("deepspeed") {
                .deepSpeed
            } else if name.contains("fsdp") || name.contains("torchtitan") || name.contains("ddp") {
                .fsdp
            } else if name.contains("pax") || name.contains("maxtext") || name.contains("jax") { .xla } else { .megatron }
        // Megatron-DeepSpeed and the zero-bubble fork of 2022-23 ran Megatron's own fused softmax; Volta has no FlashAttention.
        let early = family == .deepSpeed || name.contains("zero-bubble") || job.cluster.accelerator.generation <= .volta
        flash = job.software.flashAttention ?? !early
        // Megatron-LM's default is 0.1 for its GPT and BERT; the Llama family and every later recipe trains without.
        let classic = job.model.norm == .layer && !job.model.activation.isGated
        dropout = classic && (family == .deepSpeed || name.hasPrefix("megatron-lm") || name == "megascale")
        // llm-foundry's default loss is flash-attention's fused cross entropy; torchtitan upcasts to fp32.
        fusedLoss = family == .xla || (family == .megatron && flash) || name.contains("foundry")
        switch family {
        // Estimates, not readings: a context takes about 0.5 GB, the communicators of a three-dimensional layout the rest.
        case .megatron: context = 2e9
        // DeepSpeed's own communicators stand beside Megatron's. The value is what the BigScience trials leave unexplained on average.
        case .deepSpeed: context = 3e9
        case .fsdp: context = 1.5e9
        case .xla: context = 1e9
        }
        if name.contains("nanotron") {
            // Fp32 accumulators beside the 16-bit gradients, fp32 logits and their exponentials in place of the 16-bit ones (published scan: 7.9
            // bytes a logit, 20.2 a parameter).
            (keepsGate, fusedLoss, lossBytes, printsFirstStage) = (true, false, 6, true)
            // Gathered hidden states and their gradients before the output matrix (same scan, fitted).
            headBytes = 82
        }
        isPure16 = name.contains("torchtune")
        slack = family == .xla || family == .deepSpeed ? 0 : 0.04
        measure = family == .deepSpeed ? .device : family == .fsdp ? .reserved : .allocated
    }

    /// Whether resident weights are the fp32 masters themselves (FSDP keeps one sharded fp32 copy and casts what it gathers).
    func keepsOnlyMasters(_ job: Job) -> Bool {
        (family == .fsdp || family == .xla) && job.training.precision.compute != .fp32 && job.training.precision.compute != .tf32
    }

    /// Bytes of one resident weight of the format that is computed with.
    func weightBytes(_ precision: Precision) -> Double {
        switch precision {
        case .fp32, .tf32: 4
        // Transformer Engine keeps the cast weight and its transpose; NeMo's recipes make those two the only copy (fp8_param).
        case .fp8, .mxfp8, .int8: keepsLowWeights ? 2 : 4
        case .nvfp4: 3
        case .fp16, .bf16: 2
        }
    }
    private var keepsLowWeights: Bool { framework.contains("nemo") || framework.contains("bridge") || framework.contains("mlperf") }

    /// Bytes of one accumulated gradient: fp32 main gradients beside bf16 in Megatron-LM, bf16 in NeMo's recipes, the computing format elsewhere.
    func gradientBytes(_ job: Job) -> Double {
        if let format = job.training.precision.gradients { return Swift.max(2, format.bytes) + unreducedBytes(format) }
        if let name = job.software.gradientPrecision, let format = Precision(rawValue: name) {
            return Swift.max(2, format.bytes) + unreducedBytes(format)
        }
        let compute = job.training.precision.compute
        if compute == .fp32 || compute == .tf32 { return 4 }
        switch family {
        case .megatron: return compute == .fp16 || keepsLowWeights ? 2 : 4
        case .deepSpeed: return 2
        case .fsdp, .xla: return 4
        }
    }

    /// DeepSpeed's BF16_Optimizer keeps the 16-bit gradient beside the fp32 sum; Megatron-LM's fused kernels accumulate into the sum directly.
    private func unreducedBytes(_ format: Precision) -> Double {
        (family == .deepSpeed || framework.contains("nanotron")) && format == .fp32 ? 2 : 0
    }
}

extension Generation {
    fileprivate static func <= (a: Generation, b: Generation) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) <= (allCases.firstIndex(of: b) ?? 0)
    }
}

/// What a printed memory figure counts.
public enum MemoryMeasure: String, Sendable, Hashable, Codable, CaseIterable {
    /// Live tensors at their peak (`torch.cuda.max_memory_allocated`); Megatron-LM logs it.
    case allocated
    /// What the allocator holds from the driver (`max_memory_reserved`); torchtitan logs it.
    case reserved
    /// All that is in use on the device (`nvidia-smi`), contexts and communication libraries included.
    case device
}
