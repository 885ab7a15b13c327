import Plan

/// What a run loses time to.
public enum LossCause: String, Sendable, Hashable, Codable, CaseIterable, CodingKeyRepresentable {
    case failures
    /// Steps done again since the last checkpoint.
    case recomputed
    case checkpoints, restarts, preemptions
}

/// The whole training run: many steps, with what comes between them.
public struct RunSummary: Sendable, Hashable, Codable {
    public var steps: Int
    /// Tokens trained on; samples of a CNN.
    public var tokens: Double
    public var wallClockS: Double
    /// Useful training time over wall clock.
    public var goodput: Double
    /// Seconds; causes that are absent lost none.
    public var lostS: [LossCause: Double]

    public init(steps: Int, tokens: Double, wallClockS: Double, goodput: Double, lostS: [LossCause: Double]) {
        self.steps = steps
        self.tokens = tokens
        self.wallClockS = wallClockS
        self.goodput = goodput
        self.lostS = lostS
    }

    /// An undisturbed run of the length that the job asks for: every step takes `stepS` seconds, nothing is lost.
    public init(undisturbed job: Job, stepS: Double) {
        self.init(
            steps: job.steps, tokens: Double(job.steps) * job.tokensPerStep, wallClockS: Double(job.steps) * stepS, goodput: 1, lostS: [:])
    }

    enum CodingKeys: String, CodingKey {
        case steps, tokens
        case wallClockS = "wall_clock_s"
        case goodput
        case lostS = "lost_s"
    }
}
