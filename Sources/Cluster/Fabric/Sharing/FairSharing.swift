/// Weighted max-min fair sharing of links among flows, kept up to date under changes.
///
/// A common level x rises from 0; flow f runs at w_f x until a link of its route is full; that fixes all flows of the link, and the rest goes on
/// ("progressive filling", Bertsekas and Gallager, Data Networks, 1992, section 6.5.2). The result is the only allocation in which every flow crosses a
/// full link on which no flow has a higher level: its bottleneck, which holds it.
///
/// After a change only part is solved again, exactly (`Filling.swift`). All flows that a link holds have its level, so that levels and the time of the last
/// change belong to links; what a flow has left stands in the list of the link that holds it. A flow that stays with its link is therefore never
/// looked at itself: its entry in that list is all that a solution reads and writes of it.
///
/// Three kinds of links and flows keep out of that:
/// - Most links of a route can never become full: no flow's level comes near capacity over the sum of weights, the level at which the link would be full were
///   it the bottleneck of all. Such a link is not tracked (`LinkTracking.swift`): its load is not known, and its flows skip it, until one rises above what
///   the link promises to bear.
/// - A flow that has all its links to itself is on no list at all: its rate is known and changes only when another flow comes (`LoneFlows.swift`).
struct FairSharing: ~Copyable {
    struct Flow: BitwiseCopyable {
        /// Share of a link relative to others; rate = weight * level.
        var weight = 1.0
        /// Bytes not sent, over the weight, before a link of many flows holds it.
        var work = 0.0
        /// Up to this level the links that are not tracked bear it.
        var slack = Double.infinity
        /// Of a flow that is alone: since when it has had its rate, seconds.
        var since = 0.0
        /// The full link that holds it back, -1 before its first share.
        var bottleneck: Int32 = -1
        var routeStart: Int32 = 0
        var routeLength: Int32 = 0
        /// The caller's number.
        var owner: Int32 = -1
        /// Which of the first 32 hops are on tracked links; of longer routes all are.
        var tracked: UInt32 = 0
        var isAlone = false
        /// The slot and its route are kept when the flow is done.
        var isStanding = false
    }

    /// A link of a flow's route, and the flow's place in the link's list.
    struct Hop: BitwiseCopyable {
        var link: Int32
        var place: Int32 = 0
    }

    /// What fillings read and write of a link: one cache line.
    struct Link: BitwiseCopyable {
        var capacity: Double
        /// Sum of the rates on it.
        var load = 0.0
        /// Level at which it is full, that of all flows that it holds; infinity when it holds nobody back.
        var level = Double.infinity
        /// No flow on it that another link holds has a higher level.
        var highest = Double.infinity
        // State of a filling: what is left, and the flows not fixed yet.
        var left = 0.0
        var openWeight = 0.0
        var open: Int32 = 0
        /// The flows that it holds come first in its list: so many.
        var held: Int32 = 0
        /// The stamp (even) of the last solve that it constrained, one more when its flows joined.
        var touched: UInt32 = 0
        /// The last filling in which it became full.
        var filled: UInt32 = 0
    }

    /// The rest of a link.
    struct Account: BitwiseCopyable {
        /// Sum of the weights on it.
        var weight = 0.0
        /// Since when the flows that it holds have had its level, seconds.
        var since = 0.0
        /// Sum of level times seconds until then, from some time on: what a flow of weight 1 has sent that it held all the time.
        var drained = 0.0
        /// The least `work` of the flows that it holds, minus infinity when one has left that may have been it.
        var least = Double.infinity
        /// None of the flows that it holds has less slack.
        var slack = Double.infinity
    }

    struct Crossing: BitwiseCopyable {
        var flow: Int32
        /// Index into `routes` of the hop.
        var hop: Int32
        /// On tracked links the flow's other tracked links, where there are at most three: most visits of a flow then need neither it nor its route.
        var first = Self.several
        var second = Self.none
        var third = Self.none
        var weight: Double
        /// Of flows that the link holds: when its `drained` has come here, all bytes are sent. Bytes over the weight.
        var work = 0.0
        static let none: Int32 = -1
        /// Only in `first`.
        static let several: Int32 = -2
    }

    var flows = Column<Flow>()
    /// [flows] in all.
    var bytes = Column<Double>()
    /// [links] level up to which a link that is not tracked bears all its flows, at most capacity / weight; below 0 for tracked links.
    var promises: Column<Double>
    var links: Column<Link>
    var accounts: Column<Account>
    /// [links] the flow that is alone there, or one of these.
    var occupants: Column<Int32>
    static let free: Int32 = -1
    static let many: Int32 = -2
    var crossings: ListPool<Crossing>
    var routes = Column<Hop>()
    private var freeFlows = Column<Int32>()
    private var freeRoutes: [[Int32]] = []
    /// When the first flow held back by each link will be done, in seconds.
    var nextDone: MinimumTree
    private var doneLinks = Column<Int32>()

