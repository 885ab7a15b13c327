import Engine
import Quantities

/// Flows on a network: each first pays the latency of its route, then drains at its max-min fair share. Shares change when a flow begins to drain or is done
/// or a link changes; what happens at one instant is applied together and solved once.
///
/// Flows are issued while time goes on, between two calls of `advance`. Times are seconds in Double: shares are quotients, and whole nanoseconds
/// would round each of them.
public struct FlowSimulation: ~Copyable {
    /// Where the flows run.
    public let network: Network
    /// Seconds.
    public private(set) var now = 0.0
    /// Flows issued and not finished.
    public private(set) var active = 0
    /// Times that shares were solved.
    public private(set) var solves = 0
    var sharing: FairSharing
    /// [links] bytes carried so far, of finished flows.
    var carried: Column<Double>
    private var latencies: Column<Double>
    private var starts = StartQueue()
    private var faults = EventQueue<LinkEvent>()
    private var route = Column<Int32>()
    private var candidate = Column<Int32>()
    private var done = Column<FairSharing.Done>()
    private enum LinkEvent {
        case fault(LinkFault)
        /// A port gets back what incast took.
        case recovery(link: Int)
    }
    /// [links] share of the capacity that faults leave; flows that drain into a host by the link, and as how many they still weigh. Only with congestion.
    private var healthy = Column<Double>()
    private var incast = Column<Int32>()
    private var felt = Column<Int32>()
    /// Whether flows may begin and end at switches that reduce.
    private let placeCount: Int
    private let isAdaptive: Bool
    struct Finished: BitwiseCopyable {
        var owner: Int32
        var at: Double
    }
    struct Ends: BitwiseCopyable {
        var source: Int32
        var destination: Int32
    }
    /// [slots]
    private var ends = Column<Ends>()
    private var finishedFlows = Column<Finished>()
    /// [links] flows issued and not finished, for adaptive routing.
    private var crossing: Column<Int32>
    private var capLinks = Column<Int32>()
    /// [links] whether new and present flows avoid it, and how many such links there are.
    private var avoided: Column<Bool>
    private var avoidedCount = 0
    var account: BottleneckAccount?
    /// Tests let every solution be checked against the definition.
    var verifies = false
    private(set) var violation: String?

    public init(_ network: Network) { self.init(network, noting: false) }

    init(_ network: Network, noting: Bool = false, reaching: Bool) {
        self.init(network, noting: noting, places: network.hostCount + (reaching ? network.shape.reducerCount : 0))
    }

    init(_ network: Network, noting: Bool) { self.init(network, noting: noting, places: network.hostCount) }

    private init(_ network: Network, noting: Bool, places: Int) {
        self.network = network
        placeCount = places
        isAdaptive = network.routing == .adaptive
        let properties = (0..<network.linkCount).map { network.properties(ofLink: $0) }
        sharing = FairSharing(capacities: properties.map(\.bandwidth))
        latencies = Column(count: properties.count, repeating: 0)
        for (index, link) in properties.enumerated() { latencies[index] = link.latency }
        carried = Column(count: properties.count, repeating: 0)
        crossing = Column(count: properties.count, repeating: 0)
        avoided = Column(count: properties.count, repeating: false)
        if noting {
            account = BottleneckAccount()
            sharing.notesBottlenecks = true
        }
        if network.congestion != nil {
            healthy = Column(count: properties.count, repeating: 1)
            incast = Column(count: properties.count, repeating: 0)
            felt = Column(count: properties.count, repeating: 0)
        }
        for fault in network.faults where (0..<properties.count).contains(fault.link) && fault.time >= 0 && fault.factor >= 0 {
            faults.schedule(at: instant(fault.time), .fault(fault))
        }
    }

    // MARK: Input

    /// Starts a flow at `flow.start`, or now where that has passed. `owner` comes back when it finishes.
    /// - Throws: `FabricError` for hosts that do not exist, a negative size, a weight or cap that is not positive, and `fairness: rtt` on a route without latency.
    public mutating func issue(_ flow: Flow, owner: Int32) throws(FabricError) {
        let course = try reserve(flow, owner: owner)
        active += 1
        starts.push(at: max(now, flow.start) + course.latency, course.slot)
    }

    /// A flow that keeps its place and its route when it is done, to be issued again.
    struct Course: BitwiseCopyable {
        var slot: Int32
        /// Seconds.
        var latency: Double
        static let none = Course(slot: -1, latency: 0)
    }

