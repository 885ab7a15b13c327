import Plan
import Quantities
import Workload

/// A change of a run under way: what it is from a step on.
public struct RunUpdate: Sendable, Hashable {
    public enum Start: String, Sendable, Hashable, Codable, CaseIterable {
        /// New parts compute nothing at first, so that the loss goes on where it was.
        case identity, random
    }
    public var atStep = 0
    var layers: Int?
    var hidden: Int?
    var ffn: Int?
    var sequence: Int?
    var globalBatch: Int?
    var microBatch: Int?
    var tensor: Int?
    var pipeline: Int?
    var context: Int?
    var zero: Int?
    var rate: Double?
    var start: Start?
    public init() {}

    /// Whether machines must stop for it: anything but another batch or rate.
    public var stopsTheRun: Bool { [layers, hidden, ffn, sequence, tensor, pipeline, context, zero].contains { $0 != nil } }

    /// The job from then on. A new width keeps the width of a head, and the ratio of the feed-forward part where that is not given.
    public func applied(to job: Job) -> Job {
        var job = job
        if let layers {
            job.model.layers = layers
            job.layout.stageLayers = nil
        }
        if let hidden {
            let width = max(1, job.model.headDim > 0 ? job.model.headDim : job.model.hidden / max(1, job.model.heads))
            let group = max(1, job.model.heads / max(1, job.model.kvHeads))
            if ffn == nil { job.model.ffn = Int((Double(job.model.ffn) * Double(hidden) / Double(max(1, job.model.hidden))).rounded()) }
            job.model.hidden = hidden
            job.model.heads = max(1, hidden / width)
            job.model.kvHeads = max(1, job.model.heads / group)
        }
        job.model.ffn = ffn ?? job.model.ffn
        if layers != nil || hidden != nil || ffn != nil { (job.model.publishedParameters, job.model.publishedActive) = (nil, nil) }
        if let sequence {
            job.training.sequence = sequence
            if case .learned = job.model.positions { job.model.positions = .learned(length: sequence) }
        }
        job.training.globalBatch = globalBatch ?? job.training.globalBatch
        job.training.microBatch = microBatch ?? job.training.microBatch
        job.layout.tensor = tensor ?? job.layout.tensor
        job.layout.pipeline = pipeline ?? job.layout.pipeline
        job.layout.context = context ?? job.layout.context
        job.layout.zero = zero ?? job.layout.zero
        if tensor != nil || pipeline != nil || context != nil { job.layout.data = nil }
        return job
    }
}

/// `updates`: changes of the run at given steps.
enum UpdatesSection {
    static var entries: [SchemaEntry] { one.entries.map { $0.under("[]") } }

    private static var one: Section<RunUpdate> {
        let change = Section<RunUpdate>([
            Field("layers", \.layers, .integer(1...100_000, example: 32), default: "as before", "deeper from there on"),
            Field("hidden", \.hidden, .integer(1...10_000_000, example: 8192), default: "as before", "wider; heads keep their width"),
            Field("ffn", \.ffn, .integer(1...100_000_000, example: 28672), default: "in proportion", "width of the feed-forward part"),
            Field("sequence", \.sequence, .integer(1...100_000_000, example: 8192), default: "as before", "length of a sequence"),
            Field("global_batch", \.globalBatch, .integer(1...1_000_000_000, example: 2048), default: "as before", "sequences of a step"),
            Field("micro_batch", \.microBatch, .integer(1...1_000_000, example: 1), default: "as before", "sequences of a micro-batch"),
            Field("tensor", \.tensor, .integer(1...100_000, example: 8), default: "as before", "tensor parallel degree"),
            Field("pipeline", \.pipeline, .integer(1...100_000, example: 8), default: "as before", "pipeline stages"),
            Field("context", \.context, .integer(1...100_000, example: 2), default: "as before", "context parallel degree"),
            Field("zero", \.zero, .integer(0...3, example: 1), default: "as before", "ZeRO stage"),
            Field("rate", \.rate, .ratio(0...1e6, example: "0.0003"), default: "as before", "learning rate, which changes no time"),
            Field(
                "init", \.start, .choice, default: "identity",
                "of new parts: identity keeps the loss where it was (Training's growth does so), random does not; no time depends on it"),
        ])
        return Section([
            Field(
                "at_step", \.atStep, .integer(1...1_000_000_000_000, example: 1000), default: "required", "after so many steps of the run"),
            Field("change", \.self, change, "what is different from there on"),
        ])
    }

    static func read(_ item: Item, _ reader: inout Reader) -> [RunUpdate] {
        let section = one
        let kind = Kind<[RunUpdate]>.list(of: section.kind(RunUpdate(), name: "{at_step, change}"), atMost: 1000)
        guard let updates = kind.read(item, &reader) else { return [] }
        for (index, update) in updates.enumerated() {
            guard update.atStep > 0 else {
                reader.report(item.tree.place, "updates[\(index)].at_step", "the key is missing", "write at_step: 1000")
                continue
            }
            if index > 0, update.atStep <= updates[index - 1].atStep {
                reader.report(
                    item.tree.place, "updates[\(index)].at_step", "step \(update.atStep) is not later than \(updates[index - 1].atStep)",
                    "write updates in the order of their steps")
            }
            var plain = RunUpdate()
            plain.atStep = update.atStep
            plain.start = update.start
            if update == plain {
                reader.report(item.tree.place, "updates[\(index)].change", "nothing changes", "write change: {layers: 32}")
            }
        }
        return updates
    }

    /// The jobs from each update on; faults of those that cannot run are reported.
    static func check(_ updates: [RunUpdate], _ job: Job, _ item: Item, _ reader: inout Reader) {
        guard !updates.isEmpty else { return }
        guard job.training.duration == nil else {
            return reader.report(
                item, "a run that ends by the clock has no step at which something changes",
                "write training.steps or tokens in place of duration")
        }
        if case .steps(let steps) = job.training.length, let late = updates.last(where: { $0.atStep >= steps }) {
            return reader.report(item, "step \(late.atStep) is not before the run's last, \(steps)", "write an earlier step, or more steps")
        }
        var now = job
        for (index, update) in updates.enumerated() {
            now = update.applied(to: now)
            for problem in now.problems() {
                reader.report(
                    item.tree.place, "updates[\(index)].change", "from step \(update.atStep) on \(problem.keyPath): \(problem.reason)",
                    problem.suggestion)
            }
        }
    }
}
