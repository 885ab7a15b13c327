/// A run of weeks in numbers: what is to be done, what breaks, what is saved and how it goes on. Times in seconds.
///
/// Work is measured in seconds of a healthy run: a run of 1,000 steps of 10 s has 10,000 s of work, however long it takes.
public struct RunPlan: Sendable, Hashable {
    /// When the run ends.
    public enum Goal: Sendable, Hashable {
        /// So much work is done.
        case work(Double)
        /// So much time has passed; what counts is the work done by then.
        case duration(Double)
    }

    public var fleet: Fleet
    public var goal: Goal
    /// Length of a healthy step, of which only whole ones count; 0: work is continuous.
    public var step = 0.0
    public var causes: [FailureCause] = []
    public var lemons: Lemons?
    /// Failures also strike while the run detects, diagnoses and restarts; else their clocks stand still meanwhile.
    public var failsDuringRecovery = true
    public var checkpoint = CheckpointPlan()
    public var restart = RestartPlan()
    /// nil: a node is always at hand.
    public var spares: Spares?
    public var slow: [SlowPlan] = []
    public var maintenance: Maintenance?
    public var capacity: CapacityPlan?

    public init(fleet: Fleet, goal: Goal) {
        self.fleet = fleet
        self.goal = goal
    }

    /// Mean time between failures with all nodes there, seconds; infinite where nothing fails. Lemons count with their mean.
    public var mttf: Double {
        let rate = failureRate
        return rate > 0 ? 1 / rate : .infinity
    }

    /// Failures a second, mean over lemons; traces count as nothing.
    public var failureRate: Double {
        let isMixed = lemons.map { $0.areIn(fleet) } ?? false
        let multiple = lemons.map { isMixed ? $0.multiple(count: $0.share * Double(fleet.nodes), of: Double(fleet.nodes)) : 1 } ?? 1
        return causes.reduce(0) { sum, cause in
            if case .trace = cause.law { return sum }
            return sum + cause.rate(in: fleet) * (cause.isOfNodes ? multiple : 1)
        }
    }
}

/// What is saved, how often, and what that costs.
public struct CheckpointPlan: Sendable, Hashable {
    /// Work between two checkpoints; infinite: none is written and a failure starts the run again.
    public var interval = Double.infinity
    /// Time for which training stands still.
    public var stall = 0.0
    /// Time after the stall until the checkpoint holds (asynchronous); the next one waits for it.
    public var write = 0.0
    /// Training takes (1 + slowdown) times as long while a write is under way.
    public var slowdown = 0.0
    /// Every so many checkpoints one is of another kind: the persistent one among copies in memory, the full one among increments.
    public var major: Major?
    /// The others are copies in the memory of peers, which some failures destroy; else they are kept like the major ones.
    public var minorIsInMemory = false
    /// The end of the run is saved too.
    public var endsWithOne = true
    /// How many are kept, newest first; nil: all.
    public var keep: Int?
    /// false: failures cost time but no work (as AIReSim counts, arXiv:2603.07041).
    public var losesWork = true

    public struct Major: Sendable, Hashable {
        public var every: Int
        public var stall: Double
        public var write: Double
        public init(every: Int, stall: Double, write: Double = 0) {
            self.every = every
            self.stall = stall
            self.write = write
        }
    }

    public init() {}
    public init(interval: Double, stall: Double = 0, write: Double = 0, slowdown: Double = 0) {
        self.interval = interval
        self.stall = stall
        self.write = write
        self.slowdown = slowdown
    }

    /// The interval as it is kept: whole steps, and no shorter than the write that must have ended.
    public func keptInterval(step: Double) -> Double {
        let longest = max(write, major?.write ?? 0)
        let wanted = max(interval, longest)
        guard step > 0, wanted.isFinite else { return wanted }
        let rounded = max(1, (wanted / step).rounded())
        return (rounded * step < longest ? rounded + 1 : rounded) * step
    }
}

/// What has to happen before training goes on after a stop.
public struct RestartPlan: Sendable, Hashable {
    public var requeue = DurationLaw.none
    public var initialise = DurationLaw.none
    public var load = 0.0
    /// Load from copies in peers' memory; nil: as `load`.
    public var loadFromMemory: Double?
    /// Work that is done at half pace afterwards.
    public var warmUp = 0.0
    public init() {}
}

/// Nodes that stand by.
public struct Spares: Sendable, Hashable {
    public var warm: Int
    public var cold: Int
    /// Time until a cold one can be used.
    public var start: Double
    /// Repair crews; nil: each node is repaired at once.
    public var crews: Int?
    public init(warm: Int, cold: Int = 0, start: Double = 0, crews: Int? = nil) {
        self.warm = warm
        self.cold = cold
        self.start = start
        self.crews = crews
    }
}

/// Machines that turn slow for a while.
public struct SlowPlan: Sendable, Hashable {
    /// Onsets a second over the whole fleet.
    public var rate: Double
    /// Share of the nodes that is slow from the start.
    public var share: Double
    /// The step of the whole run takes this many times as long while one is there.
    public var pace: Double
    /// Infinite: until it is evicted.
    public var lasts: DurationLaw
    /// After this long a slow node is replaced, where that pays; nil: never.
    public var evictAfter: DurationLaw?
    public var repair: DurationLaw
    public init(
        rate: Double = 0, share: Double = 0, pace: Double, lasts: DurationLaw = .constant(.infinity), evictAfter: DurationLaw? = nil,
        repair: DurationLaw = .constant(86_400)
    ) {
        self.rate = rate
        self.share = share
        self.pace = pace
        self.lasts = lasts
        self.evictAfter = evictAfter
        self.repair = repair
    }
}

/// Planned stops: training saves its state, waits and restarts.
public struct Maintenance: Sendable, Hashable {
    public var every: Double
    public var lasts: Double
    public init(every: Double, lasts: Double) {
        self.every = every
        self.lasts = lasts
    }
}
