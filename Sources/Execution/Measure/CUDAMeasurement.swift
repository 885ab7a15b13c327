import Calibration
import Cluster
import Kernels
import Workload

extension Measurement.Key {
    /// How a measurement file names a call on a GPU.
    init(_ call: CUDACall, device: String) {
        let sizes = call.sizes
        func memory(_ bytes: Double, row: Int = 0) -> KernelShape { .memory(bytes: max(1, bytes), row: row) }
        /// Elements of rows x width.
        let elements = sizes.prefix(2).reduce(1.0) { $0 * Double($1) }
        let input = call.format.bytes
        var kernel = Kernel.elementwise
        var variant = ""
        var pass = Pass.forward
        var shape = memory(1)
        switch call.kind {
        case .gemm:
            kernel = sizes[3] > 1 ? .groupedGEMM : .gemm
            shape = .product(m: sizes[0], n: sizes[1], k: sizes[2], count: sizes[3])
            // The weight gradient's own pass, so that no forward prediction falls on a product that reads its result.
            if call.mode == 1 { (variant, pass) = ("adds to fp32", .weightGradient) }
            if call.mode == 2 { variant = "fast accumulation" }
            if call.mode != 1, call.result == .fp32, call.format.bytes < 4 {
                variant = variant.isEmpty ? "fp32 result" : "\(variant), fp32 result"
            }
            if call.beside > 0 { variant += (variant.isEmpty ? "" : ", ") + "beside \(call.beside) blocks" }
        case .attention, .attentionBackward:
            kernel = .attention
            variant = call.mode == 1 ? "cudnn" : "plain"
            pass = call.kind == .attention ? .forward : .inputGradient
            // Causal queries are aligned with the end of the keys.
            let visible = sizes[6] == 1 ? 1 - Double(sizes[3]) / Double(2 * sizes[4]) : 1
            shape = .attention(
                KernelShape.AttentionShape(
                    batch: sizes[0], heads: sizes[1], kvHeads: sizes[2], queries: sizes[3], keys: sizes[4], headDim: sizes[5],
                    valueDim: sizes[5], visible: visible))
        case .layerNorm, .rmsNorm, .softmax:
            kernel = [.layerNorm: .layernorm, .rmsNorm: .rmsnorm][call.kind] ?? .softmax
            shape = memory(2 * elements * input, row: sizes[1])
        case .layerNormBackward, .rmsNormBackward:
            (kernel, pass) = (call.kind == .layerNormBackward ? .layernorm : .rmsnorm, .inputGradient)
            // dy, x and dx once, dy and x again for the gradient of the gain.
            shape = memory(5 * elements * input, row: sizes[1])
        case .crossEntropy: (kernel, shape) = (.crossEntropy, memory(3 * elements * input, row: sizes[1]))
        case .adamW: (kernel, variant, shape) = (.optimizer, "adamw", memory(Double(sizes[0]) * (28 + input)))
        case .sumSquares: (variant, shape) = ("sum_squares", memory(Double(sizes[0]) * input))
        case .topK:
            (kernel, variant) = (.codec, "top-k of \(call.format)")
            shape = memory(4 * Double(sizes[0]) * input + Double(sizes[1]) * (4 + input))
        case .quantise:
            kernel = .quantise
            let way = ["known scale", "current scale", "row scales", "scales of 128", "known scale, transposed"]
            variant = "\(call.format) to \(call.result == .int8 ? "int8" : "fp8"), \(way[min(max(call.mode, 0), 4)])"
            let passes = [input + 1, 2 * input + 1, 2 * input + 1, 2 * input + 1, input + 2]
            shape = memory(elements * passes[min(max(call.mode, 0), 4)], row: call.mode == 2 || call.mode == 4 ? sizes[1] : 0)
        case .elementwise:
            let names = ["add", "gelu", "gelu", "swiglu", "dropout", "rotary", "scale"]
            variant = names[min(max(call.mode, 0), 6)]
            if call.mode == 2 { pass = .inputGradient }
            let operands = [3.0, 2, 3, 3, 2, 2.5, 2]
            shape = memory(Double(sizes[0]) * input * operands[min(max(call.mode, 0), 6)])
        case .gather, .scatterAdd:
            (kernel, variant) = (.embedding, call.kind == .gather ? "gather" : "scatter_add")
            if call.kind == .scatterAdd { pass = .inputGradient }
            shape = memory(elements * (call.kind == .gather ? 2 * input : input + 8), row: sizes[1])
        case .copy:
            let names = ["device to device", "pinned host to device", "device to pinned host", "host to device", "device to host"]
            (kernel, variant) = (.copy, names[min(max(call.mode, 0), 4)])
            shape = memory(Double(sizes[0]) * (call.mode == 0 ? 2 : 1))
        case .launch: (kernel, variant, shape) = (.launch, call.mode == 1 ? "graph" : "eager", .launch(kernels: max(1, sizes[0])))
        }
        self.init(kernel, variant: variant, pass: pass, device: device, dtype: call.format.precision, shape: shape)
        guard call.kind == .gemm else { return }
        switch call.layout {
        case .nn: layout = .nn
        case .nt: layout = .nt
        case .tn: layout = .tn
        case .tt: layout = .tt
        }
    }
}

extension CUDACall.Format {
    var precision: Precision {
        switch self {
        case .fp32: .fp32
        case .tf32: .tf32
        case .fp16: .fp16
        case .bf16: .bf16
        case .e4m3: .fp8
        case .int8: .int8
        }
    }
}
