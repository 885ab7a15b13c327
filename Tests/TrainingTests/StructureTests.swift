import Testing
import Training

@Suite struct StructureTests {
    @Test func curriculumPhasesBeginExactlyWhereTheLastEnds() throws {
        let curriculum = try Curriculum([
            .init(end: 0.25, sequenceLength: 128, dataFraction: 0.5, frozenLayers: 2..<4), .init(end: 1, sequenceLength: 512),
        ])
        #expect([0, 24, 25, 99, 100].map { curriculum.phase(at: $0, of: 100).sequenceLength } == [128, 128, 512, 512, 512])
        #expect(curriculum.admitted(difficulty: [3, 1, 2, 1], at: 0, of: 100) == [1, 3])
        #expect(curriculum.admitted(difficulty: [3, 1, 2, 1], at: 50, of: 100) == [1, 3, 2, 0])
        #expect(throws: TrainingError.self) { try Curriculum([.init(end: 0.5, sequenceLength: 1)]) }
        #expect(throws: TrainingError.self) { try Curriculum([.init(end: 1, sequenceLength: 0)]) }
    }

    /// Cubic: half way 1 - 1/8 of the final share.
    @Test func pruningFollowsItsScheduleAndShrinksTheProducts() throws {
        let pruning = try StructuredPruning(finalShare: 0.4, interval: 0.2...0.6)
        #expect(pruning.share(at: 0.2) == 0 && pruning.share(at: 0.6) == 0.4 && pruning.share(at: 1) == 0.4)
        #expect(abs(pruning.share(at: 0.4) - 0.35) < 1e-15)
        // Norms 1, 5, 2, 3: without a half of the channels 1 and 3 stay.
        let weight = try Tensor<Double>([1, 0, 3, 4, 0, 2, 3, 0], shape: [4, 2])
        let kept = StructuredPruning.kept(weight, leavingOut: 0.5)
        #expect(kept == [1, 3])
        #expect(try StructuredPruning.rows(kept, of: weight) == Tensor([3, 4, 3, 0], shape: [2, 2]))
        let next = try Tensor<Double>([1, 2, 3, 4], shape: [1, 4])
        #expect(try StructuredPruning.columns(kept, of: next) == Tensor([2, 4], shape: [1, 2]))
        #expect(throws: TrainingError.self) { try StructuredPruning.rows([4], of: weight) }
        let ten = try Tensor<Double>([Double](repeating: 1, count: 20), shape: [10, 2])
        #expect(StructuredPruning.kept(ten, leavingOut: 0.3) == [0, 1, 2, 3, 4, 5, 6])
    }

    /// Removing a channel equals zeroing it: same output of the two-layer product.
    @Test func removingEqualsZeroing() throws {
        var first = try Tensor(draws(1, 12), shape: [4, 3])
        let second = try Tensor(draws(2, 8), shape: [2, 4])
        let kept = StructuredPruning.kept(first, leavingOut: 0.25)
        let small = Double.product(
            try StructuredPruning.columns(kept, of: second).values, try StructuredPruning.rows(kept, of: first).values, [2, 3, 3],
            transposeA: false, transposeB: false)
        for row in 0..<4 where !kept.contains(row) { for column in 0..<3 { first.values[row * 3 + column] = 0 } }
        let zeroed = Double.product(second.values, first.values, [2, 3, 4], transposeA: false, transposeB: false)
        #expect(zip(small, zeroed).allSatisfy { abs($0 - $1) < 1e-15 })
    }

    /// Four layers in pairs, 10 shared and 3 own parameters: 2 x 10 + 4 x 3. Gradients of a pair are summed.
    @Test func sharedLayersSumTheirGradients() throws {
        let sharing = try ParameterSharing.consecutive(layers: 4, size: 2)
        #expect(sharing.parameterCount(shared: 10, own: 3) == 32)
        #expect(try sharing.blockGradients([[1.0], [2], [3], [4]]) == [[3], [7]])
        let none = try ParameterSharing.consecutive(layers: 3, size: 1)
        #expect(try none.blockGradients([[1.0], [2], [3]]) == [[1], [2], [3]])
        #expect(throws: TrainingError.self) { try ParameterSharing(blockOf: [0, 2]) }
        #expect(throws: TrainingError.self) { try sharing.blockGradients([[1.0], [2, 3], [3], [4]]) }
    }

    /// Attention is 4 h^2 of a layer's 12 h^2 parameters: sharing it over pairs keeps 12 layers at 1 - 6 x 4 / 144 = 83.3%, over all at 69.4%.
    @Test func sharingAttentionAloneSavesAtMostAThird() throws {
        let h2 = 64 * 64
        let all = Double(12 * 12 * h2)
        let pairs = try ParameterSharing.consecutive(layers: 12, size: 2).parameterCount(shared: 4 * h2, own: 8 * h2)
        let whole = try ParameterSharing.consecutive(layers: 12, size: 12).parameterCount(shared: 4 * h2, own: 8 * h2)
        #expect(abs(Double(pairs) / all - 5.0 / 6) < 1e-12 && abs(Double(whole) / all - 25.0 / 36) < 1e-12)
    }

