import Kernels

extension MLP {
    /// What the backward pass over a range of linear layers needs of the forward pass: one stage of a pipeline, or the whole model.
    public struct StagePass<B: Backend>: Sendable where B.Scalar: TrainingScalar {
        let layers: Range<Int>
        /// What each layer of the range reads.
        var read: [[B.Scalar]] = []
        /// The stage's input, then each layer's output before the activation.
        var inner: [[B.Scalar]]
        /// [samples][units] before the activation; behind the last layer the model's outputs.
        public var output: [B.Scalar] { inner.last ?? [] }
    }

    /// One stage's forward pass.
    /// - Parameters:
    ///   - input: samples for the stage of the first layer, else the previous stage's output, [samples][units].
    ///   - layers: a range of the model's linear layers.
    /// - Throws: `TrainingError` where parameters, layers or input do not fit the model.
    public func stageForward<B: Backend>(
        _ p: [Tensor<B.Scalar>], input: [B.Scalar], layers: Range<Int>, on backend: B
    ) throws(TrainingError) -> StagePass<B> {
        try check(p)
        guard layers.lowerBound >= 0, layers.upperBound <= self.layers, !layers.isEmpty, input.count % sizes[layers.lowerBound] == 0 else {
            throw TrainingError("a stage of the layers \(layers) with \(input.count) inputs in a perceptron of sizes \(sizes)")
        }
        return forward(p, input, layers: layers, on: backend)
    }

    /// One stage's backward pass: adds to `gradients` and returns the gradient by the stage's input, empty for the first stage.
    /// - Throws: `TrainingError` where flow, parameters or gradients do not fit.
    public func stageBackward<B: Backend>(
        _ pass: StagePass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], gradients: inout [[B.Scalar]], on backend: B
    ) throws(TrainingError) -> [B.Scalar] {
        try check(pass, flow, p, gradients)
        var sums = GradientSums<B>(taken(&gradients))
        defer { gradients = taken(&sums.sums) }
        return backward(pass, flow, p, &sums, on: backend)
    }

    /// The part of `stageBackward` that the previous stage waits for, B of the zero-bubble schedules.
    /// - Returns: the gradient by the stage's input, and what is still to be added to `gradients`.
    /// - Throws: as `stageBackward`.
    public func stageBackwardInput<B: Backend>(
        _ pass: StagePass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], gradients: inout [[B.Scalar]], on backend: B
    ) throws(TrainingError) -> (flow: [B.Scalar], rest: PostponedGradients<B>) {
        try check(pass, flow, p, gradients)
        var sums = GradientSums<B>(taken(&gradients), postpones: true)
        defer { gradients = taken(&sums.sums) }
        let flow = backward(pass, flow, p, &sums, on: backend)
        return (flow, sums.postponed ?? PostponedGradients())
    }

    private func check<B: Backend>(
        _ pass: StagePass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], _ gradients: [[B.Scalar]]
    ) throws(TrainingError) {
        try check(p)
        guard flow.count == pass.output.count, gradients.map(\.count) == p.map(\.values.count) else {
            throw TrainingError("a gradient of \(flow.count) elements for an output of \(pass.output.count), or gradients of other sizes")
        }
    }

    func forward<B: Backend>(_ p: [Tensor<B.Scalar>], _ input: [B.Scalar], layers: Range<Int>, on backend: B) -> StagePass<B> {
        var pass = StagePass<B>(layers: layers, inner: [input])
        for (index, layer) in layers.enumerated() {
            pass.read.append(layer > 0 ? activation.value(pass.inner[index], on: backend) : input)
            pass.inner.append(Dense.linear(pass.read[index], p[2 * layer], p[2 * layer + 1].values, on: backend))
        }
        return pass
    }

    func backward<B: Backend>(
        _ pass: StagePass<B>, _ flow: [B.Scalar], _ p: [Tensor<B.Scalar>], _ gradients: inout GradientSums<B>, on backend: B
    ) -> [B.Scalar] {
        var flow = flow
        for (index, layer) in pass.layers.enumerated().reversed() {
            let place = Dense.LinearLayer(p, 2 * layer)
            // Nobody asks for the gradient by the input.
            guard layer > 0 else {
                Dense.linearParameters(flow, x: pass.read[index], at: place, &gradients, on: backend)
                return []
            }
            flow = Dense.linearBackward(flow, x: pass.read[index], p, at: place, &gradients, on: backend)
            activation.backward(pass.inner[index], &flow, on: backend)
        }
        return flow
    }
}
