/// A matrix product: C [m][n] = alpha op(A) op(B) + beta C over k.
public struct GEMM: Hashable, Sendable {
    /// Rows and columns of C, and the length of the sums.
    public var m: Int
    public var n: Int
    public var k: Int
    /// Whether op(A) and op(B) are transposed, and the factors of the formula.
    public var transposeA = false
    public var transposeB = false
    public var alpha = 1.0
    public var beta = 0.0

    public init(m: Int, n: Int, k: Int, transposeA: Bool = false, transposeB: Bool = false) {
        self.m = m
        self.n = n
        self.k = k
        self.transposeA = transposeA
        self.transposeB = transposeB
    }

    /// The same product added to what C holds.
    public var accumulating: GEMM {
        var sum = self
        sum.beta = 1
        return sum
    }
}

/// Attention over `sequences` of `length` positions in `heads` of `headDimension`.
public struct AttentionShape: Hashable, Sendable {
    /// Sequences, heads of each, positions of a sequence, and dimensions of a head.
    public var sequences: Int
    public var heads: Int
    public var length: Int
    public var headDimension: Int
    /// Queries see no later key.
    public var causal: Bool
    /// Each query attends to its best `kept` keys only, the earlier first among equals; nil for all.
    public var kept: Int?

    public init(sequences: Int, heads: Int, length: Int, headDimension: Int, causal: Bool = true, kept: Int? = nil) {
        self.sequences = sequences
        self.heads = heads
        self.length = length
        self.headDimension = headDimension
        self.causal = causal
        self.kept = kept
    }

    /// Features of a position over all heads.
    public var width: Int { heads * headDimension }
    /// Positions of all sequences.
    public var tokens: Int { sequences * length }
    /// True where each query drops keys that it could see.
    public var isSparse: Bool { kept.map { $0 < length } ?? false }
    /// What the forward pass saves: the logarithm of each query's sum of exponentials [sequences][heads][length]; where sparse, all
    /// probabilities [sequences][heads][length][length], zero for keys that are not attended to.
    public var savedCount: Int { tokens * heads * (isSparse ? length : 1) }
    /// Pairs of query and key that one head of one sequence scores.
    public var pairs: Int { causal ? length * (length + 1) / 2 : length * length }
}

/// What attention's backward pass needs of its forward pass.
public struct AttentionPass<Scalar: BinaryFloatingPoint & Sendable>: Sendable {
    /// The shape; queries, keys and values [tokens][3][heads][headDimension]; the output [tokens][heads][headDimension]; what was saved
    /// [savedCount].
    public var shape: AttentionShape
    public var qkv: [Scalar]
    public var output: [Scalar]
    public var saved: [Scalar]

    public init(_ shape: AttentionShape, qkv: [Scalar], output: [Scalar], saved: [Scalar]) {
        self.shape = shape
        self.qkv = qkv
        self.output = output
        self.saved = saved
    }
}

/// Gradients of a normalisation: `dx` [rows][width] is written, `dGain` and `dBias` [width] are added to; `dBias` is empty for RMSNorm.
public struct NormGradients<Scalar: BinaryFloatingPoint & Sendable>: Sendable {
    /// [rows][width], [width] and [width].
    public var dx: [Scalar]
    public var dGain: [Scalar]
    public var dBias: [Scalar]

    public init(dx: [Scalar], dGain: [Scalar], dBias: [Scalar] = []) {
        self.dx = dx
        self.dGain = dGain
        self.dBias = dBias
    }
}

/// Added to the variance, or to the mean square, before its root.
public let normEpsilon = 1e-5

/// Elementwise non-linearity.
public enum Nonlinearity: String, CaseIterable, Sendable {
    /// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) (arXiv:1606.08415).
    case gelu
    case relu
    /// x / (1 + exp(-x)).
    case silu
    case tanh
}

/// A batch of images.
public struct ImageShape: Hashable, Sendable {
    /// Images, rows and columns of pixels of each, and values of a pixel.
    public var images: Int
    public var height: Int
    public var width: Int
    public var channels: Int

    public init(images: Int, height: Int, width: Int, channels: Int) {
        self.images = images
        self.height = height
        self.width = width
        self.channels = channels
    }
    /// Values of the batch.
    public var count: Int { images * height * width * channels }
}

/// A convolution's square window over padded images.
public struct ConvolutionShape: Hashable, Sendable {
    /// What is convolved.
    public var image: ImageShape
    /// Pixels a side of the window.
    public var window: Int
    public var padding: Int
    public var stride: Int

    public init(_ image: ImageShape, window: Int = 3, padding: Int = 1, stride: Int = 1) {
        self.image = image
        self.window = window
        self.padding = padding
        self.stride = stride
    }
    /// Rows of the result.
    public var outputHeight: Int { extent(image.height) }
    /// Columns of the result.
    public var outputWidth: Int { extent(image.width) }
    /// Rows of the patch matrix.
    public var rows: Int { image.images * outputHeight * outputWidth }
    /// Columns of the patch matrix.
    public var columns: Int { image.channels * window * window }

    private func extent(_ side: Int) -> Int { max(0, (side + 2 * padding - window) / stride + 1) }
}

/// First and second moments of Adam, both [n], zero before the first step.
public struct AdamMoments<Scalar: BinaryFloatingPoint & Sendable>: Sendable {
    /// [n] means of the gradient, and of its square.
    public var first: [Scalar]
    public var second: [Scalar]

    public init(first: [Scalar], second: [Scalar]) {
        self.first = first
        self.second = second
    }
}

/// One step of AdamW.
public struct AdamWStep: Hashable, Sendable {
    /// Learning rate, weight of the past in both moments, and what is added to the root.
    public var rate: Double
    public var beta1 = 0.9
    public var beta2 = 0.999
    public var epsilon = 1e-8
    /// Decoupled: parameters are multiplied by 1 - rate x decay.
    public var decay = 0.01
    /// From 1.
    public var number: Int

    public init(rate: Double, number: Int) {
        self.rate = rate
        self.number = number
    }
}

/// What computes, for the head of a measurement file.
public struct BackendDescription: Hashable, Sendable, CustomStringConvertible {
    /// "cpu" or "reference".
    public var name: String
    /// The processor's model name.
    public var processor: String
    /// The matrix library and its version, "OpenBLAS 0.3.21".
    public var library: String
    /// The code path that the library chose for this processor, "Zen" or "SkylakeX".
    public var libraryCore: String
    /// Widest vectors that this project's own kernels use: "x86-64-v4", "x86-64-v3" or "baseline".
    public var vectors: String
    /// Threads of the matrix library; the other kernels run on the calling thread.
    public var threads: Int

    public init(name: String, processor: String, library: String, libraryCore: String, vectors: String, threads: Int) {
        self.name = name
        self.processor = processor
        self.library = library
        self.libraryCore = libraryCore
        self.vectors = vectors
        self.threads = threads
    }
    public var description: String {
        "\(name) on \(processor): \(library) (\(libraryCore) kernels), own kernels \(vectors), \(threads) thread\(threads == 1 ? "" : "s")"
    }
}
