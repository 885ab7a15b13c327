import Testing
import Training

/// What every rule promises.
@Suite struct OptimizerTests {
    static let shapes = [[6, 4], [5000], [3], []]

    /// Runs `body` with every rule in single precision.
    private func forEveryRule(_ body: (any UpdateRule<Float>) throws -> Void) throws {
        let rules: [any UpdateRule<Float>] = [
            try SGD(), try SGD(momentum: 0.9), try SGD(momentum: 0.9, nesterov: true), Adam(), Adam.adamW(), Lion(), LAMB(), Muon(),
            Adafactor(), Adam8bit(), VarianceAdaptive(), DynamicBetas(),
        ]
        for rule in rules { try body(rule) }
    }

    private func parameters(_ seed: UInt64) throws -> [Tensor<Float>] {
        try Self.shapes.map { shape in try Tensor(draws(seed, shape.reduce(1, *)).map { Float($0) }, shape: shape) }
    }
    private func gradients(_ seed: UInt64) -> [[Float]] {
        Self.shapes.enumerated().map { index, shape in draws(seed + UInt64(index), shape.reduce(1, *)).map { Float($0) } }
    }

    /// What the state really holds is what is stated.
    @Test func statedStateBytesAreTheRealOnes() throws {
        func check<R: UpdateRule>(_ rule: R) where R.Scalar == Float {
            let optimizer = Optimizer(rule, shapes: Self.shapes)
            let held = optimizer.state.tensors.reduce(0) { sum, tensor in
                sum + tensor.real.reduce(0) { $0 + 4 * $1.count } + tensor.coded.reduce(0) { $0 + $1.count }
            }
            #expect(held == optimizer.stateBytes, "\(rule.name)")
            #expect(optimizer.cost.flops > 0 && optimizer.cost.bytes > 0)
        }
        try forEveryRule { check($0) }
        // By hand, a parameter of a 1024 x 1024 matrix: AdamW 8 bytes, Lion and momentum 4, SGD 0, Adafactor 2048 floats, 8-bit Adam 2 + 2 x 4 / 2048.
        let matrix = [1024, 1024]
        #expect(Adam<Float>.adamW().stateBytesPerParameter(for: matrix) == 8)
        #expect(Lion<Float>().stateBytesPerParameter(for: matrix) == 4)
        #expect(try SGD<Float>().stateBytesPerParameter(for: matrix) == 0)
        #expect(Adafactor<Float>().stateBytes(for: matrix) == 4 * 2048)
        #expect(Adam8bit().stateBytesPerParameter(for: matrix) == 2 + 8.0 / 2048)
        #expect(Adam<Double>().stateBytesPerParameter(for: matrix) == 16)
    }

