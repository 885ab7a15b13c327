import Kernels
import Scenario
import Training

/// A model cut into virtual stages, and the part of the data that a micro-batch holds.
struct StagedModel: Sendable {
    enum Kind: Sendable {
        case mlp(MLP)
        case cnn(CNN)
        case gpt(GPT)
    }
    let kind: Kind
    let spec: ExecutionSpec
    let shapes: [[Int]]
    /// Layers of each virtual stage.
    let ranges: [Range<Int>]

    init(_ spec: ExecutionSpec) throws(ExecutionError) {
        self.spec = spec
        do throws(TrainingError) {
            switch spec.model {
            case .mlp(let sizes): kind = .mlp(try MLP(sizes: sizes))
            case .cnn(let side, let inputs, let channels, let classes):
                kind = .cnn(try CNN(side: side, inputChannels: inputs, channels: channels, classes: classes))
            case .gpt(let layers, let hidden, let heads, let vocabulary, let length):
                kind = .gpt(try GPT(vocabulary: vocabulary, length: length, width: hidden, heads: heads, layers: layers))
            }
        } catch { throw ExecutionError(.refused, error.message) }
        switch kind {
        case .mlp(let model): shapes = model.shapes
        case .cnn(let model): shapes = model.shapes
        case .gpt(let model): shapes = model.shapes
        }
        let stages = spec.virtualStages
        ranges = (0..<stages).map { (spec.layers * $0 / stages)..<(spec.layers * ($0 + 1) / stages) }
    }

    var last: Int { ranges.count - 1 }

    /// Parameter tensors that a virtual stage trains. A GPT's embedding belongs to the first and to the last.
    func tensors(_ stage: Int) -> [Int] {
        let layers = ranges[stage]
        switch kind {
        case .mlp: return layers.flatMap { [2 * $0, 2 * $0 + 1] }
        case .cnn: return Array(shapes.indices)
        case .gpt:
            let inner = layers.flatMap { layer in (0..<12).map { 2 + 12 * layer + $0 } }
            let head = stage == last ? [0, shapes.count - 2, shapes.count - 1] : []
            return Array(Set((stage == 0 ? [0, 1] : []) + inner + head)).sorted()
        }
    }
    func elements(_ tensors: [Int]) -> Int { tensors.reduce(0) { $0 + shapes[$1].reduce(1, *) } }

    /// Whether the embedding's gradient is summed over the first and the last stage.
    var isTied: Bool {
        if case .gpt = kind { last > 0 && spec.pipeline > 1 } else { false }
    }

    /// Elements of a micro-batch between stage and stage + 1.
    func boundary(_ stage: Int) -> Int {
        switch spec.model {
        case .mlp(let sizes): spec.samples * sizes[ranges[stage].upperBound]
        case .cnn: 0
        case .gpt(_, let hidden, _, _, let length): spec.samples * length * hidden
        }
    }

    var initialParameters: [Tensor<Float>] {
        get throws(ExecutionError) {
            do throws(KernelError) {
                let cpu = try CPUBackend(threads: 1)
                return switch kind {
                case .mlp(let model): model.initialParameters(seed: spec.seed, on: cpu)
                case .cnn(let model): model.initialParameters(seed: spec.seed, on: cpu)
                case .gpt(let model): model.initialParameters(seed: spec.seed, on: cpu)
                }
            } catch { throw ExecutionError(.refused, error.message) }
        }
    }

    /// Samples of one micro-batch, the same however the batch is cut: sample i of the step has draws of its own.
    struct Data: Sendable {
        var inputs: [Double] = []
        var floats: [Float] = []
        var labels: [Int] = []
        var tokens: [Int] = []
    }
    func data(replica: Int, microBatch: Int) -> Data {
        let first = (replica * spec.microBatches + microBatch) * spec.samples
        var data = Data()
        for sample in first..<first + spec.samples {
            var draws = SeededDraws(seed: spec.seed &* 0x9E37_79B9 &+ UInt64(sample) &* 0x1000_0000_01B3)
            switch spec.model {
            case .mlp(let sizes):
                data.inputs += draws.normals(sizes[0])
                data.labels.append(Int(draws.next() % UInt64(sizes[sizes.count - 1])))
            case .cnn(let side, let inputs, _, let classes):
                data.inputs += draws.normals(side * side * inputs)
                data.labels.append(Int(draws.next() % UInt64(classes)))
            case .gpt(_, _, _, let vocabulary, let length):
                // The next token is often a function of this one, so that there is something to learn.
                var token = Int(draws.next() % UInt64(vocabulary))
                for _ in 0..<length {
                    data.tokens.append(token)
                    token = draws.next() % 4 == 0 ? Int(draws.next() % UInt64(vocabulary)) : (5 * token + 3) % vocabulary
                    data.labels.append(token)
                }
            }
        }
        if case .mlp = kind {
            data.floats = data.inputs.map { Float($0) }
            data.inputs = []
        }
        return data
    }

