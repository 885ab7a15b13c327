import Quantities

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Nodes that come and go: a spot market, or a trace of one. What the run does with so many.
public struct CapacityPlan: Sendable, Hashable {
    public enum Source: Sendable, Hashable {
        /// The number of nodes over time.
        case trace(CapacityTrace)
        /// Preemptions by rate.
        case market(SpotMarket)
        /// The run's own nodes: it goes on without those in repair.
        case fleet
    }
    public var source: Source
    /// Where a sample begins in a trace: at its start, or at a random moment, wrapped at the end.
    public var startsAtRandom = false
    /// Work a second with so many nodes, over that of the healthy run; 0: cannot run.
    public var pace: PaceTable
    /// Seconds until training goes on with so many nodes, at each change; nil: the run's restart, and only where nodes in use were lost.
    public var resize: NodeTable?
    /// Nodes that the run holds at most.
    public var most: Int
    /// Warning before a node is taken; a checkpoint that fits in it saves the work.
    public var notice = 0.0
    /// Nodes at this price stand in for lost ones, after `start`; nil: the run waits.
    public var onDemand: OnDemand?
    /// Price of a spot node over the base price (that of `PriceBook`'s purchase) through time.
    public var price = PricePlan.constant

    public struct OnDemand: Sendable, Hashable {
        public var relativePrice: Double
        public var start: Double
        public init(relativePrice: Double, start: Double = 0) {
            self.relativePrice = relativePrice
            self.start = start
        }
    }

    public init(source: Source, pace: PaceTable, most: Int) {
        self.source = source
        self.pace = pace
        self.most = most
    }
}

/// The number of nodes alive over time; each entry holds until the next. Times in seconds, strictly ascending.
public struct CapacityTrace: Sendable, Hashable {
    public var times: [Double]
    public var nodes: [Int]
    /// When the last state ends.
    public var end: Double

    /// - Parameter rows: time in seconds and nodes, ascending in time. Several rows at one time are one event, of which the last counts; a row that
    ///   repeats the number before it, alone at its time, is none.
    /// - Throws: `Fault` for a trace without rows, with a negative count, or that goes back in time.
    public init(rows: [(time: Double, nodes: Int)], end: Double? = nil) throws(Fault) {
        times = []
        nodes = []
        self.end = 0
        var index = 0
        while index < rows.count {
            var last = index
            while last + 1 < rows.count, rows[last + 1].time == rows[index].time { last += 1 }
            let row = rows[last]
            guard row.time.isFinite, row.time >= 0 else {
                throw Fault(reason: "row \(index + 1): the time \(row.time) s is not zero or more")
            }
            if let before = times.last, row.time <= before {
                throw Fault(reason: "row \(index + 1): the time goes back from \(before) s to \(row.time) s; sort the rows by time")
            }
            for row in rows[index...last] where row.nodes < 0 {
                throw Fault(reason: "row \(index + 1): \(row.nodes) nodes; write zero or more")
            }
            if last > index || nodes.last != row.nodes {
                times.append(row.time)
                nodes.append(row.nodes)
            }
            index = last + 1
        }
        guard let first = times.first, let last = rows.last?.time else { throw Fault(reason: "the trace has no rows") }
        if first > 0 {
            times.insert(0, at: 0)
            nodes.insert(0, at: 0)
        }
        // The state of the last row lasts as long as rows are commonly apart (at least a minute), so that it counts.
        let gaps = zip(times.dropFirst(), times).map { $0 - $1 }.sorted()
        self.end = end ?? last + (gaps.first.map { max(60, min($0, 600)) } ?? 60)
    }

    public var mostNodes: Int { nodes.max() ?? 0 }

    /// Mean number of nodes over the trace.
    public var meanNodes: Double {
        let ends = times.dropFirst() + [end]
        return zip(zip(times, ends), nodes).reduce(0) { $0 + ($1.0.1 - $1.0.0) * Double($1.1) } / max(end, 1e-9)
    }
}

/// Preemptions that take several nodes at a time: batches come at a rate for each node that is there, and a batch is away for one time.
///
/// Fitted to seven traces this is within 5 % of their elastic goodput; independent preemptions of the same rate are up to 17 % off. Availability of small
/// pools has regimes of hours to days that it lacks: replay a trace for a run that needs nearly all of its nodes.
public struct SpotMarket: Sendable, Hashable {
    /// Nodes when none is taken.
    public var nodes: Int
    /// Events a second for each node that is there.
    public var batchRate: Double
    /// Sizes of batches with their weights.
    public var sizes: BatchSizes
    /// How long a batch is away.
    public var outage: DurationLaw

    public init(nodes: Int, batchRate: Double, sizes: BatchSizes, outage: DurationLaw) {
        self.nodes = nodes
        self.batchRate = batchRate
        self.sizes = sizes
        self.outage = outage
    }

    /// From the rate at which a node is preempted: with batches of `batch` nodes events come at a `batch`-th of it.
    public init(nodes: Int, preemptionsPerNodeHour: Double, batch: Int, outage: DurationLaw) {
        self.init(
            nodes: nodes, batchRate: preemptionsPerNodeHour / 3600 / Double(max(1, batch)), sizes: .fixed(max(1, batch)), outage: outage)
    }
}

