/// Flows that have all links of their route to themselves: the smallest capacity is their rate, and no list, sum or promise need know of them.
extension FairSharing {
    /// False, and nothing is changed, when another flow is on a link of the route or one of the links is down.
    @inline(__always)
    mutating func admitAlone(_ slot: Int, now: Double) -> Bool {
        let flow = flows[slot]
        let start = Int(flow.routeStart)
        let end = start &+ Int(flow.routeLength)
        var rate = Double.infinity
        var narrowest: Int32 = -1
        for hop in start..<end {
            let link = routes[hop].link
            if occupants[Int(link)] != Self.free {
                for earlier in start..<hop { occupants[Int(routes[earlier].link)] = Self.free }
                return false
            }
            // At once, so that a route that crosses a link twice is seen.
            occupants[Int(link)] = Int32(truncatingIfNeeded: slot)
            let capacity = links[Int(link)].capacity
            if capacity < rate {
                rate = capacity
                narrowest = link
            }
        }
        guard rate > 0, narrowest >= 0 else {
            for hop in start..<end { occupants[Int(routes[hop].link)] = Self.free }
            return false
        }
        flows[slot].isAlone = true
        flows[slot].since = now
        flows[slot].bottleneck = narrowest
        nextDone.set(Int(narrowest), to: now + flow.work / (rate / flow.weight))
        return true
    }

    @inline(__always)
    mutating func removeAlone(_ slot: Int) {
        let flow = flows[slot]
        let start = Int(flow.routeStart)
        for hop in start..<start &+ Int(flow.routeLength) { occupants[Int(routes[hop].link)] = Self.free }
        nextDone.set(Int(flow.bottleneck), to: .infinity)
        flows[slot].isAlone = false
    }

    /// Another flow comes, or a link changes: from now on the flow is on lists, held by its narrowest link, with the rate that it had.
    @inline(never)
    mutating func endSolitude(_ slot: Int, now: Double) {
        let narrowest = Int(flows[slot].bottleneck)
        let level = level(of: slot)
        let work = max(0, flows[slot].work - level * (now - flows[slot].since))
        removeAlone(slot)
        // Untracked links that it lies on must bear it, and the narrowest can bear no more.
        let start = Int(flows[slot].routeStart)
        let end = start &+ Int(flows[slot].routeLength)
        enlist(slot)
        links[narrowest].level = level
        for hop in start..<end {
            let link = Int(routes[hop].link)
            let bearable = links[link].capacity / accounts[link].weight
            if promises[link] >= 0, Self.margin * bearable >= level, link != narrowest {
                promises[link] = max(promises[link], level)
            } else {
                track(link)
                links[link].load = level * flows[slot].weight
            }
        }
        var slack = Double.infinity
        for hop in start..<end where promises[Int(routes[hop].link)] >= 0 { slack = min(slack, promises[Int(routes[hop].link)]) }
        flows[slot].slack = slack
        for hop in start..<end where Int(routes[hop].link) == narrowest {
            crossings.elements(narrowest)[Int(routes[hop].place)].work = work
        }
        links[narrowest].highest = 0
        links[narrowest].held = 1
        accounts[narrowest].since = now
        accounts[narrowest].drained = 0
        accounts[narrowest].least = work
        accounts[narrowest].slack = slack
        nextDone.set(narrowest, to: now + work / level)
    }
}
