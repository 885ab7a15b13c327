import CNumerics

/// Applies update rules to a model's tensors, by groups, and keeps their state.
public struct Optimizer<Rule: UpdateRule>: Sendable {
    public typealias Scalar = Rule.Scalar
    public let shapes: [[Int]]
    /// Each tensor in exactly one.
    public var groups: [ParameterGroup<Rule>]
    /// Steps done, and what the rules keep of each tensor.
    public private(set) var state: OptimizerState<Scalar>
    /// The tensor's group, by tensor.
    private let groupOf: [Int]

    /// One rule for all tensors of `shapes`.
    public init(_ rule: Rule, shapes: [[Int]]) {
        self.shapes = shapes
        groups = [ParameterGroup(rule, tensors: Array(shapes.indices))]
        groupOf = shapes.map { _ in 0 }
        state = OptimizerState(step: 0, tensors: shapes.map { Self.zeroState(rule, $0) })
    }

    /// - Throws: `TrainingError` unless every tensor is in exactly one group.
    public init(groups: [ParameterGroup<Rule>], shapes: [[Int]]) throws(TrainingError) {
        var owner = [Int?](repeating: nil, count: shapes.count)
        for (index, group) in groups.enumerated() {
            for tensor in group.tensors {
                guard shapes.indices.contains(tensor) else {
                    throw TrainingError("group \(index) names tensor \(tensor) of \(shapes.count)")
                }
                guard owner[tensor] == nil else {
                    throw TrainingError("tensor \(tensor) is in two groups, \(owner[tensor] ?? 0) and \(index)")
                }
                owner[tensor] = index
            }
        }
        let owners = owner.compactMap { $0 }
        guard owners.count == shapes.count else {
            throw TrainingError(
                "tensor \(owner.firstIndex(of: nil) ?? 0) is in no group; put it into one, with `isFrozen` if it shall not move")
        }
        self.shapes = shapes
        self.groups = groups
        groupOf = owners
        state = OptimizerState(step: 0, tensors: shapes.indices.map { Self.zeroState(groups[owners[$0]].rule, shapes[$0]) })
    }

    private static func zeroState(_ rule: Rule, _ shape: [Int]) -> TensorState<Scalar> {
        let n = shape.reduce(1, *)
        return TensorState(
            real: rule.slots(for: shape).map { zeros($0.length(n)) },
            coded: rule.codedSlots(for: shape).map { [UInt8](repeating: 0, count: $0.length(n)) })
    }

    private static func zeros(_ count: Int) -> [Scalar] {
        [Scalar](unsafeUninitializedCapacity: count) { buffer, filled in
            if let base = buffer.baseAddress { cn_zero(base, count * MemoryLayout<Scalar>.stride) }
            filled = count
        }
    }

    /// One step on `parameters` [tensors] along `gradients` [tensors][elements].
    /// - Throws: `TrainingError` where a shape differs from what this optimizer was made for; nothing has then changed.
    public mutating func step(
        _ parameters: inout [Tensor<Scalar>], gradients: [[Scalar]], rate: Double, progress: Double = 0
    ) throws(TrainingError) {
        guard parameters.count == shapes.count, gradients.count == shapes.count else {
            throw TrainingError("\(parameters.count) parameters and \(gradients.count) gradients for \(shapes.count) tensors")
        }
        for i in shapes.indices where parameters[i].shape != shapes[i] || gradients[i].count != parameters[i].values.count {
            throw TrainingError("tensor \(i) of shape \(shapes[i]) meets shape \(parameters[i].shape) and \(gradients[i].count) gradients")
        }
        state.step += 1
        for i in shapes.indices where !groups[groupOf[i]].isFrozen {
            let group = groups[groupOf[i]]
            let point = StepPoint(step: state.step, rate: rate * group.rateScale, progress: progress)
            group.rule.update(&parameters[i], gradient: gradients[i], state: &state.tensors[i], at: point)
        }
    }

    /// Bytes that the rules keep for all tensors.
    public var stateBytes: Int { shapes.indices.reduce(0) { $0 + groups[groupOf[$1]].rule.stateBytes(for: shapes[$1]) } }
    /// The same a parameter.
    public var stateBytesPerParameter: Double { Double(stateBytes) / Double(max(1, shapes.reduce(0) { $0 + $1.reduce(1, *) })) }
    /// Of one step.
    public var cost: StepCost {
        shapes.indices.reduce(.zero) { groups[groupOf[$1]].isFrozen ? $0 : $0 + groups[groupOf[$1]].rule.cost(for: shapes[$1]) }
    }

    /// Goes on from a saved state.
    /// - Throws: `TrainingError` where the state was saved for other shapes or another rule.
    public mutating func restore(_ saved: OptimizerState<Scalar>) throws(TrainingError) {
        guard saved.tensors.count == shapes.count else {
            throw TrainingError("state of \(saved.tensors.count) tensors for \(shapes.count)")
        }
        for (i, tensor) in saved.tensors.enumerated() {
            let own = state.tensors[i]
            guard tensor.real.map(\.count) == own.real.map(\.count), tensor.coded.map(\.count) == own.coded.map(\.count) else {
                throw TrainingError("the state of tensor \(i) does not fit \(groups[groupOf[i]].rule.name) on shape \(shapes[i])")
            }
        }
        state = saved
    }

