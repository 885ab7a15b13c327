import Foundation
import Testing
import Training

@Suite struct ModelTests {
    /// Every parameter against central differences in double precision: the difference's norm within 1e-7 of the gradient's.
    private func check<M: Model>(_ model: M, _ batch: M.Batch, seed: UInt64 = 5) throws -> Double {
        var parameters = model.initialParameters(seed: seed)
        // Away from zero biases and unit gains, where a wrong term could hide.
        var draws = SeededDraws(seed: seed + 1)
        for i in parameters.indices { for j in parameters[i].values.indices { parameters[i].values[j] += 0.1 * draws.normal() } }
        let (loss, gradients) = try model.lossAndGradients(parameters, batch)
        #expect(try model.loss(parameters, batch) == loss)
        var difference = 0.0
        var size = 0.0
        for i in parameters.indices {
            for j in parameters[i].values.indices {
                let x = parameters[i].values[j]
                // Richardson's two step sizes leave an error of order h^4.
                func slope(_ h: Double) throws -> Double {
                    parameters[i].values[j] = x + h
                    let up = try model.loss(parameters, batch)
                    parameters[i].values[j] = x - h
                    let down = try model.loss(parameters, batch)
                    parameters[i].values[j] = x
                    return (up - down) / (2 * h)
                }
                let numeric = try (4 * slope(1e-4) - slope(2e-4)) / 3
                difference += pow(numeric - gradients[i][j], 2)
                size += pow(gradients[i][j], 2)
            }
        }
        return (difference / size).squareRoot()
    }

    private func labelled(_ samples: Int, _ inputs: Int, _ classes: Int) -> MLP.Batch {
        var source = SeededDraws(seed: 1)
        return MLP.Batch(inputs: source.normals(samples * inputs), labels: (0..<samples).map { _ in Int(source.next() % UInt64(classes)) })
    }

    @Test func perceptronGradients() throws {
        #expect(try check(MLP(sizes: [4, 6, 5, 3], activation: .tanh), labelled(7, 4, 3)) < 1e-7)
        #expect(try check(MLP(sizes: [4, 6, 3], activation: .gelu), labelled(7, 4, 3)) < 1e-7)
        #expect(try check(MLP(sizes: [4, 3]), labelled(7, 4, 3)) < 1e-7)
        var source = SeededDraws(seed: 2)
        let regression = MLP.Batch(inputs: source.normals(12), targets: source.normals(8))
        #expect(try check(MLP(sizes: [3, 5, 2], activation: .relu, loss: .squaredError), regression) < 1e-7)
        #expect(throws: TrainingError.self) { try MLP(sizes: [3]) }
    }

    @Test func convolutionGradients() throws {
        #expect(try check(CNN(side: 4, inputChannels: 2, channels: [2, 3], classes: 3), labelled(3, 32, 3)) < 1e-7)
        #expect(throws: TrainingError.self) { try CNN(side: 6) }
    }

    @Test func wrongBatchesAreRefused() throws {
        let model = try GPT(vocabulary: 5, length: 4, width: 4, heads: 2, layers: 1)
        let parameters = model.initialParameters(seed: 1)
        #expect(throws: TrainingError.self) { try model.loss(parameters, GPT.Batch(tokens: [0, 1, 2], next: [1, 2, 3])) }
        #expect(throws: TrainingError.self) { try model.loss(parameters, GPT.Batch(tokens: [0, 1, 2, 5], next: [1, 2, 3, 4])) }
        #expect(throws: TrainingError.self) { try model.loss([], text(1, 4, 5)) }
        let perceptron = try MLP(sizes: [2, 3])
        let weights = perceptron.initialParameters(seed: 1)
        #expect(throws: TrainingError.self) { try perceptron.loss(weights, MLP.Batch(inputs: [1, 2], labels: [3])) }
        #expect(throws: TrainingError.self) { try perceptron.loss(weights, MLP.Batch(inputs: [1, 2, 3], labels: [0])) }
        #expect(throws: TrainingError.self) { try perceptron.outputs(weights, inputs: [1]) }
    }

