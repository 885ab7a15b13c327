import Plan
import Quantities

/// The section `layout`.
enum LayoutSection {
    static var entries: [SchemaEntry] { section.entries }

    private static var section: Section<Layout> { Section(degrees + rules) }

    private static var degrees: [Field<Layout>] {
        let degree = Kind<Int>.integer(1...1_000_000, example: 1)
        return [
            Field("tensor", \.tensor, degree, default: "1", "GPUs that share every matrix"),
            Field("pipeline", \.pipeline, degree, default: "1", "stages that the layers are cut into"),
            Field("virtual", \.virtual, .integer(1...10_000, example: 1), default: "1", "model chunks of each pipeline rank"),
            Field("context", \.context, degree, default: "1", "GPUs that share a sequence"),
            Field("expert", \.expert, degree, default: "1", "GPUs that share a layer's experts"),
            Field("expert_tensor", \.expertTensor, degree, default: "1", "GPUs that share every expert's matrices"),
            Field("data", \.data, degree.or("auto"), default: "gpus / (tensor x pipeline x context)", "replicas of the model"),
            Field("shard_group", \.shardGroup, degree.or("all"), default: "all", "replicas that share one sharded copy (hybrid sharding)"),
        ]
    }

    private static var rules: [Field<Layout>] {
        [
            Field(
                "sequence_parallel", \.sequenceParallel, .flag, default: "false",
                "norms and residuals are split over the tensor group (arXiv:2205.05198)"),
            Field(
                "zero", \.zero, .integer(0...3, example: 1), default: "0",
                "0 replicas; sharded: 1 optimizer, 2 and gradients, 3 and parameters (FSDP)"),
            Field("schedule", \.schedule, .choice, default: "1f1b; interleaved when virtual is above 1", "order of the pipeline"),
            Field(
                "stage_layers", \.stageLayers, Kind.list(of: .integer(0...10_000), atMost: 100_000).or("auto"), default: "auto",
                "layers of each virtual stage, in order of depth"),
            Field("overlap", \.overlap, overlap, "communication that runs beside computation; default: as the software does"),
            Field(
                "bucket", \.bucket, Kind<Bytes>.quantity.requiring("is no size of a bucket", "write for instance 40 MB") { $0.count > 0 },
                default: "40 MB", "gradients that are reduced together"),
            Field("offload", \.offload, .choice, default: "none", "state that lives in the host's memory"),
        ]
    }

    private static var overlap: Section<Layout.Overlap> {
        Section([
            Field("grad_reduce", \.gradReduce, .flag, default: "software's", "reduction of gradients beside the backward pass"),
            Field("param_gather", \.paramGather, .flag, default: "software's", "gathering of parameters beside the forward pass"),
            Field("tensor", \.tensor, .flag, default: "software's", "tensor-parallel collectives beside matrix products"),
            Field("pipeline", \.pipeline, .flag, default: "software's", "sends between stages beside computation"),
        ])
    }

    static func read(_ item: Item, _ reader: inout Reader) -> Layout {
        var layout = Layout()
        section.read(item, into: &layout, &reader)
        if layout.virtual > 1, item.tree["schedule"] == nil { layout.schedule = .interleaved }
        return layout
    }
}
