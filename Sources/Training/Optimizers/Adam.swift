import CNumerics

/// Adam (arXiv:1412.6980), and AdamW with decoupled decay (arXiv:1711.05101).
/// m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, p -= rate m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).
public struct Adam<Scalar: TrainingScalar>: UpdateRule {
    /// How weights decay.
    public enum Decay: Sendable, Equatable {
        case none
        /// Added to the gradient.
        case coupled(Double)
        /// p is multiplied by 1 - rate x decay: AdamW.
        case decoupled(Double)
    }
    /// Weight of the past in the first and in the second moment, what is added to the root, and the decay of weights.
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var decay: Decay

    public init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, decay: Decay = .none) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.decay = decay
    }

    /// Adam with decoupled decay.
    public static func adamW(decay: Double = 0.01) -> Adam { Adam(decay: .decoupled(decay)) }

    public var name: String {
        if case .decoupled = decay { "AdamW" } else { "Adam" }
    }
    public func slots(for shape: [Int]) -> [SlotLayout] { [.elements, .elements] }

    public func update(_ parameter: inout Tensor<Scalar>, gradient: [Scalar], state: inout TensorState<Scalar>, at point: StepPoint) {
        var step = moments(at: point)
        switch decay {
        case .none: break
        case .coupled(let weight): step.weight_decay = weight
        case .decoupled(let weight):
            step.weight_decay = weight
            step.decoupled = 1
        }
        Scalar.adam(&parameter.values, gradient, &state.real, step)
    }

    func moments(at point: StepPoint) -> cn_adam {
        cn_adam(
            rate: point.rate, beta1: beta1, beta2: beta2, epsilon: epsilon, weight_decay: 0, correction1: 1 - power(beta1, point.step),
            correction2: 1 - power(beta2, point.step), decoupled: 0)
    }

    /// Reads p, g, m, v; writes p, m, v.
    public func cost(for shape: [Int]) -> StepCost { elementwise(shape, flops: 13, transfers: 7) }
}

/// base^exponent by repeated squaring: the same bits on every platform, unlike a library's pow.
func power(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0
    var square = base
    var rest = exponent
    while rest > 0 {
        if rest & 1 == 1 { result *= square }
        square *= square
        rest >>= 1
    }
    return result
}