    private func text(_ sequences: Int, _ length: Int, _ vocabulary: Int) -> GPT.Batch {
        var source = SeededDraws(seed: 3)
        func tokens() -> [Int] { (0..<sequences * length).map { _ in Int(source.next() % UInt64(vocabulary)) } }
        return GPT.Batch(tokens: tokens(), next: tokens())
    }

    @Test func transformerGradients() throws {
        let model = try GPT(vocabulary: 5, length: 4, width: 4, heads: 2, layers: 2)
        #expect(try check(model, text(2, 4, 5)) < 1e-7)
    }

    @Test func sparseAttentionGradients() throws {
        var model = try GPT(vocabulary: 5, length: 5, width: 4, heads: 2, layers: 1)
        model.keptKeys = 2
        #expect(try check(model, text(2, 5, 5)) < 1e-7)
    }

    @Test func mixtureOfExpertsGradients() throws {
        var model = try GPT(vocabulary: 5, length: 4, width: 4, heads: 1, layers: 1)
        model.router = try ExpertRouter(experts: 3, active: 2, capacityFactor: 1, balancing: .auxiliaryLoss(coefficient: 0.1))
        #expect(try check(model, text(2, 4, 5)) < 1e-7)
    }

    /// Keeping all keys is dense attention, to the bit; one expert that takes all tokens is the dense block.
    @Test func variantsReduceToTheDenseModel() throws {
        let dense = try GPT(vocabulary: 5, length: 4, width: 4, heads: 2, layers: 1)
        let parameters = dense.initialParameters(seed: 1)
        let batch = text(3, 4, 5)
        var sparse = dense
        sparse.keptKeys = 4
        #expect(try sparse.loss(parameters, batch) == dense.loss(parameters, batch))
        #expect(sparse.forwardFLOPsPerSample == dense.forwardFLOPsPerSample)
        var single = dense
        single.router = try ExpertRouter(experts: 1, active: 1)
        var extended = parameters
        extended.insert(try Tensor([0.1, -0.2, 0.3, 0.4], shape: [1, 4]), at: 10)
        #expect(single.shapes == extended.map(\.shape))
        #expect(try abs(single.loss(extended, batch) - dense.loss(parameters, batch)) < 1e-14)
        #expect(throws: TrainingError.self) { try GPT(vocabulary: 5, length: 4, width: 5, heads: 2, layers: 1) }
    }

    /// Width 4, one layer of 2 tokens, vocabulary 3: 24 x 16 x 2 linear, 4 x 4 x 3 attention, 2 x 2 x 4 x 3 logits.
    @Test func flopsByHand() throws {
        let model = try GPT(vocabulary: 3, length: 2, width: 4, heads: 1, layers: 1)
        #expect(model.forwardFLOPsPerSample == 768 + 48 + 48)
        #expect(try MLP(sizes: [2, 3, 4]).forwardFLOPsPerSample == 36)
    }
}

@Suite struct TaskTests {
    /// Curvature 1, rate 0.5, noise 2, from 4: one step E x^2 = 0.25 x 16 + 0.25 x 4 = 5, loss 2.5; the floor is 0.5 x 0.5 x 4 / 1.5.
    @Test func theNoisyQuadraticFollowsItsTheory() {
        let one = NoisyQuadratic(curvature: [1], noise: 2)
        #expect(one.expectedLoss(start: [4], rate: 0.5, batch: 1, steps: 1) == 2.5)
        #expect(abs(one.floor(rate: 0.5, batch: 1) - 2.0 / 3) < 1e-15)
        #expect(one.floor(rate: 2, batch: 1) == .infinity)
        let task = NoisyQuadratic(curvature: [0.1, 1, 3], noise: 0.5)
        let start = [2.0, -1, 1]
        for steps in [5, 50] {
            var sum = 0.0
            var squares = 0.0
            let runs = 2000
            var draws = SeededDraws(seed: 8)
            for _ in 0..<runs {
                var x = start
                for _ in 0..<steps { Double.axpy(&x, task.gradient(x, batch: 4, draws: &draws), -0.2) }
                sum += task.loss(x)
                squares += task.loss(x) * task.loss(x)
            }
            let mean = sum / Double(runs)
            let error = ((squares / Double(runs) - mean * mean) / Double(runs)).squareRoot()
            let theory = task.expectedLoss(start: start, rate: 0.2, batch: 4, steps: steps)
            #expect(abs(mean - theory) < 4 * error, "seed 8: \(mean) against \(theory)")
        }
    }

