import Kernels

/// A multilayer perceptron: linear layers with an activation between, and softmax cross-entropy or half the squared error at the end.
public struct MLP: Model {
    /// What the last layer's outputs are measured by.
    public enum Loss: Sendable {
        case crossEntropy
        case squaredError
    }
    public struct Batch: Sendable {
        /// [samples][inputs], flat.
        public var inputs: [Double]
        /// Class of each sample; for squared error left empty.
        public var labels: [Int]
        /// [samples][outputs], flat; for cross-entropy left empty.
        public var targets: [Double]

        public init(inputs: [Double], labels: [Int] = [], targets: [Double] = []) {
            self.inputs = inputs
            self.labels = labels
            self.targets = targets
        }
    }
    /// Inputs, hidden units of each layer, outputs.
    public let sizes: [Int]
    public let activation: Activation
    public let lossKind: Loss

    /// - Throws: `TrainingError` for less than an input and an output size, or a size below 1.
    public init(sizes: [Int], activation: Activation = .relu, loss: Loss = .crossEntropy) throws(TrainingError) {
        guard sizes.count >= 2, sizes.allSatisfy({ $0 >= 1 }) else {
            throw TrainingError("sizes \(sizes): a perceptron needs inputs and outputs, all at least 1")
        }
        self.sizes = sizes
        self.activation = activation
        lossKind = loss
    }

    var layers: Int { sizes.count - 1 }
    public var shapes: [[Int]] { (0..<layers).flatMap { [[sizes[$0 + 1], sizes[$0]], [sizes[$0 + 1]]] } }
    public var forwardFLOPsPerSample: Double { (0..<layers).reduce(0) { $0 + 2 * Double(sizes[$1] * sizes[$1 + 1]) } }

    /// Normal with variance 2 / inputs (arXiv:1502.01852), biases zero.
    public func initialParameters(seed: UInt64) -> [Tensor<Double>] {
        var draws = SeededDraws(seed: seed)
        return shapes.map { shape in
            var tensor = Tensor<Double>(zeros: shape)
            if shape.count == 2 { tensor.values = draws.normals(tensor.values.count, deviation: (2 / Double(shape[1])).squareRoot()) }
            return tensor
        }
    }

    /// Outputs [samples][outputs], flat.
    /// - Throws: `TrainingError` for parameters of other shapes, or inputs that are not whole samples.
    public func outputs(_ parameters: [Tensor<Double>], inputs: [Double]) throws(TrainingError) -> [Double] {
        try check(parameters)
        guard inputs.count % sizes[0] == 0 else { throw TrainingError("\(inputs.count) inputs are no samples of \(sizes[0])") }
        return forward(parameters, inputs, layers: 0..<layers, on: ReferenceBackend()).output
    }

    private func check<Scalar>(_ parameters: [Tensor<Scalar>], _ batch: Batch) throws(TrainingError) {
        try check(parameters)
        let samples = batch.inputs.count / sizes[0]
        let targets = lossKind == .crossEntropy ? batch.labels.count : batch.targets.count / sizes[layers]
        guard samples * sizes[0] == batch.inputs.count, targets == samples, batch.labels.allSatisfy({ (0..<sizes[layers]).contains($0) }),
            batch.targets.isEmpty || batch.targets.count == samples * sizes[layers]
        else {
            throw TrainingError(
                "\(batch.inputs.count) inputs, \(batch.labels.count) labels and \(batch.targets.count) targets do not fit sizes \(sizes)")
        }
    }

    /// Share of the samples whose largest output is their label's.
    public func accuracy(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> Double {
        try check(parameters, batch)
        let scores = try outputs(parameters, inputs: batch.inputs)
        let classes = sizes[layers]
        var right = 0
        for (row, label) in batch.labels.enumerated() {
            let best = (0..<classes).max { (scores[row * classes + $0], $1) < (scores[row * classes + $1], $0) }
            if best == label { right += 1 }
        }
        return Double(right) / Double(max(1, batch.labels.count))
    }

    private func score<B: Backend>(_ outputs: [B.Scalar], _ batch: Batch, on backend: B) -> (loss: Double, gradient: [B.Scalar]) {
        switch lossKind {
        case .crossEntropy:
            var gradient = backend.uninitialized(outputs.count)
            let loss = backend.crossEntropy(outputs, labels: batch.labels, gradient: &gradient)
            return (loss, gradient)
        case .squaredError:
            let samples = Double(max(1, outputs.count / sizes[layers]))
            let difference = zip(backend.doubles(outputs), batch.targets).map { $0 - $1 }
            return (0.5 * Double.sumOfSquares(difference) / samples, backend.converted(difference.map { $0 / samples }))
        }
    }

    public func loss<B: Backend>(_ parameters: [Tensor<B.Scalar>], _ batch: Batch, on backend: B) throws(TrainingError) -> Double {
        try check(parameters, batch)
        return score(forward(parameters, backend.converted(batch.inputs), layers: 0..<layers, on: backend).output, batch, on: backend).loss
    }

    public func lossAndGradients<B: Backend>(
        _ parameters: [Tensor<B.Scalar>], _ batch: Batch, on backend: B
    ) throws(TrainingError) -> (loss: Double, gradients: [[B.Scalar]]) {
        try check(parameters, batch)
        let pass = forward(parameters, backend.converted(batch.inputs), layers: 0..<layers, on: backend)
        let (loss, flow) = score(pass.output, batch, on: backend)
        var gradients = GradientSums<B>(parameters.map { backend.zeros($0.values.count) })
        _ = backward(pass, flow, parameters, &gradients, on: backend)
        return (loss, gradients.sums)
    }
}
