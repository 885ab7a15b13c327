/// Adam whose betas move linearly with the progress of training between stated bounds. Bias is corrected by 1 minus the product of the betas
/// used so far, which for constant betas is Adam's own correction.
public struct DynamicBetas<Scalar: TrainingScalar>: UpdateRule {
    /// From the value at the start to the value at the end.
    public var beta1: (start: Double, end: Double)
    public var beta2: (start: Double, end: Double)
    public var epsilon: Double

    public init(
        beta1: (start: Double, end: Double) = (0.85, 0.95), beta2: (start: Double, end: Double) = (0.99, 0.999), epsilon: Double = 1e-8
    ) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
    }

    public var name: String { "Adam with dynamic betas" }
    /// Two moments, and the two products of betas.
    public func slots(for shape: [Int]) -> [SlotLayout] { [.elements, .elements, .fixed(2)] }

    /// Both betas at a share of the training, from 0 to 1.
    public func betas(at progress: Double) -> (Double, Double) {
        let t = min(1, max(0, progress))
        return (beta1.start + t * (beta1.end - beta1.start), beta2.start + t * (beta2.end - beta2.start))
    }

    public func update(_ parameter: inout Tensor<Scalar>, gradient: [Scalar], state: inout TensorState<Scalar>, at point: StepPoint) {
        let (b1, b2) = betas(at: point.progress)
        if point.step == 1 { state.real[2] = [1, 1] }
        state.real[2][0] *= Scalar(b1)
        state.real[2][1] *= Scalar(b2)
        var step = Adam<Scalar>(beta1: b1, beta2: b2, epsilon: epsilon).moments(at: point)
        step.correction1 = 1 - Double(state.real[2][0])
        step.correction2 = 1 - Double(state.real[2][1])
        Scalar.adam(&parameter.values, gradient, &state.real, step)
    }

    public func cost(for shape: [Int]) -> StepCost { elementwise(shape, flops: 13, transfers: 7) }
}
