/// Who sends how much to whom, step by step. A message starts when both its ends have finished all their messages of earlier steps; there is no barrier
/// beside that.
public struct CommunicationPattern: Sendable, Hashable {
    /// Bytes from one participant to another.
    public struct Message: Sendable, Hashable {
        /// Numbers of `participants`, which are the ranks where nothing else is said.
        public var source: Int
        public var destination: Int
        public var bytes: Double
        public init(from source: Int, to destination: Int, bytes: Double) {
            self.source = source
            self.destination = destination
            self.bytes = bytes
        }
    }
    /// Steps with the same messages, one after the other.
    public struct Phase: Sendable, Hashable {
        /// How often the messages are sent, and what is sent each time.
        public var steps: Int
        public var messages: [Message]
        public init(steps: Int, messages: [Message]) {
            self.steps = steps
            self.messages = messages
        }
    }
    /// What a message begins or ends at. A rank takes part several times where it does independent things at once: as one per channel, or per stage of a
    /// pipeline. A message between two participants of one rank takes no time: the second waits for the first.
    public enum Participant: Sendable, Hashable {
        case rank(Int)
        /// The switch that this rank hangs on, as a place that reduces and multicasts.
        case switchAbove(rank: Int)
        /// The switch at the root of the network's reduction tree.
        case root
    }

    /// Ranks that the pattern is for, the places where messages begin and end, and the phases in order.
    public var ranks: Int
    public var participants: [Participant]
    public var phases: [Phase]

    public init(ranks: Int, phases: [Phase]) {
        self.init(ranks: ranks, participants: (0..<max(0, ranks)).map { .rank($0) }, phases: phases)
    }

    public init(ranks: Int, participants: [Participant], phases: [Phase]) {
        self.ranks = ranks
        self.participants = participants
        self.phases = []
        for phase in phases { append(phase) }
    }

    /// Messages of all steps.
    public var messageCount: Int { phases.reduce(0) { $0 + $1.steps * $1.messages.count } }

    /// [ranks] bytes that each rank sends, and that each receives.
    public var volume: (sent: [Double], received: [Double]) {
        var sent = [Double](repeating: 0, count: ranks)
        var received = sent
        for phase in phases {
            for message in phase.messages {
                let bytes = Double(phase.steps) * message.bytes
                if case .rank(let rank) = participants[message.source] { sent[rank] += bytes }
                if case .rank(let rank) = participants[message.destination] { received[rank] += bytes }
            }
        }
        return (sent, received)
    }

    /// Equal steps in a row become one phase.
    mutating func append(_ phase: Phase) {
        guard phase.steps > 0, !phase.messages.isEmpty else { return }
        if let last = phases.last, last.messages == phase.messages {
            phases[phases.count - 1].steps += phase.steps
        } else {
            phases.append(phase)
        }
    }

    mutating func append(_ phases: [Phase]) { for phase in phases { append(phase) } }

    /// The ranks of this pattern as ranks of a larger group.
    func mapped(_ rank: (Int) -> Int) -> [Phase] { Self.mapped(phases, rank) }

    static func mapped(_ phases: [Phase], _ rank: (Int) -> Int) -> [Phase] {
        phases.map { phase in
            Phase(
                steps: phase.steps,
                messages: phase.messages.map { Message(from: rank($0.source), to: rank($0.destination), bytes: $0.bytes) })
        }
    }

    /// Several patterns of the same length side by side, on different ranks.
    static func together(ranks: Int, _ patterns: [[Phase]]) -> CommunicationPattern {
        var all = CommunicationPattern(ranks: ranks, phases: [])
        all.append(sideBySide(patterns))
        return all
    }

    static func sideBySide(_ patterns: [[Phase]]) -> [Phase] {
        guard let first = patterns.first else { return [] }
        return first.indices.map { index in
            Phase(steps: first[index].steps, messages: patterns.flatMap { index < $0.count ? $0[index].messages : [] })
        }
    }

    // MARK: Channels and pipelines

    /// The pattern on several channels at once, each with its share of the bytes (`part` is the pattern of one share). Channel c turns the ranks inside
    /// every group of `group` by c places, so that each enters and leaves a node by another port, as the rings and trees of NCCL's channels do.
    static func channels(_ count: Int, of part: CommunicationPattern, group: Int) -> CommunicationPattern {
        guard count > 1 else { return part }
        let size = part.participants.count
        let turns = group > 1 && part.ranks % group == 0
        func turned(_ rank: Int, _ channel: Int) -> Int { turns ? rank / group * group + (rank % group + channel) % group : rank }
        var participants: [Participant] = []
        for channel in 0..<count {
            for one in part.participants {
                switch one {
                case .rank(let rank): participants.append(.rank(turned(rank, channel)))
                case .switchAbove(let rank): participants.append(.switchAbove(rank: turned(rank, channel)))
                case .root: participants.append(.root)
                }
            }
        }
        let lanes = (0..<count).map { channel in part.mapped { $0 + channel * size } }
        return CommunicationPattern(ranks: part.ranks, participants: participants, phases: sideBySide(lanes))
    }

    /// Stages that work on chunk after chunk at the same time: stage s takes chunk k when stage s - 1 is through with it. Every stage is a participant
    /// of its own of each rank, so that stages wait for each other only where a chunk passes from one to the next. `stages` are those of one chunk.
    static func pipelined(_ stages: [[Phase]], chunks: Int, participants: [Participant], ranks: Int) -> CommunicationPattern {
        let size = participants.count
        let steps = stages.map { stage in stage.flatMap { phase in (0..<phase.steps).map { _ in phase.messages } } }
        let longest = steps.map(\.count).max() ?? 0
        let all = (0..<stages.count).flatMap { _ in participants }
        var result = CommunicationPattern(ranks: ranks, participants: all, phases: [])
        for beat in 0..<(chunks + stages.count - 1) {
            let active = stages.indices.filter { (0..<chunks).contains(beat - $0) }
            for index in 0..<longest {
                var messages: [Message] = []
                for stage in active where index < steps[stage].count {
                    messages += steps[stage][index].map {
                        Message(from: $0.source + stage * size, to: $0.destination + stage * size, bytes: $0.bytes)
                    }
                }
                result.append(Phase(steps: 1, messages: messages))
            }
            var handing: [Message] = []
            for stage in active where stage + 1 < stages.count {
                for (index, one) in participants.enumerated() {
                    guard case .rank = one else { continue }
                    handing.append(Message(from: stage * size + index, to: (stage + 1) * size + index, bytes: 0))
                }
            }
            result.append(Phase(steps: 1, messages: handing))
        }
        return result
    }
}
