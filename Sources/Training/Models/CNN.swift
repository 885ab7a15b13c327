import Kernels

/// A small convolutional classifier: two 3 x 3 convolutions with ReLU, each followed by 2 x 2 mean pooling, then a linear layer. Convolutions
/// run as matrix products over unfolded patches.
public struct CNN: Model {
    public typealias Batch = MLP.Batch
    /// Pixels a side; a multiple of 4.
    public let side: Int
    public let inputChannels: Int
    public let channels: [Int]
    public let classes: Int

    /// - Throws: `TrainingError` unless the side is a multiple of 4, there are two channel counts, and all are at least 1.
    public init(side: Int, inputChannels: Int = 1, channels: [Int] = [8, 16], classes: Int = 10) throws(TrainingError) {
        guard side >= 4, side % 4 == 0, channels.count == 2, channels.allSatisfy({ $0 >= 1 }), inputChannels >= 1, classes >= 1 else {
            throw TrainingError(
                "\(side) pixels with channels \(channels): the side must be a multiple of 4 and there must be two convolutions")
        }
        self.side = side
        self.inputChannels = inputChannels
        self.channels = channels
        self.classes = classes
    }

    private var features: Int { channels[1] * side * side / 16 }
    private func inputs(_ layer: Int) -> Int { layer == 0 ? inputChannels : channels[0] }
    private func size(_ layer: Int) -> Int { layer == 0 ? side : side / 2 }

    public var shapes: [[Int]] {
        [[channels[0], inputChannels * 9], [channels[0]], [channels[1], channels[0] * 9], [channels[1]], [classes, features], [classes]]
    }
    public var forwardFLOPsPerSample: Double {
        let first = 18 * side * side * inputChannels * channels[0]
        return Double(first + 18 * side * side / 4 * channels[0] * channels[1] + 2 * features * classes)
    }

    /// Normal with variance 2 / inputs (arXiv:1502.01852), biases zero.
    public func initialParameters(seed: UInt64) -> [Tensor<Double>] {
        var draws = SeededDraws(seed: seed)
        return shapes.map { shape in
            var tensor = Tensor<Double>(zeros: shape)
            if shape.count == 2 { tensor.values = draws.normals(tensor.values.count, deviation: (2 / Double(shape[1])).squareRoot()) }
            return tensor
        }
    }

    private func check<Scalar>(_ parameters: [Tensor<Scalar>], _ batch: Batch) throws(TrainingError) {
        try check(parameters)
        guard batch.inputs.count == batch.labels.count * inputChannels * side * side,
            batch.labels.allSatisfy({ (0..<classes).contains($0) })
        else { throw TrainingError("\(batch.inputs.count) pixels and \(batch.labels.count) labels do not fit images of \(side) x \(side)") }
    }

    public func loss<B: Backend>(_ parameters: [Tensor<B.Scalar>], _ batch: Batch, on backend: B) throws(TrainingError) -> Double {
        try check(parameters, batch)
        let logits = forward(parameters, batch.inputs, on: backend).logits
        var gradient = backend.uninitialized(logits.count)
        return backend.crossEntropy(logits, labels: batch.labels, gradient: &gradient)
    }

    /// Share of the images whose largest output is their label's.
    public func accuracy(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> Double {
        try check(parameters, batch)
        let logits = forward(parameters, batch.inputs, on: ReferenceBackend()).logits
        let right = batch.labels.indices.filter { row in
            let best = (0..<classes).max { (logits[row * classes + $0], $1) < (logits[row * classes + $1], $0) }
            return best == batch.labels[row]
        }
        return Double(right.count) / Double(max(1, batch.labels.count))
    }

    /// What the backward pass needs of the forward pass.
    public struct Pass<B: Backend>: Sendable where B.Scalar: TrainingScalar {
        /// Unfolded patches and outputs before ReLU of each convolution [pixels][...].
        var patches: [[B.Scalar]] = []
        var outputs: [[B.Scalar]] = []
        var features: [B.Scalar] = []
        /// [images][classes]
        public fileprivate(set) var logits: [B.Scalar] = []
    }

    /// The forward pass alone.
    /// - Throws: `TrainingError` where parameters or batch do not fit.
    public func forwardPass<B: Backend>(_ p: [Tensor<B.Scalar>], _ batch: Batch, on backend: B) throws(TrainingError) -> Pass<B> {
        try check(p, batch)
        return forward(p, batch.inputs, on: backend)
    }

    /// The backward pass alone: adds to `gradients`.
    /// - Parameter flow: the gradient by the logits.
    /// - Throws: `TrainingError` where flow, parameters or gradients do not fit.
    public func backwardPass<B: Backend>(
        _ pass: Pass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], gradients: inout [[B.Scalar]], on backend: B
    ) throws(TrainingError) {
        try check(pass, flow, p, gradients)
        var sums = GradientSums<B>(taken(&gradients))
        defer { gradients = taken(&sums.sums) }
        backward(pass, flow, p, &sums, on: backend)
    }

