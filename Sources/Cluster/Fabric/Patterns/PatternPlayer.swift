/// The state of a pattern that is being played: at which step each rank is, and how many of its messages there are still on their way. A rank here is a
/// participant of the pattern; messages count through all phases, each once however often its phase repeats.
struct PatternPlayer: ~Copyable {
    private let pattern: CommunicationPattern
    /// [participants]
    private let places: [Int]
    private var simulation: FlowSimulation

    // Not private, nor are the two below: where another file destroys this type, Swift 6.3.1 then compiles (without optimisation) a broken module.
    struct Phase: BitwiseCopyable {
        /// Steps count through all phases.
        var firstStep: Int
        var firstMessage: Int
        var steps: Int
    }
    private var phases = Column<Phase>()
    private let stepCount: Int

    struct Message: BitwiseCopyable {
        var source: Int32
        var destination: Int32
        /// Of messages that are sent more than once.
        var course = FlowSimulation.Course.none
    }
    private var messages = Column<Message>()
    /// [phases][ranks] the rank's messages are from `offsets[rank]` to `offsets[rank + 1]` in `members`.
    private var offsets = Column<Int32>()
    private var members = Column<Int32>()

    struct Rank: BitwiseCopyable {
        /// `stepCount` when it is through.
        var step = -1
        var phase: Int32 = 0
        /// Messages of its present step not finished.
        var pending: Int32 = 0
        /// Whether its present step has been looked at: of two ends that arrive together the second issues the message.
        var hasArrived = false
    }
    private var ranks: Column<Rank>
    private var arrivals = Column<Int32>()

    private(set) var lastRank: Int?

    init(network: Network, pattern: CommunicationPattern, places: [Int]) {
        self.pattern = pattern
        self.places = places
        simulation = FlowSimulation(network, noting: !network.faults.isEmpty || network.congestion != nil, reaching: true)
        let size = places.count
        ranks = Column(count: size, repeating: Rank())
        var count = 0
        for phase in pattern.phases {
            let first = messages.count
            phases.append(Phase(firstStep: count, firstMessage: first, steps: phase.steps))
            count += phase.steps
            var offset = [Int32](repeating: 0, count: size + 1)
            for message in phase.messages {
                offset[message.source + 1] += 1
                offset[message.destination + 1] += 1
                messages.append(
                    Message(source: Int32(truncatingIfNeeded: message.source), destination: Int32(truncatingIfNeeded: message.destination)))
            }
            for rank in 0..<size { offset[rank + 1] += offset[rank] }
            let base = Int32(truncatingIfNeeded: members.count)
            for rank in 0...size { offsets.append(base + offset[rank]) }
            for _ in 0..<2 * phase.messages.count { members.append(0) }
            for (index, message) in phase.messages.enumerated() {
                for rank in [message.source, message.destination] {
                    members[Int(base + offset[rank])] = Int32(truncatingIfNeeded: first + index)
                    offset[rank] += 1
                }
            }
        }
        stepCount = count
    }

    mutating func run() throws(FabricError) -> Double {
        guard stepCount > 0 else { return 0 }
        for rank in places.indices { moveOn(rank) }
        try startWhatIsReady()
        var end = 0.0
        while try simulation.advance() {
            for index in 0..<simulation.finishedCount {
                let one = simulation.finished(index)
                let (source, destination) = (Int(messages[Int(one.owner)].source), Int(messages[Int(one.owner)].destination))
                if simulation.account != nil, one.at > end, case .rank(let rank) = pattern.participants[destination] { lastRank = rank }
                end = max(end, one.at)
                leave(source)
                leave(destination)
            }
            try startWhatIsReady()
        }
        return end
    }

