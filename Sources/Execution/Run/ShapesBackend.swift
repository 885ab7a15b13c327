import Kernels

/// Computes nothing: outputs have the right sizes and any values. Under a `RecordingBackend` it tells which calls a pass consists of, at no cost.
struct ShapesBackend: Backend {
    typealias Scalar = Float
    var description: BackendDescription {
        BackendDescription(name: "shapes", processor: "none", library: "none", libraryCore: "none", vectors: "none", threads: 1)
    }
    func zeros(_ count: Int) -> [Float] { [Float](repeating: 0, count: count) }
    func uninitialized(_ count: Int) -> [Float] { [Float](unsafeUninitializedCapacity: count) { $1 = count } }
    func converted(_ x: [Double]) -> [Float] { uninitialized(x.count) }
    func doubles(_ x: [Float]) -> [Double] { [Double](repeating: 0, count: x.count) }
    func copy(_ x: [Float], into y: inout [Float]) {}
    func add(_ x: [Float], into y: inout [Float]) {}
    func scale(_ y: inout [Float], by factor: Double) {}
    func gemm(_ shape: GEMM, _ a: [Float], _ b: [Float], into c: inout [Float]) {}
    func addBias(_ bias: [Float], into x: inout [Float]) {}
    func addColumnSums(_ x: [Float], into sums: inout [Float]) {}
    func attention(_ shape: AttentionShape, qkv: [Float], into output: inout [Float], saved: inout [Float]) {}
    func attentionBackward(_ pass: AttentionPass<Float>, _ dOutput: [Float], into dQKV: inout [Float]) {}
    func layerNorm(_ x: [Float], gain: [Float], bias: [Float], into y: inout [Float], statistics: inout [Float]) {}
    func layerNormBackward(_ dy: [Float], x: [Float], gain: [Float], statistics: [Float], into gradients: inout NormGradients<Float>) {}
    func rmsNorm(_ x: [Float], gain: [Float], into y: inout [Float], statistics: inout [Float]) {}
    func rmsNormBackward(_ dy: [Float], x: [Float], gain: [Float], statistics: [Float], into gradients: inout NormGradients<Float>) {}
    func softmax(_ x: [Float], columns: Int, into y: inout [Float]) {}
    func softmaxBackward(_ dy: [Float], y: [Float], columns: Int, into dx: inout [Float]) {}
    func crossEntropy(_ logits: [Float], labels: [Int], gradient: inout [Float]) -> Double { 0 }
    func activate(_ function: Nonlinearity, _ x: [Float], into y: inout [Float]) {}
    func activateBackward(_ function: Nonlinearity, x: [Float], gradient: inout [Float]) {}
    func swiglu(_ x: [Float], hidden: Int, into y: inout [Float]) {}
    func swigluBackward(_ dy: [Float], x: [Float], hidden: Int, into dx: inout [Float]) {}
    func gather(_ table: [Float], _ indices: [Int], width: Int, into y: inout [Float]) {}
    func scatterAdd(_ x: [Float], _ indices: [Int], width: Int, into table: inout [Float]) {}
    func scaleRows(_ x: inout [Float], by weights: [Float]) {}
    func rowDots(_ a: [Float], _ b: [Float], into dots: inout [Float]) {}
    func channelsLast(_ shape: ImageShape, _ x: [Float], into y: inout [Float]) {}
    func im2col(_ shape: ConvolutionShape, _ x: [Float], into patches: inout [Float]) {}
    func col2im(_ shape: ConvolutionShape, _ patches: [Float], into x: inout [Float]) {}
    func meanPool(_ shape: ImageShape, _ x: [Float], into y: inout [Float]) {}
    func meanPoolBackward(_ shape: ImageShape, _ dy: [Float], into dx: inout [Float]) {}
    func adamW(_ parameters: inout [Float], _ gradient: [Float], moments: inout AdamMoments<Float>, _ step: AdamWStep) {}
    func sgd(_ parameters: inout [Float], _ gradient: [Float], velocity: inout [Float], rate: Double, momentum: Double) {}
}