    /// Whether a flow between the same hosts would always take the same route.
    var keepsRoutes: Bool { !isAdaptive && faults.isEmpty && avoidedCount == 0 && network.congestion == nil }

    /// As `issue` at the present time, and the course to issue it again by `repeat`, once it has finished.
    mutating func issueStanding(_ flow: Flow, owner: Int32) throws(FabricError) -> Course {
        let course = try reserve(flow, owner: owner)
        sharing.flows[Int(course.slot)].isStanding = true
        `repeat`(course)
        return course
    }

    @inline(__always)
    mutating func `repeat`(_ course: Course) {
        sharing.renew(Int(course.slot))
        active += 1
        starts.push(at: now + course.latency, course.slot)
    }

    private mutating func reserve(_ flow: Flow, owner: Int32) throws(FabricError) -> Course {
        try check(flow)
        findRoute(flow)
        var latency = 0.0
        for hop in 0..<route.count { latency += latencies[Int(route[hop])] }
        var weight = flow.weight
        if network.fairness == .rtt, !route.isEmpty {
            guard latency > 0 else {
                throw FabricError(
                    key: "fairness", "rtt needs routes with latency, and that from host \(flow.source) to host \(flow.destination) has none"
                )
            }
            weight /= latency
        }
        if isAdaptive { for hop in 0..<route.count { crossing[Int(route[hop])] += 1 } }
        if flow.cap < .infinity, !route.isEmpty { route.append(privateLink(capacity: flow.cap)) }
        let slot = sharing.reserve(
            owner: owner, route: route, weight: weight, bytes: network.efficiency?.wireBytes(flow.bytes) ?? flow.bytes)
        note(ends: Ends(source: Int32(truncatingIfNeeded: flow.source), destination: Int32(truncatingIfNeeded: flow.destination)), of: slot)
        return Course(slot: Int32(truncatingIfNeeded: slot), latency: latency)
    }

    /// - Throws: `FabricError` for a link that does not exist and a factor below 0.
    public mutating func schedule(_ fault: LinkFault) throws(FabricError) {
        guard (0..<network.linkCount).contains(fault.link) else {
            throw FabricError(key: "link", "link \(fault.link) does not exist; links are numbered from 0 to \(network.linkCount - 1)")
        }
        guard fault.factor >= 0, fault.factor.isFinite, fault.time >= 0 else {
            throw FabricError(key: "link", "the factor \(fault.factor) at \(fault.time) s: both must be zero or more")
        }
        faults.schedule(at: instant(max(now, fault.time)), .fault(fault))
    }

    private func check(_ flow: Flow) throws(FabricError) {
        try check(host: flow.source, "source")
        try check(host: flow.destination, "destination")
        guard flow.bytes >= 0, flow.bytes.isFinite else {
            throw FabricError(key: "bytes", "\(flow.bytes) must be a finite number, zero or more")
        }
        guard flow.start >= 0, flow.start.isFinite else {
            throw FabricError(key: "start_s", "\(flow.start) must be a finite number, zero or more")
        }
        guard flow.weight > 0, flow.weight.isFinite, flow.cap > 0 else {
            throw FabricError(key: "weight", "weight and cap must be above zero")
        }
        guard network.shape.isReachable(from: flow.source, to: flow.destination) else {
            throw FabricError(key: "destination", "no way leads from host \(flow.source) to host \(flow.destination)")
        }
    }

    private func check(host: Int, _ key: String) throws(FabricError) {
        guard host >= 0, host < placeCount else {
            throw FabricError(key: key, "host \(host) does not exist; hosts are numbered from 0 to \(network.hostCount - 1)")
        }
    }

    // MARK: Routes

    private mutating func findRoute(_ flow: Flow) {
        let (source, destination) = (flow.source, flow.destination)
        route.removeAll()
        // From a host to itself nothing travels.
        if source == destination { return }
        if isAdaptive {
            findLeastLoaded(source, destination)
        } else {
            let choice = network.choice(from: source, to: destination, key: flow.key)
            network.shape.route(from: source, to: destination, choice: choice, into: &route)
        }
        if avoidedCount > 0, isAvoided(route) { _ = findWayRound(source, destination) }
    }

