/// LAMB (arXiv:1904.00962): the Adam direction r + decay p, scaled for each tensor by |p| / |r + decay p|, or by 1 where either norm is zero.
public struct LAMB<Scalar: TrainingScalar>: UpdateRule {
    public var adam: Adam<Scalar>
    /// Decoupled: added to the direction before the trust ratio is taken.
    public var weightDecay: Double

    public init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-6, weightDecay: Double = 0) {
        adam = Adam(beta1: beta1, beta2: beta2, epsilon: epsilon)
        self.weightDecay = weightDecay
    }

    public var name: String { "LAMB" }
    public func slots(for shape: [Int]) -> [SlotLayout] { [.elements, .elements] }
    /// The norms are over the whole tensor.
    public var shardGranularity: Int? { nil }

    public func update(_ parameter: inout Tensor<Scalar>, gradient: [Scalar], state: inout TensorState<Scalar>, at point: StepPoint) {
        var direction = Scalar.adamDirection(gradient, &state.real, adam.moments(at: point))
        if weightDecay != 0 { Scalar.axpy(&direction, parameter.values, Scalar(weightDecay)) }
        let size = Scalar.norm(parameter.values)
        let length = Scalar.norm(direction)
        let trust = size == 0 || length == 0 ? 1 : size / length
        Scalar.axpy(&parameter.values, direction, Scalar(-point.rate * trust))
    }

    /// The direction (reads g, m, v; writes m, v, r), the decay, two norms and the step.
    public func cost(for shape: [Int]) -> StepCost { elementwise(shape, flops: 21, transfers: 14) }
}
