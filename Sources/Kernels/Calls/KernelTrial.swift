/// A call with operands of its own, to be run as often as a timing needs. Several trials of one call, run in turn, keep operands out of the cache.
public struct KernelTrial<B: Backend> {
    /// What is timed.
    public let call: KernelCall
    private let backend: B
    /// Operands by their role; results go to the later ones.
    private var x: [B.Scalar] = []
    private var y: [B.Scalar] = []
    private var z: [B.Scalar] = []
    private var w: [B.Scalar] = []
    private var indices: [Int] = []
    /// Rows of a table that the calls after the first take, in turn.
    private var laterIndices: [[Int]] = []
    private var turn = 0
    private var gradients = NormGradients<B.Scalar>(dx: [], dGain: [])
    private var pass: AttentionPass<B.Scalar>?
    private var moments = AdamMoments<B.Scalar>(first: [], second: [])
    private var step = 0

    /// Draws operands in [-1, 1), the same for the same seed.
    /// - Parameter indexSets: how many sets of a table's rows gather and scatter-add take in turn
    public init(_ call: KernelCall, on backend: B, seed: UInt64 = 1, indexSets: Int = 1) {
        self.call = call
        self.backend = backend
        prepare(OperandSource(backend: backend, seed: seed))
        guard call.kernel == .gather || call.kernel == .scatterAdd, indexSets > 1 else { return }
        var source = OperandSource(backend: backend, seed: seed &+ 0x5EED)
        laterIndices = (1..<indexSets).map { _ in source.indices(call.sizes[0], below: call.sizes[2]) }
    }

    /// Bytes of memory that the operands take.
    public var bytes: Int {
        let scalars = [
            x, y, z, w, gradients.dx, gradients.dGain, gradients.dBias, moments.first, moments.second, pass?.qkv ?? [], pass?.output ?? [],
            pass?.saved ?? [],
        ].reduce(0) { $0 + $1.count }
        return scalars * MemoryLayout<B.Scalar>.stride + (indices.count * (1 + laterIndices.count)) * MemoryLayout<Int>.stride
    }

    /// The same call on operands of equal values in other memory.
    /// - Parameter gap: bytes that each operand lies further away than the allocator would put it
    public func copy(gap: () -> Int = { 0 }) -> KernelTrial {
        // Kept until all operands have their places.
        var gaps: [[UInt8]] = []
        func fresh<Element>(_ values: [Element]) -> [Element] {
            let bytes = gap()
            if bytes > 0, !values.isEmpty { gaps.append([UInt8](unsafeUninitializedCapacity: bytes) { $1 = 0 }) }
            return values.withUnsafeBufferPointer { Array($0) }
        }
        var other = self
        (other.x, other.y, other.z, other.w) = (fresh(x), fresh(y), fresh(z), fresh(w))
        other.indices = fresh(indices)
        other.laterIndices = laterIndices.map { fresh($0) }
        other.gradients = NormGradients(dx: fresh(gradients.dx), dGain: fresh(gradients.dGain), dBias: fresh(gradients.dBias))
        other.pass = pass.map { AttentionPass($0.shape, qkv: fresh($0.qkv), output: fresh($0.output), saved: fresh($0.saved)) }
        other.moments = AdamMoments(first: fresh(moments.first), second: fresh(moments.second))
        return other
    }

    private mutating func prepare(_ source: OperandSource<B>) {
        var source = source
        let s = call.sizes
        let count = Int(call.elements)
        switch call.kernel {
        case .gemmNN, .gemmNT, .gemmTN, .gemmTT:
            x = source.draw(s[0] * s[2])
            y = source.draw(s[2] * s[1])
            z = backend.zeros(s[0] * s[1])
        case .attention, .attentionBackward:
            let shape = call.attentionShape
            x = source.draw(3 * count)
            y = backend.zeros(count)
            z = backend.zeros(shape.savedCount)
            guard call.kernel == .attentionBackward else { return }
            backend.attention(shape, qkv: x, into: &y, saved: &z)
            pass = AttentionPass(shape, qkv: x, output: y, saved: z)
            w = source.draw(count)
        case .layerNorm, .layerNormBackward, .rmsNorm, .rmsNormBackward:
            x = source.draw(count)
            y = backend.zeros(count)
            w = source.draw(s[1])
            let plain = call.kernel == .rmsNorm || call.kernel == .rmsNormBackward
            z = backend.zeros(plain ? s[0] : 2 * s[0])
            gradients = NormGradients(dx: backend.zeros(count), dGain: backend.zeros(s[1]), dBias: backend.zeros(plain ? 0 : s[1]))
            if plain {
                backend.rmsNorm(x, gain: w, into: &y, statistics: &z)
            } else {
                backend.layerNorm(x, gain: w, bias: w, into: &y, statistics: &z)
            }
        case .swiglu, .swigluBackward:
            x = source.draw(2 * count)
            y = source.draw(count)
            z = backend.zeros(2 * count)
        case .crossEntropy:
            x = source.draw(count)
            y = backend.zeros(count)
            indices = source.indices(s[0], below: s[1])
        case .addBias, .addColumnSums:
            x = source.draw(count)
            y = source.draw(s[1])
        case .scaleRows, .rowDots:
            x = source.draw(count)
            y = source.draw(count)
            w = [B.Scalar](repeating: 1, count: s[0])
        case .gather, .scatterAdd:
            x = source.draw(s[2] * s[1])
            y = source.draw(count)
            indices = source.indices(s[0], below: s[2])
        case .meanPool, .meanPoolBackward:
            x = source.draw(count)
            y = source.draw(count / 4)
        case .im2col, .col2im:
            x = source.draw(call.imageShape.count)
            y = source.draw(count)
        case .adamW, .sgd:
            x = source.draw(count)
            y = source.draw(count)
            moments = AdamMoments(first: backend.zeros(count), second: backend.zeros(count))
        default:
            x = source.draw(count)
            y = source.draw(count)
            z = backend.zeros(count)
        }
    }

