import Synchronization

/// A call with the seconds that it took; 0 where times were not asked for.
public struct RecordedCall: Hashable, Sendable {
    /// The call, and the seconds that it took.
    public let call: KernelCall
    public let seconds: Double
    public init(call: KernelCall, seconds: Double) {
        self.call = call
        self.seconds = seconds
    }
}

/// Does what another backend does and lists every call: a model's step as a sequence of kernels. The time predicted for the step is the sum over
/// the list; with `timed`, the list also holds what each call really took.
public final class RecordingBackend<Base: Backend>: Backend {
    public typealias Scalar = Base.Scalar
    /// Who does the work, and whether it is timed.
    public let base: Base
    public let timed: Bool
    private let log = Mutex<[RecordedCall]>([])

    public init(_ base: Base, timed: Bool = false) {
        self.base = base
        self.timed = timed
    }

    /// All calls so far, in order.
    public var calls: [RecordedCall] { log.withLock { $0 } }
    /// Returns the calls so far and forgets them.
    public func drain() -> [RecordedCall] {
        log.withLock { log in
            let all = log
            log.removeAll(keepingCapacity: true)
            return all
        }
    }
    public var description: BackendDescription { base.description }

    private func record<R>(_ kernel: KernelName, _ sizes: [Int], _ body: () -> R) -> R {
        let call = KernelCall(unchecked: kernel, sizes)
        guard timed else {
            log.withLock { $0.append(RecordedCall(call: call, seconds: 0)) }
            return body()
        }
        let start = ContinuousClock.now
        let result = body()
        let time = (ContinuousClock.now - start).components
        log.withLock { $0.append(RecordedCall(call: call, seconds: Double(time.seconds) + Double(time.attoseconds) * 1e-18)) }
        return result
    }

    public func zeros(_ count: Int) -> [Scalar] { record(.zeros, [count]) { base.zeros(count) } }
    /// Not listed: it computes nothing.
    public func uninitialized(_ count: Int) -> [Scalar] { base.uninitialized(count) }
    public func converted(_ x: [Double]) -> [Scalar] { record(.copy, [x.count]) { base.converted(x) } }
    public func doubles(_ x: [Scalar]) -> [Double] { record(.copy, [x.count]) { base.doubles(x) } }
    public func copy(_ x: [Scalar], into y: inout [Scalar]) { record(.copy, [x.count]) { base.copy(x, into: &y) } }
    public func add(_ x: [Scalar], into y: inout [Scalar]) { record(.add, [x.count]) { base.add(x, into: &y) } }
    public func scale(_ y: inout [Scalar], by factor: Double) { record(.scale, [y.count]) { base.scale(&y, by: factor) } }

    public func gemm(_ shape: GEMM, _ a: [Scalar], _ b: [Scalar], into c: inout [Scalar]) {
        record(shape.kernel, [shape.m, shape.n, shape.k]) { base.gemm(shape, a, b, into: &c) }
    }
    public func addBias(_ bias: [Scalar], into x: inout [Scalar]) {
        record(.addBias, folded(x.count, bias.count)) { base.addBias(bias, into: &x) }
    }
    public func addColumnSums(_ x: [Scalar], into sums: inout [Scalar]) {
        record(.addColumnSums, folded(x.count, sums.count)) { base.addColumnSums(x, into: &sums) }
    }

    public func attention(_ shape: AttentionShape, qkv: [Scalar], into output: inout [Scalar], saved: inout [Scalar]) {
        record(.attention, shape.sizes) { base.attention(shape, qkv: qkv, into: &output, saved: &saved) }
    }
    public func attentionBackward(_ pass: AttentionPass<Scalar>, _ dOutput: [Scalar], into dQKV: inout [Scalar]) {
        record(.attentionBackward, pass.shape.sizes) { base.attentionBackward(pass, dOutput, into: &dQKV) }
    }

    public func layerNorm(_ x: [Scalar], gain: [Scalar], bias: [Scalar], into y: inout [Scalar], statistics: inout [Scalar]) {
        record(.layerNorm, folded(x.count, gain.count)) { base.layerNorm(x, gain: gain, bias: bias, into: &y, statistics: &statistics) }
    }
    public func layerNormBackward(_ dy: [Scalar], x: [Scalar], gain: [Scalar], statistics: [Scalar], into g: inout NormGradients<Scalar>) {
        record(.layerNormBackward, folded(x.count, gain.count)) {
            base.layerNormBackward(dy, x: x, gain: gain, statistics: statistics, into: &g)
        }
    }
    public func rmsNorm(_ x: [Scalar], gain: [Scalar], into y: inout [Scalar], statistics: inout [Scalar]) {
        record(.rmsNorm, folded(x.count, gain.count)) { base.rmsNorm(x, gain: gain, into: &y, statistics: &statistics) }
    }
    public func rmsNormBackward(_ dy: [Scalar], x: [Scalar], gain: [Scalar], statistics: [Scalar], into g: inout NormGradients<Scalar>) {
        record(.rmsNormBackward, folded(x.count, gain.count)) {
            base.rmsNormBackward(dy, x: x, gain: gain, statistics: statistics, into: &g)
        }
    }

