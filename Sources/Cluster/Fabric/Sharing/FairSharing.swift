/// Weighted max-min fair sharing of links among flows, kept up to date under changes.
///
/// A common level x rises from 0; flow f runs at w_f x until a link of its route is full; that fixes all flows of the link, and the rest goes on
/// ("progressive filling", Bertsekas and Gallager, Data Networks, 1992, section 6.5.2). The result is the only allocation in which every flow crosses a
/// full link on which no flow has a higher level: its bottleneck.
///
/// After a change only part is solved again, exactly. A change is felt on the full links of the flow that came or left. A full link that feels a change
/// passes it on to the flows that it holds back, and these to the other full links of their routes, whose levels are never lower: changes spread upwards
/// only. What the rest keeps is then checked, and where it cannot stay, the filling is done again with more flows:
/// - a flow whose level is above the new one of a full link of its route joins;
/// - a link that was not full and would now be overloaded becomes a constraint.
///
/// Most links of a route can never become full: no flow's level comes near capacity over the sum of weights, the level at which the link would be full were
/// it the bottleneck of all. Such a link is not tracked: its load is not known, and its flows skip it, until one rises above what the link promises to bear.
struct FairSharing: ~Copyable {
    /// One cache line.
    struct Flow: BitwiseCopyable {
        var level = 0.0
        /// Share of a link relative to others; rate = weight * level.
        var weight = 1.0
        /// Bytes not sent at `since` (seconds), over the weight.
        var work = 0.0
        var since = 0.0
        /// Up to this level the links that are not tracked bear it.
        var slack = Double.infinity
        /// Which filling it takes part in: twice its number while open, one more when fixed.
        var mark: UInt32 = 0
        /// The full link that holds it back, -1 before its first share.
        var bottleneck: Int32 = -1
        var routeStart: Int32 = 0
        var routeLength: Int32 = 0
        /// The caller's number.
        var owner: Int32 = -1
        /// Which of the first 32 hops are on tracked links; of longer routes all are.
        var tracked: UInt32 = 0
        var rate: Double { weight * level }
        var remaining: Double {
            get { work * weight }
            set { work = newValue / weight }
        }
    }

    /// A link of a flow's route, and the flow's place in the link's list.
    struct Hop: BitwiseCopyable {
        var link: Int32
        var place: Int32 = 0
    }

    /// One cache line.
    struct Link: BitwiseCopyable {
        var capacity: Double
        /// Sum of the rates on it.
        var load = 0.0
        /// Sum of the weights on it.
        var weight = 0.0
        /// Level at which it is full, infinity when it holds nobody back.
        var level = Double.infinity
        // State of a filling: what is left, and the flows not fixed yet.
        var left = 0.0
        var openWeight = 0.0
        var open: Int32 = 0
        var total: Int32 = 0
        /// The stamp (even) of the last solve that it constrained, one more when its flows joined.
        var touched: UInt32 = 0
        /// The flows that it holds back come first in its list: so many.
        var held: Int32 = 0
    }

    struct Crossing: BitwiseCopyable {
        var flow: Int32
        /// Index into `routes` of the hop.
        var hop: Int32
        /// On tracked links the flow's other tracked link, where there is just one: most visits of a flow then need not look at its route.
        var other = Self.several
        static let several: Int32 = -1
        static let none: Int32 = -2
    }

    var flows = Column<Flow>()
    /// [flows] in all.
    var bytes = Column<Double>()
    /// [links] level up to which a link that is not tracked bears all its flows, at most capacity / weight; below 0 for tracked links.
    var promises: Column<Double>
    var links: Column<Link>
    var crossings: ListPool<Crossing>
    var routes = Column<Hop>()
    private var freeFlows = Column<Int32>()
    private var freeRoutes: [[Int32]] = []
    /// When the first flow held back by each link will be done, in seconds.
    private(set) var nextDone: MinimumTree

    private var stamp: UInt32 = 0
    private var filling: UInt32 = 0
    /// Marks from here on are of the present solve.
    private var firstMark: UInt32 = 0
    private var arrivals = Column<Int32>()
    private var seeds = Column<Int32>()
    private var resized = Column<Int32>()
    private var joinedFlows = Column<Int32>()
    private var touchedLinks = Column<Int32>()
    private var spreadLinks = Column<Int32>()
    private var heap = LevelHeap()
    /// Full links with flows above their level that have not joined.
    private var crossedLinks = Column<Int32>()
    /// Links above their capacity that were no constraints.
    var overloaded = Column<Int32>()
    /// Flows whose bottleneck changed in the last solve, with the link before; kept only when `notesBottlenecks`.
    var bottleneckChanges = Column<(flow: Int32, before: Int32)>()
    var notesBottlenecks = false