    /// The backward pass up to the gradients by the layers' outputs, B of the zero-bubble schedules; returns what is still to be added to `gradients`.
    /// - Throws: as `backwardPass`.
    public func backwardPassInput<B: Backend>(
        _ pass: Pass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], gradients: inout [[B.Scalar]], on backend: B
    ) throws(TrainingError) -> PostponedGradients<B> {
        try check(pass, flow, p, gradients)
        var sums = GradientSums<B>(taken(&gradients), postpones: true)
        defer { gradients = taken(&sums.sums) }
        backward(pass, flow, p, &sums, on: backend)
        return sums.postponed ?? PostponedGradients()
    }

    private func check<B: Backend>(
        _ pass: Pass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], _ gradients: [[B.Scalar]]
    ) throws(TrainingError) {
        try check(p)
        guard flow.count == pass.logits.count, gradients.map(\.count) == p.map(\.values.count) else {
            throw TrainingError("a gradient of \(flow.count) elements for \(pass.logits.count) logits, or gradients of other sizes")
        }
    }

    /// What a layer reads, and what it writes before pooling.
    private func inputImages(_ layer: Int, _ images: Int) -> ImageShape {
        ImageShape(images: images, height: size(layer), width: size(layer), channels: inputs(layer))
    }
    private func outputImages(_ layer: Int, _ images: Int) -> ImageShape {
        ImageShape(images: images, height: size(layer), width: size(layer), channels: channels[layer])
    }

    /// Images are kept as [image][row][column][channel]; inputs come as [image][channel][row][column].
    private func forward<B: Backend>(_ p: [Tensor<B.Scalar>], _ inputs: [Double], on backend: B) -> Pass<B> {
        var pass = Pass<B>()
        let images = inputs.count / (side * side * inputChannels)
        var x = backend.converted(inputs)
        if inputChannels > 1 {
            var turned = backend.uninitialized(x.count)
            backend.channelsLast(inputImages(0, images), x, into: &turned)
            x = turned
        }
        for layer in 0..<2 {
            let window = ConvolutionShape(inputImages(layer, images))
            var patches = backend.uninitialized(window.rows * window.columns)
            backend.im2col(window, x, into: &patches)
            let y = Dense.linear(patches, p[2 * layer], p[2 * layer + 1].values, on: backend)
            pass.patches.append(patches)
            pass.outputs.append(y)
            let active = Activation.relu.value(y, on: backend)
            x = backend.uninitialized(y.count / 4)
            backend.meanPool(outputImages(layer, images), active, into: &x)
        }
        pass.features = x
        pass.logits = Dense.linear(x, p[4], p[5].values, on: backend)
        return pass
    }

    public func lossAndGradients<B: Backend>(
        _ p: [Tensor<B.Scalar>], _ batch: Batch, on backend: B
    ) throws(TrainingError) -> (loss: Double, gradients: [[B.Scalar]]) {
        try check(p, batch)
        let pass = forward(p, batch.inputs, on: backend)
        var flow = backend.uninitialized(pass.logits.count)
        let loss = backend.crossEntropy(pass.logits, labels: batch.labels, gradient: &flow)
        var g = GradientSums<B>(p.map { backend.zeros($0.values.count) })
        backward(pass, flow, p, &g, on: backend)
        return (loss, g.sums)
    }

    private func backward<B: Backend>(
        _ pass: Pass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], _ g: inout GradientSums<B>, on backend: B
    ) {
        let images = flow.count / classes
        var flow = Dense.linearBackward(flow, x: pass.features, p, at: .init(p, 4), &g, on: backend)
        for layer in [1, 0] {
            var wide = backend.uninitialized(pass.outputs[layer].count)
            backend.meanPoolBackward(outputImages(layer, images), flow, into: &wide)
            Activation.relu.backward(pass.outputs[layer], &wide, on: backend)
            let place = Dense.LinearLayer(p, 2 * layer)
            // Nobody asks for the gradient by the images.
            guard layer > 0 else {
                Dense.linearParameters(wide, x: pass.patches[layer], at: place, &g, on: backend)
                break
            }
            let patches = Dense.linearBackward(wide, x: pass.patches[layer], p, at: place, &g, on: backend)
            flow = backend.uninitialized(inputImages(layer, images).count)
            backend.col2im(ConvolutionShape(inputImages(layer, images)), patches, into: &flow)
        }
    }
}
