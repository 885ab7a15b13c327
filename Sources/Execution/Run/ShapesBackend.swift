import Kernels

/// Computes nothing: outputs have the right sizes and any values. Under a `RecordingBackend` it tells which calls a pass consists of, at no cost, and
/// `reuse` what lay between two uses of their operands: one note for each recorded call.
struct ShapesBackend: Backend {
    typealias Scalar = Float
    private let reuse: ReuseDistances
    init(_ reuse: ReuseDistances) { self.reuse = reuse }

    var description: BackendDescription {
        BackendDescription(name: "shapes", processor: "none", library: "none", libraryCore: "none", vectors: "none", threads: 1)
    }
    private func made(_ count: Int) -> [Float] {
        let result = reuse.marked(count)
        reuse.call([result])
        return result
    }
    func zeros(_ count: Int) -> [Float] { made(count) }
    func uninitialized(_ count: Int) -> [Float] { reuse.marked(count) }
    func converted(_ x: [Double]) -> [Float] { made(x.count) }
    func doubles(_ x: [Float]) -> [Double] {
        reuse.call([x])
        return [Double](repeating: 0, count: x.count)
    }
    func copy(_ x: [Float], into y: inout [Float]) { reuse.call([x, y]) }
    func add(_ x: [Float], into y: inout [Float]) { reuse.call([x, y]) }
    func scale(_ y: inout [Float], by factor: Double) { reuse.call([y]) }
    func gemm(_ shape: GEMM, _ a: [Float], _ b: [Float], into c: inout [Float]) { reuse.call([a, b, c]) }
    func addBias(_ bias: [Float], into x: inout [Float]) { reuse.call([bias, x]) }
    func addColumnSums(_ x: [Float], into sums: inout [Float]) { reuse.call([x, sums]) }
    func attention(_ shape: AttentionShape, qkv: [Float], into output: inout [Float], saved: inout [Float]) {
        reuse.call([qkv, output, saved])
    }
    func attentionBackward(_ pass: AttentionPass<Float>, _ dOutput: [Float], into dQKV: inout [Float]) {
        reuse.call([pass.qkv, pass.output, pass.saved, dOutput, dQKV])
    }
    func layerNorm(_ x: [Float], gain: [Float], bias: [Float], into y: inout [Float], statistics: inout [Float]) {
        reuse.call([x, gain, bias, y, statistics])
    }
    func layerNormBackward(_ dy: [Float], x: [Float], gain: [Float], statistics: [Float], into g: inout NormGradients<Float>) {
        reuse.call([dy, x, gain, statistics, g.dx, g.dGain, g.dBias])
    }
    func rmsNorm(_ x: [Float], gain: [Float], into y: inout [Float], statistics: inout [Float]) { reuse.call([x, gain, y, statistics]) }
    func rmsNormBackward(_ dy: [Float], x: [Float], gain: [Float], statistics: [Float], into g: inout NormGradients<Float>) {
        reuse.call([dy, x, gain, statistics, g.dx, g.dGain])
    }
    func softmax(_ x: [Float], columns: Int, into y: inout [Float]) { reuse.call([x, y]) }
    func softmaxBackward(_ dy: [Float], y: [Float], columns: Int, into dx: inout [Float]) { reuse.call([dy, y, dx]) }
    func crossEntropy(_ logits: [Float], labels: [Int], gradient: inout [Float]) -> Double {
        reuse.call([logits, gradient])
        return 0
    }
    func activate(_ function: Nonlinearity, _ x: [Float], into y: inout [Float]) { reuse.call([x, y]) }
    func activateBackward(_ function: Nonlinearity, x: [Float], gradient: inout [Float]) { reuse.call([x, gradient]) }
    func swiglu(_ x: [Float], hidden: Int, into y: inout [Float]) { reuse.call([x, y]) }
    func swigluBackward(_ dy: [Float], x: [Float], hidden: Int, into dx: inout [Float]) { reuse.call([dy, x, dx]) }
    func gather(_ table: [Float], _ indices: [Int], width: Int, into y: inout [Float]) { reuse.call([table, y]) }
    func scatterAdd(_ x: [Float], _ indices: [Int], width: Int, into table: inout [Float]) { reuse.call([x, table]) }
    func scaleRows(_ x: inout [Float], by weights: [Float]) { reuse.call([x, weights]) }
    func rowDots(_ a: [Float], _ b: [Float], into dots: inout [Float]) { reuse.call([a, b, dots]) }
    func channelsLast(_ shape: ImageShape, _ x: [Float], into y: inout [Float]) { reuse.call([x, y]) }
    func im2col(_ shape: ConvolutionShape, _ x: [Float], into patches: inout [Float]) { reuse.call([x, patches]) }
    func col2im(_ shape: ConvolutionShape, _ patches: [Float], into x: inout [Float]) { reuse.call([patches, x]) }
    func meanPool(_ shape: ImageShape, _ x: [Float], into y: inout [Float]) { reuse.call([x, y]) }
    func meanPoolBackward(_ shape: ImageShape, _ dy: [Float], into dx: inout [Float]) { reuse.call([dy, dx]) }
    func adamW(_ parameters: inout [Float], _ gradient: [Float], moments: inout AdamMoments<Float>, _ step: AdamWStep) {
        reuse.call([parameters, gradient, moments.first, moments.second])
    }
    func sgd(_ parameters: inout [Float], _ gradient: [Float], velocity: inout [Float], rate: Double, momentum: Double) {
        reuse.call([parameters, gradient, velocity])
    }
}