    init(capacities: [Double]) {
        links = Column(count: capacities.count, repeating: Link(capacity: 0))
        for (index, capacity) in capacities.enumerated() { links[index].capacity = capacity }
        promises = Column(count: capacities.count, repeating: 0)
        crossings = ListPool(lists: capacities.count)
        nextDone = MinimumTree(count: capacities.count)
    }

    /// A link of its own for a flow with a cap, or for a test.
    mutating func addLink(capacity: Double) -> Int {
        links.append(Link(capacity: capacity))
        promises.append(0)
        crossings.addList()
        nextDone.grow(to: links.count)
        return links.count - 1
    }

    // MARK: Changes. They take effect together at the next `solve`.

    /// Makes room for a flow with its route, not yet on any link. Returns its slot.
    mutating func reserve(owner: Int32, route: borrowing Column<Int32>, weight: Double, bytes: Double) -> Int {
        let slot: Int
        if let free = freeFlows.popLast() {
            slot = Int(free)
        } else {
            slot = flows.count
            flows.append(Flow())
            self.bytes.append(0)
        }
        let length = route.count
        while freeRoutes.count <= length { freeRoutes.append([]) }
        let start: Int
        if let free = freeRoutes[length].popLast() {
            start = Int(free)
        } else {
            start = routes.count
            for _ in 0..<length { routes.append(Hop(link: 0)) }
        }
        for hop in 0..<length { routes[start + hop] = Hop(link: route[hop]) }
        flows[slot] = Flow(
            weight: weight, work: bytes / weight, routeStart: Int32(truncatingIfNeeded: start),
            routeLength: Int32(truncatingIfNeeded: length), owner: owner)
        self.bytes[slot] = bytes
        return slot
    }

    /// The flow begins to drain at `now`.
    mutating func admit(_ slot: Int, now: Double) {
        flows[slot].since = now
        let weight = flows[slot].weight
        let start = Int(flows[slot].routeStart)
        for hop in start..<start + Int(flows[slot].routeLength) {
            let link = Int(routes[hop].link)
            let crossing = Crossing(flow: Int32(truncatingIfNeeded: slot), hop: Int32(truncatingIfNeeded: hop))
            routes[hop].place = Int32(truncatingIfNeeded: crossings.append(crossing, to: link))
            links[link].weight += weight
            links[link].total &+= 1
            if promises[link] < 0 { flows[slot].tracked |= bit(of: hop, from: start) } else { keepPromise(link, to: slot) }
        }
        noteOthers(slot)
        if flows[slot].routeLength > 32 { for hop in start..<start + Int(flows[slot].routeLength) { track(Int(routes[hop].link)) } }
        arrivals.append(Int32(truncatingIfNeeded: slot))
    }

    /// The flow leaves; its slot is free for another.
    mutating func remove(_ slot: Int) {
        let flow = flows[slot]
        let start = Int(flow.routeStart)
        if flow.bottleneck < 0 { forgetArrival(slot) }
        for hop in start..<start + Int(flow.routeLength) {
            let link = Int(routes[hop].link)
            var place = Int(routes[hop].place)
            if place < Int(links[link].held) {
                links[link].held &-= 1
                exchange(place, Int(links[link].held), in: crossings.elements(link))
                place = Int(links[link].held)
            }
            if let moved = crossings.remove(at: place, from: link) { routes[Int(moved.hop)].place = Int32(truncatingIfNeeded: place) }
            links[link].total &-= 1
            if links[link].total == 0 {
                links[link].weight = 0
                links[link].load = 0
                promises[link] = 0
                if links[link].level < .infinity {
                    links[link].level = .infinity
                    nextDone.set(link, to: .infinity)
                }
                continue
            }
            links[link].weight -= flow.weight
            links[link].load -= flow.weight * flow.level
            if links[link].level < .infinity { seeds.append(Int32(truncatingIfNeeded: link)) }
        }
        discard(slot)
    }

    private mutating func forgetArrival(_ slot: Int) {
        var kept = Column<Int32>()
        for index in 0..<arrivals.count where Int(arrivals[index]) != slot { kept.append(arrivals[index]) }
        arrivals = kept
    }

    /// Gives back a slot that is on no link.
    mutating func discard(_ slot: Int) {
        let length = Int(flows[slot].routeLength)
        freeRoutes[length].append(flows[slot].routeStart)
        flows[slot].owner = -1
        freeFlows.append(Int32(truncatingIfNeeded: slot))
    }

