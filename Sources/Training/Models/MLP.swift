/// A multilayer perceptron: linear layers with an activation between, and softmax cross-entropy or half the squared error at the end.
public struct MLP: Model {
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

    private var layers: Int { sizes.count - 1 }
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
        return forward(parameters, inputs).last ?? []
    }

    private func check(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) {
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

    /// What enters each layer before activation: the input, then each layer's output.
    private func forward(_ parameters: [Tensor<Double>], _ inputs: [Double]) -> [[Double]] {
        var values = [inputs]
        for layer in 0..<layers {
            let x = layer == 0 ? inputs : values[layer].map(activation.value)
            values.append(Dense.linear(x, parameters[2 * layer], parameters[2 * layer + 1].values))
        }
        return values
    }

    private func score(_ outputs: [Double], _ batch: Batch) -> (loss: Double, gradient: [Double]) {
        switch lossKind {
        case .crossEntropy: return Dense.crossEntropy(outputs, labels: batch.labels)
        case .squaredError:
            let samples = Double(max(1, outputs.count / sizes[layers]))
            let difference = zip(outputs, batch.targets).map { $0 - $1 }
            return (0.5 * Double.sumOfSquares(difference) / samples, difference.map { $0 / samples })
        }
    }

    public func loss(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> Double {
        try check(parameters, batch)
        return score(forward(parameters, batch.inputs).last ?? [], batch).loss
    }

    public func lossAndGradients(
        _ parameters: [Tensor<Double>], _ batch: Batch
    ) throws(TrainingError) -> (loss: Double, gradients: [[Double]]) {
        try check(parameters, batch)
        let values = forward(parameters, batch.inputs)
        var (loss, flow) = score(values[layers], batch)
        var gradients = parameters.map { [Double](repeating: 0, count: $0.values.count) }
        for layer in (0..<layers).reversed() {
            let x = layer == 0 ? values[0] : values[layer].map(activation.value)
            var dw = gradients[2 * layer]
            flow = Dense.linearBackward(flow, x: x, w: parameters[2 * layer], dw: &dw, db: &gradients[2 * layer + 1])
            gradients[2 * layer] = dw
            if layer > 0 { for i in flow.indices { flow[i] *= activation.derivative(values[layer][i]) } }
        }
        return (loss, gradients)
    }
}
