import Kernels
import TestSupport

/// Makes a call with operands drawn in [-1, 1) (the same floats for every backend) and returns everything that it writes.
struct OperationRunner<B: Backend> {
    let backend: B
    var source: Source

    init(_ backend: B, seed: UInt64) {
        self.backend = backend
        source = Source(seed: seed)
    }

    struct Source {
        private var draws: TestDraws
        init(seed: UInt64) { draws = TestDraws(seed: seed) }
        mutating func next() -> UInt64 { draws.next() >> 33 }
        /// Exactly representable as a Float.
        mutating func numbers(_ count: Int, poison: Bool = false) -> [Double] {
            var x = (0..<count).map { _ in Double(Float(Double(next() & 0xFFFFFF) / Double(1 << 23) - 1)) }
            if poison, count > 0 { x[count / 2] = .nan }
            return x
        }
    }

    /// - Parameter poison: puts one NaN into the first operand.
    mutating func run(_ call: KernelCall, poison: Bool = false) -> [[Double]] {
        let s = call.sizes
        func empty(_ n: Int) -> [B.Scalar] { [B.Scalar](repeating: 7, count: n) }
        var first = true
        func draw(_ n: Int) -> [B.Scalar] {
            defer { first = false }
            return backend.converted(source.numbers(n, poison: poison && first))
        }
        func indices(_ n: Int, _ limit: Int) -> [Int] { (0..<n).map { _ in Int(source.next() % UInt64(max(1, limit))) } }
        let n = Int(call.elements)
        let out: [[B.Scalar]]
        switch call.kernel {
        case .gemmNN, .gemmNT, .gemmTN, .gemmTT:
            var shape = GEMM(m: s[0], n: s[1], k: s[2])
            shape.transposeA = call.kernel == .gemmTN || call.kernel == .gemmTT
            shape.transposeB = call.kernel == .gemmNT || call.kernel == .gemmTT
            let (a, b) = (draw(s[0] * s[2]), draw(s[2] * s[1]))
            var c = empty(s[0] * s[1])
            backend.gemm(shape, a, b, into: &c)
            shape.alpha = 0.5
            shape.beta = -2
            var d = draw(s[0] * s[1])
            backend.gemm(shape, a, b, into: &d)
            out = [c, d]
        case .attention, .attentionBackward:
            let shape = AttentionShape(
                sequences: s[0], heads: s[1], length: s[2], headDimension: s[3], causal: s[4] == 1, kept: s[5] == 0 ? nil : s[5])
            let qkv = draw(3 * n)
            var y = empty(n)
            var saved = empty(shape.savedCount)
            backend.attention(shape, qkv: qkv, into: &y, saved: &saved)
            var dx = empty(3 * n)
            backend.attentionBackward(AttentionPass(shape, qkv: qkv, output: y, saved: saved), draw(n), into: &dx)
            out = call.kernel == .attention ? [y, saved] : [dx]
        case .layerNorm, .layerNormBackward:
            let (x, gain, bias) = (draw(n), draw(s[1]), draw(s[1]))
            var y = empty(n)
            var statistics = empty(2 * s[0])
            backend.layerNorm(x, gain: gain, bias: bias, into: &y, statistics: &statistics)
            var g = NormGradients(dx: empty(n), dGain: empty(s[1]), dBias: empty(s[1]))
            backend.layerNormBackward(draw(n), x: x, gain: gain, statistics: statistics, into: &g)
            out = call.kernel == .layerNorm ? [y, statistics] : [g.dx, g.dGain, g.dBias]
        case .rmsNorm, .rmsNormBackward:
            let (x, gain) = (draw(n), draw(s[1]))
            var y = empty(n)
            var statistics = empty(s[0])
            backend.rmsNorm(x, gain: gain, into: &y, statistics: &statistics)
            var g = NormGradients(dx: empty(n), dGain: empty(s[1]))
            backend.rmsNormBackward(draw(n), x: x, gain: gain, statistics: statistics, into: &g)
            out = call.kernel == .rmsNorm ? [y, statistics] : [g.dx, g.dGain]
        case .softmax, .softmaxBackward:
            var y = empty(n)
            backend.softmax(draw(n), columns: s[1], into: &y)
            var dx = empty(n)
            backend.softmaxBackward(draw(n), y: y, columns: s[1], into: &dx)
            out = call.kernel == .softmax ? [y] : [dx]
        case .crossEntropy:
            var gradient = empty(n)
            let loss = backend.crossEntropy(draw(n), labels: indices(s[0], s[1]), gradient: &gradient)
            out = [gradient, [B.Scalar(loss)]]
        case .addBias:
            var x = draw(n)
            backend.addBias(draw(s[1]), into: &x)
            out = [x]
        case .addColumnSums:
            let x = draw(n)
            var sums = draw(s[1])
            backend.addColumnSums(x, into: &sums)
            out = [sums]
        case .scaleRows:
            var x = draw(n)
            backend.scaleRows(&x, by: draw(s[0]))
            out = [x]
        case .rowDots:
            var dots = empty(s[0])
            backend.rowDots(draw(n), draw(n), into: &dots)
            out = [dots]
        case .swiglu:
            var y = empty(n)
            backend.swiglu(draw(2 * n), hidden: s[1], into: &y)
            out = [y]
        case .swigluBackward:
            let x = draw(2 * n)
            var dx = empty(2 * n)
            backend.swigluBackward(draw(n), x: x, hidden: s[1], into: &dx)
            out = [dx]
        case .gelu, .relu, .silu, .tanh, .geluBackward, .reluBackward, .siluBackward, .tanhBackward:
            let name = call.kernel.rawValue
            let function = Nonlinearity.allCases.first { name.hasPrefix($0.rawValue) } ?? .gelu
            // To +-8, where the functions saturate.
            var x = draw(n)
            backend.scale(&x, by: 8)
            var y = empty(n)
            backend.activate(function, x, into: &y)
            var g = draw(n)
            backend.activateBackward(function, x: x, gradient: &g)
            out = name.hasSuffix("backward") ? [g] : [y]
        case .copy:
            var y = empty(n)
            backend.copy(draw(n), into: &y)
            out = [y]
        case .add:
            let x = draw(n)
            var y = draw(n)
            backend.add(x, into: &y)
            out = [y]
        case .scale:
            var y = draw(n)
            backend.scale(&y, by: 0.375)
            out = [y]
        case .zeros: out = [backend.zeros(n)]
        case .adamW:
            var p = draw(n)
            let g = draw(n)
            var moments = AdamMoments(first: backend.zeros(n), second: backend.zeros(n))
            for step in 1...3 { backend.adamW(&p, g, moments: &moments, AdamWStep(rate: 0.01, number: step)) }
            out = [p, moments.first, moments.second]
        case .sgd:
            var p = draw(n)
            let g = draw(n)
            var v = backend.zeros(n)
            for _ in 0..<3 { backend.sgd(&p, g, velocity: &v, rate: 0.01, momentum: 0.9) }
            out = [p, v]
        case .gather:
            var y = empty(n)
            backend.gather(draw(s[2] * s[1]), indices(s[0], s[2]), width: s[1], into: &y)
            out = [y]
        case .scatterAdd:
            let x = draw(n)
            var table = draw(s[2] * s[1])
            backend.scatterAdd(x, indices(s[0], s[2]), width: s[1], into: &table)
            out = [table]
        case .channelsLast, .meanPool, .meanPoolBackward:
            let shape = ImageShape(images: s[0], height: s[1], width: s[2], channels: s[3])
            let pooled = call.kernel == .meanPool
            var y = empty(pooled ? n / 4 : n)
            switch call.kernel {
            case .channelsLast: backend.channelsLast(shape, draw(n), into: &y)
            case .meanPool: backend.meanPool(shape, draw(n), into: &y)
            default: backend.meanPoolBackward(shape, draw(n / 4), into: &y)
            }
            out = [y]
        case .im2col, .col2im:
            let image = ImageShape(images: s[0], height: s[1], width: s[2], channels: s[3])
            let shape = ConvolutionShape(image, window: s[4], padding: s[5], stride: s[6])
            var y = empty(call.kernel == .im2col ? n : image.count)
            if call.kernel == .im2col {
                backend.im2col(shape, draw(image.count), into: &y)
            } else {
                backend.col2im(shape, draw(n), into: &y)
            }
            out = [y]
        }
        return out.map(backend.doubles)
    }
}

