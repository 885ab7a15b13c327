/// How long a pattern of messages takes on a network, and how that was found.
public struct PatternTiming: Sendable, Hashable {
    /// How a time was found.
    public enum Method: String, Sendable { case closedForm = "closed form", flows, measured = "measured rates" }
    /// Until the last message is through, how that was found, and messages in all.
    public var seconds: Double
    public var method: Method
    public var messages: Int
    /// Where a network with faults or congestion held messages back, summed over messages, the longest first. Empty otherwise.
    public var waits: [LinkWait] = []
    /// The rank that was through last, where there are faults or congestion.
    public var lastRank: Int?
}

/// So long did a link hold back what went over it.
public struct LinkWait: Sendable, Hashable {
    /// Number of the link, and seconds.
    public var link: Int
    public var seconds: Double
}

extension Network {
    /// Plays a pattern whose rank r is at `hosts[r]`. Symmetric patterns in lock step take their exact closed form, others are played flow by flow; where both
    /// apply they agree, so that the choice changes no answer.
    /// - Throws: `FabricError` for missing or repeated hosts, and what flows throw.
    public func time(_ pattern: CommunicationPattern, on hosts: [Int]) throws(FabricError) -> PatternTiming {
        let places = try places(pattern, hosts)
        if let seconds = try lockStepTime(pattern, places) {
            return PatternTiming(seconds: seconds, method: .closedForm, messages: pattern.messageCount)
        }
        return try played(pattern, places)
    }

    /// [participants] the place of each: a host, or a switch that reduces (numbered behind the hosts).
    private func places(_ pattern: CommunicationPattern, _ hosts: [Int]) throws(FabricError) -> [Int] {
        guard hosts.count == pattern.ranks else {
            throw FabricError(key: "ranks", "\(pattern.ranks) ranks are placed on \(hosts.count) hosts; every rank needs one of its own")
        }
        guard Set(hosts).count == hosts.count else { throw FabricError(key: "ranks", "two ranks are placed on the same host") }
        if let wrong = hosts.first(where: { !(0..<hostCount).contains($0) }) {
            throw FabricError(key: "ranks", "host \(wrong) does not exist; hosts are numbered from 0 to \(hostCount - 1)")
        }
        var result: [Int] = []
        for participant in pattern.participants {
            let place: Int? =
                switch participant {
                case .rank(let rank): hosts.indices.contains(rank) ? hosts[rank] : nil
                case .switchAbove(let rank): hosts.indices.contains(rank) ? shape.reducer(above: hosts[rank]) : nil
                case .root: shape.rootReducer
                }
            guard let place else {
                throw FabricError(
                    key: "algorithm",
                    participant == .root
                        ? "sharp over several leaves needs a network with one root: a two-level fat tree or leaf_spine"
                        : "reduction in the switch needs a network whose hosts hang on switches that reduce: star, nvswitch, fat_tree, leaf_spine, nvl72, rail_optimized"
                )
            }
            result.append(place)
        }
        return result
    }

    // MARK: Closed form

    /// The exact time without playing every step; nil where there is none.
    ///
    /// 1. When every rank that has messages in a step is through with them at the same time, shared links or not, and each message of the next step has an
    ///    end that took part, all are in step again: times add up.
    /// 2. When the same messages repeat and no two share a link, message m takes t_m whenever it starts, and each waits for itself: the
    ///    slowest alone sets the end, steps * max t_m (nobody can be later, as every chain of waiting has one message a step).
    /// 3. The same where links are shared, if the message that takes longest has its bottleneck to itself: it is never faster alone, and as at most one
    ///    message of each pair is under way, links are never shared by more than at the first step.
    func lockStepTime(_ pattern: CommunicationPattern, _ places: [Int]) throws(FabricError) -> Double? {
        guard faults.isEmpty, congestion == nil else { return nil }
        var total = 0.0
        var tookPart = [Bool](repeating: true, count: places.count)
        var ends = [Double](repeating: -1, count: places.count)
        for phase in pattern.phases {
            guard phase.messages.allSatisfy({ tookPart[$0.source] || tookPart[$0.destination] }) else { return nil }
            for message in phase.messages {
                guard places[message.source] != places[message.destination] else { return nil }
                ends[message.source] = 0
                ends[message.destination] = 0
            }
            var simulation = FlowSimulation(self, reaching: true)
            for (index, message) in phase.messages.enumerated() { try simulation.issue(flow(message, places), owner: Int32(index)) }
            while try simulation.advance() {
                for index in 0..<simulation.finishedCount {
                    let one = simulation.finished(index)
                    let message = phase.messages[Int(one.owner)]
                    ends[message.source] = max(ends[message.source], one.at)
                    ends[message.destination] = max(ends[message.destination], one.at)
                }
            }
            var first = Double.infinity
            var last = 0.0
            for end in ends where end >= 0 {
                first = min(first, end)
                last = max(last, end)
            }
            if last - first > 1e-12 * last {
                guard pattern.phases.count == 1,
                    !sharesLinks(phase.messages, places) || slowestAlone(phase.messages, places) >= last * (1 - 1e-9)
                else { return nil }
            }
            total += Double(phase.steps) * last
            for index in ends.indices {
                tookPart[index] = ends[index] >= 0
                ends[index] = -1
            }
        }
        return total
    }