    var stamp: UInt32 = 0
    var filling: UInt32 = 0
    var arrivals = Column<Int32>()
    var seeds = Column<Int32>()
    var resized = Column<Int32>()
    /// Flows to be fixed by the filling.
    var openFlows = 0
    var touchedLinks = Column<Int32>()
    var spreadLinks = Column<Int32>()
    var heap = LevelHeap()
    /// Full links with flows above their level that have not joined.
    var crossedLinks = Column<Int32>()
    /// Links above their capacity that were no constraints.
    var overloaded = Column<Int32>()
    /// Flows whose bottleneck changed in the last solve, with the link before; kept only when `notesBottlenecks`.
    var bottleneckChanges = Column<(flow: Int32, before: Int32)>()
    var notesBottlenecks = false

    init(capacities: [Double]) {
        links = Column(count: capacities.count, repeating: Link(capacity: 0))
        for (index, capacity) in capacities.enumerated() { links[index].capacity = capacity }
        accounts = Column(count: capacities.count, repeating: Account())
        occupants = Column(count: capacities.count, repeating: Self.free)
        promises = Column(count: capacities.count, repeating: 0)
        crossings = ListPool(lists: capacities.count)
        nextDone = MinimumTree(count: capacities.count)
    }

    /// A link of its own for a flow with a cap, or for a test.
    mutating func addLink(capacity: Double) -> Int {
        links.append(Link(capacity: capacity))
        accounts.append(Account())
        occupants.append(Self.free)
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

    /// A standing flow is issued again, with all its bytes.
    @inline(__always)
    mutating func renew(_ slot: Int) {
        flows[slot].work = bytes[slot] / flows[slot].weight
        flows[slot].slack = .infinity
        flows[slot].bottleneck = -1
        flows[slot].tracked = 0
    }

    /// The flow begins to drain at `now`.
    @inline(__always)
    mutating func admit(_ slot: Int, now: Double) {
        if !admitAlone(slot, now: now) { admitAmongOthers(slot, now: now) }
    }

    @inline(never)
    private mutating func admitAmongOthers(_ slot: Int, now: Double) {
        let start = Int(flows[slot].routeStart)
        for hop in start..<start + Int(flows[slot].routeLength) {
            let other = occupants[Int(routes[hop].link)]
            if other >= 0 { endSolitude(Int(other), now: now) }
        }
        enlist(slot)
        arrivals.append(Int32(truncatingIfNeeded: slot))
    }

    /// Puts the flow on the lists of its links.
    mutating func enlist(_ slot: Int) {
        let weight = flows[slot].weight
        let start = Int(flows[slot].routeStart)
        for hop in start..<start + Int(flows[slot].routeLength) {
            let link = Int(routes[hop].link)
            let crossing = Crossing(flow: Int32(truncatingIfNeeded: slot), hop: Int32(truncatingIfNeeded: hop), weight: weight)
            routes[hop].place = Int32(truncatingIfNeeded: crossings.append(crossing, to: link))
            occupants[link] = Self.many
            accounts[link].weight += weight
            if promises[link] < 0 { flows[slot].tracked |= bit(of: hop, from: start) } else { keepPromise(link, to: slot) }
        }
        noteOthers(slot)
        if flows[slot].routeLength > 32 { for hop in start..<start + Int(flows[slot].routeLength) { track(Int(routes[hop].link)) } }
    }

    /// The flow leaves; its slot is free for another.
    @inline(__always)
    mutating func remove(_ slot: Int) {
        if flows[slot].isAlone { removeAlone(slot) } else { removeAmongOthers(slot) }
        discard(slot)
    }

    @inline(never)
    private mutating func removeAmongOthers(_ slot: Int) {
        let flow = flows[slot]
        let level = level(of: slot)
        let start = Int(flow.routeStart)
        if flow.bottleneck < 0 { forgetArrival(slot) }
        for hop in start..<start + Int(flow.routeLength) {
            let link = Int(routes[hop].link)
            var place = Int(routes[hop].place)
            if place < Int(links[link].held) {
                if crossings.elements(link)[place].work <= accounts[link].least { accounts[link].least = -.infinity }
                links[link].held &-= 1
                exchange(place, Int(links[link].held), in: crossings.elements(link))
                place = Int(links[link].held)
            }
            if let moved = crossings.remove(at: place, from: link) { routes[Int(moved.hop)].place = Int32(truncatingIfNeeded: place) }
            if crossings.count(link) == 0 {
                occupants[link] = Self.free
                accounts[link].weight = 0
                links[link].load = 0
                promises[link] = 0
                if links[link].level < .infinity { release(link) }
                continue
            }
            accounts[link].weight -= flow.weight
            links[link].load -= flow.weight * level
            if links[link].level < .infinity { seeds.append(Int32(truncatingIfNeeded: link)) }
        }
    }

    private mutating func forgetArrival(_ slot: Int) {
        var kept = Column<Int32>()
        for index in 0..<arrivals.count where Int(arrivals[index]) != slot { kept.append(arrivals[index]) }
        arrivals = kept
    }

    /// The link holds nobody any more.
    @inline(__always)
    mutating func release(_ link: Int) {
        links[link].level = .infinity
        links[link].highest = .infinity
        links[link].held = 0
        accounts[link].slack = .infinity
        accounts[link].least = .infinity
        nextDone.set(link, to: .infinity)
    }

    /// Gives back a slot that is on no link.
    @inline(__always)
    mutating func discard(_ slot: Int) { if !flows[slot].isStanding { giveBack(slot) } }

    private mutating func giveBack(_ slot: Int) {
        let length = Int(flows[slot].routeLength)
        freeRoutes[length].append(flows[slot].routeStart)
        flows[slot].owner = -1
        freeFlows.append(Int32(truncatingIfNeeded: slot))
    }

    mutating func setCapacity(_ link: Int, to capacity: Double, now: Double) {
        if occupants[link] >= 0 { endSolitude(Int(occupants[link]), now: now) }
        track(link)
        links[link].capacity = capacity
        resized.append(Int32(truncatingIfNeeded: link))
    }

    var hasChanges: Bool { !arrivals.isEmpty || !seeds.isEmpty || !resized.isEmpty }

    @inline(__always)
    mutating func exchange(_ one: Int, _ other: Int, in list: UnsafeMutableBufferPointer<Crossing>) {
        if one == other { return }
        list.swapAt(one, other)
        routes[Int(list[one].hop)].place = Int32(truncatingIfNeeded: one)
        routes[Int(list[other].hop)].place = Int32(truncatingIfNeeded: other)
    }

    // MARK: Reading

    /// 0 before the flow's first share.
    @inline(__always)
    func level(of slot: Int) -> Double {
        let flow = flows[slot]
        if flow.bottleneck < 0 { return 0 }
        return flow.isAlone ? links[Int(flow.bottleneck)].capacity / flow.weight : links[Int(flow.bottleneck)].level
    }

    /// The flow's entry in the list of the link that holds it.
    func place(of slot: Int) -> Int {
        let flow = flows[slot]
        let start = Int(flow.routeStart)
        for hop in start..<start + Int(flow.routeLength) where routes[hop].link == flow.bottleneck {
            if routes[hop].place < links[Int(flow.bottleneck)].held { return Int(routes[hop].place) }
        }
        return 0  // never: a flow with a bottleneck is among those that it holds
    }

    /// Bytes that the flow has not sent at `now`, which is not after the next event.
    func left(_ slot: Int, now: Double) -> Double {
        let flow = flows[slot]
        if flow.bottleneck < 0 { return flow.work * flow.weight }
        if flow.isAlone { return max(0, flow.work - level(of: slot) * (now - flow.since)) * flow.weight }
        let link = Int(flow.bottleneck)
        let work = crossings.elements(link)[place(of: slot)].work
        return max(0, work - accounts[link].drained - links[link].level * (now - accounts[link].since)) * flow.weight
    }

    /// A flow that is done, and when exactly.
    struct Done: BitwiseCopyable {
        var slot: Int32
        var at: Double
    }

    /// Appends the flows that are done by `limit`, in the order of links.
    mutating func collectDone(by limit: Double, into result: inout Column<Done>) {
        doneLinks.removeAll()
        nextDone.collect(atMost: limit, into: &doneLinks)
        for index in 0..<doneLinks.count {
            let link = Int(doneLinks[index])
            let alone = occupants[link]
            if alone >= 0 {
                result.append(Done(slot: alone, at: nextDone[link]))
                continue
            }
            let list = crossings.elements(link)
            let (level, since, drained) = (links[link].level, accounts[link].since, accounts[link].drained)
            for place in 0..<Int(links[link].held) {
                let at = since + max(0, list[place].work - drained) / level
                if at <= limit { result.append(Done(slot: list[place].flow, at: at)) }
            }
        }
    }
}
