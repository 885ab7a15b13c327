/// Which links are tracked, and what the others promise.
extension FairSharing {
    /// A link is tracked when a flow reaches this share of capacity / weight, so that promises hold for a while.
    static let margin = 0.8

    @inline(__always)
    func bit(of hop: Int, from start: Int) -> UInt32 { hop &- start < 32 ? 1 << UInt32(truncatingIfNeeded: hop &- start) : 0 }

    /// A flow has come to a link that is not tracked, where the promise may now be too high. Amortized: a promise is lowered by a good part, which takes as
    /// many new flows as there are.
    mutating func keepPromise(_ link: Int, to slot: Int) {
        if accounts[link].weight * promises[link] > links[link].capacity {
            var highest = 0.0
            for crossing in crossings.elements(link) { highest = max(highest, level(of: Int(crossing.flow))) }
            let bearable = links[link].capacity / accounts[link].weight
            if highest > Self.margin * bearable { return track(link) }
            promises[link] = max(highest, Self.margin * Self.margin * bearable)
            for crossing in crossings.elements(link) { limit(Int(crossing.flow), to: promises[link]) }
        }
        limit(slot, to: promises[link])
    }

    private mutating func limit(_ slot: Int, to slack: Double) {
        flows[slot].slack = min(flows[slot].slack, slack)
        let holder = Int(flows[slot].bottleneck)
        if holder >= 0 { accounts[holder].slack = min(accounts[holder].slack, slack) }
    }

    /// The flow's tracked links have changed.
    mutating func noteOthers(_ slot: Int) {
        let flow = flows[slot]
        if flow.routeLength > 32 || flow.tracked == 0 { return }
        let count = flow.tracked.nonzeroBitCount
        var isSimple = count <= 4
        var hops = TrackedHops(flow)
        while isSimple, let hop = hops.pop() {
            var rest = hops
            while let other = rest.pop() { if routes[other].link == routes[hop].link { isSimple = false } }
        }
        hops = TrackedHops(flow)
        while let hop = hops.pop() {
            let list = crossings.elements(Int(routes[hop].link))
            let place = Int(routes[hop].place)
            list[place].first = isSimple ? Crossing.none : Crossing.several
            list[place].second = Crossing.none
            list[place].third = Crossing.none
            guard isSimple else { continue }
            var others = TrackedHops(flow)
            while let other = others.pop() {
                if other == hop { continue }
                let link = routes[other].link
                if list[place].first < 0 {
                    list[place].first = link
                } else if list[place].second < 0 {
                    list[place].second = link
                } else {
                    list[place].third = link
                }
            }
        }
    }

    /// From now on the link's load is known, and its flows heed it.
    mutating func track(_ link: Int) {
        if promises[link] < 0 { return }
        promises[link] = -1
        var load = 0.0
        for crossing in crossings.elements(link) {
            let slot = Int(crossing.flow)
            flows[slot].tracked |= bit(of: Int(crossing.hop), from: Int(flows[slot].routeStart))
            load += flows[slot].weight * level(of: slot)
            noteOthers(slot)
        }
        links[link].load = load
    }

    /// A flow has risen above its slack: links of its route raise their promise, or are tracked from now on.
    @inline(never)
    mutating func lookAgain(_ slot: Int) {
        let level = level(of: slot)
        let start = Int(flows[slot].routeStart)
        var slack = Double.infinity
        for hop in start..<start &+ Int(flows[slot].routeLength) {
            let link = Int(routes[hop].link)
            if promises[link] < 0 { continue }
            let limit = Self.margin * links[link].capacity / accounts[link].weight
            if level > limit {
                track(link)
                if links[link].load > links[link].capacity { overloaded.append(Int32(truncatingIfNeeded: link)) }
            } else {
                promises[link] = max(promises[link], limit)
                slack = min(slack, promises[link])
            }
        }
        flows[slot].slack = slack
    }

    /// Tracks the links that are likely to hold a new flow back. Its level cannot stay below the least capacity / weight of its route, so that the link which
    /// has the least must be among them.
    mutating func trackNarrow(_ slot: Int) {
        let start = Int(flows[slot].routeStart)
        let end = start &+ Int(flows[slot].routeLength)
        var least = Double.infinity
        for hop in start..<end {
            let link = Int(routes[hop].link)
            least = min(least, links[link].capacity / accounts[link].weight)
        }
        for hop in start..<end {
            let link = Int(routes[hop].link)
            if promises[link] >= 0, links[link].capacity <= 2 * least * accounts[link].weight { track(link) }
        }
    }

    /// The hops of a flow on tracked links.
    struct TrackedHops {
        private var rest: UInt32
        private let start: Int
        /// Of routes of more than 32 hops, where there is no bit for each.
        private var next = 0
        private var end = 0

        @inline(__always)
        init(_ flow: Flow) {
            start = Int(flow.routeStart)
            rest = flow.tracked
            guard flow.routeLength > 32 else { return }
            rest = 0
            next = start
            end = start &+ Int(flow.routeLength)
        }

        /// Index into `routes`.
        @inline(__always)
        mutating func pop() -> Int? {
            if rest != 0 {
                let hop = start &+ rest.trailingZeroBitCount
                rest &= rest &- 1
                return hop
            }
            if next < end {
                next &+= 1
                return next &- 1
            }
            return nil
        }
    }
}
