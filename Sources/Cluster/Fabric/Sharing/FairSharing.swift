/// Weighted max-min fair sharing of links among flows, kept up to date under changes.
///
/// A common level x rises from 0; flow f runs at w_f x until a link of its route is full; that fixes all flows of the link, and the rest goes on
/// ("progressive filling", Bertsekas and Gallager, Data Networks, 1992, section 6.5.2). The result is the only allocation in which every flow crosses a
/// full link on which no flow has a higher level: its bottleneck.
///
/// After a change only part is solved again, exactly:
/// - Filling goes on as before up to the lowest level x* at which the change can be felt: the level of a flow that left, or the level at which a new flow's
///   route can first be full. Flows fixed below x* keep their rates.
/// - From the changed links the rest spreads over full links only. A link that was not full is a constraint of the new solution, and should it become
///   full, the flows on it join and the filling is done once more.
struct FairSharing: ~Copyable {
    struct Flow: BitwiseCopyable {
        /// Share of a link relative to others; rate = weight * level.
        var weight = 1.0
        var inverseWeight = 1.0
        var level = 0.0
        /// Bytes not sent at `since`.
        var remaining = 0.0
        var since = 0.0
        /// Bytes in all.
        var bytes = 0.0
        var routeStart: Int32 = 0
        var routeLength: Int32 = 0
        /// The full link that holds it back, -1 before its first share.
        var bottleneck: Int32 = -1
        /// Stamp of the last solve that it took part in, and of the last filling that fixed it.
        var joined: UInt32 = 0
        var fixed: UInt32 = 0
        /// The caller's number.
        var owner: Int32 = -1
        var rate: Double { weight * level }
    }

    struct Link: BitwiseCopyable {
        var capacity: Double
        /// Sum of the rates on it.
        var load = 0.0
        /// Sum of the weights on it.
        var weight = 0.0
        /// Level at which it is full, infinity when it is not.
        var level = Double.infinity
        // State of a filling: what is left, and the flows not fixed yet.
        var left = 0.0
        var openWeight = 0.0
        var movable = 0.0
        var arriving = 0.0
        var open: Int32 = 0
        var total: Int32 = 0
        var touched: UInt32 = 0
        var spread: UInt32 = 0
    }

    struct Crossing: BitwiseCopyable {
        var flow: Int32
        /// Index into `routes` of the hop.
        var hop: Int32
    }

    var flows = Column<Flow>()
    var links: Column<Link>
    var crossings: ListPool<Crossing>
    /// Per hop of each flow's route: the link, and the flow's place in the link's list.
    var routes = Column<Int32>()
    private var places = Column<Int32>()
    private var freeFlows = Column<Int32>()
    private var freeRoutes: [[Int32]] = []
    /// When the first flow held back by each link will be done, in seconds.
    private(set) var nextDone: MinimumTree

    private var stamp: UInt32 = 0
    private var filling: UInt32 = 0
    private var threshold = Double.infinity
    private var arrivals = Column<Int32>()
    private var seeds = Column<Int32>()
    private var joinedFlows = Column<Int32>()
    private var touchedLinks = Column<Int32>()
    private var spreadLinks = Column<Int32>()
    private var heap = LevelHeap()
    private var fullLinks = Column<Int32>()
    /// Flows whose bottleneck changed in the last solve, with the link before; kept only when `notesBottlenecks`.
    var bottleneckChanges = Column<(flow: Int32, before: Int32)>()
    var notesBottlenecks = false

    init(capacities: [Double]) {
        links = Column(count: capacities.count, repeating: Link(capacity: 0))
        for (index, capacity) in capacities.enumerated() { links[index].capacity = capacity }
        crossings = ListPool(lists: capacities.count)
        nextDone = MinimumTree(count: capacities.count)
    }