    private mutating func findLeastLoaded(_ source: Int, _ destination: Int) {
        var least = Double.infinity
        for choice in 0..<network.shape.choices(from: source, to: destination) {
            candidate.removeAll()
            network.shape.route(from: source, to: destination, choice: choice, into: &candidate)
            var fullest = 0.0
            for hop in 0..<candidate.count {
                let link = Int(candidate[hop])
                fullest = max(fullest, Double(crossing[link] + 1) / sharing.links[link].capacity)
            }
            if fullest < least {
                least = fullest
                exchangeRoutes()
            }
        }
    }

    private func isAvoided(_ links: borrowing Column<Int32>) -> Bool {
        for hop in 0..<links.count where avoided[Int(links[hop])] { return true }
        return false
    }

    /// Puts the first way without a dead link into `route`. False, and `route` unchanged, when there is none.
    private mutating func findWayRound(_ source: Int, _ destination: Int) -> Bool {
        for choice in 0..<network.shape.choices(from: source, to: destination) {
            candidate.removeAll()
            network.shape.route(from: source, to: destination, choice: choice, into: &candidate)
            if !isAvoided(candidate) {
                exchangeRoutes()
                return true
            }
        }
        return false
    }

    /// Makes the candidate the route.
    private mutating func exchangeRoutes() {
        route.removeAll()
        for hop in 0..<candidate.count { route.append(candidate[hop]) }
    }

    private mutating func privateLink(capacity: Double) -> Int32 {
        if let free = capLinks.popLast() {
            sharing.links[Int(free)].capacity = capacity
            return free
        }
        return Int32(truncatingIfNeeded: sharing.addLink(capacity: capacity))
    }

    // MARK: Time

    /// Goes on to the next instant at which flows finish, and tells whether there was one not after `end`; `finished` then holds them. Flows issued before
    /// the next call join that instant where they are due. Without one the clock stands at `end`, or at the last event when that is infinite.
    /// - Throws: `FabricError` when flows wait for links that are down for ever.
    public mutating func advance(until end: Double = .infinity) throws(FabricError) -> Bool {
        finishedFlows.removeAll()
        while true {
            // Simultaneous in exact arithmetic, but apart by rounding.
            let limit = now + now * 1e-12
            while starts.nextTime <= limit, let (time, slot) = starts.pop() { begin(Int(slot), at: time) }
            if !finishedFlows.isEmpty { return true }
            settle()
            if active == 0, seconds(faults.nextTime) > end || end == .infinity { break }
            let time = min(sharing.nextDone.minimum, starts.nextTime, seconds(faults.nextTime))
            if time > end { break }
            guard time < .infinity else { throw stalled() }
            now = time
            happen()
        }
        if end < .infinity { now = max(now, end) }
        return false
    }

    /// How many flows finished at this instant.
    public var finishedCount: Int { finishedFlows.count }
    /// Their owners, and when exactly each finished, in seconds.
    public func finished(_ index: Int) -> (owner: Int32, at: Double) { (finishedFlows[index].owner, finishedFlows[index].at) }

    /// Flows that are done at `now`, and links that change.
    private mutating func happen() {
        let limit = now + now * 1e-12
        done.removeAll()
        sharing.collectDone(by: limit, into: &done)
        for index in 0..<done.count { finish(Int(done[index].slot), at: done[index].at) }
        while seconds(faults.nextTime) <= limit, let (_, event) = faults.pop() {
            switch event {
            case .fault(let fault): apply(fault)
            case .recovery(let link):
                felt[link] = incast[link]
                setCapacity(link)
            }
        }
    }

    private mutating func settle() {
        guard sharing.hasChanges else { return }
        sharing.solve(now: now)
        solves += 1
        account?.note(sharing, now: now)
        if verifies, violation == nil { violation = sharing.violation() }
    }

    private mutating func begin(_ slot: Int, at time: Double) {
        if sharing.flows[slot].routeLength == 0 || sharing.flows[slot].work == 0 {
            conclude(slot, at: time)
            sharing.discard(slot)
        } else {
            sharing.admit(slot, now: now)
            account?.begin(slot, now: now)
            if network.congestion != nil { meet(slot, 1) }
        }
    }

    @inline(__always)
    private mutating func finish(_ slot: Int, at: Double) {
        account?.end(slot, sharing, at: at)
        if network.congestion != nil { meet(slot, -1) }
        conclude(slot, at: at)
        sharing.remove(slot)
    }