    /// Makes the call once.
    public mutating func run() {
        let s = call.sizes
        switch call.kernel {
        case .gemmNN: backend.gemm(GEMM(m: s[0], n: s[1], k: s[2]), x, y, into: &z)
        case .gemmNT: backend.gemm(GEMM(m: s[0], n: s[1], k: s[2], transposeB: true), x, y, into: &z)
        case .gemmTN: backend.gemm(GEMM(m: s[0], n: s[1], k: s[2], transposeA: true), x, y, into: &z)
        case .gemmTT: backend.gemm(GEMM(m: s[0], n: s[1], k: s[2], transposeA: true, transposeB: true), x, y, into: &z)
        case .attention: backend.attention(call.attentionShape, qkv: x, into: &y, saved: &z)
        case .attentionBackward: if let pass { backend.attentionBackward(pass, w, into: &x) }
        case .layerNorm: backend.layerNorm(x, gain: w, bias: w, into: &y, statistics: &z)
        case .layerNormBackward: backend.layerNormBackward(y, x: x, gain: w, statistics: z, into: &gradients)
        case .rmsNorm: backend.rmsNorm(x, gain: w, into: &y, statistics: &z)
        case .rmsNormBackward: backend.rmsNormBackward(y, x: x, gain: w, statistics: z, into: &gradients)
        case .softmax: backend.softmax(x, columns: s[1], into: &y)
        case .softmaxBackward: backend.softmaxBackward(x, y: y, columns: s[1], into: &z)
        case .crossEntropy: _ = backend.crossEntropy(x, labels: indices, gradient: &y)
        case .addBias: backend.addBias(y, into: &x)
        case .addColumnSums: backend.addColumnSums(x, into: &y)
        case .scaleRows: backend.scaleRows(&x, by: w)
        case .rowDots: backend.rowDots(x, y, into: &w)
        case .swiglu: backend.swiglu(x, hidden: s[1], into: &y)
        case .swigluBackward: backend.swigluBackward(y, x: x, hidden: s[1], into: &z)
        case .gelu: backend.activate(.gelu, x, into: &y)
        case .relu: backend.activate(.relu, x, into: &y)
        case .silu: backend.activate(.silu, x, into: &y)
        case .tanh: backend.activate(.tanh, x, into: &y)
        case .geluBackward: backend.activateBackward(.gelu, x: x, gradient: &y)
        case .reluBackward: backend.activateBackward(.relu, x: x, gradient: &y)
        case .siluBackward: backend.activateBackward(.silu, x: x, gradient: &y)
        case .tanhBackward: backend.activateBackward(.tanh, x: x, gradient: &y)
        case .copy: backend.copy(x, into: &y)
        case .add: backend.add(x, into: &y)
        case .scale: backend.scale(&x, by: 1)
        case .zeros: x = backend.zeros(s[0])
        case .gather: backend.gather(x, nextIndices(), width: s[1], into: &y)
        case .scatterAdd: backend.scatterAdd(y, nextIndices(), width: s[1], into: &x)
        case .channelsLast: backend.channelsLast(call.imageShape, x, into: &y)
        case .meanPool: backend.meanPool(call.imageShape, x, into: &y)
        case .meanPoolBackward: backend.meanPoolBackward(call.imageShape, y, into: &x)
        case .im2col: backend.im2col(call.convolutionShape, x, into: &y)
        case .col2im: backend.col2im(call.convolutionShape, y, into: &x)
        case .adamW:
            step += 1
            backend.adamW(&x, y, moments: &moments, AdamWStep(rate: 1e-6, number: step))
        case .sgd: backend.sgd(&x, y, velocity: &moments.first, rate: 1e-6, momentum: 0.9)
        }
    }
}

extension KernelTrial {
    private mutating func nextIndices() -> [Int] {
        if laterIndices.isEmpty { return indices }
        defer { turn = (turn + 1) % (laterIndices.count + 1) }
        return turn == 0 ? indices : laterIndices[turn - 1]
    }
}

/// Reproducible operands: SplitMix64 (Steele, Lea, Flood 2014).
struct OperandSource<B: Backend> {
    let backend: B
    var state: UInt64

    init(backend: B, seed: UInt64) {
        self.backend = backend
        state = seed
    }

    private mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    /// A block of 65,536 draws, repeated: enough variety for any kernel here, and quick for large operands.
    mutating func draw(_ count: Int) -> [B.Scalar] {
        var block: [Double] = []
        block.reserveCapacity(min(count, 1 << 16))
        for _ in 0..<min(count, 1 << 16) { block.append(Double(next() >> 11) * 0x1p-52 - 1) }
        guard count > block.count else { return backend.converted(block) }
        let part = backend.converted(block)
        var all: [B.Scalar] = []
        all.reserveCapacity(count)
        while all.count + part.count <= count { all += part }
        all += part[0..<(count - all.count)]
        return all
    }
    mutating func indices(_ count: Int, below limit: Int) -> [Int] { (0..<count).map { _ in Int(next() % UInt64(max(1, limit))) } }
}
