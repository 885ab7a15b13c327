import CNumerics

/// Lion (arXiv:2302.06675): p -= rate (sign(b1 m + (1 - b1) g) + decay p), m = b2 m + (1 - b2) g.
public struct Lion<Scalar: TrainingScalar>: UpdateRule {
    /// Weight of the past in the direction and in the momentum kept, and the decoupled decay of weights.
    public var beta1: Double
    public var beta2: Double
    public var weightDecay: Double

    public init(beta1: Double = 0.9, beta2: Double = 0.99, weightDecay: Double = 0) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.weightDecay = weightDecay
    }

    public var name: String { "Lion" }
    public func slots(for shape: [Int]) -> [SlotLayout] { [.elements] }

    public func update(_ parameter: inout Tensor<Scalar>, gradient: [Scalar], state: inout TensorState<Scalar>, at point: StepPoint) {
        let step = cn_lion(rate: point.rate, beta1: beta1, beta2: beta2, weight_decay: weightDecay)
        Scalar.lion(&parameter.values, gradient, &state.real[0], step)
    }

    /// Reads p, g, m; writes p, m.
    public func cost(for shape: [Int]) -> StepCost { elementwise(shape, flops: 10, transfers: 5) }
}