extension SpotMarket {
    /// The market of which a trace is a sample: batches come at the trace's losses over its node-hours and have its sizes; a batch is away for what the
    /// mean number of missing nodes says (Little 1961, doi:10.1287/opre.9.3.383: missing nodes = nodes lost a second x mean absence), lognormal
    /// with a standard deviation of the logarithm of 1, as seen in most traces.
    /// - Parameter nodes: of the run; the trace's own number scales nothing, as rates are by the node.
    /// - Throws: `Fault` for a trace in which nothing is lost.
    public init(fitting trace: CapacityTrace, nodes: Int) throws(Fault) {
        let losses = zip(trace.nodes, trace.nodes.dropFirst()).map { $0 - $1 }.filter { $0 > 0 }
        let nodeSeconds = trace.meanNodes * trace.end
        guard !losses.isEmpty, nodeSeconds > 0 else {
            throw Fault(
                keyPath: "conditions.spot.fit", reason: "no node is ever lost in this trace, so it says nothing of a rate",
                suggestion: "take a longer trace, or write preemption_per_hour: 5%")
        }
        let lostPerSecond = Double(losses.reduce(0, +)) / trace.end
        let absence = max(60, (Double(trace.mostNodes) - trace.meanNodes) / lostPerSecond)
        self.init(
            nodes: nodes, batchRate: Double(losses.count) / nodeSeconds, sizes: .observed(losses),
            outage: .lognormal(median: absence * exp(-0.5), sigma: 1))
    }
}

public enum BatchSizes: Sendable, Hashable {
    case fixed(Int)
    /// Mean at least 1.
    case geometric(mean: Double)
    /// One of these, as likely as each occurs.
    case observed([Int])
}

/// How the price of spot nodes moves, relative to the base price.
public enum PricePlan: Sendable, Hashable {
    case constant
    /// The logarithm follows an Ornstein-Uhlenbeck process: it returns to `mean` at the rate `reversion` a day with `volatility` a square root of a day.
    case reverting(mean: Double, volatility: Double, reversion: Double)
    /// Times in seconds and prices, each until the next.
    case trace(times: [Double], prices: [Double])
}

/// Seconds (or another figure) for numbers of nodes, linear in between and constant beyond the ends.
public struct NodeTable: Sendable, Hashable {
    public var nodes: [Double]
    public var values: [Double]

    /// - Throws: `Fault` without rows or where the numbers of nodes do not ascend.
    public init(_ rows: [(nodes: Double, value: Double)]) throws(Fault) {
        guard !rows.isEmpty else { throw Fault(reason: "the table has no rows") }
        for (a, b) in zip(rows, rows.dropFirst()) where b.nodes <= a.nodes {
            throw Fault(reason: "the numbers of nodes must ascend, but \(b.nodes) follows \(a.nodes)")
        }
        for row in rows where !(row.value >= 0) { throw Fault(reason: "\(row.value) at \(row.nodes) nodes must be zero or more") }
        nodes = rows.map(\.nodes)
        values = rows.map(\.value)
    }

    public init(constant: Double) {
        nodes = [1]
        values = [constant]
    }

    public subscript(_ count: Int) -> Double {
        let x = Double(count)
        guard let upper = nodes.firstIndex(where: { $0 >= x }) else { return values.last ?? 0 }
        guard upper > 0, nodes[upper] > x else { return values[upper] }
        let part = (x - nodes[upper - 1]) / (nodes[upper] - nodes[upper - 1])
        return values[upper - 1] + part * (values[upper] - values[upper - 1])
    }
}

/// Pace for numbers of nodes: with n nodes the run uses the best layout of at most n.
public struct PaceTable: Sendable, Hashable {
    /// [nodes] work a second over the healthy run's; index 0 is 0.
    public private(set) var pace: [Double]
    /// [nodes] how many of them the best layout uses.
    public private(set) var used: [Int]

    /// - Parameter rows: nodes that a layout uses and its pace; several layouts may use the same number.
    /// - Throws: `Fault` without rows, or for impossible numbers.
    public init(_ rows: [(nodes: Int, pace: Double)], most: Int) throws(Fault) {
        guard !rows.isEmpty else { throw Fault(reason: "the table of paces has no rows") }
        for row in rows {
            guard row.nodes >= 1, row.pace >= 0, row.pace.isFinite else {
                throw Fault(reason: "a pace of \(row.pace) on \(row.nodes) nodes is not possible")
            }
        }
        pace = [0]
        used = [0]
        for count in 1...max(1, most) {
            var (best, nodes) = (pace[count - 1], used[count - 1])
            for row in rows where row.nodes == count && row.pace > best { (best, nodes) = (row.pace, row.nodes) }
            pace.append(best)
            used.append(nodes)
        }
    }

    /// Runs at full pace on `needed` nodes and not at all on fewer.
    public init(rigid needed: Int) {
        pace = Array(repeating: 0, count: max(1, needed)) + [1]
        used = Array(repeating: 0, count: max(1, needed)) + [needed]
    }

    public func pace(with nodes: Int) -> Double { pace[min(max(0, nodes), pace.count - 1)] }
    public func used(of nodes: Int) -> Int { used[min(max(0, nodes), used.count - 1)] }
}