    mutating func setCapacity(_ link: Int, to capacity: Double) {
        track(link)
        links[link].capacity = capacity
        resized.append(Int32(truncatingIfNeeded: link))
    }

    var hasChanges: Bool { !arrivals.isEmpty || !seeds.isEmpty || !resized.isEmpty }

    // MARK: Solving

    /// Brings all rates up to date for the changes since the last call, which happen at `now`.
    mutating func solve(now: Double) {
        stamp &+= 2
        firstMark = 2 &* (filling &+ 1)
        joinedFlows.removeAll()
        touchedLinks.removeAll()
        spreadLinks.removeAll()
        if notesBottlenecks { bottleneckChanges.removeAll() }
        joinArrivals(now: now)
        for index in 0..<seeds.count { spread(Int(seeds[index])) }
        seeds.removeAll()
        for index in 0..<resized.count {
            spread(Int(resized[index]))
            join(flowsOf: Int(resized[index]), above: -1)
        }
        resized.removeAll()
        guard !joinedFlows.isEmpty || !spreadLinks.isEmpty else { return }
        var next = 0
        repeat {
            while next < spreadLinks.count {
                join(flowsHeldBy: Int(spreadLinks[next]))
                next &+= 1
            }
            fill(now: now)
        } while widen()
    }

    /// The tracked links of new flows are all constraints, full or not: one of them must hold the flow back.
    private mutating func joinArrivals(now: Double) {
        // What is tracked must be settled before the first flow adds itself to its links.
        for index in 0..<arrivals.count { if !settleAlone(Int(arrivals[index]), now: now) { trackNarrow(Int(arrivals[index])) } }
        for index in 0..<arrivals.count {
            let slot = Int(arrivals[index])
            if flows[slot].bottleneck >= 0 { continue }
            var hops = TrackedHops(flows[slot])
            while let hop = hops.pop() { touch(Int(routes[hop].link)) }
            join(slot)
        }
        arrivals.removeAll()
    }

    /// A new flow that shares no link takes the smallest capacity of its route. False when it shares one.
    private mutating func settleAlone(_ slot: Int, now: Double) -> Bool {
        let start = Int(flows[slot].routeStart)
        let end = start &+ Int(flows[slot].routeLength)
        var rate = Double.infinity
        var narrowest = -1
        for hop in start..<end {
            let link = links[Int(routes[hop].link)]
            if link.total != 1 { return false }
            if link.capacity < rate {
                rate = link.capacity
                narrowest = Int(routes[hop].link)
            }
        }
        let level = rate / flows[slot].weight
        flows[slot].level = level
        flows[slot].bottleneck = Int32(truncatingIfNeeded: narrowest)
        var slack = Double.infinity
        for hop in start..<end {
            let link = Int(routes[hop].link)
            if promises[link] >= 0, Self.margin * links[link].capacity >= rate {
                promises[link] = max(promises[link], level)
                slack = min(slack, promises[link])
                continue
            }
            promises[link] = -1
            flows[slot].tracked |= bit(of: hop, from: start)
            links[link].load = rate
        }
        noteOthers(slot)
        if promises[narrowest] >= 0 { track(narrowest) }
        flows[slot].slack = slack
        links[narrowest].level = level
        links[narrowest].held = 1
        nextDone.set(narrowest, to: done(slot))
        if notesBottlenecks { bottleneckChanges.append((Int32(truncatingIfNeeded: slot), -1)) }
        return true
    }

    // MARK: Joining

    /// The link itself is touched already; its sums are added up aside, for the sake of speed.
    private mutating func join(flowsHeldBy link: Int) {
        let held = Int(links[link].held)
        let level = links[link].level
        var weight = 0.0
        var count: Int32 = 0
        for place in 0..<held {
            let crossing = crossings.elements(link)[place]
            let slot = Int(crossing.flow)
            if flows[slot].mark >= firstMark { continue }
            if crossing.other == Crossing.several {
                join(slot)
                continue
            }
            flows[slot].mark = firstMark
            joinedFlows.append(crossing.flow)
            let own = flows[slot].weight
            weight += own
            count &+= 1
            if crossing.other >= 0 { addOpen(to: Int(crossing.other), weight: own, rate: own * flows[slot].level) }
        }
        guard count > 0 else { return }
        links[link].openWeight += weight
        links[link].open &+= count
        links[link].left += weight * level
    }

