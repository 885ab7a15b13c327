import Calibration
import Cluster
import Quantities
import Workload

extension MemoryEstimate {
    /// Changes of layout or training that make the job fit, each evaluated with this same model and named with the peak that follows.
    /// Single changes first, cheapest in time first; pairs where fewer than `limit` single ones suffice; then the finest cut, then more GPUs.
    /// Empty where the job fits already.
    public static func suggestions(_ job: Job, limit: Int = 4) -> [String] {
        guard !MemoryEstimate(job: job).fits else { return [] }
        let singles = changes(job)
        var found = evaluate(singles)
        if found.count < limit {
            let failing = singles.filter { !MemoryEstimate(job: $0.job).fits }
            found += evaluate(
                failing.flatMap { first in
                    changes(first.job).filter { $0.key != first.key }.map { second in
                        Change(key: second.key, text: "\(first.text) and \(second.text)", job: second.job)
                    }
                })
        }
        if found.isEmpty { found = evaluate(widest(job).map { [$0] } ?? []) }
        if found.isEmpty { found = moreGPUs(job) }
        // Two orders of the same pair lead to the same peak.
        var seen: Set<String> = []
        return Array(found.filter { seen.insert($0.components.sorted().joined(separator: " ")).inserted }.prefix(limit)).map(\.text)
    }

    private struct Suggestion {
        var components: [String]
        var text: String
    }

    private struct Change {
        /// What is changed, as its key path in a scenario.
        var key: String
        var text: String
        var job: Job
    }

    private static func evaluate(_ changes: [Change]) -> [Suggestion] {
        changes.compactMap { change in
            let estimate = MemoryEstimate(job: change.job)
            guard estimate.fits else { return nil }
            // What must fit: without the cache that the allocator gives back under pressure.
            let needed = estimate.stages.map { $0.total(.allocated) + $0.context }.max() ?? 0
            let peak = "peak \(fixed(needed / 1e9, decimals: 1)) GB of \(fixed(estimate.capacity / 1e9, decimals: 1)) GB"
            return Suggestion(components: change.text.split(separator: " and ").map(String.init), text: "\(change.text): \(peak)")
        }
    }

    /// Twice, four times ... as many GPUs, cut as finely as that allows.
    private static func moreGPUs(_ job: Job) -> [Suggestion] {
        for factor in [2, 4, 8, 16, 32, 64] {
            var larger = job
            larger.cluster.gpus = job.cluster.gpus * factor
            guard var change = widest(larger) else { continue }
            change.text = "cluster.gpus: \(larger.cluster.gpus) with \(change.text)"
            let found = evaluate([change])
            if !found.isEmpty { return found }
        }
        let text = "no cut over 64 times as many GPUs makes it fit: take GPUs with more memory, or a smaller model"
        return [Suggestion(components: [], text: text)]
    }

    /// Legal single changes, those that cost least time first.
    private static func changes(_ job: Job) -> [Change] {
        var found: [Change] = []
        func add(_ key: String, _ value: some CustomStringConvertible, _ edit: (inout Job) -> Void) {
            var changed = job
            edit(&changed)
            if isLegal(changed) { found.append(Change(key: key, text: "\(key): \(value)", job: changed)) }
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
        if layout.zero < 3, job.data > 1, layout.pipeline == 1 { add("layout.zero", 3) { $0.layout.zero = 3 } }
        for factor in [2, 4, 8] where layout.tensor * factor <= job.cluster.domain {
            add("layout.tensor", layout.tensor * factor) {
                $0.layout.tensor *= factor
                $0.layout.data = nil
                $0.layout.sequenceParallel = true
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
        base.layout.zero = max(1, base.layout.zero)
        base.layout.data = nil
        base.layout.stageLayers = nil
        base.layout.sequenceParallel = true
        base.layout.tensor =
            stride(from: job.cluster.domain, through: 1, by: -1).first { tensor in
                var trial = base
                trial.layout.tensor = tensor
                return isLegal(trial)
            } ?? job.layout.tensor
        var fitting: Change?
        for pipeline in 1...max(1, job.model.layers) {
            var trial = base
            trial.layout.pipeline = pipeline
            guard isLegal(trial), MemoryEstimate(job: trial).fits else { continue }
            let text =
                "layout.tensor: \(trial.layout.tensor), layout.pipeline: \(pipeline), layout.zero: \(trial.layout.zero), "
                + "training.micro_batch: 1 and training.recompute: full"
            fitting = Change(key: "layout", text: text, job: trial)
            break
        }
        return fitting
    }

    private static func isLegal(_ job: Job) -> Bool {
        let layout = job.layout
        let ranks = layout.tensor * layout.pipeline * layout.context
        guard ranks > 0, job.cluster.gpus % ranks == 0, ranks * job.data <= job.cluster.gpus else { return false }
        guard job.model.kind == .transformer || ranks == 1 else { return false }
        guard job.model.heads % layout.tensor == 0, layout.tensor <= job.model.kvHeads || job.model.kvHeads == 1 else { return false }
        guard layout.pipeline * layout.virtual <= job.model.layers else { return false }
        guard (job.data * layout.tensor * layout.context) % max(1, layout.expert * layout.expertTensor) == 0 else { return false }
        let perRound = job.data * job.training.microBatch
        guard perRound > 0, job.training.globalBatch % perRound == 0, job.training.globalBatch >= perRound else { return false }
        return layout.virtual == 1 || job.microBatches % layout.pipeline == 0
    }
}
