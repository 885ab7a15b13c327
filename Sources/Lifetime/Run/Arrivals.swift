import Engine

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// The failures of one sample in the order of time.
///
/// All exponential causes are one Poisson process: the gaps have the sum of the rates, and an alias table (Walker 1977, doi:10.1145/355744.355749;
/// Vose 1991, doi:10.1109/32.92917) says which cause it was, so an arrival costs two draws however many causes there are. Times are absolute and do not
/// depend on what the run does: variants of a run with the same seed meet the same failures.
/// Other distributions keep a clock for each unit, in a heap.
struct Arrivals {
    /// Draws of one sample that do not change from sample to sample.
    struct Table {
        var nodeRate = 0.0
        var otherRate = 0.0
        var ofNodes = AliasTable(weights: [])
        var ofOthers = AliasTable(weights: [])
        /// Index of the cause of each entry of the alias tables.
        var nodeCauses: [Int] = []
        var otherCauses: [Int] = []
        var clocked: [Int] = []

        init(_ plan: RunPlan) {
            var (nodeWeights, otherWeights): ([Double], [Double]) = ([], [])
            for (index, cause) in plan.causes.enumerated() {
                let rate = cause.rate(in: plan.fleet)
                if cause.law != .exponential {
                    clocked.append(index)
                } else if rate > 0, cause.isOfNodes {
                    nodeCauses.append(index)
                    nodeWeights.append(rate)
                } else if rate > 0 {
                    otherCauses.append(index)
                    otherWeights.append(rate)
                }
            }
            nodeRate = nodeWeights.reduce(0, +)
            otherRate = otherWeights.reduce(0, +)
            ofNodes = AliasTable(weights: nodeWeights)
            ofOthers = AliasTable(weights: otherWeights)
        }
    }

    private let table: Table
    private var draws: RandomStream
    private var meanGap = Double.infinity
    private var nodeShare = 1.0
    private var nextOfPoisson = Double.infinity
    private var causeOfPoisson = 0
    private var clocks: [FailureClock] = []
    /// Time and cause of the next failure; infinite where none comes.
    private(set) var time = Double.infinity
    private(set) var cause = 0
    /// -1: the Poisson process; else a clock.
    private var source = -1
    /// How many failures came before it.
    private(set) var index = 0

    init(_ table: Table, _ plan: RunPlan, key: UInt64) {
        self.table = table
        draws = RandomStream(seed: key, purpose: "failures")
        var multiple = 1.0
        if let lemons = plan.lemons, lemons.areIn(plan.fleet) {
            var stream = RandomStream(seed: key, purpose: "lemons")
            let nodes = plan.fleet.nodes
            multiple = lemons.multiple(count: Double(stream.binomial(nodes, lemons.share)), of: Double(nodes))
        }
        let ofNodes = table.nodeRate * multiple
        let total = ofNodes + table.otherRate
        if total > 0 {
            meanGap = 1 / total
            nodeShare = ofNodes / total
            nextOfPoisson = 0
            drawPoisson()
        }
        for index in table.clocked {
            clocks.append(
                FailureClock(plan.causes[index], index, in: plan.fleet, rate: plan.causes[index].isOfNodes ? multiple : 1, key: key))
        }
        settle()
    }

    private mutating func drawPoisson() {
        nextOfPoisson += draws.exponential(mean: meanGap)
        let u = draws.uniform()
        // One uniform does for both choices: what is left of it after the first is uniform again.
        if u < nodeShare {
            causeOfPoisson = table.nodeCauses[table.ofNodes.pick(u / nodeShare)]
        } else {
            causeOfPoisson = table.otherCauses[table.ofOthers.pick((u - nodeShare) / (1 - nodeShare))]
        }
    }

    private mutating func settle() {
        time = nextOfPoisson
        cause = causeOfPoisson
        source = -1
        for (index, clock) in clocks.enumerated() where clock.time < time {
            time = clock.time
            cause = clock.cause
            source = index
        }
    }

    /// Takes the next failure out.
    mutating func advance() {
        index += 1
        if source < 0 { drawPoisson() } else { clocks[source].advance() }
        if clocks.isEmpty {
            time = nextOfPoisson
            cause = causeOfPoisson
        } else {
            settle()
        }
    }