/// Shapes with 0, 1, odd sizes and multiples of the vector width, for every kernel.
func oddShapes(_ kernel: KernelName) -> [[Int]] {
    switch kernel.sizeNames.count {
    case 1: return [[0], [1], [7], [64], [1001]]
    case 2: return [[0, 5], [1, 1], [3, 7], [5, 64], [33, 129]]
    case 3 where kernel.sizeNames[0] == "m":
        return [[0, 3, 2], [3, 0, 2], [3, 2, 0], [1, 1, 1], [5, 7, 3], [16, 8, 32], [65, 33, 129]]
    case 3: return [[0, 3, 4], [1, 1, 1], [9, 5, 4], [40, 33, 17]]
    case 4: return [[0, 4, 4, 2], [1, 2, 2, 1], [2, 4, 6, 3], [3, 8, 2, 17]]
    case 6:
        return [
            [0, 2, 3, 4, 1, 0], [1, 1, 1, 1, 1, 0], [2, 3, 7, 5, 1, 0], [2, 3, 7, 5, 0, 0], [1, 2, 65, 8, 1, 0], [1, 1, 130, 33, 1, 0],
            [2, 2, 9, 4, 1, 3], [1, 2, 67, 8, 1, 5], [1, 1, 66, 3, 0, 7],
        ]
    default:
        return [
            [0, 4, 4, 2, 3, 1, 1], [1, 1, 1, 1, 1, 0, 1], [2, 5, 4, 3, 3, 1, 1], [1, 7, 9, 2, 3, 0, 2], [2, 6, 6, 5, 5, 2, 3],
            [1, 2, 2, 1, 5, 0, 1],
        ]
    }
}
