import Calibration
import Cluster
import Kernels
import Workload

/// Where a call's operands lie when it begins.
public enum Residency: String, Sendable, Hashable, CaseIterable {
    /// In main memory: many sets of operands in turn, together larger than the last cache.
    case rotated = ""
    /// In the cache, as far as they fit: the same operands again.
    case warm
    /// As `warm`, while another core runs the same call.
    case contended
}

extension Measurement.Key {
    /// How a measurement file names a call of a CPU backend: docs/calibrate.md has the table. Layouts follow BLAS's words: y = x w^T, which row-major
    /// kernels call NT, is TN.
    public init(_ call: KernelCall, _ residency: Residency, device: String) {
        let naming = Naming(call)
        let words = [naming.variant, residency.rawValue].filter { !$0.isEmpty }
        self.init(
            naming.kernel, variant: words.joined(separator: " "), pass: naming.isBackward ? .inputGradient : .forward, device: device,
            dtype: .fp32, shape: naming.shape)
        layout = naming.layout
    }
}

/// A call in the words of measurement files.
private struct Naming {
    var kernel: Kernel
    var variant = ""
    var isBackward = false
    var layout = Measurement.Layout.unknown
    var shape: KernelShape

    init(_ call: KernelCall) {
        let sizes = call.sizes
        // A shape of zero bytes cannot be written; an empty call costs its start.
        shape = .memory(bytes: max(4, call.bytes), row: sizes.count == 2 ? sizes[1] : 0)
        isBackward = call.kernel.rawValue.hasSuffix("_backward")
        let name = isBackward ? String(call.kernel.rawValue.dropLast("_backward".count)) : call.kernel.rawValue
        switch call.kernel {
        case .gemmNN, .gemmNT, .gemmTN, .gemmTT:
            kernel = .gemm
            // OpenBLAS multiplies small operands as they lie and copies larger ones into its own order first (interface/gemm.c,
            // "small matrix": up to 100^3 multiplications where the processor has AVX-512; of x w^T, which it sees as the product of a
            // transposed first operand, only results of up to 1,200 elements with a depth of 32, sgemm_small_kernel_permit): two curves.
            if sizes.prefix(3).reduce(1.0, { $0 * Double($1) }) <= 1e6,
                call.kernel != .gemmNT || (sizes[0] * sizes[1] <= 1200 && sizes[2] >= 32)
            {
                variant = "small"
            }
            shape = .product(m: max(1, sizes[0]), n: max(1, sizes[1]), k: max(1, sizes[2]), count: 1)
            layout =
                switch call.kernel {
                case .gemmNT: .tn
                case .gemmTN: .nt
                case .gemmTT: .tt
                default: .nn
                }
        case .attention, .attentionBackward:
            kernel = .attention
            var visible = sizes[4] == 1 ? 0.5 : 1
            if sizes[5] > 0 {
                variant = "sparse"
                visible *= min(1, Double(sizes[5]) / Double(max(1, sizes[2])))
            }
            let length = max(1, sizes[2])
            shape = .attention(
                KernelShape.AttentionShape(
                    batch: max(1, sizes[0]), heads: max(1, sizes[1]), kvHeads: max(1, sizes[1]), queries: length, keys: length,
                    headDim: max(1, sizes[3]), valueDim: max(1, sizes[3]), visible: visible))
        case .layerNorm, .layerNormBackward: kernel = .layernorm
        case .rmsNorm, .rmsNormBackward: kernel = .rmsnorm
        case .softmax, .softmaxBackward: kernel = .softmax
        case .crossEntropy: kernel = .crossEntropy
        case .copy: kernel = .copy
        case .adamW, .sgd: (kernel, variant) = (.optimizer, name)
        case .gather, .scatterAdd:
            (kernel, variant) = (.embedding, name)
            shape = .memory(bytes: max(4, call.bytes), row: sizes[1], extent: sizes[2])
        case .im2col, .col2im:
            (kernel, variant) = (.elementwise, name)
            shape = .memory(bytes: max(4, call.bytes), row: sizes[3] * sizes[4] * sizes[4], extent: sizes[2])
        case .channelsLast, .meanPool, .meanPoolBackward:
            (kernel, variant) = (.elementwise, name)
            shape = .memory(bytes: max(4, call.bytes), row: sizes[3], extent: sizes[2])
        default: (kernel, variant) = (.elementwise, name)
        }
    }
}