    /// A link of its own for a flow with a cap, or for a test.
    mutating func addLink(capacity: Double) -> Int {
        links.append(Link(capacity: capacity))
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
        }
        let length = route.count
        while freeRoutes.count <= length { freeRoutes.append([]) }
        let start: Int
        if let free = freeRoutes[length].popLast() {
            start = Int(free)
        } else {
            start = routes.count
            for _ in 0..<length {
                routes.append(0)
                places.append(0)
            }
        }
        for hop in 0..<length { routes[start + hop] = route[hop] }
        flows[slot] = Flow(
            weight: weight, inverseWeight: 1 / weight, remaining: bytes, bytes: bytes,
            routeStart: Int32(truncatingIfNeeded: start), routeLength: Int32(truncatingIfNeeded: length), owner: owner)
        return slot
    }

    /// The flow begins to drain at `now`.
    mutating func admit(_ slot: Int, now: Double) {
        flows[slot].since = now
        let weight = flows[slot].weight
        let start = Int(flows[slot].routeStart)
        for hop in start..<start + Int(flows[slot].routeLength) {
            let link = Int(routes[hop])
            let crossing = Crossing(flow: Int32(truncatingIfNeeded: slot), hop: Int32(truncatingIfNeeded: hop))
            places[hop] = Int32(truncatingIfNeeded: crossings.append(crossing, to: link))
            links[link].weight += weight
            links[link].arriving += weight
            links[link].total &+= 1
        }
        arrivals.append(Int32(truncatingIfNeeded: slot))
    }

    /// The flow leaves; its slot is free for another.
    mutating func remove(_ slot: Int) {
        let flow = flows[slot]
        let start = Int(flow.routeStart)
        if flow.bottleneck >= 0 { threshold = min(threshold, flow.level) } else { forgetArrival(slot) }
        for hop in start..<start + Int(flow.routeLength) {
            let link = Int(routes[hop])
            if let moved = crossings.remove(at: Int(places[hop]), from: link) { places[Int(moved.hop)] = places[hop] }
            links[link].total &-= 1
            if links[link].total == 0 {
                links[link].weight = 0
                links[link].load = 0
            } else {
                links[link].weight -= flow.weight
                links[link].load -= flow.weight * flow.level
            }
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
        links[link].capacity = capacity
        threshold = 0
        seeds.append(Int32(truncatingIfNeeded: link))
    }

    var hasChanges: Bool { !arrivals.isEmpty || !seeds.isEmpty }

    // MARK: Solving

    /// Brings all rates up to date for the changes since the last call, which happen at `now`.
    mutating func solve(now: Double) {
        stamp &+= 1
        joinedFlows.removeAll()
        touchedLinks.removeAll()
        spreadLinks.removeAll()
        if notesBottlenecks { bottleneckChanges.removeAll() }
        lowerThresholdForArrivals()
        threshold *= 1 - 1e-9  // ties and rounding: too low a threshold only costs time
        for index in 0..<arrivals.count { join(Int(arrivals[index])) }
        for index in 0..<seeds.count {
            touch(Int(seeds[index]))
            spread(Int(seeds[index]))
        }
        arrivals.removeAll()
        seeds.removeAll()
        var next = 0
        repeat {
            while next < spreadLinks.count {
                let link = Int(spreadLinks[next])
                next &+= 1
                for crossing in crossings.elements(link) {
                    let slot = Int(crossing.flow)
                    if flows[slot].joined == stamp { continue }
                    if flows[slot].level >= threshold || Int(flows[slot].bottleneck) == link { join(slot) }
                }
            }
            fill(now: now)
        } while spreadOverNewlyFullLinks()
        threshold = .infinity
    }

    /// A new flow's level is that at which the first link of its route is full, sum_i w_i min(level_i, x) + w x = capacity; two lower bounds of it
    /// are enough: all flows at x, and all others at their present rates.
    private mutating func lowerThresholdForArrivals() {
        for index in 0..<arrivals.count {
            let flow = flows[Int(arrivals[index])]
            let start = Int(flow.routeStart)
            for hop in start..<start + Int(flow.routeLength) {
                let link = links[Int(routes[hop])]
                let bound = max(link.capacity / link.weight, link.arriving > 0 ? (link.capacity - link.load) / link.arriving : 0)
                threshold = min(threshold, max(0, bound))
            }
        }
        for index in 0..<arrivals.count {
            let flow = flows[Int(arrivals[index])]
            let start = Int(flow.routeStart)
            for hop in start..<start + Int(flow.routeLength) { links[Int(routes[hop])].arriving = 0 }
        }
    }

    @inline(__always)
    private mutating func join(_ slot: Int) {
        flows[slot].joined = stamp
        joinedFlows.append(Int32(truncatingIfNeeded: slot))
        let start = Int(flows[slot].routeStart)
        for hop in start..<start &+ Int(flows[slot].routeLength) { touch(Int(routes[hop])) }
    }

    @inline(__always)
    private mutating func touch(_ link: Int) {
        if links[link].touched == stamp { return }
        links[link].touched = stamp
        touchedLinks.append(Int32(truncatingIfNeeded: link))
        if links[link].level < .infinity { spread(link) }
    }

    @inline(__always)
    private mutating func spread(_ link: Int) {
        if links[link].spread == stamp { return }
        links[link].spread = stamp
        spreadLinks.append(Int32(truncatingIfNeeded: link))
    }

    /// Progressive filling of the joined flows into what the others leave.
    private mutating func fill(now: Double) {
        filling &+= 1
        prepareLinks()
        fullLinks.removeAll()
        var open = joinedFlows.count
        var level = 0.0
        while open > 0, let (stored, link) = heap.pop() {
            if links[link].open == 0 { continue }
            let current = max(level, max(0, links[link].left) / links[link].openWeight)
            // Other links that filled up since then have raised this one's level.
            if current > stored, current > heap.firstLevel {
                heap.push(current, link)
                continue
            }
            level = current
            open &-= fix(link, at: level, now: now)
            fullLinks.append(Int32(truncatingIfNeeded: link))
        }
        for index in 0..<touchedLinks.count {
            let link = Int(touchedLinks[index])
            links[link].load = links[link].capacity - links[link].left
        }
    }

    private mutating func prepareLinks() {
        for index in 0..<touchedLinks.count {
            let link = Int(touchedLinks[index])
            links[link].openWeight = 0
            links[link].open = 0
            links[link].movable = 0
        }
        for index in 0..<joinedFlows.count {
            let flow = flows[Int(joinedFlows[index])]
            let rate = flow.weight * flow.level
            let start = Int(flow.routeStart)
            for hop in start..<start &+ Int(flow.routeLength) {
                let link = Int(routes[hop])
                links[link].openWeight += flow.weight
                links[link].open &+= 1
                links[link].movable += rate
            }
        }
        heap.removeAll()
        for index in 0..<touchedLinks.count {
            let link = Int(touchedLinks[index])
            let fixed = links[link].open == links[link].total ? 0 : max(0, links[link].load - links[link].movable)
            links[link].left = links[link].capacity - fixed
            if links[link].level < .infinity {
                links[link].level = .infinity
                nextDone.set(link, to: .infinity)
            }
            if links[link].open > 0 { heap.append(max(0, links[link].left) / links[link].openWeight, link) }
        }
        heap.establish()
    }

    /// Fixes the open flows of a full link. Returns how many.
    @inline(__always)
    private mutating func fix(_ link: Int, at level: Double, now: Double) -> Int {
        var fixed = 0
        var soonest = Double.infinity  // bytes over weight
        for crossing in crossings.elements(link) {
            let slot = Int(crossing.flow)
            var flow = flows[slot]
            if flow.joined != stamp || flow.fixed == filling { continue }
            flow.fixed = filling
            flow.remaining = max(0, flow.remaining - flow.weight * flow.level * (now - flow.since))
            flow.since = now
            flow.level = level
            if notesBottlenecks, Int(flow.bottleneck) != link { bottleneckChanges.append((crossing.flow, flow.bottleneck)) }
            flow.bottleneck = Int32(truncatingIfNeeded: link)
            flows[slot] = flow
            fixed &+= 1
            soonest = min(soonest, flow.remaining * flow.inverseWeight)
            let rate = flow.weight * level
            let start = Int(flow.routeStart)
            for hop in start..<start &+ Int(flow.routeLength) {
                let other = Int(routes[hop])
                links[other].left -= rate
                links[other].openWeight -= flow.weight
                links[other].open &-= 1
            }
        }
        links[link].level = level
        nextDone.set(link, to: level > 0 ? now + soonest / level : .infinity)
        return fixed
    }

    /// A link that was not full and now holds flows back takes in those of its flows that run at a higher level. False when there is none.
    private mutating func spreadOverNewlyFullLinks() -> Bool {
        var again = false
        for index in 0..<fullLinks.count {
            let link = Int(fullLinks[index])
            if links[link].spread == stamp { continue }
            let limit = links[link].level * (1 + 1e-12)
            for crossing in crossings.elements(link) where flows[Int(crossing.flow)].joined != stamp && flows[Int(crossing.flow)].level > limit {
                threshold = min(threshold, links[link].level)
                spread(link)
                again = true
                break
            }
        }
        return again
    }

    // MARK: Reading

    /// When the flow will have sent its last byte at its present rate, in seconds.
    @inline(__always)
    func done(_ slot: Int) -> Double {
        let flow = flows[slot]
        guard flow.level > 0 else { return .infinity }
        return flow.since + flow.remaining * flow.inverseWeight / flow.level
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
        for hop in Int(flows[Int(crossing.flow)].routeStart)..<Int(crossing.hop) where Int(routes[hop]) == link { return false }
        return true
    }
}