    /// Time of the slowest message with all links to itself, seconds.
    private func slowestAlone(_ messages: [CommunicationPattern.Message], _ places: [Int]) -> Double {
        var slowest = 0.0
        var links = Column<Int32>()
        for message in messages {
            let (source, destination) = (places[message.source], places[message.destination])
            links.removeAll()
            shape.route(from: source, to: destination, choice: choice(from: source, to: destination, key: 0), into: &links)
            var latency = 0.0
            var rate = Double.infinity
            for hop in 0..<links.count {
                let link = shape.properties(of: Int(links[hop]))
                latency += link.latency
                rate = min(rate, link.bandwidth)
            }
            slowest = max(slowest, latency + (efficiency?.wireBytes(message.bytes) ?? message.bytes) / rate)
        }
        return slowest
    }

    private func sharesLinks(_ messages: [CommunicationPattern.Message], _ places: [Int]) -> Bool {
        var used = [Bool](repeating: false, count: linkCount)
        var links = Column<Int32>()
        for message in messages {
            let (source, destination) = (places[message.source], places[message.destination])
            links.removeAll()
            shape.route(from: source, to: destination, choice: choice(from: source, to: destination, key: 0), into: &links)
            for hop in 0..<links.count {
                if used[Int(links[hop])] { return true }
                used[Int(links[hop])] = true
            }
        }
        return false
    }

    private func flow(_ message: CommunicationPattern.Message, _ places: [Int]) -> Flow {
        Flow(source: places[message.source], destination: places[message.destination], bytes: message.bytes)
    }

    /// Plays every message as a flow. Seconds until the last has finished.
    public func play(_ pattern: CommunicationPattern, on hosts: [Int]) throws(FabricError) -> Double {
        try played(pattern, try places(pattern, hosts)).seconds
    }

    /// Bytes that each link carries for a pattern on its static ways: [links].
    public func carried(_ pattern: CommunicationPattern, on hosts: [Int]) throws(FabricError) -> [Double] {
        let places = try places(pattern, hosts)
        var carried = [Double](repeating: 0, count: linkCount)
        var links = Column<Int32>()
        for phase in pattern.phases {
            for message in phase.messages where places[message.source] != places[message.destination] {
                let (source, destination) = (places[message.source], places[message.destination])
                links.removeAll()
                shape.route(from: source, to: destination, choice: choice(from: source, to: destination, key: 0), into: &links)
                for hop in 0..<links.count { carried[Int(links[hop])] += Double(phase.steps) * message.bytes }
            }
        }
        return carried
    }

    /// Plays a pattern once more and looks at some links at the end of every span of its time `end`.
    /// - Throws: `FabricError` as `time`.
    public func load(
        of pattern: CommunicationPattern, on hosts: [Int], links: [Int], over time: (end: Double, spans: Int)
    ) throws(FabricError) -> LoadOverTime {
        var player = PatternPlayer(network: self, pattern: pattern, places: try places(pattern, hosts))
        let sent = try player.run(links, until: time.end, spans: time.spans)
        let span = time.end / Double(time.spans)
        let utilization = zip(links, sent).map { link, sent in
            let most = properties(ofLink: link).bandwidth * span
            return sent.indices.map { most > 0 ? (sent[$0] - ($0 > 0 ? sent[$0 - 1] : 0)) / most : 0 }
        }
        return LoadOverTime(span: span, links: links, utilization: utilization)
    }

    private func played(_ pattern: CommunicationPattern, _ places: [Int]) throws(FabricError) -> PatternTiming {
        var player = PatternPlayer(network: self, pattern: pattern, places: places)
        let seconds = try player.run()
        return PatternTiming(
            seconds: seconds, method: .flows, messages: pattern.messageCount, waits: player.waits, lastRank: player.lastRank)
    }
}