    /// As `run`, stopping at the end of every span to look at links. [links][spans] bytes that each has carried by then.
    mutating func run(_ links: [Int], until end: Double, spans: Int) throws(FabricError) -> [[Double]] {
        var sent = [[Double]](repeating: [], count: links.count)
        guard stepCount > 0 else { return sent }
        for rank in places.indices { moveOn(rank) }
        try startWhatIsReady()
        for span in 1...max(1, spans) {
            let limit = span == spans ? end : end * Double(span) / Double(spans)
            while try simulation.advance(until: limit) {
                for index in 0..<simulation.finishedCount {
                    let owner = Int(simulation.finished(index).owner)
                    let (source, destination) = (Int(messages[owner].source), Int(messages[owner].destination))
                    leave(source)
                    leave(destination)
                }
                try startWhatIsReady()
            }
            for (place, link) in links.enumerated() { sent[place].append(simulation.sent(over: link)) }
        }
        return sent
    }

    @inline(__always)
    private mutating func leave(_ rank: Int) {
        ranks[rank].pending &-= 1
        if ranks[rank].pending == 0 { moveOn(rank) }
    }

    /// Index into `offsets`.
    @inline(__always)
    private func list(of rank: Int, in phase: Int) -> Int { phase &* (places.count &+ 1) &+ rank }

    /// To the next step in which the rank has messages.
    @inline(__always)
    private mutating func moveOn(_ rank: Int) {
        var phase = Int(ranks[rank].phase)
        var next = ranks[rank].step &+ 1
        while next < stepCount {
            while next >= phases[phase].firstStep &+ phases[phase].steps { phase &+= 1 }
            let list = list(of: rank, in: phase)
            ranks[rank].pending = offsets[list &+ 1] &- offsets[list]
            if ranks[rank].pending > 0 { break }
            next = phases[phase].firstStep &+ phases[phase].steps
        }
        ranks[rank].step = next
        ranks[rank].phase = Int32(truncatingIfNeeded: phase)
        ranks[rank].hasArrived = false
        if next < stepCount { arrivals.append(Int32(truncatingIfNeeded: rank)) }
    }

    /// Seconds that each link held messages back, the longest first.
    var waits: [LinkWait] {
        var seconds = [Double](repeating: 0, count: simulation.network.linkCount)
        for entry in simulation.account?.entries ?? [] where seconds.indices.contains(Int(entry.link)) {
            seconds[Int(entry.link)] += entry.seconds
        }
        return seconds.indices.filter { seconds[$0] > 0 }.sorted { (seconds[$1], $0) < (seconds[$0], $1) }.map {
            LinkWait(link: $0, seconds: seconds[$0])
        }
    }

    /// Issues each message whose two ends have come to its step; the end that comes last issues it.
    private mutating func startWhatIsReady() throws(FabricError) {
        var index = 0
        while index < arrivals.count {
            let rank = Int(arrivals[index])
            index &+= 1
            ranks[rank].hasArrived = true
            let (step, phase) = (ranks[rank].step, Int(ranks[rank].phase))
            let list = list(of: rank, in: phase)
            for place in Int(offsets[list])..<Int(offsets[list &+ 1]) {
                let number = Int(members[place])
                let message = messages[number]
                let other = Int(message.source) == rank ? Int(message.destination) : Int(message.source)
                guard ranks[other].step == step, ranks[other].hasArrived else { continue }
                if message.course.slot >= 0 {
                    simulation.repeat(message.course)
                } else {
                    try issue(number, in: phase)
                }
            }
        }
        arrivals.removeAll()
    }

    /// A message between two participants of one place is through at once, and who it was for goes on.
    private mutating func issue(_ number: Int, in phase: Int) throws(FabricError) {
        let (source, destination) = (Int(messages[number].source), Int(messages[number].destination))
        guard places[source] != places[destination] else {
            leave(source)
            leave(destination)
            return
        }
        let bytes = pattern.phases[phase].messages[number - phases[phase].firstMessage].bytes
        let flow = Flow(start: simulation.now, source: places[source], destination: places[destination], bytes: bytes)
        let owner = Int32(truncatingIfNeeded: number)
        if phases[phase].steps > 1, simulation.keepsRoutes {
            messages[number].course = try simulation.issueStanding(flow, owner: owner)
        } else {
            try simulation.issue(flow, owner: owner)
        }
    }
}
