import Calibration
import Cluster
import Workload

/// What a job keeps in device memory by the habits of its stack (`StackMemory`), with every default filled in.
struct MemoryTraits: Sendable {
    let stack: StackMemory
    /// Softmax(QK^T) is never written out (FlashAttention, cuDNN).
    let flash: Bool
    /// Attention, residual and embedding dropout keep one byte an element.
    let dropout: Bool
    /// The cross entropy works on the logits in place. Megatron-LM before FlashAttention made fp32 copies; later releases fuse it.
    let fusedLoss: Bool
    /// Norms and activation functions run operation by operation.
    let isUnfused: Bool
    /// Copies of the scores that stay in the cache beside those counted.
    let earlyScores: Double

    var family: StackMemory.Family { stack.family }

    /// Bytes outside the allocator: contexts hold kernels and stacks for each of a chip's units, so a small device has a small one.
    func context(_ capacity: Double) -> Double { min(stack.context, 0.1 * capacity) }

    init(_ job: Job) {
        stack = StackTable.memory(of: job.software.framework)
        // Volta has no FlashAttention.
        flash = job.software.flashAttention ?? !(stack.unfusedAttention || job.cluster.accelerator.generation <= .volta)
        // The Llama family and every later recipe trains without dropout.
        dropout = stack.dropout && job.model.norm == .layer && !job.model.activation.isGated
        isUnfused = stack.isUnfused && job.software.compiled != true
        earlyScores = flash ? 0 : stack.scores(of: job.software.release)
        fusedLoss = stack.fusedLoss == .always || stack.fusedLoss == .withFlash && flash
    }

    /// Whether resident weights are the fp32 masters themselves.
    func keepsOnlyMasters(_ job: Job) -> Bool { stack.keepsOnlyMasters && !job.precision.computesWide }

    /// Bytes of one resident weight of the format that is computed with.
    func weightBytes(_ precision: Precision) -> Double {
        switch precision {
        case .fp32, .tf32: 4
        // Transformer Engine keeps the cast weight and its transpose; NeMo's recipes make those two the only copy (fp8_param).
        case .fp8, .mxfp8, .int8: stack.keepsOnlyLowWeights ? 2 : 4
        case .nvfp4: 3
        case .fp16, .bf16: 2
        }
    }

    /// Bytes of one accumulated gradient.
    func gradientBytes(_ job: Job) -> Double {
        if let format = job.precision.gradients ?? job.software.gradientPrecision.flatMap(Precision.init(rawValue:)) {
            return Swift.max(2, format.bytes) + (stack.keepsUnreduced && format == .fp32 ? 2 : 0)
        }
        if job.precision.computesWide { return 4 }
        return job.precision.compute == .fp16 ? stack.fp16GradientBytes : stack.gradientBytes
    }
}

extension Generation {
    fileprivate static func <= (a: Generation, b: Generation) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) <= (allCases.firstIndex(of: b) ?? 0)
    }
}
