/// How long a pattern of messages takes on a network, and how that was found.
public struct PatternTiming: Sendable, Hashable {
    public enum Method: String, Sendable { case closedForm = "closed form", flows }
    public var seconds: Double
    public var method: Method
    public var messages: Int
}

extension Network {
    /// Plays a pattern whose rank r is at `hosts[r]`. Symmetric patterns in lock step take their exact closed form, others are played flow by flow; where both
    /// apply they agree, so that the choice changes no answer.
    /// - Throws: `FabricError` for missing or repeated hosts, and what flows throw.
    public func time(_ pattern: CommunicationPattern, on hosts: [Int]) throws(FabricError) -> PatternTiming {
        try check(pattern, hosts)
        if let seconds = try lockStepTime(pattern, hosts) {
            return PatternTiming(seconds: seconds, method: .closedForm, messages: pattern.messageCount)
        }
        return PatternTiming(seconds: try play(pattern, on: hosts), method: .flows, messages: pattern.messageCount)
    }

    private func check(_ pattern: CommunicationPattern, _ hosts: [Int]) throws(FabricError) {
        guard hosts.count == pattern.ranks else {
            throw FabricError(key: "ranks", "\(pattern.ranks) ranks are placed on \(hosts.count) hosts; every rank needs one of its own")
        }
        guard Set(hosts).count == hosts.count else { throw FabricError(key: "ranks", "two ranks are placed on the same host") }
        if let wrong = hosts.first(where: { !(0..<hostCount).contains($0) }) {
            throw FabricError(key: "ranks", "host \(wrong) does not exist; hosts are numbered from 0 to \(hostCount - 1)")
        }
    }

    // MARK: Closed form

    /// The exact time without playing every step; nil where there is none.
    ///
    /// 1. When all messages of a step end at the same time, shared links or not, and each message of the next step has an end that took part, all ranks are
    ///    in step again: times add up.
    /// 2. When the same messages repeat and no two share a link, message m takes t_m whenever it starts, and each waits for itself: the
    ///    slowest alone sets the end, steps * max t_m (nobody can be later, as every chain of waiting has one message a step).
    func lockStepTime(_ pattern: CommunicationPattern, _ hosts: [Int]) throws(FabricError) -> Double? {
        var total = 0.0
        var tookPart = [Bool](repeating: true, count: pattern.ranks)
        for phase in pattern.phases {
            guard phase.messages.allSatisfy({ tookPart[$0.source] || tookPart[$0.destination] }) else { return nil }
            var simulation = FlowSimulation(self)
            for (index, message) in phase.messages.enumerated() { try simulation.issue(flow(message, hosts), owner: Int32(index)) }
            var first = Double.infinity
            var last = 0.0
            while try simulation.advance() {
                for index in 0..<simulation.finishedCount {
                    let at = simulation.finished(index).at
                    first = min(first, at)
                    last = max(last, at)
                }
            }
            if last - first > 1e-12 * last {
                guard pattern.phases.count == 1, !sharesLinks(phase.messages, hosts) else { return nil }
            }
            total += Double(phase.steps) * last
            if pattern.phases.count > 1 {
                tookPart = [Bool](repeating: false, count: pattern.ranks)
                for message in phase.messages {
                    tookPart[message.source] = true
                    tookPart[message.destination] = true
                }
            }
        }
        return total
    }

    private func sharesLinks(_ messages: [CommunicationPattern.Message], _ hosts: [Int]) -> Bool {
        var used = [Bool](repeating: false, count: linkCount)
        var links = Column<Int32>()
        for message in messages {
            let (source, destination) = (hosts[message.source], hosts[message.destination])
            links.removeAll()
            shape.route(from: source, to: destination, choice: choice(from: source, to: destination, key: 0), into: &links)
            for hop in 0..<links.count {
                if used[Int(links[hop])] { return true }
                used[Int(links[hop])] = true
            }
        }
        return false
    }

    private func flow(_ message: CommunicationPattern.Message, _ hosts: [Int], start: Double = 0) -> Flow {
        Flow(start: start, source: hosts[message.source], destination: hosts[message.destination], bytes: message.bytes)
    }

    // MARK: Flows

    /// Plays every message as a flow. Seconds until the last has finished.
    public func play(_ pattern: CommunicationPattern, on hosts: [Int]) throws(FabricError) -> Double {
        try check(pattern, hosts)
        var player = PatternPlayer(network: self, pattern: pattern, hosts: hosts)
        return try player.run()
    }
}