    private mutating func join(flowsOf link: Int, above level: Double) {
        for crossing in crossings.elements(link) {
            let flow = flows[Int(crossing.flow)]
            if flow.mark < firstMark, flow.level > level { join(Int(crossing.flow)) }
        }
    }

    @inline(__always)
    private mutating func exchange(_ one: Int, _ other: Int, in list: UnsafeMutableBufferPointer<Crossing>) {
        if one == other { return }
        list.swapAt(one, other)
        routes[Int(list[one].hop)].place = Int32(truncatingIfNeeded: one)
        routes[Int(list[other].hop)].place = Int32(truncatingIfNeeded: other)
    }

    /// The first filling finds the sums of its links made here, in the one visit that each flow needs anyway.
    @inline(__always)
    private mutating func join(_ slot: Int) {
        flows[slot].mark = firstMark
        joinedFlows.append(Int32(truncatingIfNeeded: slot))
        let flow = flows[slot]
        let rate = flow.rate
        var hops = TrackedHops(flow)
        while let hop = hops.pop() { addOpen(to: Int(routes[hop].link), weight: flow.weight, rate: rate) }
    }

    /// A flow of this weight and rate is open on the link, if that is a constraint or becomes one.
    @inline(__always)
    private mutating func addOpen(to link: Int, weight: Double, rate: Double) {
        if links[link].touched < stamp {
            if links[link].level < .infinity {
                spread(link)
            } else if links[link].load > 0.99 * links[link].capacity {
                touch(link)  // likely to be full soon: better a constraint from the beginning
            } else {
                return
            }
        }
        links[link].openWeight += weight
        links[link].open &+= 1
        links[link].left += rate
    }

    @inline(__always)
    private mutating func touch(_ link: Int) {
        if links[link].touched >= stamp { return }
        constrain(link, stamp)
        if links[link].level < .infinity { spread(link) }
    }

    @inline(__always)
    private mutating func constrain(_ link: Int, _ stamp: UInt32) {
        links[link].touched = stamp
        links[link].openWeight = 0
        links[link].open = 0
        links[link].left = links[link].capacity - links[link].load
        touchedLinks.append(Int32(truncatingIfNeeded: link))
    }

    @inline(__always)
    private mutating func spread(_ link: Int) {
        if links[link].touched > stamp { return }
        if links[link].touched < stamp { constrain(link, stamp | 1) } else { links[link].touched = stamp | 1 }
        spreadLinks.append(Int32(truncatingIfNeeded: link))
    }

    /// Progressive filling of the joined flows into what the others leave.
    private mutating func fill(now: Double) {
        filling &+= 1
        if 2 &* filling > firstMark { sumAgain() }
        prepareLinks()
        crossedLinks.removeAll()
        overloaded.removeAll()
        var open = joinedFlows.count
        var level = 0.0
        while open > 0, let (stored, link) = heap.pop() {
            if links[link].open == 0 { continue }
            let current = max(level, max(0, links[link].left) / links[link].openWeight)
            // Other links that were fixed since then have raised this one's level.
            if current > stored, current > heap.firstLevel {
                heap.push(current, link)
                continue
            }
            level = current
            open &-= fix(link, at: level, now: now)
        }
        for index in 0..<touchedLinks.count {
            let link = Int(touchedLinks[index])
            links[link].load = links[link].capacity - links[link].left
            if links[link].level == .infinity { nextDone.set(link, to: .infinity) }
        }
    }

    /// The sums of the links after flows or links have been added to those of an earlier filling.
    private mutating func sumAgain() {
        for index in 0..<touchedLinks.count {
            let link = Int(touchedLinks[index])
            links[link].openWeight = 0
            links[link].open = 0
            links[link].left = links[link].capacity - links[link].load
        }
        let mark = 2 &* filling
        for index in 0..<joinedFlows.count {
            let slot = Int(joinedFlows[index])
            flows[slot].mark = mark
            let flow = flows[slot]
            let rate = flow.rate
            var hops = TrackedHops(flow)
            while let hop = hops.pop() {
                let link = Int(routes[hop].link)
                if links[link].touched < stamp { continue }
                links[link].openWeight += flow.weight
                links[link].open &+= 1
                links[link].left += rate
            }
        }
    }

    private mutating func prepareLinks() {
        heap.removeAll()
        for index in 0..<touchedLinks.count {
            let link = Int(touchedLinks[index])
            links[link].held = 0
            if links[link].open == links[link].total { links[link].left = links[link].capacity }
            links[link].level = .infinity
            if links[link].open > 0 { heap.append(max(0, links[link].left) / links[link].openWeight, link) }
        }
        heap.establish()
    }

