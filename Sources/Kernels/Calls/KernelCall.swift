/// The kernels that a backend offers, as calibration and predictions name them.
public enum KernelName: String, CaseIterable, Sendable, Codable {
    /// sizes: m, n, k. N and T say whether A and B are stored as they are or transposed.
    case gemmNN = "gemm_nn"
    case gemmNT = "gemm_nt"
    case gemmTN = "gemm_tn"
    case gemmTT = "gemm_tt"
    /// sizes: sequences, heads, length, headDimension, causal (0 or 1), kept (0 for all keys).
    case attention
    case attentionBackward = "attention_backward"
    /// sizes: rows, width.
    case layerNorm = "layernorm"
    case layerNormBackward = "layernorm_backward"
    case rmsNorm = "rmsnorm"
    case rmsNormBackward = "rmsnorm_backward"
    case softmax
    case softmaxBackward = "softmax_backward"
    case crossEntropy = "cross_entropy"
    case addBias = "add_bias"
    case addColumnSums = "add_column_sums"
    case scaleRows = "scale_rows"
    case rowDots = "row_dots"
    case swiglu
    case swigluBackward = "swiglu_backward"
    /// sizes: count.
    case gelu
    case geluBackward = "gelu_backward"
    case relu
    case reluBackward = "relu_backward"
    case silu
    case siluBackward = "silu_backward"
    case tanh
    case tanhBackward = "tanh_backward"
    case copy
    case add
    case scale
    case zeros
    case adamW = "adamw"
    case sgd
    /// sizes: rows, width, tableRows.
    case gather
    case scatterAdd = "scatter_add"
    /// sizes: images, height, width, channels.
    case channelsLast = "channels_last"
    case meanPool = "mean_pool"
    case meanPoolBackward = "mean_pool_backward"
    /// sizes: images, height, width, channels, window, padding, stride.
    case im2col
    case col2im

    /// What each entry of a call's `sizes` means.
    public var sizeNames: [String] {
        switch self {
        case .gemmNN, .gemmNT, .gemmTN, .gemmTT: ["m", "n", "k"]
        case .attention, .attentionBackward: ["sequences", "heads", "length", "headDimension", "causal", "kept"]
        case .layerNorm, .layerNormBackward, .rmsNorm, .rmsNormBackward, .softmax, .softmaxBackward, .crossEntropy, .addBias,
            .addColumnSums, .scaleRows, .rowDots, .swiglu, .swigluBackward:
            ["rows", "width"]
        case .gelu, .geluBackward, .relu, .reluBackward, .silu, .siluBackward, .tanh, .tanhBackward, .copy, .add, .scale, .zeros, .adamW,
            .sgd:
            ["count"]
        case .gather, .scatterAdd: ["rows", "width", "tableRows"]
        case .channelsLast, .meanPool, .meanPoolBackward: ["images", "height", "width", "channels"]
        case .im2col, .col2im: ["images", "height", "width", "channels", "window", "padding", "stride"]
        }
    }
}

/// One kernel on one shape: what is timed, and what a step is a list of.
public struct KernelCall: Hashable, Sendable, Codable, CustomStringConvertible {
    /// What is computed.
    public let kernel: KernelName
    /// As `kernel.sizeNames` says.
    public let sizes: [Int]

    /// - Throws: `KernelError` for another number of sizes than the kernel has, a negative one, or more elements than memory could hold.
    public init(_ kernel: KernelName, _ sizes: [Int]) throws(KernelError) {
        let names = kernel.sizeNames
        guard sizes.count == names.count else {
            throw KernelError("\(kernel.rawValue) has the sizes \(names.joined(separator: ", ")): got \(sizes.count) of \(names.count)")
        }
        for (name, size) in zip(names, sizes) where size < 0 || size > 1 << 31 {
            throw KernelError("\(kernel.rawValue): \(name) is \(size): it must be 0 to 2^31")
        }
        let call = KernelCall(unchecked: kernel, sizes)
        try call.checkMeaning()
        self = call
    }

    init(unchecked kernel: KernelName, _ sizes: [Int]) {
        self.kernel = kernel
        self.sizes = sizes
    }

    /// Both checked as the initialiser checks.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(container.decode(KernelName.self, forKey: .kernel), container.decode([Int].self, forKey: .sizes))
    }
    private enum CodingKeys: CodingKey { case kernel, sizes }

    private func checkMeaning() throws(KernelError) {
        switch kernel {
        case .attention, .attentionBackward:
            guard sizes[4] <= 1 else { throw KernelError("\(kernel.rawValue): causal is \(sizes[4]): it must be 0 or 1") }
            guard sizes[3] >= 1 else { throw KernelError("\(kernel.rawValue): headDimension is 0: it must be at least 1") }
        case .meanPool, .meanPoolBackward:
            guard sizes[1] % 2 == 0, sizes[2] % 2 == 0 else {
                throw KernelError("\(kernel.rawValue): images of \(sizes[1]) x \(sizes[2]): both must be even")
            }
        case .im2col, .col2im:
            guard sizes[4] >= 1, sizes[6] >= 1 else { throw KernelError("\(kernel.rawValue): window and stride must be at least 1") }
        case .gather, .scatterAdd:
            guard sizes[2] >= 1 || sizes[0] == 0 else { throw KernelError("\(kernel.rawValue): rows of an empty table") }
        case .crossEntropy:
            guard sizes[1] >= 1 || sizes[0] == 0 else { throw KernelError("cross_entropy: rows without a class") }
        default: break
        }
        guard bytes < 0x1p40 else { throw KernelError("\(self) moves \(bytes) bytes: more than 2^40") }
    }

    public var description: String {
        "\(kernel.rawValue)(" + zip(kernel.sizeNames, sizes).map { "\($0)=\($1)" }.joined(separator: " ") + ")"
    }
}

/// Why a call cannot be made; the text says where, what, and what would be right.
public struct KernelError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, and what would be right.
    public let message: String
    public init(_ message: String) { self.message = message }
    public var description: String { message }
}
