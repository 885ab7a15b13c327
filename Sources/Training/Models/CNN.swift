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

    private func check(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) {
        try check(parameters)
        guard batch.inputs.count == batch.labels.count * inputChannels * side * side,
            batch.labels.allSatisfy({ (0..<classes).contains($0) })
        else { throw TrainingError("\(batch.inputs.count) pixels and \(batch.labels.count) labels do not fit images of \(side) x \(side)") }
    }

    public func loss(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> Double {
        try check(parameters, batch)
        return Dense.crossEntropy(forward(parameters, batch.inputs).logits, labels: batch.labels).loss
    }

    /// Share of the images whose largest output is their label's.
    public func accuracy(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> Double {
        try check(parameters, batch)
        let logits = forward(parameters, batch.inputs).logits
        let right = batch.labels.indices.filter { row in
            let best = (0..<classes).max { (logits[row * classes + $0], $1) < (logits[row * classes + $1], $0) }
            return best == batch.labels[row]
        }
        return Double(right.count) / Double(max(1, batch.labels.count))
    }

    private struct Pass {
        /// Unfolded patches and outputs before ReLU of each convolution [pixels][...].
        var patches: [[Double]] = []
        var outputs: [[Double]] = []
        var features: [Double] = []
        var logits: [Double] = []
    }

    /// Images are kept as [image][row][column][channel]; inputs come as [image][channel][row][column].
    private func forward(_ p: [Tensor<Double>], _ inputs: [Double]) -> Pass {
        var pass = Pass()
        let pixels = side * side
        var x = inputs
        for image in 0..<inputs.count / (pixels * inputChannels) {
            let at = image * pixels * inputChannels
            for i in 0..<pixels { for c in 0..<inputChannels { x[at + i * inputChannels + c] = inputs[at + c * pixels + i] } }
        }
        for layer in 0..<2 {
            let patches = unfold(x, size: size(layer), channels: self.inputs(layer))
            let y = Dense.linear(patches, p[2 * layer], p[2 * layer + 1].values)
            pass.patches.append(patches)
            pass.outputs.append(y)
            x = pool(y.map { max(0, $0) }, size: size(layer), channels: channels[layer])
        }
        pass.features = x
        pass.logits = Dense.linear(x, p[4], p[5].values)
        return pass
    }

    public func lossAndGradients(
        _ p: [Tensor<Double>], _ batch: Batch
    ) throws(TrainingError) -> (loss: Double, gradients: [[Double]]) {
        try check(p, batch)
        let pass = forward(p, batch.inputs)
        let (loss, dLogits) = Dense.crossEntropy(pass.logits, labels: batch.labels)
        var g = p.map { [Double](repeating: 0, count: $0.values.count) }
        var dw = g[4]
        var flow = Dense.linearBackward(dLogits, x: pass.features, w: p[4], dw: &dw, db: &g[5])
        g[4] = dw
        for layer in [1, 0] {
            flow = unpool(flow, size: size(layer), channels: channels[layer])
            for i in flow.indices where pass.outputs[layer][i] <= 0 { flow[i] = 0 }
            dw = g[2 * layer]
            flow = Dense.linearBackward(flow, x: pass.patches[layer], w: p[2 * layer], dw: &dw, db: &g[2 * layer + 1])
            g[2 * layer] = dw
            if layer == 1 { flow = fold(flow, size: size(layer), channels: inputs(layer)) }
        }
        return (loss, g)
    }

    /// Calls `body` with the position in the patches and in the image of every pixel that a 3 x 3 window with zero padding reads.
    private func windows(images: Int, size: Int, channels: Int, _ body: (_ patch: Int, _ pixel: Int) -> Void) {
        for image in 0..<images {
            for row in 0..<size {
                for column in 0..<size {
                    let patch = ((image * size + row) * size + column) * channels * 9
                    for offset in 0..<9 {
                        let (r, c) = (row + offset / 3 - 1, column + offset % 3 - 1)
                        guard r >= 0, r < size, c >= 0, c < size else { continue }
                        let pixel = ((image * size + r) * size + c) * channels
                        for channel in 0..<channels { body(patch + channel * 9 + offset, pixel + channel) }
                    }
                }
            }
        }
    }

    private func unfold(_ x: [Double], size: Int, channels: Int) -> [Double] {
        var patches = [Double](repeating: 0, count: x.count * 9)
        windows(images: x.count / (size * size * channels), size: size, channels: channels) { patches[$0] = x[$1] }
        return patches
    }

    private func fold(_ patches: [Double], size: Int, channels: Int) -> [Double] {
        var x = [Double](repeating: 0, count: patches.count / 9)
        windows(images: x.count / (size * size * channels), size: size, channels: channels) { x[$1] += patches[$0] }
        return x
    }

    /// Position of the pooled element that element `i` of an image-major buffer belongs to.
    private func pooled(_ i: Int, size: Int, channels: Int) -> Int {
        let (channel, pixel) = (i % channels, i / channels)
        let (column, row, image) = (pixel % size, pixel / size % size, pixel / (size * size))
        return ((image * (size / 2) + row / 2) * (size / 2) + column / 2) * channels + channel
    }

    private func pool(_ x: [Double], size: Int, channels: Int) -> [Double] {
        var y = [Double](repeating: 0, count: x.count / 4)
        for i in x.indices { y[pooled(i, size: size, channels: channels)] += 0.25 * x[i] }
        return y
    }

    private func unpool(_ dy: [Double], size: Int, channels: Int) -> [Double] {
        (0..<dy.count * 4).map { 0.25 * dy[pooled($0, size: size, channels: channels)] }
    }
}
