extension PipelineSchedule {
    /// Makespan and period of a schedule, built in full up to a few micro-batches a rank; beyond, the steady state repeats and adds the same time for
    /// every `ranks` micro-batches. For planners: the cost does not grow with the micro-batches.
    ///
    /// Within 0.5 % for the fixed orders on stages that differ by a fifth (the tests hold it to that), closer where they are alike; a searched schedule of more micro-batches may be better by a little.
    /// - Throws: `ScheduleError` as `make`, and when the costs do not match.
    public static func length(
        _ kind: ScheduleKind, ranks: Int, microBatches: Int, chunks: Int = 1, costs: ScheduleCosts
    ) throws(ScheduleError) -> (makespan: Double, period: Double) {
        let window = 8 * max(1, ranks)
        guard ranks >= 1, microBatches > 2 * window else {
            return try CompiledSchedule(make(kind, ranks: ranks, microBatches: microBatches, chunks: chunks, costs: costs)).length(costs)
        }
        // Both have the same remainder over the ranks as the whole, so that a short last group stays short.
        let near = window + microBatches % ranks
        let far = near + window / 2 / ranks * ranks
        let a = try CompiledSchedule(make(kind, ranks: ranks, microBatches: near, chunks: chunks, costs: costs)).length(costs)
        let b = try CompiledSchedule(make(kind, ranks: ranks, microBatches: far, chunks: chunks, costs: costs)).length(costs)
        let repeats = Double(microBatches - far) / Double(far - near)
        return (b.makespan + (b.makespan - a.makespan) * repeats, b.period + (b.period - a.period) * repeats)
    }
}
