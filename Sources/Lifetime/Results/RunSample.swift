/// Where the time of a run goes. The parts of a sample add up to its wall clock.
public enum TimePart: Int, Sendable, Hashable, CaseIterable {
    /// Work that had not been done before, at the healthy pace.
    case useful
    /// Work done again after a failure.
    case recomputed
    /// Stalls of checkpoints, and what background writes slow down.
    case checkpoints
    case detection, diagnosis
    /// For a node to be repaired or to come.
    case waiting
    /// Requeue, initialisation, load and warm-up.
    case restarts
    /// What slow machines add.
    case degraded
    /// Stops by the provider's preemption of a run that needs all its nodes.
    case preemptions
    case maintenance
    /// Changes of the number of nodes of an elastic run.
    case resizing

    public var name: String { "\(self)" }
    public static let count = 11
}

/// How a sample ended.
public enum RunEnding: Sendable, Hashable {
    case finished
    /// A corruption struck and was not found by the end.
    case tainted
    /// Given up: more failures or more time than any run has.
    case unfinished
}

/// One run as it happened.
public struct RunSample: Sendable {
    public var wallClock = 0.0
    /// Work done, seconds of the healthy pace.
    public var work = 0.0
    public var ending = RunEnding.finished
    /// [TimePart] seconds.
    public var seconds = InlineArray<11, Double>(repeating: 0)
    /// [TimePart] node-seconds paid at the base price: spot nodes that are gone cost nothing, and prices that move weigh.
    public var billed = InlineArray<11, Double>(repeating: 0)
    /// Node-seconds of on-demand nodes that stood in for spot ones, at their own price.
    public var interruptions = 0
    /// [cause] failures that struck.
    public var byCause: [Int] = []
    public var preemptions = 0
    public var resizes = 0
    public var maintenances = 0
    public var evictions = 0
    public var sparesPeak = 0
    public var checkpointsWritten = 0
    /// Went back to step 0 because no kept checkpoint was older than a corruption.
    public var startedOver = 0

    public subscript(_ part: TimePart) -> Double { seconds[part.rawValue] }
}

/// Something that happened in a run, for the log.
public struct RunEvent: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case failure, corruption, detected, diagnosed, waiting, restarted, checkpoint, preemption, resize, maintenance, slow, recovered,
            evicted
        case priceChange = "price_change"
        case end
    }
    public var time: Double
    public var kind: Kind
    /// Name of the cause, empty where none.
    public var cause: String
    /// A node that it concerns, -1 where none.
    public var node: Int
    /// What the run does from here on.
    public var state: String
    /// Work that holds at this moment, seconds.
    public var work: Double
    public var nodes: Int
    /// Node-seconds paid so far.
    public var paid: Double
}