    /// Two tokens, uniform: ln 2. The chain's own frequencies agree with its stationary shares.
    @Test func theMarkovSourceKnowsItsEntropy() throws {
        #expect(abs(try MarkovSource(vocabulary: 2, sharpness: 0, seed: 1).entropyRate - log(2)) < 1e-15)
        let source = try MarkovSource(vocabulary: 6, sharpness: 2, seed: 4)
        var draws = SeededDraws(seed: 9)
        let batch = source.batch(sequences: 1, length: 60_000, draws: &draws)
        var counts = [Double](repeating: 0, count: 6)
        var surprise = 0.0
        for (token, next) in zip(batch.tokens, batch.next) {
            counts[token] += 1 / 60_000
            surprise -= log(source.transitions[token][next]) / 60_000
        }
        #expect(zip(counts, source.stationary).allSatisfy { abs($0 - $1) < 0.02 })
        #expect(abs(surprise - source.entropyRate) < 0.02)
    }

    /// A small transformer approaches the entropy rate and does not pass below it.
    @Test func aTransformerLearnsTheMarkovSource() throws {
        let source = try MarkovSource(vocabulary: 6, sharpness: 2, seed: 4)
        let model = try GPT(vocabulary: 6, length: 6, width: 8, heads: 2, layers: 1)
        var parameters = model.initialParameters(seed: 1)
        var optimizer = Optimizer(Adam<Double>(), shapes: model.shapes)
        var draws = SeededDraws(seed: 2)
        for _ in 0..<120 {
            let (_, gradients) = try model.lossAndGradients(parameters, source.batch(sequences: 16, length: 6, draws: &draws))
            try optimizer.step(&parameters, gradients: gradients, rate: 0.02)
        }
        let loss = try model.loss(parameters, source.batch(sequences: 300, length: 6, draws: &draws))
        #expect(loss < source.entropyRate + 0.12 && loss > source.entropyRate - 0.06, "\(loss), floor \(source.entropyRate)")
    }

    /// Two images of 1 x 2 pixels.
    @Test func idxFilesByHand() throws {
        let images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255, 51, 0]
        let labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, 2, 7, 3]
        let batch = try IDXFile.batch(images: images, labels: labels)
        #expect(batch.inputs == [0, 1, 0.2, 0] && batch.labels == [7, 3])
        #expect(throws: TrainingError.self) { try IDXFile.parse(Array(images.dropLast())) }
        #expect(throws: TrainingError.self) { try IDXFile.parse([0, 0, 8, 9, 0]) }
        #expect(throws: TrainingError.self) { try IDXFile.parse([31, 139, 8, 0]) }
        #expect(throws: TrainingError.self) { try IDXFile.parse([0, 0, 8, 3] + [UInt8](repeating: 255, count: 12)) }
        #expect(throws: TrainingError.self) { try IDXFile.batch(images: images, labels: images) }
    }

    @Test func aStudentLearnsFromTheTeacher() throws {
        let task = try TeacherStudent(sizes: [4, 3], seed: 1)
        let model = try MLP(sizes: [4, 16, 3])
        var parameters = model.initialParameters(seed: 2)
        var optimizer = Optimizer(Adam<Double>(), shapes: model.shapes)
        var draws = SeededDraws(seed: 3)
        for _ in 0..<200 {
            let (_, gradients) = try model.lossAndGradients(parameters, task.batch(64, draws: &draws))
            try optimizer.step(&parameters, gradients: gradients, rate: 0.01)
        }
        #expect(try model.accuracy(parameters, task.batch(500, draws: &draws)) > 0.9)
        #expect(try TeacherStudent(sizes: [4, 4], labelNoise: 0.2, seed: 1).leastError == 0.2 * 0.75)
    }
}
