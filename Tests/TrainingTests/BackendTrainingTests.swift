import Foundation
import Kernels
import Testing
import Training

/// The models in single precision on the CPU backend against themselves in double precision.
@Suite struct BackendTrainingTests {
    private let text = try? MarkovSource(vocabulary: 11, sharpness: 1.5, seed: 4)

    /// Trains both for 20 steps of AdamW on the same batches; losses of every step must agree to `bound` of the loss.
    private func agree<M: Model>(_ model: M, bound: Double, batch: (inout SeededDraws) throws -> M.Batch) throws {
        let cpu = try CPUBackend()
        var single = model.initialParameters(seed: 1, on: cpu)
        var double = single.map { tensor in try? Tensor(tensor.values.map { Double($0) }, shape: tensor.shape) }.compactMap { $0 }
        var singleOptimizer = Optimizer(Adam<Float>.adamW(), shapes: model.shapes)
        var doubleOptimizer = Optimizer(Adam<Double>.adamW(), shapes: model.shapes)
        var draws = SeededDraws(seed: 2)
        var first = 0.0
        for step in 0..<20 {
            let batch = try batch(&draws)
            let (a, singleGradients) = try model.lossAndGradients(single, batch, on: cpu)
            let (b, doubleGradients) = try model.lossAndGradients(double, batch)
            #expect(abs(a - b) < bound * abs(b), "step \(step), seed 2: \(a) and \(b)")
            if step == 0 {
                first = b
                #expect(try model.loss(single, batch, on: cpu) == a)
                for (s, d) in zip(singleGradients, doubleGradients) {
                    let size = d.reduce(1e-6) { max($0, abs($1)) }
                    for (x, y) in zip(s, d) { #expect(abs(Double(x) - y) < 1e-4 * size) }
                }
            }
            if step == 19 { #expect(b < first) }
            try singleOptimizer.step(&single, gradients: singleGradients, rate: 0.003)
            try doubleOptimizer.step(&double, gradients: doubleGradients, rate: 0.003)
        }
    }

    private func labelled(_ samples: Int, _ inputs: Int, _ classes: Int) -> MLP.Batch {
        var source = SeededDraws(seed: 1)
        return MLP.Batch(inputs: source.normals(samples * inputs), labels: (0..<samples).map { $0 * 7 % classes })
    }

    @Test func perceptron() throws {
        try agree(MLP(sizes: [13, 24, 17, 5], activation: .gelu), bound: 1e-5) { _ in labelled(33, 13, 5) }
        try agree(MLP(sizes: [13, 24, 5], activation: .tanh), bound: 1e-5) { _ in labelled(33, 13, 5) }
    }
    @Test func convolutions() throws {
        try agree(CNN(side: 8, inputChannels: 3, channels: [5, 7], classes: 4), bound: 1e-5) { _ in labelled(6, 192, 4) }
    }
    @Test func transformer() throws {
        let text = try #require(text)
        let model = try GPT(vocabulary: 11, length: 12, width: 24, heads: 3, layers: 2)
        try agree(model, bound: 1e-5) { text.batch(sequences: 4, length: 12, draws: &$0) }
    }
    @Test func sparseAttention() throws {
        let text = try #require(text)
        var model = try GPT(vocabulary: 11, length: 12, width: 24, heads: 3, layers: 1)
        model.keptKeys = 5
        try agree(model, bound: 1e-5) { text.batch(sequences: 4, length: 12, draws: &$0) }
    }
    @Test func mixtureOfExperts() throws {
        let text = try #require(text)
        var model = try GPT(vocabulary: 11, length: 12, width: 24, heads: 3, layers: 1)
        model.router = try ExpertRouter(experts: 4, active: 2, capacityFactor: 1.25, balancing: .auxiliaryLoss(coefficient: 0.01))
        try agree(model, bound: 1e-4) { text.batch(sequences: 4, length: 12, draws: &$0) }
    }

    /// A stage for the first layer and one for the other two give the whole model's loss and gradients, to the bit.
    @Test func stagesAddUpToTheModel() throws {
        let text = try #require(text)
        var draws = SeededDraws(seed: 6)
        let batch = text.batch(sequences: 3, length: 8, draws: &draws)
        let model = try GPT(vocabulary: 11, length: 8, width: 16, heads: 2, layers: 3)
        let cpu = try CPUBackend()
        let p = model.initialParameters(seed: 2, on: cpu)
        let whole = try model.lossAndGradients(p, batch, on: cpu)
        let one = try model.stageForward(p, tokens: batch.tokens, layers: 0..<1, input: [], on: cpu)
        let two = try model.stageForward(p, tokens: batch.tokens, layers: 1..<3, input: one.output, on: cpu)
        var flow = cpu.uninitialized(two.output.count)
        let loss = cpu.crossEntropy(two.output, labels: batch.next, gradient: &flow)
        var g = p.map { cpu.zeros($0.values.count) }
        flow = try model.stageBackward(two, flow, p, gradients: &g, on: cpu)
        #expect(try model.stageBackward(one, flow, p, gradients: &g, on: cpu).isEmpty)
        #expect(loss == whole.loss && g == whole.gradients)
        // The gradients by the weights apart, as late as one likes: the same bits.
        var dLogits = cpu.uninitialized(two.output.count)
        _ = cpu.crossEntropy(two.output, labels: batch.next, gradient: &dLogits)
        var late = p.map { cpu.zeros($0.values.count) }
        let upper = try model.stageBackwardInput(two, dLogits, p, gradients: &late, on: cpu)
        let lower = try model.stageBackwardInput(one, upper.flow, p, gradients: &late, on: cpu)
        #expect(upper.flow == flow && lower.flow.isEmpty && late != g)
        upper.rest.add(to: &late, on: cpu)
        lower.rest.add(to: &late, on: cpu)
        #expect(late == g)
        #expect(throws: TrainingError.self) { try model.stageBackwardInput(one, [1], p, gradients: &late, on: cpu) }
        #expect(throws: TrainingError.self) { try model.stageForward(p, tokens: batch.tokens, layers: 2..<4, input: one.output, on: cpu) }
        #expect(throws: TrainingError.self) { try model.stageForward(p, tokens: batch.tokens, layers: 1..<2, input: [1], on: cpu) }
        #expect(throws: TrainingError.self) { try model.stageBackward(one, [1], p, gradients: &g, on: cpu) }
    }

    /// The matrix products of a step have three times the forward pass's FLOPs that the model states, the input layer's unused one aside.
    @Test func aStepIsAListOfKernels() throws {
        let text = try #require(text)
        var draws = SeededDraws(seed: 6)
        let batch = text.batch(sequences: 2, length: 8, draws: &draws)
        let model = try GPT(vocabulary: 11, length: 8, width: 16, heads: 2, layers: 2)
        let calls = try model.kernelCalls(batch)
        var products = 0.0
        for call in calls where call.kernel.rawValue.hasPrefix("gemm") { products += call.flops }
        // 2 sequences of 8 tokens x (24 x 16^2 x 2 layers + 2 x 16 x 11), three times.
        let token: Double = 24 * 256 * 2 + 2 * 16 * 11
        #expect(products == 48 * token)
        #expect(calls.filter { $0.kernel == .attention }.map(\.sizes) == [[2, 2, 8, 8, 1, 0], [2, 2, 8, 8, 1, 0]])
        let recorder = RecordingBackend(try CPUBackend(), timed: true)
        _ = try model.lossAndGradients(model.initialParameters(seed: 1, on: recorder), batch, on: recorder)
        let timed = recorder.drain().dropFirst(model.shapes.count)
        #expect(timed.map(\.call) == calls)
        #expect(timed.contains { $0.seconds > 0 })
    }
}
