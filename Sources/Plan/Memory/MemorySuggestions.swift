import Calibration
import Cluster
import Quantities
import Workload

/// A change of layout or training that makes a job fit.
public struct MemorySuggestion: Sendable {
    /// Scenario keys with their values: "layout.zero: 1 and training.micro_batch: 1".
    public var text: String
    /// Keys that change, in order.
    public var keys: [String]
    public var job: Job
    /// Bytes on the fullest GPU, and what a process can have of it.
    public var peak: Double
    public var capacity: Double
}

extension MemoryEstimate {
    /// Changes that make the job fit with its margin free, each evaluated with this same model.
    /// Single changes first, cheapest in time first; pairs where fewer than `limit` single ones suffice; then the finest cut, then more GPUs.
    /// Empty where the job fits already; one without keys where nothing helps.
    public static func suggestions(_ job: Job, limit: Int = 4) -> [MemorySuggestion] {
        guard !MemoryEstimate(job: job).fits else { return [] }
        let singles = changes(job)
        var found = evaluate(singles)
        if Set(found.map(\.keys)).count < limit {
            let whole = MemoryEstimate(job: job).peak
            // A change that alone saves nothing is no half of a pair.
            let failing = singles.filter {
                let estimate = MemoryEstimate(job: $0.job)
                return !estimate.keepsMargin && estimate.peak < whole
            }
            found += evaluate(
                failing.flatMap { first in
                    let alone = MemoryEstimate(job: first.job).peak
                    return changes(first.job).filter { $0.keys != first.keys && MemoryEstimate(job: $0.job).peak < alone }.map { second in
                        Change(keys: (first.keys + second.keys).sorted(), text: "\(first.text) and \(second.text)", job: second.job)
                    }
                })
        }
        if found.isEmpty { found = evaluate(widest(job).map { [$0] } ?? []) }
        if found.isEmpty { found = moreGPUs(job) }
        return found
    }

    private struct Change {
        /// What is changed, as key paths in a scenario.
        var keys: [String]
        var text: String
        var job: Job
    }

    private static func evaluate(_ changes: [Change]) -> [MemorySuggestion] {
        changes.compactMap { change in
            let estimate = MemoryEstimate(job: change.job)
            guard estimate.keepsMargin else { return nil }
            return MemorySuggestion(
                text: change.text, keys: change.keys, job: change.job, peak: estimate.peak, capacity: estimate.capacity)
        }
    }

    /// Twice, four times ... as many GPUs, cut as finely as that allows.
    private static func moreGPUs(_ job: Job) -> [MemorySuggestion] {
        for factor in [2, 4, 8, 16, 32, 64] {
            var larger = job
            larger.cluster.gpus = job.cluster.gpus * factor
            // One node has no network; more of them have what is usual for the device.
            if larger.cluster.interNode == nil {
                larger.cluster.interNode = (try? Catalogue.usualNode(for: job.cluster.accelerator.name))?.interNode
            }
            guard var change = widest(larger) else { continue }
            change.text = "cluster.gpus: \(larger.cluster.gpus) with \(change.text)"
            let found = evaluate([change])
            if !found.isEmpty { return found }
        }
        let text = "no cut over 64 times as many GPUs makes it fit: take GPUs with more memory, or a smaller model"
        return [MemorySuggestion(text: text, keys: [], job: job, peak: 0, capacity: 0)]
    }

    /// Legal single changes, those that cost least time first.
    private static func changes(_ job: Job) -> [Change] {
        var found: [Change] = []
        func add(_ key: String, _ value: some CustomStringConvertible, _ edit: (inout Job) -> Void) {
            var changed = job
            edit(&changed)
            if changed.problems().isEmpty { found.append(Change(keys: [key], text: "\(key): \(value)", job: changed)) }
        }
        let layout = job.layout
        if !MemoryTraits(job).flash { add("software.flash_attention", true) { $0.software.flashAttention = true } }
        if layout.tensor > 1, !layout.sequenceParallel { add("layout.sequence_parallel", true) { $0.layout.sequenceParallel = true } }
        if layout.zero == 0, job.data > 1 { add("layout.zero", 1) { $0.layout.zero = 1 } }
        if job.training.recompute == .none { add("training.recompute", "selective") { $0.training.recompute = .selective } }
        if job.training.microBatch > 1 {
            let half = job.training.microBatch / 2
            add("training.micro_batch", half) { $0.training.microBatch = half }
            if half > 1 { add("training.micro_batch", 1) { $0.training.microBatch = 1 } }
        }
        for zero in [2, 3] where layout.zero < zero && job.data > 1 { add("layout.zero", zero) { $0.layout.zero = zero } }
        for factor in [2, 4, 8] where layout.tensor * factor <= job.cluster.domain {
            add("layout.tensor", layout.tensor * factor) {
                $0.layout.tensor *= factor
                $0.layout.data = nil
                $0.layout.sequenceParallel = true
            }
        }
        for factor in [2, 4, 8] where job.training.sequence / (layout.context * factor) >= 2048 {
            add("layout.context", layout.context * factor) {
                $0.layout.context *= factor
                $0.layout.data = nil
            }
        }
        for factor in [2, 4, 8] {
            add("layout.pipeline", layout.pipeline * factor) {
                $0.layout.pipeline *= factor
                $0.layout.data = nil
                $0.layout.stageLayers = nil
            }
        }
        if job.training.recompute != .full { add("training.recompute", "full") { $0.training.recompute = .full } }
        return found
    }

    /// Everything that saves memory at once, with the deepest pipeline that is legal.
    private static func widest(_ job: Job) -> Change? {
        var base = job
        base.training.recompute = .full
        base.training.microBatch = 1
        base.layout.zero = max(job.allowsSharding(1, pipeline: 1) ? 1 : 2, base.layout.zero)
        base.layout.data = nil
        base.layout.stageLayers = nil
        base.layout.sequenceParallel = true
        base.layout.tensor =
            stride(from: job.cluster.domain, through: 1, by: -1).first { tensor in
                var trial = base
                trial.layout.tensor = tensor
                return trial.problems().isEmpty
            } ?? job.layout.tensor
        var fitting: Change?
        for pipeline in 1...max(1, job.model.layers) {
            var trial = base
            trial.layout.pipeline = pipeline
            if !job.allowsSharding(trial.layout.zero, pipeline: pipeline) { trial.layout.zero = 1 }
            guard trial.problems().isEmpty, MemoryEstimate(job: trial).keepsMargin else { continue }
            let text =
                "layout.tensor: \(trial.layout.tensor), layout.pipeline: \(pipeline), layout.zero: \(trial.layout.zero), "
                + "training.micro_batch: 1 and training.recompute: full"
            fitting = Change(keys: ["layout"], text: text, job: trial)
            break
        }
        return fitting
    }
}
