import Workload

extension Job {
    /// What a unit computes where not all of it trains: no weight gradients of frozen parts, the adapters' products, and the numbers that quantised
    /// weights become for each product. `base` are the ops of full training.
    func trainedOps(_ base: [Op], of unit: StageWork.Unit) -> [Op] {
        guard !trainsAll else { return base }
        let matrices = training.adapters?.matrices(unit, of: deployment) ?? []
        let adapted = matrices.reduce(into: ModelParts()) { $0.insert($1.part) }
        var ops = base.filter { op in
            switch op.pass {
            case .forward: return true
            case .inputGradient: return needsBackward(unit) || op.part == .loss
            case .weightGradient:
                let parts = Self.parts(of: op)
                if case .communication = op.work, !adapted.isDisjoint(with: parts) { return true }
                return !frozenParts.isSuperset(of: parts)
            }
        }
        guard let adapters = training.adapters else { return ops }
        if adapters.base != .bf16 { ops += dequantisation(base, to: adapters.base, backward: needsBackward(unit)) }
        for matrix in matrices { ops += products(of: matrix, adapters, tokens: tokens(matrix, base)) }
        return ops
    }

    private func needsBackward(_ unit: StageWork.Unit) -> Bool {
        switch unit {
        case .embedding: !frozenParts.contains(.embedding)
        case .layer, .prediction, .head: layersNeedBackward
        }
    }

    /// The parts whose parameters an op's weight gradient is for.
    private static func parts(of op: Op) -> ModelParts {
        switch op.part {
        case .attention, .projection: .attention
        case .mlp: .mlp
        case .experts: .experts
        case .router: .router
        case .embedding: .embedding
        case .head, .loss: .head
        // Biases of both blocks.
        case .elementwise: [.attention, .mlp]
        case .convolution: .all
        }
    }

    /// Rows of an adapter's products: the routed tokens of an expert, those of the head that are scored, else all of the rank's.
    private func tokens(_ matrix: AdaptedMatrix, _ base: [Op]) -> Int {
        for op in base where op.pass == .forward {
            guard case .gemm(let gemm) = op.work else { continue }
            if matrix.isRouted ? gemm.grouped : matrix.part == .head && op.part == .head { return gemm.m }
        }
        return sharding.tokens
    }

    /// Forward (x A) B and its sum with the base's output; backward both gradients of both matrices and the sum of the input's gradients. What is cut
    /// over the tensor group is summed at the rank's width, where it is narrow.
    private func products(of matrix: AdaptedMatrix, _ adapters: LowRankAdapters, tokens: Int) -> [Op] {
        let (m, n, k, r) = (tokens, matrix.width, matrix.input, adapters.rank)
        let part: Part =
            switch matrix.part {
            case .attention: .projection
            case .experts: .experts
            case .head: .head
            default: .mlp
            }
        let grouped = matrix.isRouted
        func product(_ pass: Pass, _ m: Int, _ n: Int, _ k: Int) -> Op {
            let gemm = GEMM(m: m, n: n, k: k, count: matrix.count, grouped: grouped, lowPrecision: false)
            return Op("adapter", part, pass, .gemm(gemm), kernels: grouped ? matrix.count + 4 : 1)
        }
        let bytes = sharding.activationBytes * Double(m) * Double(matrix.count)
        func chain(_ pass: Pass, _ elements: Double, _ kernels: Int) -> Op {
            Op("adapter sum", part, pass, .memory(MemoryPass(bytes: elements * bytes)), kernels: kernels)
        }
        // The base's output and the adapter's are read, their scaled sum is written; likewise the two gradients of the input. Dropout reads, writes, and
        // keeps a mask of a byte.
        let mask = adapters.dropout ? 2.5 * Double(k) : 0
        var ops = [
            product(.forward, m, r, k), product(.forward, m, n, r), chain(.forward, 3 * Double(n) + mask, adapters.dropout ? 3 : 2),
            product(.weightGradient, n, r, m), product(.inputGradient, m, r, n), product(.weightGradient, r, k, m),
            product(.inputGradient, m, k, r), chain(.inputGradient, 3 * Double(k) + mask, adapters.dropout ? 3 : 2),
        ]
        if layout.tensor > 1, matrix.cut != .none {
            let narrow = Communication(kind: .allReduce, group: .tensor, bytes: bytes * Double(r))
            ops.append(Op("adapter all-reduce", part, matrix.cut == .row ? .forward : .inputGradient, .communication(narrow)))
        }
        return ops
    }

    /// Each product of a quantised weight reads it and writes it as 16-bit numbers first, forward and backward.
    private func dequantisation(_ base: [Op], to format: LowRankAdapters.Base, backward: Bool) -> [Op] {
        base.compactMap { op in
            guard case .gemm(let gemm) = op.work, op.pass == .forward || op.pass == .inputGradient && backward,
                ModelParts.linear.isSuperset(of: Self.parts(of: op))
            else { return nil }
            let elements = Double(gemm.n) * Double(gemm.k) * Double(gemm.count)
            let bytes = elements * (format.bytes + sharding.activationBytes)
            return Op("weights in 16 bits", op.part, op.pass, .memory(MemoryPass(bytes: bytes)), kernels: gemm.grouped ? gemm.count : 2)
        }
    }
}
