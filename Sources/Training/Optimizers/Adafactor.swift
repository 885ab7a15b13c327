/// Adafactor (Shazeer and Stern, arXiv:1804.04235): for a matrix the second moment is kept as row means R and column means C, V = R C^T / mean(R),
/// so that the state is O(rows + columns). Update clipping at RMS `clip`; the step is relative to the parameter's own RMS.
/// No first moment. Constants and order of operations as PyTorch's `Adafactor`: 1 - beta2 = t^-0.8, rho = min(rate, 1 / sqrt(t)).
public struct Adafactor<Scalar: TrainingScalar>: UpdateRule {
    /// 1 - beta2 at step t is t to this power.
    public var decayExponent: Double
    /// The least RMS that a parameter is taken to have.
    public var leastScale: Double
    public var clip: Double
    public var weightDecay: Double

    public init(decayExponent: Double = -0.8, leastScale: Double = 1e-3, clip: Double = 1, weightDecay: Double = 0) {
        self.decayExponent = decayExponent
        self.leastScale = leastScale
        self.clip = clip
        self.weightDecay = weightDecay
    }

    public var name: String { "Adafactor" }
    public func slots(for shape: [Int]) -> [SlotLayout] {
        guard let (rows, columns) = Tensor<Scalar>.matrix(shape) else { return [.elements] }
        return [.fixed(rows), .fixed(columns)]
    }
    public var shardGranularity: Int? { nil }

    public func update(_ parameter: inout Tensor<Scalar>, gradient: [Scalar], state: inout TensorState<Scalar>, at point: StepPoint) {
        let n = Double(max(1, parameter.values.count))
        let fresh = Scalar(exponential(decayExponent, of: Double(point.step)))
        let rho = min(point.rate, 1 / Double(point.step).squareRoot())
        let alpha = max(leastScale, Scalar.norm(parameter.values) / n.squareRoot()) * rho
        if weightDecay != 0 { Scalar.scale(&parameter.values, Scalar(1 - point.rate * weightDecay)) }
        let tiny = Scalar.ulpOfOne
        var step = gradient
        if let (rows, columns) = Tensor<Scalar>.matrix(parameter.shape) {
            advanceMeans(&state, gradient, rows, columns, fresh)
            let mean = max(tiny, Scalar(Scalar.sum(state.real[0]) / Double(rows)))
            Scalar.factoredStep(&step, rows: state.real[0], columns: state.real[1], mean: mean, least: tiny * tiny)
        } else {
            for i in step.indices {
                state.real[0][i] += fresh * (gradient[i] * gradient[i] - state.real[0][i])
                step[i] *= 1 / max(state.real[0][i], tiny * tiny).squareRoot()
            }
        }
        let excess = max(1, Scalar.norm(step) / (n.squareRoot() * clip))
        Scalar.axpy(&parameter.values, step, Scalar(-alpha / excess))
    }

    private func advanceMeans(_ state: inout TensorState<Scalar>, _ g: [Scalar], _ rows: Int, _ columns: Int, _ fresh: Scalar) {
        let (byRow, byColumn) = Scalar.squareSums(g, rows: rows, columns: columns)
        for row in 0..<rows { state.real[0][row] += fresh * (Scalar(byRow[row] / Double(columns)) - state.real[0][row]) }
        for column in 0..<columns { state.real[1][column] += fresh * (Scalar(byColumn[column] / Double(rows)) - state.real[1][column]) }
    }

    /// Two passes over g for the means, one for the step, one to apply it.
    public func cost(for shape: [Int]) -> StepCost { elementwise(shape, flops: 15, transfers: 7) }
}
