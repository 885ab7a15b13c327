import Plan
import Quantities

extension MemoryEstimate {
    /// What would make a job fit, as lines to print: the keys to change, the memory that follows, the step time and the MFU. Fastest first;
    /// of changes to the same keys the fastest, and none that takes more than twice the time of the first.
    public static func fittingLayouts(_ job: Job, data: CalibrationData, limit: Int = 4) -> [String] {
        var timed: [(suggestion: MemorySuggestion, seconds: Double, mfu: Double)] = []
        for suggestion in suggestions(job, limit: limit) {
            guard !suggestion.keys.isEmpty else { return [suggestion.text] }
            guard let plan = try? suggestion.job.plan(data), plan.memory.keepsMargin else { continue }
            var settings = SimulationSettings()
            (settings.timeline, settings.network) = (false, .alphaBeta)
            guard let step = try? simulate(plan, settings: settings).step else { continue }
            timed.append((suggestion, step.timeS.mean, step.mfu))
        }
        let order = timed.indices.sorted { (timed[$0].seconds, $0) < (timed[$1].seconds, $1) }
        guard let first = order.first else { return [] }
        var seen: Set<[String]> = []
        var lines: [String] = []
        for index in order where lines.count < limit && timed[index].seconds <= 2 * timed[first].seconds {
            let found = timed[index]
            if seen.insert(found.suggestion.keys).inserted { lines.append(line(found.suggestion, seconds: found.seconds, mfu: found.mfu)) }
        }
        return lines
    }

    private static func line(_ suggestion: MemorySuggestion, seconds: Double, mfu: Double) -> String {
        let peak = "peak \(fixed(suggestion.peak / 1e9, decimals: 1)) GB of \(fixed(suggestion.capacity / 1e9, decimals: 1)) GB"
        return "\(suggestion.text): \(peak), \(significant(seconds)) s a step, MFU \(fixed(mfu * 100, decimals: 1)) %"
    }
}
