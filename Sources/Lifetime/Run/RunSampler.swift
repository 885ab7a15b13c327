import Engine

/// Plays samples of a plan, event by event: from one to the next in closed form, never step by step.
///
/// Between two events the run repeats one cycle (work, stall, work beside the write), so whole cycles are jumped by a division. A sample with 776
/// failures takes about as many iterations of the loop as it has failures, however short the interval.
struct RunSampler {
    let plan: RunPlan
    let table: Arrivals.Table
    let causes: [StruckCause]
    let seed: UInt64
    /// Work between checkpoints as it is kept.
    let interval: Double
    /// Total work; infinite where the run ends by the clock.
    let total: Double
    let horizon: Double
    /// Nodes come and go, so that each is paid for its own time.
    let paysByTheNode: Bool
    /// The run goes on with fewer nodes while some are in repair.
    let shrinks: Bool
    /// More failures or a longer time than this and the sample is given up.
    let mostEvents: Int
    let mostTime: Double

    // The state of the sample under way.
    var t = 0.0
    /// Work done, saved or not.
    var position = 0.0
    /// Where the present interval began.
    var base = 0.0
    /// Furthest work ever done.
    var high = 0.0
    var stallLeft = -1.0
    var isMajor = false
    var warmLeft = 0.0
    /// Last checkpoint that holds in storage, and in memory.
    var durable = 0.0
    var inMemory = 0.0
    var pending = 0.0
    var writeEnds = -Double.infinity
    /// Checkpoints since the last major one, and where that lies.
    var sinceMajor = 0
    var lastMajor = 0.0
    /// Wall seconds for a second of work: slow machines and fewer nodes.
    var drag = 1.0
    var billRate = 1.0
    var sample = RunSample()
    var arrivals: Arrivals
    var ledger = CheckpointLedger()
    var corruption = Corruption()
    var pool: NodePool?
    var spells = SlowSpells()
    var capacity: CapacityProcess?
    var price = PriceProcess(.constant, key: 0)
    var nextMaintenance = Double.infinity
    /// On-demand nodes that stand in.
    var substitutes = 0
    var key: UInt64 = 0
    var log: [RunEvent]?

    struct Corruption {
        /// Work at the onset; negative: there is none.
        var position = -1.0
        var foundAt = Double.infinity
        var cause = 0
        var index = 0
    }

    init(_ plan: RunPlan, seed: UInt64, most: (events: Int, years: Double) = (2_000_000, 250)) {
        self.plan = plan
        self.seed = seed
        table = Arrivals.Table(plan)
        causes = plan.causes.map { StruckCause($0, in: plan.fleet) }
        interval = plan.checkpoint.keptInterval(step: plan.step)
        switch plan.goal {
        case .work(let work):
            total = work
            horizon = .infinity
        case .duration(let time):
            total = .infinity
            horizon = time
        }
        // Asked at every event, where a look at the whole plan would cost more than the event.
        paysByTheNode = plan.capacity != nil
        shrinks = plan.capacity?.source == .fleet
        mostEvents = most.events
        mostTime = most.years * 31_557_600
        arrivals = Arrivals(table, plan, key: 0)
    }

    /// One run. The same index gives the same failures whatever else the plan says.
    mutating func run(_ index: Int, logging: Bool = false) -> RunSample {
        reset(index)
        log = logging ? [] : nil
        if plan.capacity != nil { startOnCapacity() }
        while sample.ending == .finished {
            let next = nextEvent
            if advance(until: min(next.time, horizon)) { break }
            guard t < horizon else { break }
            handle(next.kind)
            if sample.interruptions + sample.maintenances > mostEvents || t > mostTime { sample.ending = .unfinished }
        }
        high = max(high, position)
        sample.wallClock = t
        sample.work = total.isFinite && sample.ending == .finished ? total : high
        if sample.ending == .finished, corruption.position >= 0, position > corruption.position { sample.ending = .tainted }
        settleBill()
        note(.end)
        return sample
    }

    private mutating func reset(_ index: Int) {
        var stream = RandomStream(seed: seed, purpose: "run", entity: UInt64(index))
        key = stream.next()
        sample = RunSample()
        sample.byCause = Array(repeating: 0, count: plan.causes.count)
        arrivals = Arrivals(table, plan, key: key)
        ledger = CheckpointLedger()
        corruption = Corruption()
        pool = plan.spares.map { NodePool($0) }
        spells = SlowSpells(plan, key: key)
        (t, position, base, high, stallLeft, warmLeft, durable, inMemory) = (0, 0, 0, 0, -1, 0, 0, 0)
        (pending, writeEnds, sinceMajor, drag, billRate, substitutes) = (0, -.infinity, 0, 1, Double(plan.fleet.nodes), 0)
        drag = spells.pace
        nextMaintenance = plan.maintenance.map { $0.every } ?? .infinity
        capacity = nil
    }