    /// Fixes the open flows of a full link. Returns how many.
    @inline(__always)
    private mutating func fix(_ link: Int, at level: Double, now: Double) -> Int {
        let openMark = 2 &* filling
        let limit = level * (1 + 1e-12)
        var isCrossed = false
        var soonest = Double.infinity
        var held = 0
        var own = 0.0  // sum of the fixed weights
        let list = crossings.elements(link)
        for place in 0..<list.count {
            let crossing = list[place]
            let slot = Int(crossing.flow)
            var flow = flows[slot]
            guard flow.mark == openMark else {
                if flow.level > limit, flow.mark < firstMark { isCrossed = true }
                continue
            }
            let before = flow.level
            let work = max(0, flow.work - before * (now - flow.since))
            flow.work = work
            flow.since = now
            if notesBottlenecks, Int(flow.bottleneck) != link { bottleneckChanges.append((crossing.flow, flow.bottleneck)) }
            flow.mark = openMark | 1
            flow.level = level
            flow.bottleneck = Int32(truncatingIfNeeded: link)
            flows[slot] = flow
            exchange(place, held, in: list)
            held &+= 1
            soonest = min(soonest, work)
            let rate = flow.weight * level
            own += flow.weight
            let change = (weight: flow.weight, rate: rate, increase: flow.weight * (level - before))
            if crossing.other >= 0 {
                settle(Int(crossing.other), change)
            } else if crossing.other == Crossing.several {
                var hops = TrackedHops(flow)
                while let hop = hops.pop() {
                    if hop != Int(crossing.hop) { settle(Int(routes[hop].link), change) }
                }
            }
            if level > flow.slack { lookAgain(slot) }
        }
        // A flow that crosses the link twice has been here with its second crossing.
        links[link].left -= own * level
        links[link].openWeight = 0
        links[link].open = 0
        links[link].level = level
        nextDone.set(link, to: level > 0 ? now + soonest / level : .infinity)
        if isCrossed { crossedLinks.append(Int32(truncatingIfNeeded: link)) }
        links[link].held = Int32(truncatingIfNeeded: held)
        return held
    }

    /// A flow has its rate: what it leaves on another link of its route.
    @inline(__always)
    private mutating func settle(_ link: Int, _ flow: (weight: Double, rate: Double, increase: Double)) {
        if links[link].touched >= stamp {
            links[link].left -= flow.rate
            links[link].openWeight -= flow.weight
            links[link].open &-= 1
        } else {
            links[link].load += flow.increase
            if links[link].load > links[link].capacity { overloaded.append(Int32(truncatingIfNeeded: link)) }
        }
    }

    /// Takes in the flows that are above a full link of theirs, and the links that are overloaded. False when there are none.
    private mutating func widen() -> Bool {
        var again = false
        for index in 0..<overloaded.count {
            let link = Int(overloaded[index])
            guard links[link].load > links[link].capacity * (1 + 1e-12), links[link].touched < stamp else { continue }
            touch(link)
            again = true
        }
        for index in 0..<crossedLinks.count {
            let link = Int(crossedLinks[index])
            join(flowsOf: link, above: links[link].level * (1 + 1e-12))
            again = true
        }
        return again
    }

    // MARK: Reading

    /// When the flow will have sent its last byte at its present rate, in seconds.
    @inline(__always)
    func done(_ slot: Int) -> Double {
        let flow = flows[slot]
        guard flow.level > 0 else { return .infinity }
        return flow.since + flow.work / flow.level
    }

    /// Appends the flows that are done by `limit`, in the order of links.
    func collectDone(by limit: Double, into result: inout Column<Int32>) {
        var found = Column<Int32>()
        nextDone.forEach(atMost: limit) { found.append(Int32(truncatingIfNeeded: $0)) }
        for index in 0..<found.count {
            let link = Int(found[index])
            for crossing in crossings.elements(link) {
                let slot = Int(crossing.flow)
                guard Int(flows[slot].bottleneck) == link, done(slot) <= limit, isFirstCrossing(crossing, of: link) else { continue }
                result.append(crossing.flow)
            }
        }
    }
}

extension FairSharing {
    /// A route may cross a half-duplex link twice; the flow is then on its list twice.
    private func isFirstCrossing(_ crossing: Crossing, of link: Int) -> Bool {
        for hop in Int(flows[Int(crossing.flow)].routeStart)..<Int(crossing.hop) where Int(routes[hop].link) == link { return false }
        return true
    }
}