    /// 30% active of a block gated unit by unit costs 0.3 + 0.5 (the gate is half a dense block) and is no saving of 58%;
    /// a gate over groups of 64 costs 0.3 + 0.008.
    @Test func aGateCostsWhatItScores() {
        let fine = GatedBlock(width: 768, hidden: 3072)
        #expect(abs(fine.flops(activation: 0.3) / fine.denseFLOPs - 0.8) < 0.001)
        let coarse = GatedBlock(width: 768, hidden: 3072, group: 64)
        #expect(abs(coarse.flops(activation: 0.3) / coarse.denseFLOPs - 0.308) < 0.001)
        #expect(fine.denseFLOPs == 4 * 768 * 3072)
    }
}

@Suite struct ExpertRouterTests {
    private func logits(_ tokens: Int, _ experts: Int, seed: UInt64) -> [[Double]] {
        let flat = draws(seed, tokens * experts)
        return (0..<tokens).map { Array(flat[$0 * experts..<($0 + 1) * experts]) }
    }

    /// Two tokens, three experts, one of each token's experts at capacity ceil(1 x 2 x 1 / 3) = 1.
    @Test func fullExpertsDropTokens() throws {
        let router = try ExpertRouter(experts: 3, active: 1, capacityFactor: 1)
        let routing = try router.route([[5, 0, 0], [4, 0, 0]])
        #expect(routing.experts == [[0], []] && routing.load == [1, 0, 0] && routing.dropped == 1)
        #expect(routing.weights == [[1], []])
        #expect(ExpertRouter.imbalance([1, 0, 0]) == 3)
        #expect(throws: TrainingError.self) { try router.route([[1, 2]]) }
        #expect(throws: TrainingError.self) { try router.route([[1, 2, .nan]]) }
        #expect(throws: TrainingError.self) { try ExpertRouter(experts: 2, active: 3) }
    }

    /// Even probabilities and even choices: coefficient x experts x sum of 1/E 1/E = coefficient.
    @Test func balanceLossIsItsCoefficientWhenEven() throws {
        let router = try ExpertRouter(experts: 4, active: 4, balancing: .auxiliaryLoss(coefficient: 0.01))
        #expect(abs(try router.route(logits(64, 4, seed: 1)).balanceLoss - 0.01) < 1e-12)
    }

    /// Central differences of sum(c w) + balance loss.
    @Test func gradientsMatchCentralDifferences() throws {
        for balancing in [ExpertRouter.Balancing.none, .auxiliaryLoss(coefficient: 0.3)] {
            let router = try ExpertRouter(experts: 5, active: 2, capacityFactor: 1, balancing: balancing)
            let x = logits(6, 5, seed: 3)
            let c = logits(6, 2, seed: 4)
            func loss(_ x: [[Double]]) throws -> Double {
                let routing = try router.route(x)
                var sum = routing.balanceLoss
                for token in 0..<6 { for (slot, weight) in routing.weights[token].enumerated() { sum += c[token][slot] * weight } }
                return sum
            }
            let routing = try router.route(x)
            #expect(routing.dropped > 0)
            let gradient = router.logitGradients(
                routing, weightGradients: routing.weights.indices.map { Array(c[$0].prefix(routing.weights[$0].count)) })
            for token in 0..<6 {
                for expert in 0..<5 {
                    var up = x
                    var down = x
                    up[token][expert] += 1e-5
                    down[token][expert] -= 1e-5
                    let numeric = (try loss(up) - loss(down)) / 2e-5
                    #expect(abs(numeric - gradient[token][expert]) < 1e-9)
                }
            }
        }
    }

    /// A skewed gate: the bias evens the load out, and leaves the weights' probabilities alone.
    @Test func biasEvensTheLoadOut() throws {
        var router = try ExpertRouter(experts: 8, active: 2, balancing: .bias(speed: 0.02))
        var before = 0.0
        var late = [Int](repeating: 0, count: 8)
        for step in 0..<150 {
            let skewed = logits(256, 8, seed: UInt64(step)).map { row in row.enumerated().map { $1 + 0.3 * Double($0) } }
            let routing = try router.route(skewed)
            if step == 0 { before = ExpertRouter.imbalance(routing.load) }
            if step >= 100 { for expert in 0..<8 { late[expert] += routing.load[expert] } }
            router.rebalance(routing)
        }
        let after = ExpertRouter.imbalance(late)
        #expect(before > 2.5 && after < 1.1, "\(before) to \(after)")
    }
}

@Suite struct SparseAttentionTests {
    @Test func threePhases() throws {
        let schedule = try SparseAttentionSchedule(steady: 0.25)
        #expect([0, 100, 400, 1000].map { schedule.share(at: $0, of: 1000) } == [1, 1, 0.25, 0.25])
        #expect(abs(schedule.share(at: 250, of: 1000) - 0.625) < 1e-12)
        #expect(schedule.keys(of: 10, at: 1000, of: 1000) == 3 && schedule.keys(of: 1, at: 1000, of: 1000) == 1)
        #expect(throws: TrainingError.self) { try SparseAttentionSchedule(warmup: 0.8, ramp: 0.3) }
    }

    /// Choosing by the true scores saves at most half: at 25% of the keys 0.5 + 0.125. A scorer of an eighth of the width: 1/16 + 0.25 = 0.3125.
    @Test func scoringIsCounted() {
        let exact = SparseAttentionCost(sequence: 128, headDimension: 64, scoringDimension: 64)
        #expect(exact.sparse(share: 0.25) / exact.dense == 0.625)
        let cheap = SparseAttentionCost(sequence: 128, headDimension: 64, scoringDimension: 8)
        #expect(cheap.sparse(share: 0.25) / cheap.dense == 0.3125)
        #expect(exact.sparse(share: 1) == exact.dense)
    }
}