    /// FLOPs of the matrix products of a step: three times the forward pass.
    var stepFLOPs: Double {
        let forward =
            switch kind {
            case .mlp(let model): model.forwardFLOPsPerSample
            case .cnn(let model): model.forwardFLOPsPerSample
            case .gpt(let model): model.forwardFLOPsPerSample
            }
        return 3 * forward * Double(spec.batch)
    }
}

/// The passes of one virtual stage, on a machine or on a backend that lists calls.
struct StageRunner<B: Backend>: Sendable where B.Scalar == Float {
    let model: StagedModel
    let backend: B

    enum Saved: Sendable {
        case mlp(MLP.StagePass<B>)
        case cnn(CNN.Pass<B>)
        case gpt(GPT.StagePass<B>)
    }
    /// What a forward pass leaves for the backward pass; behind the last layer also the loss and the gradient by the outputs.
    struct Pass: Sendable {
        var saved: Saved
        var loss = 0.0
        var flow: [Float] = []
        var output: [Float] {
            switch saved {
            case .mlp(let pass): pass.output
            case .cnn(let pass): pass.logits
            case .gpt(let pass): pass.output
            }
        }
    }

    func forward(
        _ stage: Int, _ parameters: [Tensor<Float>], _ data: StagedModel.Data, input: [Float]
    ) throws(TrainingError) -> Pass {
        let layers = model.ranges[stage]
        var pass: Pass
        switch model.kind {
        case .mlp(let mlp):
            pass = Pass(
                saved: .mlp(try mlp.stageForward(parameters, input: stage == 0 ? data.floats : input, layers: layers, on: backend)))
        case .cnn(let cnn):
            pass = Pass(saved: .cnn(try cnn.forwardPass(parameters, .init(inputs: data.inputs, labels: data.labels), on: backend)))
        case .gpt(let gpt):
            pass = Pass(saved: .gpt(try gpt.stageForward(parameters, tokens: data.tokens, layers: layers, input: input, on: backend)))
        }
        guard stage == model.last else { return pass }
        let logits = pass.output
        pass.flow = backend.uninitialized(logits.count)
        pass.loss = backend.crossEntropy(logits, labels: data.labels, gradient: &pass.flow)
        return pass
    }

    /// Adds to `gradients`; returns the gradient by the stage's input.
    func backward(
        _ pass: Pass, _ flow: [Float], _ parameters: [Tensor<Float>], _ gradients: inout [[Float]]
    ) throws(TrainingError) -> [Float] {
        switch (model.kind, pass.saved) {
        case (.mlp(let mlp), .mlp(let saved)): return try mlp.stageBackward(saved, flow, parameters, gradients: &gradients, on: backend)
        case (.cnn(let cnn), .cnn(let saved)):
            try cnn.backwardPass(saved, flow, parameters, gradients: &gradients, on: backend)
            return []
        case (.gpt(let gpt), .gpt(let saved)): return try gpt.stageBackward(saved, flow, parameters, gradients: &gradients, on: backend)
        default: throw TrainingError("a backward pass of another model than the forward pass")
        }
    }

    /// As `backward`, leaving the gradients by the weights for later.
    func backwardInput(
        _ pass: Pass, _ flow: [Float], _ parameters: [Tensor<Float>], _ gradients: inout [[Float]]
    ) throws(TrainingError) -> (flow: [Float], rest: PostponedGradients<B>) {
        switch (model.kind, pass.saved) {
        case (.mlp(let mlp), .mlp(let saved)):
            return try mlp.stageBackwardInput(saved, flow, parameters, gradients: &gradients, on: backend)
        case (.cnn(let cnn), .cnn(let saved)):
            return ([], try cnn.backwardPassInput(saved, flow, parameters, gradients: &gradients, on: backend))
        case (.gpt(let gpt), .gpt(let saved)):
            return try gpt.stageBackwardInput(saved, flow, parameters, gradients: &gradients, on: backend)
        default: throw TrainingError("a backward pass of another model than the forward pass")
        }
    }
}
