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
            Field(
                "tensor_algorithm", \.tensorAlgorithm, .choice, default: "1d",
                "how a matrix is cut: by columns and rows, as a square grid (arXiv:2104.05343), as several grids (arXiv:2105.14500)"),
            Field("tensor_depth", \.tensorDepth, .integer(1...1000, example: 1), default: "1", "grids of 2.5d"),
            Field(
                "context_exchange", \.contextExchange, .choice, default: "ring",
                "context ranks pass keys and values round, or exchange sequence for heads (arXiv:2309.14509)"),
            Field(
                "context_order", \.contextOrder, .choice, default: "zigzag",
                "tokens of a context rank: an early and a late piece, or one run, of which causal masks leave the last rank most work"),
            Field("expert_dispatch", \.expertDispatch, dispatch, "how tokens travel to experts"),
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
            Field(
                "schedule", \.ordering, ordering, default: "1f1b; interleaved when virtual is above 1",
                "order of the pipeline: one by name, or one from a file (docs/layouts.md)"),
            Field(
                "stage_layers", \.dealt, stageLayers, default: "auto",
                "layers of each virtual stage, in order of depth; dealt by the stack's rule, or for the least time or memory of the worst stage"
            ),
            Field("overlap", \.overlap, overlap, "communication that runs beside computation; default: as the software does"),
            Field(
                "bucket", \.bucketSize, bucket, default: "40 MB",
                "gradients that are reduced together; groups: tensors below 16 MB one by one in the backward pass, larger ones alone beside it"
            ),
            Field(
                "reshard_after_forward", \.reshardAfterForward, .flag, default: "true; false for torchtitan with a pipeline",
                "with zero 3: gathered parameters are dropped behind the forward pass; else parameters and gradients stay whole until the step's end"
            ),
            Field(
                "memory_margin", \.memoryMargin, .ratio(0...0.9, example: "5%"), default: "5%",
                "share of a GPU's usable memory that searches and suggestions leave free; a run that leaves less is remarked on"),
            Field(
                "offload", \.offloading, offload, default: "none",
                "state that lives on the host: optimizer (arXiv:2101.06840) or parameters too (arXiv:2104.07857), in memory or on drives"),
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

    private static var dispatch: Section<Layout.ExpertDispatch> {
        Section([
            Field(
                "deduplicate", \.deduplicated, .flag, default: "false",
                "a token crosses the network once a node and is copied there (arXiv:2412.19437 section 3.2.2)"),
            Field(
                "precision", \.precision, .choice([.fp8, .bf16, .fp16]), default: "that of activations",
                "format of tokens on the way to experts; results come back in 16 bits"),
        ])
    }

    private static var ordering: Kind<Layout.Ordering> {
        Section<Layout.Ordering>([
            Field("file", \.order, orderFile, default: "none", "path, relative to this file, of a schedule that orders every pass")
        ]).kind(Layout.Ordering(), name: "{file: path}")
            .requiring("names no file", "write {file: my.schedule}") { $0.order != nil }
            .abbreviated(by: Kind<ScheduleKind>.choice.map { Layout.Ordering(kind: $0) })
    }

    private static var orderFile: Kind<PipelineSchedule> {
        Kind("path", example: "my.schedule") { item, reader in
            guard let full = reader.path(item, example: "my.schedule") else { return nil }
            do throws(ScheduleError) {
                let order = try PipelineSchedule.read(from: full)
                guard order.placementKind != nil else {
                    throw ScheduleError("\(full): the stages stand on the ranks in a way that no layout has")
                }
                return order
            } catch {
                reader.report(
                    item, error.message,
                    "see what is right with orrery schedule: rank r holds stages r, r + p, ..., or r and 2 p - 1 - r, of p ranks")
                return nil
            }
        }
    }

    private static var stageLayers: Kind<Layout.Dealt> {
        let list = Kind.list(of: .integer(0...10_000), atMost: 100_000).map { Layout.Dealt(layers: $0) }
        let word = Kind<Layout.StageDeal>.choice.map { Layout.Dealt(deal: $0) }
        return Kind("\(word.name), or \(list.name)", example: "auto") { item, reader in
            if case .sequence = item.tree.content { return list.read(item, &reader) }
            return word.read(item, &reader)
        }
    }

    private static var bucket: Kind<Layout.BucketSize> {
        let size = Kind<Bytes>.quantity.requiring("is no size of a bucket", "write for instance 40 MB, or groups") { $0.count > 0 }
            .map { Layout.BucketSize(size: $0) }
        return Kind("\(size.name), or groups", example: size.example) { item, reader in
            if case .scalar("groups", _) = item.tree.content { return Layout.BucketSize(size: nil) }
            return size.read(item, &reader)
        }
    }

    private static var offload: Kind<Layout.Offloading> {
        Section<Layout.Offloading>([
            Field(
                "what", \.what, .choice, default: "optimizer",
                "what leaves the device: optimizer state; parameters too; or activations between their forward and their backward pass"),
            Field(
                "share", \.share, .ratio(0.01...1, example: "50 %"), default: "100 %",
                "of the optimizer's state; the rest stays on the device"),
            Field("layers", \.layers, .integer(1...10_000, example: 10), default: "all", "layers of each stage whose activations leave"),
            Field("to", \.target, .choice, default: "cpu", "the host's memory, or its drives"),
        ]).kind(Layout.Offloading(what: .optimizer), name: "{what:, to:, share:, layers:}")
            .abbreviated(by: Kind<Layout.Offload>.choice.map { Layout.Offloading(what: $0) })
    }

    static func read(_ item: Item, _ reader: inout Reader) -> Layout {
        var layout = Layout()
        section.read(item, into: &layout, &reader)
        if layout.virtual > 1, item.tree["schedule"] == nil { layout.schedule = .interleaved }
        // A file says how many ranks and chunks it orders.
        if let order = layout.order {
            if item.tree["pipeline"] == nil { layout.pipeline = order.ranks.count }
            if item.tree["virtual"] == nil, layout.schedule == .interleaved { layout.virtual = order.chunks }
        }
        return layout
    }
}

/// Keys that fill several values of a layout at once.
extension Layout {
    fileprivate struct Ordering {
        var kind = ScheduleKind.oneForwardOneBackward
        var order: PipelineSchedule?
    }
    fileprivate struct Dealt {
        var layers: [Int]?
        var deal = StageDeal.auto
    }
    fileprivate struct BucketSize {
        /// Nil: by the size of each tensor.
        var size: Bytes?
    }
    fileprivate struct Offloading {
        var what = Offload.none
        var target = OffloadTarget.cpu
        var share = 1.0
        var layers: Int?
    }

    fileprivate var ordering: Ordering {
        get { Ordering(kind: schedule, order: order) }
        set {
            order = newValue.order
            schedule = newValue.order?.placementKind ?? newValue.kind
        }
    }
    fileprivate var dealt: Dealt {
        get { Dealt(layers: stageLayers, deal: stageDeal) }
        set { (stageLayers, stageDeal) = (newValue.layers, newValue.deal) }
    }
    fileprivate var bucketSize: BucketSize {
        get { BucketSize(size: bucketing == .groups ? nil : bucket) }
        set {
            bucketing = newValue.size == nil ? .groups : .fixed
            bucket = newValue.size ?? bucket
        }
    }
    fileprivate var offloading: Offloading {
        get { Offloading(what: offload, target: offloadTarget, share: offloadShare, layers: offloadLayers) }
        set { (offload, offloadTarget, offloadShare, offloadLayers) = (newValue.what, newValue.target, newValue.share, newValue.layers) }
    }
}
