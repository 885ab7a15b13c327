/// What a scenario says of the weeks of its run; what it leaves open is filled in from the step model. Times in seconds.
public struct WeeksSpec: Sendable, Hashable {
    public var failures: FailuresSpec?
    public var checkpoint: CheckpointSpec?
    public var slow: [SlowSpec] = []
    public var maintenance: Maintenance?
    public var spot: SpotSpec?
    public var elastic: ElasticSpec?
    /// What watches the machines.
    public var monitor: MonitorSpec?
    /// The run ends after this long, whatever is done by then.
    public var duration: Double?
    public init() {}

    /// Whether there is anything that an undisturbed run would not have.
    public var isActive: Bool {
        failures != nil || checkpoint.map { $0.kind != .none } ?? false || !slow.isEmpty || maintenance != nil || spot != nil
            || elastic != nil
            || duration != nil || monitor != nil
    }

    /// Whether something is found when the monitor sees it.
    public var asksMonitor: Bool {
        failures?.causes.contains { $0.isFoundByMonitor } ?? false || slow.contains { $0.found == .byMonitor }
    }
}

public struct FailuresSpec: Sendable, Hashable {
    public var preset: String?
    public var causes: [FailureCause] = []
    public var lemons: Lemons?
    public var duringRecovery = true
    public var spares: Spares?
    public var requeue: DurationLaw?
    public var initialise: DurationLaw?
    /// nil: the state read from storage.
    public var load: Double?
    /// Steps at half pace after a restart.
    public var warmUp: Double = 0
    public var maintenance: Maintenance?
    public init() {}

    /// The failures of a preset, with its restart, for a run of `nodes` nodes its spares.
    public init(_ preset: FailurePreset) {
        self.preset = preset.name
        causes = preset.causes
        lemons = preset.lemons
        requeue = preset.restart.requeue
        initialise = preset.restart.initialise
        load = preset.restart.load
        maintenance = preset.maintenance
    }
}

public struct CheckpointSpec: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable { case full, sharded, async, memory, incremental, none }
    public enum Interval: Sendable, Hashable {
        case auto
        case seconds(Double)
        case steps(Int)
    }
    public var kind = Kind.sharded
    public var interval = Interval.auto
    /// nil: from the size of the state and the bandwidths.
    public var stall: Double?
    public var write: Double?
    public var slowdown: Double?
    /// Share of the state's blocks that an increment holds.
    public var changed: Double?
    /// Of copies in memory or increments, every so many is a full one in storage.
    public var every: Int?
    /// Stall of those.
    public var everyStall: Double?
    public var keep: Int?
    public var losesWork = true
    public var endsWithOne = true
    public init() {}
}

public struct SlowSpec: Sendable, Hashable {
    /// Onsets for a thousand GPUs and days.
    public var ratePer1000GPUDays = 0.0
    /// Share of the nodes that is slow from the start.
    public var share = 0.0
    public var slowdown = 1.0
    public var lasts = DurationLaw.constant(.infinity)
    public var evicts = false
    /// Until a slow machine is found.
    public var found = Found.after(.constant(600))
    public init() {}

    public enum Found: Sendable, Hashable {
        case after(DurationLaw)
        case byMonitor
    }
}

public struct SpotSpec: Sendable, Hashable {
    public var preemptionPerHour = 0.0
    public var batch = 1
    public var batchSizes: BatchSizes?
    public var outage = DurationLaw.exponential(mean: 3600)
    public var notice = 0.0
    /// The run shrinks and grows by replicas, where nothing else is said of that.
    public var autoscales = false
    public var trace: CapacityTrace?
    /// The market is fitted to this trace.
    public var fit: CapacityTrace?
    public var startsAtRandom = false
    public var price = PricePlan.constant
    public var fallsBack = false
    public init() {}
}

public struct ElasticSpec: Sendable, Hashable {
    public enum Policy: String, Sendable, Hashable, Codable, CaseIterable { case wait, replicas, planner }
    public var least = 1
    public var most: Int?
    public var policy = Policy.replicas
    /// Measured samples a second by nodes.
    public var pace: [PaceRow] = []
    public var resize: NodeTable?
    public init() {}

    public struct PaceRow: Sendable, Hashable {
        public var nodes: Int
        public var samplesPerS: Double
        public init(nodes: Int, samplesPerS: Double) {
            self.nodes = nodes
            self.samplesPerS = samplesPerS
        }
    }
}