    private enum Coming { case failure, corruptionFound, slow, maintenance, capacity, price, nodeBack }

    private var nextEvent: (time: Double, kind: Coming) {
        var best = (time: arrivals.time, kind: Coming.failure)
        if corruption.foundAt <= best.time { best = (corruption.foundAt, .corruptionFound) }
        if spells.time < best.time { best = (spells.time, .slow) }
        if nextMaintenance < best.time { best = (nextMaintenance, .maintenance) }
        guard paysByTheNode else { return (max(t, best.time), best.kind) }
        if let capacity {
            if capacity.time < best.time { best = (capacity.time, .capacity) }
            if price.time < best.time { best = (price.time, .price) }
        } else if shrinks, let pool, pool.missing > 0, pool.nextReturn < best.time {
            best = (pool.nextReturn, .nodeBack)
        }
        return (max(t, best.time), best.kind)
    }

    private mutating func handle(_ kind: Coming) {
        switch kind {
        case .failure: fail()
        case .corruptionFound: recover(from: .corruption)
        case .slow: changeSpeed()
        case .maintenance: recover(from: .maintenance)
        case .capacity:
            let effect = capacityChanges()
            if effect != .none { recover(from: .capacity(effect)) }
        case .price:
            price.advance()
            updateBillRate()
        case .nodeBack:
            pool?.settle(t)
            recover(from: .capacity(.resized))
        }
    }

    private mutating func fail() {
        let cause = arrivals.cause
        // A run that waits for nodes does not fail.
        guard drag.isFinite else { return arrivals.advance() }
        guard causes[cause].isSilent else { return recover(from: .failure) }
        count(cause)
        if corruption.position < 0 {
            var draws = attributes(arrivals.index)
            let delay = causes[cause].detect.draw(&draws)
            corruption = Corruption(position: position, foundAt: t + delay, cause: cause, index: arrivals.index)
        }
        note(.corruption, cause)
        arrivals.advance()
    }

    /// Draws that belong to one failure, whatever else happens.
    func attributes(_ index: Int) -> RandomStream { RandomStream(seed: key, purpose: "", entity: UInt64(index)) }

    mutating func count(_ cause: Int) {
        sample.interruptions += 1
        sample.byCause[cause] += 1
    }

    private mutating func changeSpeed() {
        let isFound = spells.advance(at: t)
        drag = currentDrag
        note(.slow)
        if isFound, spells.evictionPays(left: workLeft, cost: plan.restart.mean + plan.checkpoint.stall) { recover(from: .eviction) }
    }

    var workLeft: Double { total.isFinite ? total - position : (horizon - t) / drag }

    var currentDrag: Double {
        guard paysByTheNode, let plan = plan.capacity else { return spells.pace }
        let pace = plan.pace.pace(with: nodesAtWork)
        return pace > 0 ? spells.pace / pace : .infinity
    }

    var nodesAtWork: Int {
        guard let plan = plan.capacity else { return self.plan.fleet.nodes }
        guard let capacity else { return max(0, plan.most - (pool?.missing ?? 0)) }
        return min(plan.most, capacity.nodes + substitutes)
    }

    /// Time into its part, and onto the bill.
    @inline(__always)
    mutating func spend(_ part: TimePart, _ seconds: Double) {
        sample.seconds[part.rawValue] += seconds
        if paysByTheNode { sample.billed[part.rawValue] += seconds * billRate }
    }

    mutating func updateBillRate() {
        guard let plan = plan.capacity, let capacity else { return }
        let held = Double(min(plan.most, capacity.nodes))
        billRate = held * price.price + Double(substitutes) * (plan.onDemand?.relativePrice ?? 1)
    }

    /// With all nodes there from start to end, the bill follows the clock.
    private mutating func settleBill() {
        guard !paysByTheNode else { return }
        for part in 0..<TimePart.count { sample.billed[part] = sample.seconds[part] * Double(plan.fleet.nodes) }
    }

    mutating func note(_ kind: RunEvent.Kind, _ cause: Int? = nil, node: Int = -1, state: String = "") {
        guard log != nil else { return }
        let paid = paysByTheNode ? (0..<TimePart.count).reduce(0) { $0 + sample.billed[$1] } : t * Double(plan.fleet.nodes)
        let event = RunEvent(
            time: t, kind: kind, cause: cause.map { plan.causes[$0].name } ?? "", node: node, state: state, work: position,
            nodes: nodesAtWork,
            paid: paid)
        log?.append(event)
    }
}

extension RestartPlan {
    var mean: Double { requeue.mean + initialise.mean + load + warmUp }
}
