/// Muon (Jordan et al. 2024; arXiv:2502.16982): the momentum of a matrix, made nearly orthogonal by five Newton-Schulz steps
/// X <- a X + (b A + c A^2) X, A = X X^T, (a, b, c) = (3.4445, -4.7750, 2.0315), starting from X / |X|.
/// Tensors that are no matrices take AdamW, as is usual.
public struct Muon<Scalar: TrainingScalar>: UpdateRule {
    /// What an orthogonal step is multiplied by.
    public enum Scaling: Sendable {
        /// sqrt(max(1, rows / columns)), as first published.
        case shape
        /// 0.2 sqrt(max(rows, columns)): the size of an AdamW step (arXiv:2502.16982).
        case matchAdamW
    }
    /// Weight of the past, the decoupled decay of weights, whether the momentum looks ahead, the length of a step, and the rule for tensors
    /// that are no matrices.
    public var momentum: Double
    public var weightDecay: Double
    public var nesterov: Bool
    public var scaling: Scaling
    public var fallback: Adam<Scalar>
    static var iterations: Int { 5 }

    public init(momentum: Double = 0.95, weightDecay: Double = 0, nesterov: Bool = true, scaling: Scaling = .shape) {
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.nesterov = nesterov
        self.scaling = scaling
        fallback = Adam(decay: .decoupled(weightDecay))
    }

    public var name: String { "Muon" }
    public func slots(for shape: [Int]) -> [SlotLayout] {
        Tensor<Scalar>.matrix(shape) == nil ? fallback.slots(for: shape) : [.elements]
    }
    public var shardGranularity: Int? { nil }

    public func update(_ parameter: inout Tensor<Scalar>, gradient: [Scalar], state: inout TensorState<Scalar>, at point: StepPoint) {
        guard let (rows, columns) = Tensor<Scalar>.matrix(parameter.shape) else {
            return fallback.update(&parameter, gradient: gradient, state: &state, at: point)
        }
        Scalar.blend(&state.real[0], keep: Scalar(momentum), gradient, add: Scalar(1 - momentum))
        var direction = state.real[0]
        if nesterov { Scalar.blend(&direction, keep: Scalar(momentum), gradient, add: Scalar(1 - momentum)) }
        let step = Self.orthogonalized(direction, rows: rows, columns: columns)
        let size: Double =
            switch scaling {
            case .shape: max(1, Double(rows) / Double(columns)).squareRoot()
            case .matchAdamW: 0.2 * Double(max(rows, columns)).squareRoot()
            }
        if weightDecay != 0 { Scalar.scale(&parameter.values, Scalar(1 - point.rate * weightDecay)) }
        Scalar.axpy(&parameter.values, step, Scalar(-point.rate * size))
    }

    /// `matrix` [rows][columns] with its singular values driven towards one.
    public static func orthogonalized(_ matrix: [Scalar], rows: Int, columns: Int) -> [Scalar] {
        var x = matrix
        Scalar.scale(&x, Scalar(1 / (Scalar.norm(x) + 1e-7)))
        // The smaller of the two Gram matrices: of the rows, or of the columns, for which the products stand on the other side.
        let wide = rows <= columns
        let m = min(rows, columns)
        for _ in 0..<iterations {
            let gram = Scalar.product(x, x, [m, m, max(rows, columns)], transposeA: !wide, transposeB: wide)
            var polynomial = Scalar.product(gram, gram, [m, m, m], transposeA: false, transposeB: false)
            Scalar.blend(&polynomial, keep: 2.0315, gram, add: -4.7750)
            let next =
                wide
                ? Scalar.product(polynomial, x, [rows, columns, m], transposeA: false, transposeB: false)
                : Scalar.product(x, polynomial, [rows, columns, m], transposeA: false, transposeB: false)
            Scalar.blend(&x, keep: 3.4445, next, add: 1)
        }
        return x
    }

    /// Five iterations of two products m m n and one m m m, m the smaller side.
    public func cost(for shape: [Int]) -> StepCost {
        guard let (rows, columns) = Tensor<Scalar>.matrix(shape) else { return fallback.cost(for: shape) }
        let m = Double(min(rows, columns))
        let n = Double(max(rows, columns))
        let products = Double(Self.iterations) * (4 * m * m * n + 2 * m * m * m)
        let size = Double(MemoryLayout<Scalar>.size)
        return StepCost(
            flops: products + 12 * m * n, bytes: size * (8 * m * n + Double(Self.iterations) * (5 * m * n + 5 * m * m)),
            productFLOPs: products)
    }
}
