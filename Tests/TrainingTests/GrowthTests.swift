import Testing
import Training

@Suite("Models that grow while they train")
struct GrowthTests {
    private func batch(_ draws: inout SeededDraws) -> GPT.Batch {
        let tokens = (0..<64).map { _ in Int(draws.unit() * 16) }
        return GPT.Batch(tokens: tokens, next: tokens.map { (3 * $0 + 1) % 16 })
    }

    @Test("Deeper by identity layers: the loss goes on where it was, the state is kept, and the new layers learn")
    func deeper() throws {
        let model = try GPT(vocabulary: 16, length: 16, width: 16, heads: 2, layers: 2)
        var parameters = model.initialParameters(seed: 3)
        var optimizer: any TrainingOptimizer<Double> = try OptimizerRecipe.adamW().make(shapes: model.shapes)
        var draws = SeededDraws(seed: 5)
        for _ in 0..<40 {
            let gradients = try model.lossAndGradients(parameters, batch(&draws)).gradients
            try optimizer.step(&parameters, gradients: gradients, rate: 3e-3, progress: 0)
        }
        let probe = batch(&draws)
        let before = try model.loss(parameters, probe)
        let shapes = try GPT(vocabulary: 16, length: 16, width: 16, heads: 2, layers: 4).shapes
        var fresh: any TrainingOptimizer<Double> = try OptimizerRecipe.adamW().make(shapes: shapes)
        var (grown, wide, state) = try model.deepened(to: 4, parameters, optimizer.state, fresh: fresh.state)
        #expect(grown.shapes == shapes && wide.map(\.shape) == shapes)
        #expect(try grown.loss(wide, probe) == before)
        #expect(state.step == 40 && state.tensors[3] == optimizer.state.tensors[3])
        #expect(state.tensors.last == optimizer.state.tensors.last)
        try fresh.restore(state)
        let started = wide
        for _ in 0..<40 {
            let gradients = try grown.lossAndGradients(wide, batch(&draws)).gradients
            try fresh.step(&wide, gradients: gradients, rate: 3e-3, progress: 0)
        }
        #expect(try grown.loss(wide, probe) < before)
        // The outputs of the new layers are zero no longer.
        let first = 2 + 2 * 12
        #expect(started[first + 4].values.allSatisfy { $0 == 0 } && wide[first + 4].values.contains { $0 != 0 })
        #expect(throws: TrainingError.self) { try grown.deepened(to: 2, wide, fresh.state, fresh: fresh.state) }
        state.tensors.removeLast()
        #expect(throws: TrainingError.self) { try model.deepened(to: 4, parameters, state, fresh: fresh.state) }
    }
}