    public func softmax(_ x: [Scalar], columns: Int, into y: inout [Scalar]) {
        record(.softmax, folded(x.count, columns)) { base.softmax(x, columns: columns, into: &y) }
    }
    public func softmaxBackward(_ dy: [Scalar], y: [Scalar], columns: Int, into dx: inout [Scalar]) {
        record(.softmaxBackward, folded(y.count, columns)) { base.softmaxBackward(dy, y: y, columns: columns, into: &dx) }
    }
    public func crossEntropy(_ logits: [Scalar], labels: [Int], gradient: inout [Scalar]) -> Double {
        record(.crossEntropy, [labels.count, labels.isEmpty ? 0 : logits.count / labels.count]) {
            base.crossEntropy(logits, labels: labels, gradient: &gradient)
        }
    }

    public func activate(_ function: Nonlinearity, _ x: [Scalar], into y: inout [Scalar]) {
        record(function.forward, [x.count]) { base.activate(function, x, into: &y) }
    }
    public func activateBackward(_ function: Nonlinearity, x: [Scalar], gradient: inout [Scalar]) {
        record(function.backward, [x.count]) { base.activateBackward(function, x: x, gradient: &gradient) }
    }
    public func swiglu(_ x: [Scalar], hidden: Int, into y: inout [Scalar]) {
        record(.swiglu, folded(y.count, hidden)) { base.swiglu(x, hidden: hidden, into: &y) }
    }
    public func swigluBackward(_ dy: [Scalar], x: [Scalar], hidden: Int, into dx: inout [Scalar]) {
        record(.swigluBackward, folded(dy.count, hidden)) { base.swigluBackward(dy, x: x, hidden: hidden, into: &dx) }
    }

    public func gather(_ table: [Scalar], _ indices: [Int], width: Int, into y: inout [Scalar]) {
        record(.gather, [indices.count, width, table.count / max(1, width)]) { base.gather(table, indices, width: width, into: &y) }
    }
    public func scatterAdd(_ x: [Scalar], _ indices: [Int], width: Int, into table: inout [Scalar]) {
        record(.scatterAdd, [indices.count, width, table.count / max(1, width)]) {
            base.scatterAdd(x, indices, width: width, into: &table)
        }
    }
    public func scaleRows(_ x: inout [Scalar], by weights: [Scalar]) {
        record(.scaleRows, [weights.count, x.count / max(1, weights.count)]) { base.scaleRows(&x, by: weights) }
    }
    public func rowDots(_ a: [Scalar], _ b: [Scalar], into dots: inout [Scalar]) {
        record(.rowDots, [dots.count, a.count / max(1, dots.count)]) { base.rowDots(a, b, into: &dots) }
    }

    public func channelsLast(_ shape: ImageShape, _ x: [Scalar], into y: inout [Scalar]) {
        record(.channelsLast, shape.sizes) { base.channelsLast(shape, x, into: &y) }
    }
    public func im2col(_ shape: ConvolutionShape, _ x: [Scalar], into patches: inout [Scalar]) {
        record(.im2col, shape.sizes) { base.im2col(shape, x, into: &patches) }
    }
    public func col2im(_ shape: ConvolutionShape, _ patches: [Scalar], into x: inout [Scalar]) {
        record(.col2im, shape.sizes) { base.col2im(shape, patches, into: &x) }
    }
    public func meanPool(_ shape: ImageShape, _ x: [Scalar], into y: inout [Scalar]) {
        record(.meanPool, shape.sizes) { base.meanPool(shape, x, into: &y) }
    }
    public func meanPoolBackward(_ shape: ImageShape, _ dy: [Scalar], into dx: inout [Scalar]) {
        record(.meanPoolBackward, shape.sizes) { base.meanPoolBackward(shape, dy, into: &dx) }
    }

    public func adamW(_ parameters: inout [Scalar], _ gradient: [Scalar], moments: inout AdamMoments<Scalar>, _ step: AdamWStep) {
        record(.adamW, [parameters.count]) { base.adamW(&parameters, gradient, moments: &moments, step) }
    }
    public func sgd(_ parameters: inout [Scalar], _ gradient: [Scalar], velocity: inout [Scalar], rate: Double, momentum: Double) {
        record(.sgd, [parameters.count]) { base.sgd(&parameters, gradient, velocity: &velocity, rate: rate, momentum: momentum) }
    }

    private func folded(_ count: Int, _ width: Int) -> [Int] { [count / max(1, width), width] }
}

extension GEMM {
    var kernel: KernelName {
        switch (transposeA, transposeB) {
        case (false, false): .gemmNN
        case (false, true): .gemmNT
        case (true, false): .gemmTN
        case (true, true): .gemmTT
        }
    }
}
extension AttentionShape {
    var sizes: [Int] { [sequences, heads, length, headDimension, causal ? 1 : 0, isSparse ? kept ?? 0 : 0] }
}
extension ImageShape {
    var sizes: [Int] { [images, height, width, channels] }
}
extension ConvolutionShape {
    var sizes: [Int] { image.sizes + [window, padding, stride] }
}
extension Nonlinearity {
    var forward: KernelName {
        switch self {
        case .gelu: .gelu
        case .relu: .relu
        case .silu: .silu
        case .tanh: .tanh
        }
    }
    var backward: KernelName {
        switch self {
        case .gelu: .geluBackward
        case .relu: .reluBackward
        case .silu: .siluBackward
        case .tanh: .tanhBackward
        }
    }
}
