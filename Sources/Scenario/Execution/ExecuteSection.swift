import Plan

/// The section `execute`: what `orrery execute` needs and no other section says.
enum ExecuteSection {
    enum ModelKind: String, CaseIterable { case mlp, cnn, gpt }
    struct ModelDraft {
        var kind: ModelKind?
        var sizes: [Int]?
        var side = 28
        var inputChannels = 1
        var channels = [8, 16]
        var classes = 10
        var layers: Int?
        var hidden: Int?
        var heads: Int?
        var vocabulary: Int?
        var length: Int?
    }
    struct StragglerDraft {
        var worker: Int?
        var slowdown: Double?
    }
    struct Draft {
        var model = ModelDraft()
        var data: Int?
        var pipeline: Int?
        var virtual: Int?
        var schedule: ScheduleKind?
        var batch: Int?
        var microBatches: Int?
        var codec: ExecutionSpec.Codec??
        var optimizer: OptimizerKind?
        var steps: Int?
        var transport = ExecutionSpec.Transport.memory
        var straggler = StragglerDraft()
        var seed: UInt64 = 1
    }

    static var entries: [SchemaEntry] { section.entries }
    private static var degree: Kind<Int> { .integer(1...64, example: 1) }

    private static var section: Section<Draft> {
        Section([
            Field("model", \.model, model, "a small model that really trains; default: the section model as a GPT"),
            Field("data", \.data, degree, default: "layout.data, else 1", "replicas, each a process or several"),
            Field("pipeline", \.pipeline, degree, default: "layout.pipeline, else 1", "processes that a replica is cut over"),
            Field("virtual", \.virtual, .integer(1...16, example: 1), default: "layout.virtual, else 1", "model chunks of each process"),
            Field(
                "schedule", \.schedule, .choice(schedules), default: "layout.schedule, else 1f1b; interleaved when virtual is above 1",
                "order of the pipeline"),
            Field("batch", \.batch, .integer(1...1_000_000, example: 16), default: "training.global_batch", "samples of a step"),
            Field(
                "micro_batches", \.microBatches, .integer(1...4096, example: 1),
                default: "batch / (data x training.micro_batch), else 1", "of each replica in a step"),
            Field(
                "codec", codecPath, codec, default: "training.compression, else none",
                "how gradients cross between replicas, written as training.compression"),
            Field(
                "optimizer", \.optimizer, .choice(optimizers), default: "training.optimizer, else adamw", "rule of the update"),
            Field(
                "transport", \.transport, .choice, default: "memory",
                "how activations and gradients cross: memory that the processes share, or TCP connections within the machine"),
            Field("steps", \.steps, .integer(1...100_000, example: 20), default: "20", "measured steps; two more come before them"),
            Field("straggler", \.straggler, straggler, "one process that computes more slowly"),
            Field("seed", \.seed, seed, default: "1", "of initial values and data"),
        ])
    }
    /// All that name an order; `auto` chooses by the costs of a cluster.
    static let schedules = ScheduleKind.allCases.filter { $0 != .auto }
    static let optimizers: [OptimizerKind] = [.sgd, .momentum, .adam, .adamw]
    private static var codecPath: WritableKeyPath<Draft, ExecutionSpec.Codec??> { \.codec }

    private static var model: Section<ModelDraft> {
        let size = Kind<Int>.integer(1...1_000_000, example: 256)
        return Section([
            Field("kind", \.kind, .choice, default: "required", "a perceptron, a convolutional classifier or a transformer"),
            Field(
                "sizes", \.sizes,
                .list(of: size, atMost: 1000).requiring("are too few sizes", "write [784, 256, 10]: inputs, hidden, outputs") {
                    $0.count >= 2
                },
                default: "required for mlp", "inputs, hidden units of each layer, outputs"),
            Field(
                "side", \.side, Kind.integer(4...4096, example: 28).requiring("is no multiple of 4", "write 28 or 32") { $0 % 4 == 0 },
                default: "28", "pixels a side of a CNN's images"),
            Field("input_channels", \.inputChannels, .integer(1...4096, example: 1), default: "1", "channels of a CNN's images"),
            Field(
                "channels", \.channels,
                .list(of: .integer(1...4096, example: 8), atMost: 16)
                    .requiring("does not name two convolutions", "write [8, 16]") { $0.count == 2 },
                default: "[8, 16]", "outputs of a CNN's two convolutions"),
            Field("classes", \.classes, size, default: "10", "classes of a CNN"),
            Field("layers", \.layers, .integer(1...1000, example: 4), default: "required for gpt", "transformer layers"),
            Field("hidden", \.hidden, size, default: "required for gpt", "width of the residual stream"),
            Field("heads", \.heads, .integer(1...4096, example: 4), default: "required for gpt", "attention heads"),
            Field("vocab", \.vocabulary, size, default: "required for gpt", "rows of the embedding table"),
            Field("sequence", \.length, .integer(1...65536, example: 128), default: "required for gpt", "tokens of a sample"),
        ])
    }

    private static var straggler: Section<StragglerDraft> {
        Section([
            Field("worker", \.worker, .integer(0...63, example: 0), default: "required", "number of the process, from 0"),
            Field(
                "slowdown", \.slowdown, .ratio(1...100, example: "1.5"), default: "required", "its computation takes so many times as long"),
        ])
    }

    private static var seed: Kind<UInt64> {
        Kind("whole number, 0 to \(Int.max)", example: "1") { item, reader in
            Kind.integer(0...Int.max, example: 1).read(item, &reader).map { UInt64($0) }
        }
    }

    /// As `training.compression`, keeping how it is written for the workers.
    private static var codec: Kind<ExecutionSpec.Codec?> {
        let kind = CompressionSection.kind
        return Kind<ExecutionSpec.Codec?>(kind.name, example: kind.example, children: kind.children) { item, reader in
            kind.read(item, &reader).map { $0.map { ExecutionSpec.Codec(compression: $0, written: item.tree.written) } }
        }
    }

    /// Reports what is wrong with the section by itself.
    static func draft(_ item: Item, _ reader: inout Reader) -> Draft {
        var draft = Draft()
        section.read(item, into: &draft, &reader)
        return draft
    }
}
