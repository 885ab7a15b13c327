/// One replicate's way: its curve, and what happened on it.
public struct Trajectory: Sendable {
    public struct Point: Sendable, Equatable {
        public var update: Int
        public var step: Int
        /// Trained so far, over all workers; samples where they are no sequences.
        public var tokens: Double
        /// Simulated.
        public var seconds: Double
        public var loss: Double
    }
    public var points: [Point]
    public internal(set) var updates = 0
    public internal(set) var steps = 0
    public internal(set) var seconds = 0.0
    /// [workers] seconds of computing, of waiting for others, and that others waited for this one.
    public internal(set) var busy: [Double] = []
    public internal(set) var waited: [Double] = []
    public internal(set) var blamed: [Double] = []
    /// [staleness] updates that had it.
    public internal(set) var staleness: [Int] = []
    /// That one worker sent, mean over workers.
    public internal(set) var messages = 0.0
    public internal(set) var skipped = 0
    /// Which steps those were, the first ten thousand.
    public internal(set) var skippedSteps: [Int] = []
    /// False where the caller ended the run early.
    public internal(set) var isComplete = false
    /// Load of the busiest expert over the mean at the last evaluation; nil without experts.
    public internal(set) var expertImbalance: Double?
    public internal(set) var hasDiverged = false
    public internal(set) var hasReachedTarget = false
    /// Mean over the last half of the updates; nil where it says nothing.
    public internal(set) var secondMoment: Double?
    /// Of one worker of a local method just before it meets the others, mean over the last half.
    public internal(set) var secondMomentBeforeMeeting: Double?
    public internal(set) var noise = NoiseScaleSums()
    var usdPerSecond = 0.0
    var watts = 0.0

    /// Share of the time in which workers compute, mean over workers.
    public var utilization: Double {
        seconds > 0 && !busy.isEmpty ? busy.reduce(0, +) / Double(busy.count) / seconds : 0
    }
    public var meanStaleness: Double {
        let count = staleness.reduce(0, +)
        return count > 0 ? Double(staleness.enumerated().reduce(0) { $0 + $1.offset * $1.element }) / Double(count) : 0
    }
}
