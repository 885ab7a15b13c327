/// When enough repeats of a timing were made.
public struct StopRule: Sendable, Hashable {
    /// Repeats that are made whatever they show.
    public var least = 7
    /// Never more.
    public var most = 1000
    /// Half the width of the 95 % confidence interval of the quantile, over the quantile, that is narrow enough.
    public var halfWidth = 0.01
    /// What stands for the timing: 0.5 for the median, less where other work disturbs.
    public var quantile = 0.5
    /// Seconds of wall clock after which no further repeat begins, once `least` are made.
    public var seconds = 1.0

    public init() {}

    /// Half the width of the 95 % interval of the quantile, by order statistics (the ranks n q -+ 1.96 sqrt(n q (1 - q)), Conover 1999, section
    /// 3.2), over the quantile; infinite for less than two repeats.
    /// - Parameter sorted: ascending, positive
    public func relativeHalfWidth(_ sorted: [Double]) -> Double {
        guard sorted.count > 1 else { return .infinity }
        let n = Double(sorted.count)
        let (centre, deviation) = (n * quantile, 1.96 * (n * quantile * (1 - quantile)).squareRoot())
        let low = max(0, Int((centre - deviation).rounded(.down)))
        let high = min(sorted.count - 1, Int((centre + deviation).rounded(.up)))
        return (sorted[high] - sorted[low]) / 2 / value(sorted)
    }

    /// The quantile itself, between two repeats the mean weighted by distance.
    /// - Parameter sorted: ascending, not empty
    public func value(_ sorted: [Double]) -> Double {
        let place = quantile * Double(sorted.count - 1)
        let low = Int(place)
        let high = min(low + 1, sorted.count - 1)
        return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
    }
}

/// One repeat: its seconds, and whether the operating system gave the core to somebody else meanwhile.
public struct Lap: Sendable, Hashable {
    public var seconds: Double
    public var isDisturbed: Bool
    public init(seconds: Double, isDisturbed: Bool = false) {
        self.seconds = seconds
        self.isDisturbed = isDisturbed
    }
}

/// Repeats of one timing, summed up.
public struct Repeats: Sendable, Hashable {
    /// The rule's quantile.
    public let seconds: Double
    /// Standard deviation over `seconds`.
    public let spread: Double
    public let p99: Double
    /// Repeats that count.
    public let count: Int
    /// Repeats that were left out because the core went to somebody else.
    public let disturbed: Int
    /// The confidence interval became as narrow as asked.
    public let isSettled: Bool
    /// Undisturbed repeats alone count; else there were too few.
    public let isCalm: Bool

    /// Timings of one call on different operands: the mean of their middle half (where operands lie, a call takes one of a few durations, and a
    /// median would be one or the other of them), with the spread between them where that is the larger one.
    /// - Returns: nil for none.
    init?(merging all: [Repeats]) {
        // Sets that were disturbed count where there is little else.
        let quiet = all.filter(\.isCalm)
        let parts = 2 * quiet.count > all.count ? quiet : all
        isCalm = 2 * quiet.count > all.count
        let sorted = parts.map(\.seconds).sorted()
        guard !sorted.isEmpty else { return nil }
        let end = sorted.count < 5 ? (sorted.count - 1) / 2 : sorted.count / 4
        let middle = sorted[end..<(sorted.count - end)]
        let centre = middle.reduce(0, +) / Double(middle.count)
        let mean = sorted.reduce(0, +) / Double(sorted.count)
        let variance = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, sorted.count - 1))
        let within = parts.map(\.spread).sorted()[parts.count / 2]
        seconds = centre
        spread = max(within, variance.squareRoot() / centre)
        p99 = parts.map(\.p99).max() ?? centre
        count = parts.reduce(0) { $0 + $1.count }
        disturbed = all.reduce(0) { $0 + $1.disturbed }
        isSettled = parts.allSatisfy(\.isSettled)
    }

    /// Repeats `lap` until the rule is content. Disturbed laps count only where nothing else is left when time is up.
    /// - Parameter clock: seconds of the wall clock
    /// - Returns: nil where no lap took a positive time.
    public init?(_ rule: StopRule, clock: () -> Double, lap: () -> Lap) {
        let start = clock()
        var (calm, rough): ([Double], [Double]) = ([], [])
        var settled = false
        // Sorting at every lap costs more than the laps: at the least number, then at every eighth more.
        var next = max(2, rule.least)
        var laps = 0
        while laps < max(1, rule.most) {
            let one = lap()
            laps += 1
            if one.seconds > 0 {
                if one.isDisturbed { rough.append(one.seconds) } else { calm.append(one.seconds) }
            }
            if calm.count >= next {
                if rule.relativeHalfWidth(calm.sorted()) <= rule.halfWidth {
                    settled = true
                    break
                }
                next = calm.count + max(1, calm.count / 8)
            }
            if laps >= rule.least, clock() - start > rule.seconds { break }
        }
        isCalm = calm.count >= min(3, rule.least)
        let sorted = (isCalm ? calm : calm + rough).sorted()
        guard let last = sorted.last else { return nil }
        seconds = rule.value(sorted)
        let mean = sorted.reduce(0, +) / Double(sorted.count)
        let variance = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, sorted.count - 1))
        spread = variance.squareRoot() / seconds
        let rank = Int((0.99 * Double(sorted.count)).rounded(.up))
        p99 = sorted.count > 1 ? sorted[min(sorted.count, max(1, rank)) - 1] : last
        count = sorted.count
        disturbed = rough.count
        isSettled = settled
    }
}