    /// Ten steps equal five, saved to bytes, restored into a fresh optimizer, and five more: to the bit.
    @Test func savedStateGoesOnAsIfNothingHappened() throws {
        func check<R: UpdateRule>(_ rule: R) throws where R.Scalar == Float {
            var straight = Optimizer(rule, shapes: Self.shapes)
            var a = try parameters(1)
            for step in 0..<10 { try straight.step(&a, gradients: gradients(UInt64(10 * step)), rate: 0.01, progress: Double(step) / 10) }
            var first = Optimizer(rule, shapes: Self.shapes)
            var b = try parameters(1)
            for step in 0..<5 { try first.step(&b, gradients: gradients(UInt64(10 * step)), rate: 0.01, progress: Double(step) / 10) }
            let bytes = first.state.serialized()
            var second = Optimizer(rule, shapes: Self.shapes)
            try second.restore(try OptimizerState(serialized: bytes))
            for step in 5..<10 { try second.step(&b, gradients: gradients(UInt64(10 * step)), rate: 0.01, progress: Double(step) / 10) }
            #expect(a == b, "\(rule.name)")
            #expect(straight.state == second.state, "\(rule.name)")
            for length in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 50)) {
                #expect(throws: TrainingError.self) { try OptimizerState<Float>(serialized: Array(bytes[..<length])) }
            }
        }
        try forEveryRule { try check($0) }
        let other = Optimizer(Adam<Double>(), shapes: [[3]]).state.serialized()
        #expect(throws: TrainingError.self) { try OptimizerState<Float>(serialized: other) }
    }

    /// Sharded over three, with state cut out midway, the parameters move as unsharded: to the bit.
    @Test func shardsMoveTheirPiecesAsTheWholeWould() throws {
        func check<R: UpdateRule>(_ rule: R) throws where R.Scalar == Float {
            var whole = Optimizer(rule, shapes: Self.shapes)
            var a = try parameters(2)
            for step in 0..<3 { try whole.step(&a, gradients: gradients(UInt64(step)), rate: 0.01) }
            let plan = try whole.shards(3)
            #expect(plan.joined().reduce(0) { $0 + $1.range.count } == 24 + 5000 + 3 + 1, "\(rule.name)")
            var b = a
            for pieces in plan {
                var shard = try whole.shard(pieces)
                var part = try zip(pieces, shard.shapes).map { try Tensor(Array(a[$0.tensor].values[$0.range]), shape: $1) }
                for step in 3..<6 {
                    let all = gradients(UInt64(step))
                    try shard.step(&part, gradients: pieces.map { Array(all[$0.tensor][$0.range]) }, rate: 0.01)
                }
                for (piece, tensor) in zip(pieces, part) { b[piece.tensor].values.replaceSubrange(piece.range, with: tensor.values) }
            }
            for step in 3..<6 { try whole.step(&a, gradients: gradients(UInt64(step)), rate: 0.01) }
            #expect(a == b, "\(rule.name)")
        }
        try forEveryRule { try check($0) }
        let adam = Optimizer(Adam<Float>(), shapes: Self.shapes)
        // 5028 elements over 3: 1676 each.
        #expect(try adam.shards(3).map { $0.reduce(0) { $0 + $1.range.count } } == [1676, 1676, 1676])
        #expect(throws: TrainingError.self) { try adam.shards(0) }
        let lamb = Optimizer(LAMB<Float>(), shapes: Self.shapes)
        #expect(throws: TrainingError.self) { try lamb.shard([TensorPiece(tensor: 1, range: 0..<10)]) }
    }

    @Test func groupsHaveTheirOwnRateAndMayBeFrozen() throws {
        let rule = try SGD<Float>()
        var optimizer = try Optimizer(
            groups: [
                ParameterGroup(rule, tensors: [0]), ParameterGroup(rule, tensors: [1], rateScale: 0.5),
                ParameterGroup(rule, tensors: [2], isFrozen: true),
            ], shapes: [[1], [1], [1]])
        var values: [Tensor<Float>] = [Tensor([1]), Tensor([1]), Tensor([1])]
        try optimizer.step(&values, gradients: [[1], [1], [1]], rate: 0.5)
        #expect(values.map { $0.values[0] } == [0.5, 0.75, 1])
        #expect(throws: TrainingError.self) { try Optimizer(groups: [ParameterGroup(rule, tensors: [0])], shapes: [[1], [1]]) }
        #expect(throws: TrainingError.self) {
            try Optimizer(groups: [ParameterGroup(rule, tensors: [0, 0])], shapes: [[1]])
        }
        #expect(throws: TrainingError.self) { try optimizer.step(&values, gradients: [[1], [1]], rate: 1) }
        #expect(throws: TrainingError.self) { try SGD<Float>(nesterov: true) }
    }

    /// Limits at which a method is another: no gain and no damping is SGD, constant betas are Adam.
    @Test func variantsReduceToTheirParents() throws {
        func run<R: UpdateRule>(_ rule: R) throws -> [Double] where R.Scalar == Double {
            var optimizer = Optimizer(rule, shapes: [[7]])
            var x = [Tensor(draws(3, 7))]
            for step in 0..<30 { try optimizer.step(&x, gradients: [draws(UInt64(step), 7)], rate: 0.01, progress: Double(step) / 30) }
            return x[0].values
        }
        #expect(try run(VarianceAdaptive(varianceGain: 0, momentumDamping: 0)) == run(SGD()))
        let constant = try run(DynamicBetas(beta1: (0.9, 0.9), beta2: (0.999, 0.999)))
        let adam = try run(Adam())
        #expect(zip(constant, adam).allSatisfy { abs($0 - $1) < 1e-13 })
    }

    /// The Newton-Schulz iteration brings singular values near one: X X^T of a random 4 x 6 matrix has a diagonal near 1 and is nearly diagonal.
    @Test func muonOrthogonalises() {
        let x = Muon<Double>.orthogonalized(draws(5, 24), rows: 4, columns: 6)
        for i in 0..<4 {
            for j in 0..<4 {
                let dot = (0..<6).reduce(0.0) { $0 + x[i * 6 + $1] * x[j * 6 + $1] }
                // The published coefficients do not converge to 1 but into about [0.7, 1.2].
                #expect(i == j ? (0.4...1.5).contains(dot) : abs(dot) < 0.35)
            }
        }
        // A tall matrix is the transpose of a wide one.
        let a = draws(6, 24)
        let transposed = (0..<24).map { a[$0 % 4 * 6 + $0 / 4] }
        let wide = Muon<Double>.orthogonalized(a, rows: 4, columns: 6)
        let tall = Muon<Double>.orthogonalized(transposed, rows: 6, columns: 4)
        #expect((0..<24).allSatisfy { abs(tall[$0] - wide[$0 % 4 * 6 + $0 / 4]) < 1e-12 })
    }
}