    /// How the state parts into `count` shards of nearly equal size: [shard][pieces]. Rules that work element by element are cut anywhere
    /// (at their granularity), others give away whole tensors, each to the shard with the least so far (ZeRO stage 1, arXiv:1910.02054).
    /// - Throws: `TrainingError` for less than one shard.
    public func shards(_ count: Int) throws(TrainingError) -> [[TensorPiece]] {
        guard count >= 1 else { throw TrainingError("\(count) shards: there must be at least one") }
        let sizes = shapes.map { $0.reduce(1, *) }
        var pieces = [[TensorPiece]](repeating: [], count: count)
        guard let granularity = groups.map({ $0.rule.shardGranularity ?? 0 }).max(),
            !groups.contains(where: { $0.rule.shardGranularity == nil })
        else {
            var load = [Int](repeating: 0, count: count)
            for tensor in sizes.indices.sorted(by: { (sizes[$0], $1) > (sizes[$1], $0) }) {
                let lightest = load.indices.min { (load[$0], $0) < (load[$1], $1) } ?? 0
                pieces[lightest].append(TensorPiece(tensor: tensor, range: 0..<sizes[tensor]))
                load[lightest] += sizes[tensor]
            }
            return pieces.map { $0.sorted { $0.tensor < $1.tensor } }
        }
        let total = sizes.reduce(0, +)
        var before = 0
        for (tensor, size) in sizes.enumerated() {
            // Shard s owns the flat range [s total / count, (s + 1) total / count), cut within a tensor at multiples of the granularity.
            let cuts = (0...count).map { shard in
                let inside = min(max(shard * total / count - before, 0), size)
                return inside == size ? size : inside / granularity * granularity
            }
            for shard in 0..<count where cuts[shard] < cuts[shard + 1] {
                pieces[shard].append(TensorPiece(tensor: tensor, range: cuts[shard]..<cuts[shard + 1]))
            }
            before += size
        }
        return pieces
    }

    /// An optimizer for `pieces` alone, its state cut out of this one. Its tensors are the pieces, as vectors unless whole.
    /// - Throws: `TrainingError` for a piece that does not exist or cuts what the rule needs whole.
    public func shard(_ pieces: [TensorPiece]) throws(TrainingError) -> Optimizer {
        var parts: [TensorState<Scalar>] = []
        var newShapes: [[Int]] = []
        for piece in pieces {
            guard shapes.indices.contains(piece.tensor), piece.range.upperBound <= shapes[piece.tensor].reduce(1, *),
                piece.range.lowerBound >= 0
            else { throw TrainingError("there is no piece \(piece.range) of tensor \(piece.tensor)") }
            let rule = groups[groupOf[piece.tensor]].rule
            let shape = shapes[piece.tensor]
            let whole = piece.range == 0..<shape.reduce(1, *)
            guard whole || piece.range.lowerBound % max(1, rule.shardGranularity ?? Int.max) == 0 && rule.shardGranularity != nil else {
                throw TrainingError("\(rule.name) cannot cut tensor \(piece.tensor) at \(piece.range.lowerBound)")
            }
            newShapes.append(whole ? shape : [piece.range.count])
            parts.append(state.tensors[piece.tensor].cut(piece.range, rule.slots(for: shape), rule.codedSlots(for: shape)))
        }
        let newGroups = groups.indices.map { index in
            var group = groups[index]
            group.tensors = pieces.indices.filter { groupOf[pieces[$0].tensor] == index }
            return group
        }
        var optimizer = try Optimizer(groups: newGroups, shapes: newShapes)
        try optimizer.restore(OptimizerState(step: state.step, tensors: parts))
        return optimizer
    }
}

/// Tensors that share a rule and a factor on the rate.
public struct ParameterGroup<Rule: UpdateRule>: Sendable {
    /// The rule, the tensors by number, and the factor on their rate.
    public var rule: Rule
    public var tensors: [Int]
    public var rateScale: Double
    /// Frozen tensors keep their values and their state.
    public var isFrozen: Bool

    public init(_ rule: Rule, tensors: [Int], rateScale: Double = 1, isFrozen: Bool = false) {
        self.rule = rule
        self.tensors = tensors
        self.rateScale = rateScale
        self.isFrozen = isFrozen
    }
}

/// Elements `range` of a tensor.
public struct TensorPiece: Equatable, Sendable {
    /// The tensor by number, and its elements in row-major order.
    public var tensor: Int
    public var range: Range<Int>
    public init(tensor: Int, range: Range<Int>) {
        self.tensor = tensor
        self.range = range
    }
}
