/// What changes with the progress of training: sequence length, share of the data, frozen layers.
public struct Curriculum: Sendable, Equatable {
    /// A part of the training in which nothing changes.
    public struct Phase: Sendable, Equatable {
        /// Share of the training, from 0 to 1, at which the phase ends.
        public var end: Double
        /// Tokens a sequence.
        public var sequenceLength: Int
        /// Share of the samples, easiest first, that may be drawn.
        public var dataFraction: Double
        /// Layers that do not move.
        public var frozenLayers: Range<Int>

        public init(end: Double, sequenceLength: Int, dataFraction: Double = 1, frozenLayers: Range<Int> = 0..<0) {
            self.end = end
            self.sequenceLength = sequenceLength
            self.dataFraction = dataFraction
            self.frozenLayers = frozenLayers
        }
    }
    /// In order; the last ends at 1.
    public let phases: [Phase]

    /// - Throws: `TrainingError` unless the phases' ends ascend to 1, and lengths and fractions are positive.
    public init(_ phases: [Phase]) throws(TrainingError) {
        guard phases.last?.end == 1, zip(phases, phases.dropFirst()).allSatisfy({ $0.end < $1.end }), phases[0].end > 0 else {
            throw TrainingError("the phases end at \(phases.map(\.end)): they must ascend from above 0 to 1")
        }
        for phase in phases where phase.sequenceLength < 1 || !(phase.dataFraction > 0 && phase.dataFraction <= 1) {
            throw TrainingError("a phase with \(phase.sequenceLength) tokens and \(phase.dataFraction) of the data: both must be positive")
        }
        self.phases = phases
    }

    /// The phase of step `step` of `total`; a phase begins at the first step whose progress reaches the end of the one before.
    public func phase(at step: Int, of total: Int) -> Phase {
        let progress = Double(step) / Double(max(1, total))
        return phases.first { progress < $0.end } ?? phases[phases.count - 1]
    }

    /// Positions of the samples that may be drawn, easiest first among equals in their order: at least one.
    public func admitted(difficulty: [Double], at step: Int, of total: Int) -> [Int] {
        let order = difficulty.indices.sorted { (difficulty[$0], $0) < (difficulty[$1], $1) }
        let count = Int((phase(at: step, of: total).dataFraction * Double(order.count)).rounded(.up))
        return Array(order.prefix(max(1, count)))
    }
}
