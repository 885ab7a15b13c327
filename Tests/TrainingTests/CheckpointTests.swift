import Testing
import Training

@Suite("Incremental checkpoints")
struct CheckpointTests {
    /// A small decoder on a Markov text, AdamW on fp32 masters with a bf16 working copy.
    private struct Run {
        var weights: MasterWeights
        var optimizer: any TrainingOptimizer<Float>
        let model: GPT
        private var draws = SeededDraws(seed: 7)

        init(rate: Double = 1e-3) throws {
            model = try GPT(vocabulary: 32, length: 16, width: 32, heads: 4, layers: 2)
            weights = MasterWeights(
                model.initialParameters(seed: 1).map { tensor in
                    var copy = Tensor<Float>(zeros: tensor.shape)
                    copy.values = tensor.values.map { Float($0) }
                    return copy
                }, format: .bf16)
            optimizer = try OptimizerRecipe.adamW().make(shapes: model.shapes)
        }

        mutating func step(rate: Double) throws {
            var tokens: [Int] = []
            for _ in 0..<4 {
                var token = Int(draws.unit() * 32)
                for _ in 0..<17 {
                    tokens.append(token)
                    token = (5 * token + 3 + Int(draws.unit() * 3)) % 32
                }
            }
            var (read, next): ([Int], [Int]) = ([], [])
            for row in 0..<4 {
                read += tokens[row * 17..<row * 17 + 16]
                next += tokens[row * 17 + 1..<row * 17 + 17]
            }
            let doubles = weights.working.map { tensor in
                var copy = Tensor<Double>(zeros: tensor.shape)
                copy.values = tensor.values.map { Double($0) }
                return copy
            }
            let gradients = try model.lossAndGradients(doubles, GPT.Batch(tokens: read, next: next)).gradients.map { $0.map { Float($0) } }
            try optimizer.step(&weights.master, gradients: gradients, rate: rate, progress: 0)
        }

        func snapshot() throws -> TrainingSnapshot { try TrainingSnapshot(weights, optimizer.state) }
    }

    @Test("What is restored from a base and increments is the state, bit for bit, and trains on alike")
    func exact() throws {
        var run = try Run()
        var store = try IncrementalCheckpoints(blockBytes: 256, every: 10)
        var saved: [TrainingSnapshot] = []
        for _ in 0..<4 {
            saved.append(try run.snapshot())
            store.save(saved[saved.count - 1])
            for _ in 0..<3 { try run.step(rate: 1e-3) }
        }
        for (index, snapshot) in saved.enumerated() { #expect(try store.restore(index) == snapshot) }
        let (weights, state) = try store.restore().restored(shapes: run.model.shapes)
        #expect(try TrainingSnapshot(weights, state) == saved[3])
        // From there the optimizer goes the same way.
        var again = try Run()
        again.weights = weights
        try again.optimizer.restore(state)
        #expect(again.optimizer.state == state)
    }

    @Test("Blocks that stay are not written, and every so many saves are whole")
    func blocks() throws {
        var run = try Run()
        var store = try IncrementalCheckpoints(blockBytes: 64, every: 2)
        #expect(store.save(try run.snapshot()).isBase)
        let same = store.save(try run.snapshot())
        #expect(!same.isBase && same.bytes == 0 && same.share == 0)
        // One master element: its block, and its working copy's.
        run.weights.master[0].values[100] += 1
        let one = store.save(try run.snapshot())
        #expect(one.bytes == 128 && one.changed[2] == 0)
        #expect(store.save(try run.snapshot()).isBase)
        #expect(throws: TrainingError.self) { try store.restore(1) }
        #expect(throws: TrainingError.self) { try IncrementalCheckpoints(blockBytes: 0) }
    }

    /// What docs/weeks.md states: masters and moments change everywhere in a step, bf16 weights only where an update reaches half of their last digit.
    @Test("The share of bf16 weights that k steps change is below one at small rates; of masters and moments it is one")
    func share() throws {
        var shares: [Int: Double] = [:]
        for rate in [1e-3, 1e-5] {
            var run = try Run()
            for _ in 0..<5 { try run.step(rate: rate) }
            let before = try run.snapshot()
            var store = try IncrementalCheckpoints()
            store.save(before)
            for count in 1...10 {
                try run.step(rate: rate)
                guard count == 1 || count == 10 else { continue }
                let elements = try run.snapshot().changedElements(since: before)
                print("rate \(rate), \(count) steps: \(elements) of the bf16 weights")
                shares[rate == 1e-3 ? count : 100 + count] = elements
            }
            let written = store.save(try run.snapshot())
            print("rate \(rate), 10 steps: blocks of 4 KiB: \(written.changed), all together \(written.share)")
            #expect(written.changed[1] == 1 && written.changed[2] > 0.99 && written.share > 0.99)
        }
        let (one, ten, small) = (try #require(shares[1]), try #require(shares[10]), try #require(shares[101]))
        #expect(one < ten && ten < 1 && small < 0.1)
    }
}