/// The state of a pattern that is being played: at which step each rank is, and how many of its messages there are still on their way.
private struct PatternPlayer: ~Copyable {
    let messages: [[CommunicationPattern.Message]]
    let hosts: [Int]
    var simulation: FlowSimulation
    /// [phases] first step of the phase; steps count through all phases.
    let firstStep: [Int]
    let stepCount: Int
    /// [phases][ranks] the rank's messages: indices of the phase's messages from `offsets[rank]` to `offsets[rank + 1]` in `members`.
    var offsets: [[Int32]] = []
    var members: [[Int32]] = []
    /// [ranks] the step that the rank is at, `stepCount` when it is through.
    var step: [Int]
    var phase: [Int]
    /// [ranks] messages of its present step not finished.
    var pending: [Int32]
    var arrivals: [Int] = []
    /// [ranks] whether the rank's present step has been looked at: of two ends that arrive together the second issues the message.
    var hasArrived: [Bool]
    /// [phases] first message number of the phase.
    var firstMessage: [Int] = []

    init(network: Network, pattern: CommunicationPattern, hosts: [Int]) {
        messages = pattern.phases.map(\.messages)
        self.hosts = hosts
        simulation = FlowSimulation(network)
        var first: [Int] = []
        var count = 0
        var message = 0
        for phase in pattern.phases {
            first.append(count)
            count += phase.steps
            firstMessage.append(message)
            message += phase.messages.count
            var offset = [Int32](repeating: 0, count: pattern.ranks + 1)
            for message in phase.messages {
                offset[message.source + 1] += 1
                offset[message.destination + 1] += 1
            }
            for rank in 0..<pattern.ranks { offset[rank + 1] += offset[rank] }
            var cursor = offset
            var member = [Int32](repeating: 0, count: 2 * phase.messages.count)
            for (index, message) in phase.messages.enumerated() {
                for rank in [message.source, message.destination] {
                    member[Int(cursor[rank])] = Int32(index)
                    cursor[rank] += 1
                }
            }
            offsets.append(offset)
            members.append(member)
        }
        firstStep = first
        stepCount = count
        step = Array(repeating: -1, count: pattern.ranks)
        phase = Array(repeating: 0, count: pattern.ranks)
        pending = Array(repeating: 0, count: pattern.ranks)
        hasArrived = Array(repeating: false, count: pattern.ranks)
    }

    mutating func run() throws(FabricError) -> Double {
        guard stepCount > 0 else { return 0 }
        for rank in hosts.indices { moveOn(rank) }
        try startWhatIsReady(at: 0)
        var end = 0.0
        while try simulation.advance() {
            for index in 0..<simulation.finishedCount {
                let one = simulation.finished(index)
                end = max(end, one.at)
                let phase = phaseOf(Int(one.owner))
                let message = messages[phase][Int(one.owner) - firstMessage[phase]]
                leave(message.source)
                leave(message.destination)
            }
            try startWhatIsReady(at: simulation.now)
        }
        return end
    }

    private func phaseOf(_ message: Int) -> Int {
        var (low, high) = (0, firstMessage.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if firstMessage[middle] <= message { low = middle } else { high = middle - 1 }
        }
        return low
    }

    @inline(__always)
    private mutating func leave(_ rank: Int) {
        pending[rank] -= 1
        if pending[rank] == 0 { moveOn(rank) }
    }

    /// To the next step in which the rank has messages.
    private mutating func moveOn(_ rank: Int) {
        var next = step[rank] + 1
        while next < stepCount {
            if phase[rank] + 1 < firstStep.count, next >= firstStep[phase[rank] + 1] { phase[rank] += 1 }
            pending[rank] = offsets[phase[rank]][rank + 1] - offsets[phase[rank]][rank]
            if pending[rank] > 0 { break }
            next = phase[rank] + 1 < firstStep.count ? firstStep[phase[rank] + 1] : stepCount
        }
        step[rank] = next
        hasArrived[rank] = false
        if next < stepCount { arrivals.append(rank) }
    }

    /// Issues each message whose two ends have come to its step; the end that comes last issues it.
    private mutating func startWhatIsReady(at time: Double) throws(FabricError) {
        for rank in arrivals {
            let phase = self.phase[rank]
            for place in Int(offsets[phase][rank])..<Int(offsets[phase][rank + 1]) {
                let index = Int(members[phase][place])
                let message = messages[phase][index]
                let other = message.source == rank ? message.destination : message.source
                guard step[other] == step[rank], hasArrived[other] else { continue }
                let flow = Flow(start: time, source: hosts[message.source], destination: hosts[message.destination], bytes: message.bytes)
                try simulation.issue(flow, owner: Int32(truncatingIfNeeded: firstMessage[phase] + index))
            }
            hasArrived[rank] = true
        }
        arrivals.removeAll(keepingCapacity: true)
    }
}
