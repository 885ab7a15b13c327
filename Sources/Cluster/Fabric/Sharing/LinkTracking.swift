/// Which links are tracked, and what the others promise.
extension FairSharing {
    /// A link is tracked when a flow reaches this share of capacity / weight, so that promises hold for a while.
    static let margin = 0.8

    @inline(__always)
    func bit(of hop: Int, from start: Int) -> UInt32 { hop &- start < 32 ? 1 << UInt32(truncatingIfNeeded: hop &- start) : 0 }

    /// A flow has come to a link that is not tracked, where the promise may now be too high. Amortized: a promise is lowered by a good part, which takes as
    /// many new flows as there are.
    mutating func keepPromise(_ link: Int, to slot: Int) {
        if links[link].weight * promises[link] > links[link].capacity {
            var highest = 0.0
            for crossing in crossings.elements(link) { highest = max(highest, flows[Int(crossing.flow)].level) }
            let bearable = links[link].capacity / links[link].weight
            if highest > Self.margin * bearable { return track(link) }
            promises[link] = max(highest, Self.margin * Self.margin * bearable)
            for crossing in crossings.elements(link) {
                flows[Int(crossing.flow)].slack = min(flows[Int(crossing.flow)].slack, promises[link])
            }
        }
        flows[slot].slack = min(flows[slot].slack, promises[link])
    }

    /// The flow's tracked links have changed.
    mutating func noteOthers(_ slot: Int) {
        let flow = flows[slot]
        let start = Int(flow.routeStart)
        var rest = flow.tracked
        if flow.routeLength > 32 || rest == 0 { return }
        let first = start &+ rest.trailingZeroBitCount
        rest &= rest &- 1
        let one = routes[first]
        if rest == 0 {
            crossings.elements(Int(one.link))[Int(one.place)].other = Crossing.none
        } else if rest & (rest &- 1) == 0, routes[start &+ rest.trailingZeroBitCount].link != one.link {
            let two = routes[start &+ rest.trailingZeroBitCount]
            crossings.elements(Int(one.link))[Int(one.place)].other = two.link
            crossings.elements(Int(two.link))[Int(two.place)].other = one.link
        } else {
            var hops = TrackedHops(flow)
            while let hop = hops.pop() { crossings.elements(Int(routes[hop].link))[Int(routes[hop].place)].other = Crossing.several }
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
            load += flows[slot].rate
            noteOthers(slot)
        }
        links[link].load = load
    }

    /// A flow has risen above its slack: links of its route raise their promise, or are tracked from now on.
    @inline(never)
    mutating func lookAgain(_ slot: Int) {
        let level = flows[slot].level
        let start = Int(flows[slot].routeStart)
        var slack = Double.infinity
        for hop in start..<start &+ Int(flows[slot].routeLength) {
            let link = Int(routes[hop].link)
            if promises[link] < 0 { continue }
            let limit = Self.margin * links[link].capacity / links[link].weight
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
            let link = links[Int(routes[hop].link)]
            least = min(least, link.capacity / link.weight)
        }
        for hop in start..<end {
            let link = Int(routes[hop].link)
            if promises[link] >= 0, links[link].capacity <= 2 * least * links[link].weight { track(link) }
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
