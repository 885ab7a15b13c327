import Plan
import Workload

extension ExecutionSpec {
    /// Reads what `orrery execute` runs from a scenario file: the section `execute`, and model, layout and training where it is silent. The
    /// other sections need not be there. A file with `vary` or `zip` gives one spec a point.
    /// - Throws: `ScenarioErrors` with every fault, at its place.
    public static func load(path: String, overrides: [String] = []) throws(ScenarioErrors) -> [ExecutionSpec] {
        try load(ScenarioDocument(path: path), overrides)
    }

    /// As `load(path:)` for a text; `file` names it in messages.
    public static func load(yaml: String, file: String, overrides: [String] = []) throws(ScenarioErrors) -> [ExecutionSpec] {
        try load(ScenarioDocument(yaml: yaml, file: file), overrides)
    }

    private static func load(_ document: ScenarioDocument, _ overrides: [String]) throws(ScenarioErrors) -> [ExecutionSpec] {
        var (tree, errors) = Overrides.apply(overrides, to: document.tree)
        let axes = Axes.take(from: &tree, &errors)
        var specs: [ExecutionSpec] = []
        for point in axes.points where errors.count < 1000 {
            var reader = ExecutionReader(tree: tree.with(point))
            if var spec = reader.read(name: document.name) {
                let values = point.map { "\($0.key.split(separator: ".").last ?? "")=\($0.value.written)" }
                spec.files = tree.files + reader.reader.files
                if !values.isEmpty { spec.name += " " + values.joined(separator: " ") }
                specs.append(spec)
            }
            errors += reader.reader.errors
        }
        guard errors.isEmpty else { throw ScenarioErrors(errors) }
        return specs
    }
}

/// Puts a spec together from the sections of a file.
struct ExecutionReader {
    let tree: Tree
    var reader = Reader(library: .standard)
    private static let mostParameters = 3e8
    private static let mostActivations = 1e9

    init(tree: Tree) { self.tree = tree }

    private func section(_ key: String) -> Item? { tree[key].map { Item(tree: $0.value, path: key) } }
    private mutating func report(_ keyPath: String, _ reason: String, _ advice: String) {
        reader.report(tree.place(of: keyPath.split(separator: ".").map(String.init)), keyPath, reason, advice)
    }

    /// - Returns: nil when a fault was reported.
    mutating func read(name: String) -> ExecutionSpec? {
        guard tree.entries != nil, tree.entry(at: ["execute", "model"]) != nil || tree["model"] != nil else {
            reader.report(
                tree["execute"]?.place ?? tree.place, "execute", "the file says neither execute.model nor model",
                "write execute: {model: {kind: mlp, sizes: [784, 256, 10]}, batch: 64}")
            return nil
        }
        for entry in tree.entries ?? [] where !ScenarioReader.entries.contains(where: { $0.keyPath == entry.key }) {
            reader.report(
                entry.place, entry.key, "unknown key \"\(entry.key)\"",
                suggestion(for: entry.key, in: ["execute", "model", "layout", "training", "name"]))
        }
        let draft = section("execute").map { ExecuteSection.draft($0, &reader) } ?? ExecuteSection.Draft()
        let layout = section("layout").map { LayoutSection.read($0, &reader) } ?? Layout()
        let training = section("training").map { TrainingSection.read($0, usualSequence: nil, isCNN: true, &reader).spec }
        guard reader.errors.isEmpty, let model = model(draft, training) else { return nil }
        var title = name
        if case .scalar(let text, _)? = tree["name"]?.value.content { title = text }
        var spec = ExecutionSpec(name: title, model: model)
        fill(&spec, draft, layout, training)
        check(&spec, layout)
        return reader.errors.isEmpty ? spec : nil
    }

    private mutating func fill(
        _ spec: inout ExecutionSpec, _ draft: ExecuteSection.Draft, _ layout: Layout, _ training: TrainingSpec?
    ) {
        spec.data = draft.data ?? layout.data ?? 1
        spec.pipeline = draft.pipeline ?? layout.pipeline
        spec.virtual = draft.virtual ?? layout.virtual
        spec.schedule = draft.schedule ?? (spec.virtual > 1 && layout.schedule.fixedChunks == 1 ? .interleaved : layout.schedule)
        // The V shapes and DualPipe have two chunks a rank; who writes none means them.
        if spec.virtual == 1 { spec.virtual = spec.schedule.fixedChunks ?? 1 }
        spec.optimizer = draft.optimizer ?? training?.optimizer ?? .adamw
        spec.steps = draft.steps ?? 20
        spec.transport = draft.transport
        spec.seed = draft.seed
        if let codec = draft.codec {
            spec.codec = codec
        } else if let compression = training?.compression, let entry = tree.entry(at: ["training", "compression"]) {
            spec.codec = .init(compression: compression, written: entry.value.written)
        }
        if let batch = draft.batch ?? training?.globalBatch {
            spec.batch = batch
        } else {
            report("execute.batch", "the key is missing", "write batch: with the samples of a step")
        }
        spec.microBatches = draft.microBatches ?? training.map { max(1, $0.globalBatch / max(1, spec.data * $0.microBatch)) } ?? 1
        guard tree.entry(at: ["execute", "straggler"]) != nil else { return }
        guard let worker = draft.straggler.worker, let slowdown = draft.straggler.slowdown else {
            return report("execute.straggler", "worker or slowdown is missing", "write straggler: {worker: 1, slowdown: 1.5}")
        }
        spec.straggler = .init(worker: worker, slowdown: slowdown)
    }