    /// Reports a flow, books what it has carried, and gives back its private link.
    private mutating func conclude(_ slot: Int, at time: Double) {
        finishedFlows.append(Finished(owner: sharing.flows[slot].owner, at: time))
        active -= 1
        let bytes = sharing.bytes[slot]
        let start = Int(sharing.flows[slot].routeStart)
        for hop in start..<start + Int(sharing.flows[slot].routeLength) {
            let link = Int(sharing.routes[hop].link)
            if link >= carried.count {
                capLinks.append(Int32(truncatingIfNeeded: link))
                continue
            }
            carried[link] += bytes
            if isAdaptive { crossing[link] -= 1 }
        }
    }

    private mutating func apply(_ fault: LinkFault) {
        let capacity = network.properties(ofLink: fault.link).bandwidth * fault.factor
        if network.congestion == nil {
            sharing.setCapacity(fault.link, to: capacity, now: now)
        } else {
            healthy[fault.link] = fault.factor
            setCapacity(fault.link)
        }
        let avoids = capacity == 0 && fault.reroutes
        avoidedCount += (avoids ? 1 : 0) - (avoided[fault.link] ? 1 : 0)
        avoided[fault.link] = avoids
        guard avoids else { return }
        var waiting = Column<Int32>()
        for crossing in sharing.crossings.elements(fault.link) { waiting.append(crossing.flow) }
        for index in 0..<waiting.count { reroute(Int(waiting[index])) }
    }

    /// Moves a draining flow to a way without dead links, where there is one; it goes on with the bytes that it has left, and all its bytes are booked on
    /// the way that it finishes on.
    private mutating func reroute(_ slot: Int) {
        let (place, flow) = (ends[slot], sharing.flows[slot])
        guard flow.owner >= 0, findWayRound(Int(place.source), Int(place.destination)) else { return }
        let start = Int(flow.routeStart)
        for hop in start..<start + Int(flow.routeLength) {
            let link = Int(sharing.routes[hop].link)
            if link >= carried.count { route.append(Int32(truncatingIfNeeded: link)) } else if isAdaptive { crossing[link] -= 1 }
        }
        if isAdaptive { for hop in 0..<route.count where Int(route[hop]) < carried.count { crossing[Int(route[hop])] += 1 } }
        account?.end(slot, sharing, at: now)
        if network.congestion != nil { meet(slot, -1) }
        let left = sharing.left(slot, now: now)
        sharing.remove(slot)
        let moved = sharing.reserve(owner: flow.owner, route: route, weight: flow.weight, bytes: sharing.bytes[slot])
        sharing.flows[moved].work = left / flow.weight
        note(ends: place, of: moved)
        sharing.admit(moved, now: now)
        account?.begin(moved, now: now)
        if network.congestion != nil { meet(moved, 1) }
    }

    /// A flow begins (1) or ends (-1) to drain into its host, by the last link of its route that others use too.
    private mutating func meet(_ slot: Int, _ change: Int32) {
        guard let congestion = network.congestion, Int(ends[slot].destination) < network.hostCount else { return }
        var hop = Int(sharing.flows[slot].routeStart) + Int(sharing.flows[slot].routeLength) - 1
        if Int(sharing.routes[hop].link) >= incast.count { hop -= 1 }
        let link = Int(sharing.routes[hop].link)
        incast[link] += change
        if incast[link] > felt[link] || congestion.recovery == 0 {
            felt[link] = incast[link]
            setCapacity(link)
        } else if change < 0 {
            faults.schedule(at: instant(now + congestion.recovery), .recovery(link: link))
        }
    }

    private mutating func setCapacity(_ link: Int) {
        let share = network.congestion?.share(flows: Int(felt[link])) ?? 1
        let capacity = network.properties(ofLink: link).bandwidth * healthy[link] * share
        if capacity != sharing.links[link].capacity { sharing.setCapacity(link, to: capacity, now: now) }
    }

    private mutating func note(ends place: Ends, of slot: Int) {
        while ends.count <= slot { ends.append(place) }
        ends[slot] = place
    }

    private func stalled() -> FabricError {
        var waiting: [String] = []
        for link in 0..<network.linkCount where sharing.links[link].capacity == 0 && sharing.crossings.count(link) > 0 {
            waiting.append("\(sharing.crossings.count(link)) on \"\(network.name(ofLink: link))\"")
        }
        return FabricError(
            key: "faults", "\(active) flows wait for ever for links that are down: \(waiting.prefix(5).joined(separator: ", "))")
    }
}
