import COrreryCUDA

/// A kernel on an NVIDIA GPU that the plug-in times: COrreryCUDA/orrery_cuda.h gives the meaning of sizes and modes.
public struct CUDACall: Hashable, Sendable, CustomStringConvertible {
    /// What the kernel does; above each case the sizes that a call of it has, and its modes.
    public enum Kind: Int32, CaseIterable, Sendable {
        /// m, n, k, count. Modes: 1 adds to a float32 result (a weight gradient), 2 fast accumulation of FP8.
        case gemm = 1
        /// batch, heads, kvHeads, queries, keys, headDimension, causal. Modes: 0 plain, 1 cuDNN.
        case attention, attentionBackward
        /// rows, width.
        case layerNorm, layerNormBackward, rmsNorm, rmsNormBackward, softmax
        /// rows, classes.
        case crossEntropy
        /// count.
        case adamW, sumSquares
        /// count, kept.
        case topK
        /// rows, width. Modes: 0 known scale, 1 current scale, 2 a scale a row, 3 a scale for 128 elements, 4 known scale and a transposed copy.
        case quantise
        /// count. Modes: 0 add, 1 gelu, 2 gelu backward, 3 swiglu, 4 dropout, 5 rotary, 6 scale.
        case elementwise
        /// rows, width, table rows.
        case gather, scatterAdd
        /// bytes. Modes: 0 device to device, 1 pinned host to device, 2 back, 3 and 4 the same with pageable memory.
        case copy
        /// kernels. Modes: 0 eager, 1 as a graph.
        case launch

        /// Sizes that a call of this kind has.
        public var sizeCount: Int {
            switch self {
            case .gemm: 4
            case .attention, .attentionBackward: 7
            case .gather, .scatterAdd: 3
            case .layerNorm, .layerNormBackward, .rmsNorm, .rmsNormBackward, .softmax, .crossEntropy, .topK, .quantise: 2
            case .adamW, .sumSquares, .elementwise, .copy, .launch: 1
            }
        }
    }
    /// Number formats.
    public enum Format: Int32, CaseIterable, Sendable {
        case fp32, tf32, fp16, bf16, e4m3, int8
        /// Bytes of an element.
        public var bytes: Double { [4, 4, 2, 2, 1, 1][Int(rawValue)] }
    }
    /// In the words of cuBLAS: forward TN, input gradient NN, weight gradient NT.
    public enum Layout: Int32, CaseIterable, Sendable { case nn, nt, tn, tt }

    /// What is computed, on which sizes, in which format.
    public let kind: Kind
    public let sizes: [Int]
    public var format: Format
    /// Of the result; the same as `format` unless set.
    public var result: Format
    public var layout = Layout.tn
    public var mode = 0
    /// Blocks of a copy kernel that runs meanwhile, as a collective's would.
    public var beside = 0

    /// - Throws: `KernelError` for another number of sizes than the kind has, or one out of 0 to 2^40.
    public init(_ kind: Kind, _ sizes: [Int], format: Format, result: Format? = nil) throws(KernelError) {
        guard sizes.count == kind.sizeCount, sizes.allSatisfy({ (0...1 << 40).contains($0) }) else {
            throw KernelError("a CUDA \(kind) of sizes \(sizes): it has \(kind.sizeCount), each 0 to 2^40")
        }
        self.kind = kind
        self.sizes = sizes
        self.format = format
        self.result = result ?? format
    }

    public var description: String {
        "\(kind) \(format)" + (kind == .gemm ? " \(layout)" : "") + (result == format ? "" : " to \(result)")
            + (mode == 0 ? "" : " mode \(mode)") + (beside == 0 ? "" : " beside \(beside) blocks") + " "
            + sizes.map { "\($0)" }.joined(separator: "x")
    }

    var raw: orrery_cuda_call {
        var raw = orrery_cuda_call()
        raw.size = UInt64(MemoryLayout<orrery_cuda_call>.size)
        raw.kind = kind.rawValue
        raw.dtype = format.rawValue
        raw.out = result.rawValue
        raw.layout = layout.rawValue
        raw.mode = Int32(clamping: mode)
        raw.beside = Int32(clamping: beside)
        withUnsafeMutableBytes(of: &raw.sizes) { target in
            for (index, size) in sizes.enumerated() { target.storeBytes(of: Int64(size), toByteOffset: 8 * index, as: Int64.self) }
        }
        return raw
    }
}

/// When a timing on the GPU has enough repeats.
public struct CUDARule: Hashable, Sendable {
    /// No further repeat begins after these seconds.
    public var seconds = 0.1
    /// The call runs so long before it is timed, so that clocks settle under its load.
    public var sustain = 0.0
    /// Half the 95 % interval of the median, relative, that is narrow enough.
    public var halfWidth = 0.005
    public var least = 10
    public var most = 200
    public init() {}

    var raw: orrery_cuda_rule {
        orrery_cuda_rule(
            size: UInt64(MemoryLayout<orrery_cuda_rule>.size), seconds: seconds, sustain: sustain, half_width: halfWidth,
            least: Int32(clamping: least), most: Int32(clamping: most))
    }
}

/// What a timing on the GPU gave.
public struct CUDATiming: Hashable, Sendable {
    /// Seconds a call.
    public let median: Double
    /// Standard deviation over the median.
    public let spread: Double
    public let p99: Double
    public let repeats: Int
    /// Nil where not readable.
    public let clockHz: Double?
    public let temperatureC: Double?
    public let watts: Double?
}

/// A GPU as the plug-in sees it.
public struct CUDADevice: Hashable, Sendable {
    /// Number of the GPU, from 0.
    public let index: Int
    /// "NVIDIA H100 80GB HBM3".
    public let name: String
    /// "CUDA 12.4, cuBLAS 12.4.5".
    public let libraries: String
    /// Compute capability: 9.0 is Hopper.
    public let capability: (major: Int, minor: Int)
    /// Streaming multiprocessors.
    public let units: Int
    public let memoryBytes: Double
    public let freeBytes: Double
    /// Second cache.
    public let cacheBytes: Double

    public static func == (a: Self, b: Self) -> Bool { a.index == b.index && a.name == b.name }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(index)
        hasher.combine(name)
    }
}
