/// How strongly samples are changed, by the progress of training and their difficulty: nothing before `start`, then linearly more until `full`, and
/// the hardest sample keeps `hardest` of what the easiest gets.
public struct AugmentationSchedule: Sendable, Equatable {
    /// Share of a sample's tokens that is replaced at the end, for the easiest.
    public let strength: Double
    public let start: Double
    public let full: Double
    public let hardest: Double

    /// - Throws: `TrainingError` unless all are shares and start <= full.
    public init(strength: Double, start: Double = 0.1, full: Double = 0.5, hardest: Double = 0.25) throws(TrainingError) {
        guard (0...1).contains(strength), (0...1).contains(hardest), start >= 0, start <= full, full <= 1 else {
            throw TrainingError(
                "augmentation of \(strength) between \(start) and \(full), \(hardest) for the hardest: shares from 0 to 1, in order")
        }
        self.strength = strength
        self.start = start
        self.full = full
        self.hardest = hardest
    }

    /// Both arguments from 0 to 1; beyond, the nearer end holds.
    public func share(progress: Double, difficulty: Double) -> Double {
        guard progress >= start else { return 0 }
        let ramp = full > start ? min(1, (progress - start) / (full - start)) : 1
        return strength * ramp * (1 - (1 - hardest) * min(1, max(0, difficulty)))
    }

    /// `tokens` with that share replaced by uniform draws below `vocabulary`, the rest as they were (word replacement, arXiv:1804.07927).
    public func augmented(
        _ tokens: [Int], at point: (progress: Double, difficulty: Double), vocabulary: Int, draws: inout SeededDraws
    ) -> [Int] {
        let share = share(progress: point.progress, difficulty: point.difficulty)
        guard share > 0, vocabulary > 0 else { return tokens }
        return tokens.map { draws.unit() < share ? Int(draws.next() % UInt64(vocabulary)) : $0 }
    }
}
