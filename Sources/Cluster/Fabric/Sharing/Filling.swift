/// The solution after changes.
///
/// A change is felt on the full links of the flow that came or left. A full link that feels a change passes it on to the flows that it holds, and these to
/// the other full links of their routes, whose levels are never lower: changes spread upwards only. What the rest keeps is then checked, and where it
/// cannot stay, the filling is done again with more flows:
/// - a flow whose level is above the new one of a full link of its route joins, and with it all that its link holds;
/// - a link that was not full and would now be overloaded becomes a constraint.
///
/// The flows that have joined are those that the links in `spreadLinks` hold, and the arrivals. Which of them are open needs no marks: a flow is fixed when
/// the first of its links becomes full, so that it is open as long as none of them is.
extension FairSharing {
    /// Brings all rates up to date for the changes since the last call, which happen at `now`.
    mutating func solve(now: Double) {
        stamp &+= 2
        openFlows = 0
        touchedLinks.removeAll()
        spreadLinks.removeAll()
        if notesBottlenecks { bottleneckChanges.removeAll() }
        joinArrivals()
        for index in 0..<seeds.count { spread(Int(seeds[index])) }
        seeds.removeAll()
        for index in 0..<resized.count {
            let link = Int(resized[index])
            spread(link)
            joinHolders(of: link, above: -1)
        }
        resized.removeAll()
        guard openFlows > 0 || !spreadLinks.isEmpty else { return }
        var next = 0
        var isFirst = true
        repeat {
            while next < spreadLinks.count {
                open(flowsHeldBy: Int(spreadLinks[next]), spreading: true)
                next &+= 1
            }
            if !isFirst { sumAgain() }
            fill(now: now)
            isFirst = false
        } while widen()
    }

    // MARK: Joining

    /// The tracked links of new flows are all constraints, full or not: one of them must hold the flow back.
    private mutating func joinArrivals() {
        // What is tracked must be settled before the first flow adds itself to its links.
        for index in 0..<arrivals.count { trackNarrow(Int(arrivals[index])) }
        for index in 0..<arrivals.count {
            let flow = flows[Int(arrivals[index])]
            var hops = TrackedHops(flow)
            while let hop = hops.pop() { touch(Int(routes[hop].link)) }
            hops = TrackedHops(flow)
            while let hop = hops.pop() { addOpen(to: Int(routes[hop].link), weight: flow.weight, rate: 0, spreading: true) }
            openFlows &+= 1
        }
        arrivals.removeAll()
    }

    /// Adds the flows of a link that is a constraint to the sums of their links. Those of the link itself are added up aside, for the sake of speed.
    @inline(__always)
    private mutating func open(flowsHeldBy link: Int, spreading: Bool) {
        let held = Int(links[link].held)
        guard held > 0 else { return }
        let level = links[link].level
        let list = crossings.elements(link)
        var weight = 0.0
        for place in 0..<held {
            let crossing = list[place]
            let own = crossing.weight
            weight += own
            if crossing.first >= 0 {
                addOpen(to: Int(crossing.first), weight: own, rate: own * level, spreading: spreading)
                if crossing.second >= 0 {
                    addOpen(to: Int(crossing.second), weight: own, rate: own * level, spreading: spreading)
                    if crossing.third >= 0 { addOpen(to: Int(crossing.third), weight: own, rate: own * level, spreading: spreading) }
                }
            } else if crossing.first == Crossing.several {
                var hops = TrackedHops(flows[Int(crossing.flow)])
                while let hop = hops.pop() {
                    if hop == Int(crossing.hop) { continue }
                    addOpen(to: Int(routes[hop].link), weight: own, rate: own * level, spreading: spreading)
                }
            }
        }
        links[link].openWeight += weight
        links[link].open &+= Int32(truncatingIfNeeded: held)
        links[link].left += weight * level
        openFlows &+= held
    }

    /// A flow of this weight and rate is open on the link, if that is a constraint or, with `spreading`, becomes one.
    @inline(__always)
    private mutating func addOpen(to link: Int, weight: Double, rate: Double, spreading: Bool) {
        if links[link].touched < stamp {
            if spreading, links[link].level < .infinity {
                spread(link)
            } else if spreading, links[link].load > 0.99 * links[link].capacity {
                touch(link)  // likely to be full soon: better a constraint from the beginning
            } else {
                return
            }
        }
        links[link].openWeight += weight
        links[link].open &+= 1
        links[link].left += rate
    }