    /// The run trains again at `now`: what ages from there is as good as new.
    mutating func restarted(at now: Double) {
        guard !clocks.isEmpty else { return }
        for index in clocks.indices { clocks[index].restarted(at: now) }
        settle()
    }
}

/// The clocks of the units of one cause whose failures are not memoryless.
private struct FailureClock {
    let cause: Int
    private let interval: DurationLaw?
    private let renews: FailureCause.Renewal
    private var draws: RandomStream
    private let trace: [Double]
    private var position = 0
    /// Next failure of each unit, a binary heap.
    private var next: [Double] = []

    var time: Double { next.first ?? (position < trace.count ? trace[position] : .infinity) }

    init(_ cause: FailureCause, _ index: Int, in fleet: Fleet, rate: Double, key: UInt64) {
        self.cause = index
        renews = cause.renewal
        draws = RandomStream(seed: key, purpose: "clock", entity: UInt64(index))
        if case .trace(let times) = cause.law { trace = times } else { trace = [] }
        var scaled = cause
        if rate > 0 { scaled.mtbf = cause.mtbf / rate }
        interval = cause.mtbf.isFinite && cause.mtbf > 0 ? scaled.interval : nil
        guard let interval else { return }
        next.reserveCapacity(fleet.count(of: cause.per))
        for _ in 0..<fleet.count(of: cause.per) {
            next.append(renews == .restart ? interval.draw(&draws) : interval.drawRemaining(&draws))
        }
        heapify()
    }

    mutating func advance() {
        guard let interval, let first = next.first else {
            position += 1
            return
        }
        next[0] = first + interval.draw(&draws)
        siftDown(0)
    }

    mutating func restarted(at now: Double) {
        guard renews == .restart, let interval else { return }
        for index in next.indices { next[index] = now + interval.draw(&draws) }
        heapify()
    }

    private mutating func heapify() {
        for index in stride(from: next.count / 2 - 1, through: 0, by: -1) { siftDown(index) }
    }

    private mutating func siftDown(_ start: Int) {
        var index = start
        let value = next[start]
        while true {
            var child = 2 * index + 1
            guard child < next.count else { break }
            if child + 1 < next.count, next[child + 1] < next[child] { child += 1 }
            guard next[child] < value else { break }
            next[index] = next[child]
            index = child
        }
        next[index] = value
    }
}

/// Draws from a discrete distribution in constant time.
struct AliasTable: Sendable {
    private var threshold: [Double] = []
    private var alias: [Int] = []

    init(weights: [Double]) {
        let total = weights.reduce(0, +)
        let count = weights.count
        guard total > 0 else { return }
        var scaled = weights.map { $0 / total * Double(count) }
        threshold = Array(repeating: 1, count: count)
        alias = Array(0..<count)
        var small = scaled.indices.filter { scaled[$0] < 1 }
        var large = scaled.indices.filter { scaled[$0] >= 1 }
        while let low = small.last, let high = large.last {
            small.removeLast()
            threshold[low] = scaled[low]
            alias[low] = high
            scaled[high] -= 1 - scaled[low]
            if scaled[high] < 1 {
                large.removeLast()
                small.append(high)
            }
        }
    }

    /// - Parameter uniform: from [0, 1).
    func pick(_ uniform: Double) -> Int {
        let place = uniform * Double(threshold.count)
        let column = min(threshold.count - 1, max(0, Int(place)))
        return place - Double(column) < threshold[column] ? column : alias[column]
    }
}

extension RandomStream {
    /// Successes of `count` trials: by the waiting times between successes, geometric (Devroye 1986, chapter X.4), so it takes as many draws as there
    /// are successes.
    mutating func binomial(_ count: Int, _ probability: Double) -> Int {
        guard probability > 0, count > 0 else { return 0 }
        guard probability < 1 else { return count }
        var (successes, passed) = (0, 0.0)
        let scale = -1 / log1p(-probability)
        while true {
            passed += (exponential(mean: 1) * scale).rounded(.up)
            guard passed <= Double(count) else { return successes }
            successes += 1
        }
    }
}
