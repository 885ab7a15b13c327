import Compression
import Training
import Foundation
import Testing

// The example of docs/libraries.md, word for word.
func trainTwoReplicas(steps: Int) throws -> (loss: Double, floor: Double, bytesSent: Int) {
    let source = try MarkovSource(vocabulary: 6, sharpness: 2, seed: 1)  // its entropy is the least loss there is
    let model = try GPT(vocabulary: 6, length: 6, width: 8, heads: 2, layers: 1)
    var parameters = model.initialParameters(seed: 1)
    var optimizer = Optimizer(Adam<Double>.adamW(), shapes: model.shapes)
    let schedule = try WarmupDecay(.cosine, peak: 0.02, warmup: 10, total: steps)
    let eightBit = try BlockQuantizer(.e4m3, block: 64)
    var codecs = [ErrorFeedback](repeating: ErrorFeedback(try SparseCodec(.top(.share(0.1)), values: eightBit)), count: 2)
    var draws = SeededDraws(seed: 2)
    var bytesSent = 0
    for step in 1...steps {
        var sum = [Float](repeating: 0, count: model.parameterCount)
        for worker in codecs.indices {
            let (_, gradients) = try model.lossAndGradients(parameters, source.batch(sequences: 8, length: 6, draws: &draws))
            let message = try codecs[worker].encode(gradients.joined().map { Float($0) })
            bytesSent += message.count
            for (i, value) in try codecs[worker].decode(message, count: sum.count).enumerated() { sum[i] += value / 2 }
        }
        var start = 0
        let gradients = model.shapes.map { shape in
            defer { start += shape.reduce(1, *) }
            return sum[start..<start + shape.reduce(1, *)].map { Double($0) }
        }
        try optimizer.step(&parameters, gradients: gradients, rate: schedule.rate(at: step))
    }
    return (try model.loss(parameters, source.batch(sequences: 300, length: 6, draws: &draws)), source.entropyRate, bytesSent)
}

// The shorter one, word for word.
func minimize() throws -> (loss: Double, bytes: Int) {
    let task = NoisyQuadratic(curvature: (1...1000).map { 1 / Double($0) }, noise: 0.01)
    var x = [Tensor<Float>([Float](repeating: 1, count: 1000))]
    var optimizer = Optimizer(Adam<Float>.adamW(decay: 0), shapes: [[1000]])
    let schedule = try WarmupDecay(.cosine, peak: 0.05, warmup: 10, total: 200)
    let eightBit = try BlockQuantizer(.e4m3, block: 64)
    var workers = [ErrorFeedback](repeating: ErrorFeedback(try SparseCodec(.top(.share(0.1)), values: eightBit)), count: 2)
    var (draws, bytes) = (SeededDraws(seed: 1), 0)
    for step in 1...200 {
        var mean = [Float](repeating: 0, count: 1000)
        for worker in workers.indices {
            let gradient = task.gradient(x[0].values.map { Double($0) }, batch: 8, draws: &draws)
            let message = try workers[worker].encode(gradient.map { Float($0) })
            bytes += message.count
            Float.axpy(&mean, try workers[worker].decode(message, count: 1000), 0.5)
        }
        try optimizer.step(&x, gradients: [mean], rate: schedule.rate(at: step))
    }
    return (task.loss(x[0].values.map { Double($0) }), bytes)
}

@Suite struct LibraryExampleTests {
    /// The loss at the start is half the harmonic number of 1000, 3.74; two workers in fp32 would send 200 x 2 x 4000 bytes.
    @Test func theShortExampleFindsTheMinimum() throws {
        let result = try minimize()
        #expect(result.loss < 0.1 * 3.74 && result.bytes < 200 * 2 * 4000 / 15, "\(result)")
    }

    @Test func theDocumentedExampleLearns() throws {
        let result = try trainTwoReplicas(steps: 120)
        #expect(result.loss < result.floor + 0.2 && result.loss > result.floor - 0.06, "\(result)")
        // 120 steps of two workers in fp32 would be 960 bytes for each of the 984 parameters.
        #expect(result.bytesSent < 984 * 960 / 10)
    }

    @Test func theDocumentHoldsThisCode() throws {
        let test = URL(fileURLWithPath: #filePath)
        let root = test.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let document = try String(contentsOf: root.appendingPathComponent("docs/libraries.md"), encoding: .utf8)
        let own = try String(contentsOf: test, encoding: .utf8)
        let shown = document.components(separatedBy: "```swift\n")[1].components(separatedBy: "```")[0]
        let function = shown.components(separatedBy: "\n\n")[1]
        #expect(own.contains(function))
        let short = document.components(separatedBy: "```swift\n")[2].components(separatedBy: "```")[0]
        #expect(own.contains(short) && short.split(separator: "\n").count == 20)
    }
}
