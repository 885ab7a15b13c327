/// Collects the ops of one layer. Each step adds its forward ops in order of execution and its backward ops in the reverse of theirs, so that
/// the backward list reversed is the backward pass.
struct LayerBuilder {
    /// How a linear layer is cut over the tensor group (arXiv:1909.08053 section 3): by output columns, by input rows, or not at all.
    enum Cut { case none, column, row }

    /// A linear layer after sharding: out[m, n] = in[m, k] w[k, n].
    struct Linear {
        var name: String
        var part: Part
        var gemm: GEMM
        var cut = Cut.none
        var role = Op.Role.other
    }

    /// Elements read and written, forward and backward, by a memory-bound chain.
    struct Traffic {
        var forward: Double
        var backward: Double
        var kernels = (forward: 1, backward: 1)
        var rowLength = 0
    }

    let a: Architecture
    let sharding: Sharding
    /// Tokens of the micro-batch on this context rank.
    let tokens: Int
    /// Parts that widths are cut into.
    let t: Int
    /// Edge of the tensor group's grid; 0: there is none.
    let grid: Int
    /// Sequences of the micro-batch on this row of the grid.
    let sequences: Int
    /// Sequence parallelism has an effect only within a tensor group.
    let isSequenceParallel: Bool
    let counter: TransformerCounter
    private var forward: [Op] = []
    private var backward: [Op] = []

    init(_ architecture: Architecture, _ sharding: Sharding) {
        a = architecture
        self.sharding = sharding
        grid = max(0, sharding.grid)
        if grid > 0 {
            // A grid parts tokens and widths alike: its rows stand for the batch, its columns for the width (arXiv:2104.05343 section 3.2).
            let rows = clampedProduct(grid, max(1, sharding.gridDepth))
            tokens = max(1, sharding.tokens / rows)
            sequences = max(1, sharding.microBatch / rows)
            t = grid
        } else {
            tokens = sharding.tokens
            sequences = sharding.microBatch
            t = max(1, sharding.tensor)
        }
        isSequenceParallel = sharding.sequenceParallel && t > 1 || grid > 0
        counter = TransformerCounter(architecture)
        forward.reserveCapacity(40)
        backward.reserveCapacity(70)
    }

    var profile: LayerProfile { LayerProfile(ops: forward + backward.reversed()) }

    /// Tokens whose norms and residuals this rank computes.
    var residualTokens: Int { isSequenceParallel ? ceilDivide(tokens, t) : tokens }
    var elementBytes: Double { sharding.activationBytes }
    /// Bytes of the hidden states of all tokens.
    var hiddenBytes: Double { Double(tokens) * Double(a.hidden) * elementBytes }

    mutating func addForward(_ op: Op) { forward.append(op) }
    mutating func addBackward(_ op: Op) { backward.append(op) }

    mutating func communicate(_ name: String, _ part: Part, _ pass: Pass, _ communication: Communication) {
        let op = Op(name, part, pass, .communication(communication))
        if pass == .forward { forward.append(op) } else { backward.append(op) }
    }

    /// Forward (m, n, k), input gradient (m, k, n), weight gradient (n, k, m) and the collectives of the cut.
    ///
    /// Column: the input is gathered, its gradient reduced. Row: the output is reduced, its gradient gathered. Without sequence parallelism a
    /// gather is free and a reduction an all-reduce. With it, the input that was not kept whole is gathered once more for the weight
    /// gradient (arXiv:2205.05198 section 4.2.2), beside the input gradient's product.
    mutating func linear(_ l: Linear) {
        if grid > 0, l.cut != .none { return gridProducts(l) }
        let g = l.gemm
        let bytes = Double(g.m) * Double(l.cut == .column ? g.k : g.n) * elementBytes
        let isCut = t > 1 && l.cut != .none
        let gather = Communication(kind: .allGather, group: .tensor, bytes: bytes)
        let reduce = Communication(kind: isSequenceParallel ? .reduceScatter : .allReduce, group: .tensor, bytes: bytes)
        let reduceName = isSequenceParallel ? "tensor reduce-scatter" : "tensor all-reduce"

        if isCut, isSequenceParallel, l.cut == .column { communicate("tensor all-gather", l.part, .forward, gather) }
        products(l, kernels: 1)
        if isCut, l.cut == .row { communicate(reduceName, l.part, .forward, reduce) }
        guard isCut else { return }
        if l.cut == .row {
            if isSequenceParallel { communicate("tensor all-gather", l.part, .inputGradient, gather) }
        } else {
            // The input gradient is reduced while the weight gradient is computed: weight gradient, reduction, input gradient in reverse.
            let inputGradient = backward.removeLast()
            communicate(reduceName, l.part, .inputGradient, reduce)
            backward.append(inputGradient)
            if isSequenceParallel { communicate("weight-gradient all-gather", l.part, .weightGradient, gather) }
        }
    }

    /// SUMMA on a grid of q x q (arXiv:2104.05343 section 3.1): a rank holds out[m, n/q] and takes q steps over k, for which the blocks of the
    /// input pass along its row and those of the weights along its column. Both gradients broadcast one operand and reduce the other, so each of
    /// the three products moves m k elements along rows and k n / q along columns.
    private mutating func gridProducts(_ l: Linear) {
        var step = l.gemm
        let k = l.cut == .row ? clampedProduct(step.k, grid) : step.k
        if l.cut == .row { step.n = ceilDivide(step.n, grid) }
        step.k = ceilDivide(k, grid)
        step.count = grid
        let along = Double(step.m) * Double(k) * elementBytes
        let across = Double(k) * Double(step.n) * elementBytes
        func move(_ name: String, _ kind: CollectiveKind, _ group: GroupKind, _ bytes: Double, _ pass: Pass) {
            communicate(name, l.part, pass, Communication(kind: kind, group: group, bytes: bytes))
        }
        move("grid row broadcast", .allGather, .tensorRow, along, .forward)
        move("grid column broadcast", .allGather, .tensorColumn, across, .forward)
        products(Linear(name: l.name, part: l.part, gemm: step, role: l.role), kernels: grid)
        move("grid row reduction", .reduceScatter, .tensorRow, along, .inputGradient)
        move("grid column broadcast", .allGather, .tensorColumn, across, .inputGradient)
        move("grid row broadcast", .allGather, .tensorRow, along, .weightGradient)
        move("grid column reduction", .reduceScatter, .tensorColumn, across, .weightGradient)
    }

