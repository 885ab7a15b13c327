import Kernels

/// Forward and backward passes over row-major batches, shared by the models. Backward functions add to the parameter gradients given.
enum Dense {
    /// y [rows][out] = x [rows][in] w^T + b, with w [out][in].
    static func linear<B: Backend>(_ x: [B.Scalar], _ w: Tensor<B.Scalar>, _ b: [B.Scalar]?, on backend: B) -> [B.Scalar] {
        backend.linear(x, w.values, bias: b, out: w.shape[0], width: w.shape[1])
    }

    /// Adds dy^T x to the weight's gradient and the column sums of dy to the bias's, where there is one.
    static func linearParameters<B: Backend>(
        _ dy: [B.Scalar], x: [B.Scalar], at: LinearLayer, _ gradients: inout GradientSums<B>, on backend: B
    ) {
        gradients.add(.linear(dy: dy, x: x, at), on: backend)
    }

    /// As `linearParameters`; returns dx = dy w.
    static func linearBackward<B: Backend>(
        _ dy: [B.Scalar], x: [B.Scalar], _ parameters: [Tensor<B.Scalar>], at: LinearLayer, _ gradients: inout GradientSums<B>,
        on backend: B
    ) -> [B.Scalar] {
        linearParameters(dy, x: x, at: at, &gradients, on: backend)
        return backend.linearInputGradient(dy, parameters[at.weight].values, out: at.out, width: at.width)
    }

    /// Where a linear layer's tensors stand among a model's, and its sizes.
    struct LinearLayer: Sendable {
        let weight: Int
        let bias: Int?
        let out: Int
        let width: Int

        /// The bias is the tensor after the weight.
        init<Scalar>(_ parameters: [Tensor<Scalar>], _ weight: Int, biased: Bool = true) {
            self.weight = weight
            bias = biased ? weight + 1 : nil
            out = parameters[weight].shape[0]
            width = parameters[weight].shape[1]
        }
    }

    /// Rows normalised to mean 0 and variance 1, then scaled and shifted (arXiv:1607.06450); the gain is tensor `at`, the bias the next.
    struct LayerNorm<B: Backend>: Sendable where B.Scalar: TrainingScalar {
        let x: [B.Scalar]
        let statistics: [B.Scalar]
        let output: [B.Scalar]
        private let at: Int

        init(_ x: [B.Scalar], _ parameters: [Tensor<B.Scalar>], at: Int, on backend: B) {
            var y = backend.uninitialized(x.count)
            var statistics = backend.uninitialized(x.count / parameters[at].values.count * 2)
            backend.layerNorm(x, gain: parameters[at].values, bias: parameters[at + 1].values, into: &y, statistics: &statistics)
            self.x = x
            self.at = at
            self.statistics = statistics
            output = y
        }

        func backward(
            _ dy: [B.Scalar], _ parameters: [Tensor<B.Scalar>], _ gradients: inout GradientSums<B>, on backend: B
        ) -> [B.Scalar] {
            // Moved out and back, so that they are added to in place.
            var flow = NormGradients(
                dx: backend.uninitialized(x.count), dGain: taken(&gradients.sums[at]), dBias: taken(&gradients.sums[at + 1]))
            backend.layerNormBackward(dy, x: x, gain: parameters[at].values, statistics: statistics, into: &flow)
            gradients.sums[at] = taken(&flow.dGain)
            gradients.sums[at + 1] = taken(&flow.dBias)
            return flow.dx
        }
    }
}

/// The array, leaving an empty one behind.
func taken<Element>(_ array: inout [Element]) -> [Element] {
    var result: [Element] = []
    swap(&result, &array)
    return result
}

/// Elementwise non-linearity.
public enum Activation: Sendable {
    case relu
    case tanh
    /// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) (arXiv:1606.08415).
    case gelu
    case identity

    /// Nil for the identity.
    var function: Nonlinearity? {
        switch self {
        case .relu: .relu
        case .tanh: .tanh
        case .gelu: .gelu
        case .identity: nil
        }
    }

    func value<B: Backend>(_ x: [B.Scalar], on backend: B) -> [B.Scalar] {
        guard let function else { return x }
        var y = backend.uninitialized(x.count)
        backend.activate(function, x, into: &y)
        return y
    }
    /// gradient *= f'(x)
    func backward<B: Backend>(_ x: [B.Scalar], _ gradient: inout [B.Scalar], on backend: B) {
        if let function { backend.activateBackward(function, x: x, gradient: &gradient) }
    }
}
