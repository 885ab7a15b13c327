/// A descent whose rate follows the noise: rate = base (1 + 0.1 ln(1 + v)) / (1 + 0.05 |m|), with v the variance of the gradient over the
/// tensor's elements and m, for each element, the moving average of its updates. Both constants can be changed; with both zero it is plain SGD.
public struct VarianceAdaptive<Scalar: TrainingScalar>: UpdateRule {
    /// Constants of the formula: of the variance, and of the mean update.
    public var varianceGain: Double
    public var momentumDamping: Double
    /// Weight of the past in m.
    public var smoothing: Double

    public init(varianceGain: Double = 0.1, momentumDamping: Double = 0.05, smoothing: Double = 0.9) {
        self.varianceGain = varianceGain
        self.momentumDamping = momentumDamping
        self.smoothing = smoothing
    }

    public var name: String { "variance-adaptive SGD" }
    public func slots(for shape: [Int]) -> [SlotLayout] { [.elements] }
    /// v is over the whole tensor.
    public var shardGranularity: Int? { nil }

    public func update(_ parameter: inout Tensor<Scalar>, gradient: [Scalar], state: inout TensorState<Scalar>, at point: StepPoint) {
        let n = Double(max(1, gradient.count))
        let mean = Scalar.sum(gradient) / n
        let variance = max(0, Scalar.sumOfSquares(gradient) / n - mean * mean)
        let base = point.rate * (1 + varianceGain * naturalLogarithm(1 + variance))
        Scalar.damped(&parameter.values, gradient, &state.real[0], (base, momentumDamping, smoothing))
    }

    /// One pass for mean and variance, one for the update.
    public func cost(for shape: [Int]) -> StepCost { elementwise(shape, flops: 14, transfers: 6) }
}