    /// The three products without communication.
    mutating func products(_ l: Linear, kernels: Int) {
        let g = l.gemm
        var inputGradient = g
        inputGradient.n = g.k
        inputGradient.k = g.n
        var weightGradient = g
        weightGradient.m = g.n
        weightGradient.n = g.k
        weightGradient.k = g.m
        forward.append(Op(l.name, l.part, .forward, .gemm(g), role: l.role, kernels: kernels))
        backward.append(Op(l.name, l.part, .weightGradient, .gemm(weightGradient), kernels: kernels))
        backward.append(Op(l.name, l.part, .inputGradient, .gemm(inputGradient), kernels: kernels))
    }

    /// A chain bound by memory traffic; its gradient belongs to the input-gradient pass.
    mutating func elementwise(_ name: String, _ traffic: Traffic, part: Part = .elementwise, role: Op.Role = .other) {
        if traffic.forward > 0 {
            let pass = MemoryPass(bytes: traffic.forward * elementBytes, rowLength: traffic.rowLength)
            forward.append(Op(name, part, .forward, .memory(pass), role: role, kernels: traffic.kernels.forward))
        }
        if traffic.backward > 0 {
            let pass = MemoryPass(bytes: traffic.backward * elementBytes, rowLength: traffic.rowLength)
            backward.append(Op(name, part, .inputGradient, .memory(pass), role: role, kernels: traffic.kernels.backward))
        }
    }

    /// A norm over rows of `width`: reads x, writes y; backward reads dy and x for dx and writes it, and reads both again for the gain's gradient.
    mutating func norm(_ name: String = "norm", rows: Double, width: Int) {
        let elements = rows * Double(width)
        elementwise(name, Traffic(forward: 2 * elements, backward: 5 * elements, kernels: (1, 2), rowLength: width), role: .norm)
        guard grid > 1 else { return }
        // A row of the grid shares a token: mean and variance, and their gradients, are summed over it.
        let statistics = Communication(kind: .allReduce, group: .tensorRow, bytes: 8 * Double(tokens))
        communicate("norm statistics", .elementwise, .forward, statistics)
        communicate("norm statistics", .elementwise, .inputGradient, statistics)
    }

    /// Bias, dropout and residual addition: reads block output and residual, writes the sum and a mask of a byte; backward reads gradient and mask,
    /// writes the block's gradient, and adds the branch's gradient to the residual's (two reads, one write).
    mutating func residual() {
        let elements = Double(residualTokens) * Double(a.hidden)
        elementwise("residual", Traffic(forward: 3.5 * elements, backward: 5.5 * elements, kernels: (2, 2)))
    }

    /// Gradient of a bias: the output's gradient is read once more and summed over the tokens.
    mutating func biasGradient(_ elements: Double) {
        guard elements > 0 else { return }
        backward.append(Op("bias gradient", .elementwise, .weightGradient, .memory(MemoryPass(bytes: elements * elementBytes)), kernels: 1))
    }

    /// Activation over `elements` outputs: reads one or two inputs and writes one; backward reads the inputs and the gradient, writes theirs.
    mutating func activation(_ elements: Double, part: Part = .elementwise) {
        let gated = a.activation.isGated
        let traffic = Traffic(forward: (gated ? 3 : 2) * elements, backward: (gated ? 5 : 3) * elements, kernels: gated ? (2, 3) : (1, 1))
        elementwise("activation", traffic, part: part, role: .activation)
    }

    mutating func transformerLayer(_ variant: LayerVariant) {
        for _ in 0..<min(4, (max(0, a.normsPerLayer) + 1) / 2) { norm(rows: Double(residualTokens), width: a.hidden) }
        attention(windowed: variant.windowed)
        residual()
        for _ in 0..<min(4, max(0, a.normsPerLayer) / 2) { norm(rows: Double(residualTokens), width: a.hidden) }
        if variant.kind == .moe, let moe = a.moe { experts(moe) } else { mlp(width: a.ffn, part: .mlp) }
        residual()
    }

    /// MLP of inner width `width`, cut over the tensor group by columns, then rows.
    mutating func mlp(width: Int, part: Part) {
        let f = ceilDivide(width, t)
        let inputs = a.activation.isGated ? 2 : 1
        linear(Linear(name: "mlp in", part: part, gemm: GEMM(m: tokens, n: inputs * f, k: a.hidden), cut: .column))
        if a.biases {
            // Summed in the activation's backward kernel: a launch, no further traffic worth counting.
            addBackward(Op("bias gradient", .elementwise, .weightGradient, .memory(MemoryPass(bytes: 0)), kernels: 1))
        }
        activation(Double(tokens) * Double(f))
        if a.biases { biasGradient(Double(residualTokens) * Double(a.hidden)) }
        linear(Linear(name: "mlp out", part: part, gemm: GEMM(m: tokens, n: a.hidden, k: f), cut: .row))
    }
}
