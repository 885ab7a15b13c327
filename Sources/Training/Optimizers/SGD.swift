import CNumerics

/// Stochastic gradient descent: b = mu b + (1 - dampening) d, p -= rate b, with d = g + decay p; Nesterov steps along d + mu b
/// (Sutskever et al. 2013). The first step sets b = d.
public struct SGD<Scalar: TrainingScalar>: UpdateRule {
    /// Weight of the past in the velocity, what is taken off the new gradient's share, the decay added to the gradient, and whether the
    /// velocity looks ahead.
    public var momentum: Double
    public var dampening: Double
    public var weightDecay: Double
    public var nesterov: Bool

    /// - Throws: `TrainingError` for Nesterov without momentum or with dampening.
    public init(momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false) throws(TrainingError) {
        guard !nesterov || (momentum > 0 && dampening == 0) else {
            throw TrainingError("Nesterov needs a momentum above 0 and no dampening, not \(momentum) and \(dampening)")
        }
        self.momentum = momentum
        self.dampening = dampening
        self.weightDecay = weightDecay
        self.nesterov = nesterov
    }

    /// Polyak's heavy ball, or plain descent with a momentum of 0; never Nesterov's form, so that nothing can be wrong.
    public static func heavyBall(momentum: Double = 0, weightDecay: Double = 0) -> SGD { SGD(momentum, weightDecay) }

    private init(_ momentum: Double, _ weightDecay: Double) {
        self.momentum = momentum
        dampening = 0
        self.weightDecay = weightDecay
        nesterov = false
    }

    public var name: String { momentum == 0 ? "SGD" : nesterov ? "SGD Nesterov" : "SGD momentum" }
    public func slots(for shape: [Int]) -> [SlotLayout] { momentum == 0 ? [] : [.elements] }

    public func update(_ parameter: inout Tensor<Scalar>, gradient: [Scalar], state: inout TensorState<Scalar>, at point: StepPoint) {
        let step = cn_sgd(
            rate: point.rate, momentum: momentum, dampening: dampening, weight_decay: weightDecay, nesterov: nesterov ? 1 : 0,
            first: point.step == 1 ? 1 : 0)
        if momentum == 0 {
            var none: [Scalar] = []
            Scalar.sgd(&parameter.values, gradient, &none, step)
        } else {
            Scalar.sgd(&parameter.values, gradient, &state.real[0], step)
        }
    }

    /// Reads p and g, writes p; with momentum reads and writes b too.
    public func cost(for shape: [Int]) -> StepCost {
        momentum == 0 ? elementwise(shape, flops: 4, transfers: 3) : elementwise(shape, flops: nesterov ? 9 : 7, transfers: 5)
    }
}