    /// All flows of the link join whose level is higher.
    private mutating func joinHolders(of link: Int, above level: Double) {
        for crossing in crossings.elements(link) {
            let holder = Int(flows[Int(crossing.flow)].bottleneck)
            if holder >= 0, links[holder].touched < stamp, links[holder].level > level { spread(holder) }
        }
    }

    @inline(__always)
    private mutating func touch(_ link: Int) {
        if links[link].touched >= stamp { return }
        if links[link].level < .infinity { spread(link) } else { constrain(link, stamp) }
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
            joinHolders(of: link, above: links[link].level * (1 + 1e-12))
            again = true
        }
        return again
    }

    // MARK: Filling

    /// The sums of the links after flows or links have been added to those of an earlier filling, in which every flow has got a link that holds it.
    private mutating func sumAgain() {
        openFlows = 0
        for index in 0..<touchedLinks.count {
            let link = Int(touchedLinks[index])
            links[link].openWeight = 0
            links[link].open = 0
            links[link].left = links[link].capacity - links[link].load
        }
        for index in 0..<touchedLinks.count { open(flowsHeldBy: Int(touchedLinks[index]), spreading: false) }
    }

    /// Progressive filling of the joined flows into what the others leave.
    private mutating func fill(now: Double) {
        filling &+= 1
        heap.removeAll()
        for index in 0..<touchedLinks.count {
            let link = Int(touchedLinks[index])
            if Int(links[link].open) == crossings.count(link) { links[link].left = links[link].capacity }
            if links[link].open > 0 { heap.append(max(0, links[link].left) / links[link].openWeight, link) }
        }
        heap.establish()
        crossedLinks.removeAll()
        overloaded.removeAll()
        var level = 0.0
        while openFlows > 0, let (stored, link) = heap.first {
            if links[link].open == 0 {
                heap.removeFirst()
                continue
            }
            let current = max(level, max(0, links[link].left) / links[link].openWeight)
            // Other links that were fixed since then have raised this one's level.
            if current > stored, !heap.raiseFirst(to: current) { continue }
            heap.removeFirst()
            level = current
            fix(link, at: level, now: now)
        }
        for index in 0..<touchedLinks.count {
            let link = Int(touchedLinks[index])
            links[link].load = links[link].capacity - links[link].left
            if links[link].filled != filling { release(link) }
        }
    }

    /// Fixes the open flows of a link that becomes full at `level`.
    @inline(__always)
    private mutating func fix(_ link: Int, at level: Double, now: Double) {
        let open = Int(links[link].open)
        let before = links[link].level
        var held = Int(links[link].held)
        if held > 0 { accounts[link].drained += before * (now - accounts[link].since) } else { accounts[link].drained = 0 }
        let increase = level - before
        var own = 0.0  // sum of the fixed weights
        let list = crossings.elements(link)
        var place = 0
        while place < held {
            let crossing = list[place]
            if isTaken(crossing, from: link) {
                if crossing.work <= accounts[link].least { accounts[link].least = -.infinity }
                held &-= 1
                exchange(place, held, in: list)
                continue
            }
            own += crossing.weight
            settleOthers(crossing, level, increase: increase)
            place &+= 1
        }
        links[link].filled = filling
        links[link].level = level
        links[link].held = Int32(truncatingIfNeeded: held)
        accounts[link].since = now
        if held < open || level * (1 + 1e-12) < links[link].highest {
            own += takeOver(link, level, now: now)
        }
        links[link].left -= own * level
        links[link].openWeight = 0
        links[link].open = 0
        openFlows &-= Int(links[link].held)
        if accounts[link].least == -.infinity { findLeast(link) }
        nextDone.set(link, to: level > 0 ? now + max(0, accounts[link].least - accounts[link].drained) / level : .infinity)
        if level > accounts[link].slack { checkSlack(link) }
    }

    /// Whether another link has become full in this filling and taken the flow from the one that held it.
    @inline(__always)
    private func isTaken(_ crossing: Crossing, from link: Int) -> Bool {
        if crossing.first >= 0 {
            if links[Int(crossing.first)].filled == filling { return true }
            if crossing.second >= 0 {
                if links[Int(crossing.second)].filled == filling { return true }
                if crossing.third >= 0 { return links[Int(crossing.third)].filled == filling }
            }
            return false
        }
        return crossing.first == Crossing.several && Int(flows[Int(crossing.flow)].bottleneck) != link
    }

    /// The flows on the link that it does not hold: those still open are its own from now on, those with a higher level must join.
    @inline(never)
    private mutating func takeOver(_ link: Int, _ level: Double, now: Double) -> Double {
        let limit = level * (1 + 1e-12)
        let list = crossings.elements(link)
        var held = Int(links[link].held)
        var highest = 0.0
        var own = 0.0
        for place in held..<list.count {
            let crossing = list[place]
            if crossing.first >= 0, crossing.second < 0 {
                // Who else could hold it? Only an arrival may have no holder; then its links are touched, or tracked since, and not full.
                let other = links[Int(crossing.first)]
                if other.level < .infinity, other.touched < stamp || other.filled == filling {
                    highest = max(highest, other.level)
                    continue
                }
            }
            let slot = Int(crossing.flow)
            let holder = Int(flows[slot].bottleneck)
            if holder == link { continue }  // it crosses the link twice and is held already
            var work = flows[slot].work
            var before = 0.0
            if holder >= 0 {
                let present = links[holder]
                if present.touched < stamp || present.filled == filling {
                    highest = max(highest, present.level)
                    continue
                }
                before = present.level
                let entry = crossings.elements(holder)[self.place(of: slot)]
                work = max(0, entry.work - accounts[holder].drained - before * (now - accounts[holder].since))
            }
            if notesBottlenecks { bottleneckChanges.append((crossing.flow, flows[slot].bottleneck)) }
            flows[slot].bottleneck = Int32(truncatingIfNeeded: link)
            work += accounts[link].drained
            list[place].work = work
            accounts[link].least = min(accounts[link].least, work)
            settleOthers(crossing, level, increase: level - before)
            accounts[link].slack = min(accounts[link].slack, flows[slot].slack)
            own += crossing.weight
            exchange(place, held, in: list)
            held &+= 1
        }
        links[link].held = Int32(truncatingIfNeeded: held)
        links[link].highest = highest
        if highest > limit { crossedLinks.append(Int32(truncatingIfNeeded: link)) }
        return own
    }

    @inline(never)
    private mutating func findLeast(_ link: Int) {
        let list = crossings.elements(link)
        var least = Double.infinity
        for place in 0..<Int(links[link].held) { least = min(least, list[place].work) }
        accounts[link].least = least
    }

    @inline(__always)
    private mutating func settleOthers(_ crossing: Crossing, _ level: Double, increase: Double) {
        let weight = crossing.weight
        if crossing.first >= 0 {
            settle(Int(crossing.first), weight, level, increase)
            if crossing.second >= 0 {
                settle(Int(crossing.second), weight, level, increase)
                if crossing.third >= 0 { settle(Int(crossing.third), weight, level, increase) }
            }
        } else if crossing.first == Crossing.several {
            var hops = TrackedHops(flows[Int(crossing.flow)])
            while let hop = hops.pop() {
                if hop != Int(crossing.hop) { settle(Int(routes[hop].link), weight, level, increase) }
            }
        }
    }

    /// A flow has its level: what it leaves on another link of its route.
    @inline(__always)
    private mutating func settle(_ link: Int, _ weight: Double, _ level: Double, _ increase: Double) {
        if links[link].touched >= stamp {
            links[link].left -= weight * level
            links[link].openWeight -= weight
            links[link].open &-= 1
            links[link].highest = max(links[link].highest, level)
        } else {
            links[link].load += weight * increase
            if links[link].load > links[link].capacity { overloaded.append(Int32(truncatingIfNeeded: link)) }
        }
    }

    /// The link's level is above the least slack of the flows that it holds, or of one that has left.
    @inline(never)
    private mutating func checkSlack(_ link: Int) {
        let list = crossings.elements(link)
        let level = links[link].level
        for place in 0..<Int(links[link].held) where level > flows[Int(list[place].flow)].slack { lookAgain(Int(list[place].flow)) }
        var slack = Double.infinity
        for place in 0..<Int(links[link].held) { slack = min(slack, flows[Int(list[place].flow)].slack) }
        accounts[link].slack = slack
    }
}