    private mutating func check(_ spec: inout ExecutionSpec, _ layout: Layout) {
        for (key, degree) in [("tensor", layout.tensor), ("context", layout.context), ("expert", layout.expert)] where degree > 1 {
            report("layout.\(key)", "\(key) \(degree): this machine runs data and pipeline parallelism only", "write \(key): 1")
        }
        if layout.zero > 0 { report("layout.zero", "sharded state is not run on this machine", "write zero: 0") }
        if layout.order != nil { report("layout.schedule", "an order from a file is not run on this machine", "name a schedule") }
        if spec.workers > 64 {
            report("execute.data", "\(spec.data) x \(spec.pipeline) processes are more than 64", "lower data or pipeline")
        }
        if !ExecuteSection.optimizers.contains(spec.optimizer) {
            report(
                "training.optimizer", "\(spec.optimizer.rawValue) is not run on this machine",
                "write execute.optimizer: \(ExecuteSection.optimizers.map(\.rawValue).joined(separator: ", "))")
        }
        if spec.batch % (spec.data * spec.microBatches) != 0 {
            report(
                tree.entry(at: ["execute", "batch"]) == nil ? "training.global_batch" : "execute.batch",
                "\(spec.batch) samples do not divide into \(spec.data) replicas of \(spec.microBatches) micro-batches",
                "write a multiple of \(spec.data * spec.microBatches)")
        }
        if let straggler = spec.straggler, straggler.worker >= spec.workers {
            report("execute.straggler", "there is no worker \(straggler.worker) among \(spec.workers)", "write 0 to \(spec.workers - 1)")
        }
        if spec.straggler != nil, spec.schedule == .dualpipe {
            report(
                "execute.straggler", "in DualPipe two ranks hold each stage, and one of them slower is not predicted",
                "write schedule: dualpipev")
        }
        if spec.copies == 1, spec.codec != nil { spec.remarks.append("execute.codec has no effect with one replica") }
        checkStages(spec)
        checkSize(spec)
    }

    private mutating func checkStages(_ spec: ExecutionSpec) {
        let key = tree.entry(at: ["execute", "schedule"]) == nil && tree.entry(at: ["layout", "schedule"]) != nil ? "layout" : "execute"
        guard ExecuteSection.schedules.contains(spec.schedule) else {
            return report(
                "\(key).schedule", "\(spec.schedule.rawValue) is not run on this machine",
                "write \(ExecuteSection.schedules.map(\.rawValue).joined(separator: ", "))")
        }
        if spec.virtualStages > spec.layers {
            let what = spec.layers == 1 ? "one part" : "\(spec.layers) layers"
            report("execute.pipeline", "a model of \(what) cannot be cut into \(spec.virtualStages) stages", "write pipeline: 1")
        }
        do throws(ScheduleError) {
            _ = try PipelineSchedule.make(
                spec.schedule, ranks: spec.pipeline, microBatches: spec.microBatches, chunks: spec.virtual)
        } catch { report("\(key).schedule", error.message, "change micro_batches, virtual or schedule") }
    }

    private mutating func checkSize(_ spec: ExecutionSpec) {
        let key = tree.entry(at: ["execute", "model"]) == nil ? "model" : "execute.model"
        if spec.parameters > Self.mostParameters {
            report(
                key, "\(Int(spec.parameters / 1e6)) M parameters are more than the 300 M that a CPU trains in reasonable time", "shrink it")
        }
        let perSample: Double =
            switch spec.model {
            case .mlp(let sizes): 2 * sizes.reduce(0) { $0 + Double($1) }
            case .cnn(let side, let inputs, let channels, _):
                Double(side) * Double(side) * (Double(9 * inputs + 3 * channels[0]) + Double(9 * channels[0] + 3 * channels[1]) / 4)
            case .gpt(let layers, let hidden, let heads, let vocabulary, let length):
                Double(length) * (Double(layers) * (20 * Double(hidden) + Double(heads)) + 2 * Double(vocabulary))
            }
        if perSample * Double(spec.samples) * Double(spec.microBatches) > Self.mostActivations {
            report("execute.batch", "a replica's batch would keep more than 4 GB of activations", "lower batch or the model's sizes")
        }
    }
}
