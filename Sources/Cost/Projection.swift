import Plan
import Quantities
import Simulation
import Workload

extension Job {
    /// Tokens of one optimizer step; samples for a CNN.
    public var tokensPerStep: Double {
        let perSample = model.kind == .transformer ? training.sequence : 1
        return Double(training.globalBatch) * Double(perSample)
    }
    /// Optimizer steps of the whole run: those asked for, or as many as the tokens take, the last one full.
    public var steps: Int {
        switch training.length {
        case .steps(let count): count
        case .tokens(let tokens): tokensPerStep > 0 ? Int(min(9e18, (Double(tokens) / tokensPerStep).rounded(.up))) : 0
        case .oneStep: 1
        }
    }
}

extension RunSummary {
    /// An undisturbed run: every step takes `stepTime`, nothing is lost.
    /// - Throws: `QuantityError` when the run is longer than the clock holds (292 years).
    public static func project(job: Job, stepTime: Duration) throws(QuantityError) -> RunSummary {
        let steps = job.steps
        guard steps >= 0 else { throw QuantityError("\(steps) steps: a run has zero or more") }
        let wallClock = try stepTime * Int64(steps)
        let causes = ["failures", "recomputed", "checkpoints", "restarts", "preemptions"]
        return RunSummary(
            steps: steps, tokens: Double(steps) * job.tokensPerStep, wallClockS: wallClock.seconds, goodput: 1,
            lostS: Dictionary(uniqueKeysWithValues: causes.map { ($0, 0) }))
    }
    public var days: Double { wallClockS / 86_400 }
    public func gpuHours(gpus: Int) -> Double { Double(gpus) * wallClockS / 3600 }
}
