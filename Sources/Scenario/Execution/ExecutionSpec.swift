import Plan

/// A training run small enough to be run for real on this machine's CPUs: what `orrery execute` does.
public struct ExecutionSpec: Sendable, Hashable {
    /// The models of module Training, with their sizes.
    public enum Model: Sendable, Hashable {
        /// Inputs, hidden units of each layer, outputs.
        case mlp(sizes: [Int])
        /// Square images of `side` pixels; two convolutions.
        case cnn(side: Int, inputChannels: Int, channels: [Int], classes: Int)
        case gpt(layers: Int, hidden: Int, heads: Int, vocabulary: Int, length: Int)
    }
    /// How gradients cross between replicas.
    public struct Codec: Sendable, Hashable {
        public var compression: GradientCompression
        /// As a scenario writes it, on one line.
        let written: String
    }
    /// How activations and gradients cross between processes.
    public enum Transport: String, Sendable, Hashable, CaseIterable {
        case memory
        /// TCP connections within the machine.
        case socket
    }
    public struct Straggler: Sendable, Hashable {
        public var worker: Int
        /// Its computation takes so many times as long.
        public var slowdown: Double
        public init(worker: Int, slowdown: Double) {
            self.worker = worker
            self.slowdown = slowdown
        }
    }
    public var name: String
    /// Every file that was read for it.
    public var files: [String] = []
    public var model: Model
    public var data = 1
    public var pipeline = 1
    /// Model chunks of each pipeline rank.
    public var virtual = 1
    public var schedule = ScheduleKind.oneForwardOneBackward
    /// Samples of one optimizer step, over all replicas.
    public var batch = 1
    /// Of each replica in a step.
    public var microBatches = 1
    /// Nil: a plain all-reduce of single-precision gradients.
    public var codec: Codec?
    /// sgd, momentum, adam or adamw.
    public var optimizer = OptimizerKind.adamw
    public var transport = Transport.memory
    public var steps = 20
    public var straggler: Straggler?
    public var seed: UInt64 = 1
    /// What was read and cannot matter.
    public var remarks: [String] = []

    public init(name: String, model: Model) {
        self.name = name
        self.model = model
    }

    /// Processes; worker w is pipeline rank w mod `pipeline` of replica w / `pipeline`.
    public var workers: Int { data * pipeline }
    /// Samples of a micro-batch.
    public var samples: Int { batch / max(1, data * microBatches) }
    /// DualPipe's two chunks of a rank are stages that another rank holds too.
    public var virtualStages: Int { pipeline * virtual / schedule.parameterCopies }
    /// Copies of every parameter whose gradients are summed.
    public var copies: Int { data * schedule.parameterCopies }
    /// Linear layers, convolution blocks or transformer layers: what can be cut into stages. A CNN cannot.
    public var layers: Int {
        switch model {
        case .mlp(let sizes): sizes.count - 1
        case .cnn: 1
        case .gpt(let layers, _, _, _, _): layers
        }
    }
    /// Parameters of the whole model.
    public var parameters: Double {
        switch model {
        case .mlp(let sizes): zip(sizes, sizes.dropFirst()).reduce(0) { $0 + (Double($1.0) + 1) * Double($1.1) }
        case .cnn(let side, let inputs, let channels, let classes):
            Double(channels[0]) * Double(9 * inputs + 1) + Double(channels[1]) * Double(9 * channels[0] + 1)
                + Double(classes) * (Double(channels[1]) * Double(side) * Double(side) / 16 + 1)
        case .gpt(let layers, let hidden, _, let vocabulary, let length):
            Double(layers) * (12 * Double(hidden) * Double(hidden) + 13 * Double(hidden))
                + Double(vocabulary + length + 2) * Double(hidden)
        }
    }
    /// Tokens of a sample; 1 where samples are no sequences.
    public var tokensPerSample: Int {
        if case .gpt(_, _, _, _, let length) = model { length } else { 1 }
    }

    /// The spec as one line of YAML that `load(yaml:file:)` reads back.
    public var yaml: String {
        let shape =
            switch model {
            case .mlp(let sizes): "{kind: mlp, sizes: \(sizes)}"
            case .cnn(let side, let inputs, let channels, let classes):
                "{kind: cnn, side: \(side), input_channels: \(inputs), channels: \(channels), classes: \(classes)}"
            case .gpt(let layers, let hidden, let heads, let vocabulary, let length):
                "{kind: gpt, layers: \(layers), hidden: \(hidden), heads: \(heads), vocab: \(vocabulary), sequence: \(length)}"
            }
        var text = "execute: {model: \(shape), data: \(data), pipeline: \(pipeline), virtual: \(virtual), schedule: \(schedule.rawValue)"
        text += ", batch: \(batch), micro_batches: \(microBatches), optimizer: \(optimizer.rawValue), steps: \(steps), seed: \(seed)"
        if let straggler { text += ", straggler: {worker: \(straggler.worker), slowdown: \(straggler.slowdown)}" }
        if transport != .memory { text += ", transport: \(transport.rawValue)" }
        if let codec { text += ", codec: \(codec.written)" }
        return text + "}\n"
    }
}
