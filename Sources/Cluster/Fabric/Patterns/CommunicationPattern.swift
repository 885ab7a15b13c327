/// Who sends how much to whom, step by step. A message starts when both its ends have finished all their messages of earlier steps; there is no barrier
/// beside that.
public struct CommunicationPattern: Sendable, Hashable {
    public struct Message: Sendable, Hashable {
        /// Ranks from 0.
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
        public var steps: Int
        public var messages: [Message]
        public init(steps: Int, messages: [Message]) {
            self.steps = steps
            self.messages = messages
        }
    }

    public var ranks: Int
    public var phases: [Phase]

    public init(ranks: Int, phases: [Phase]) {
        self.ranks = ranks
        self.phases = []
        for phase in phases { append(phase) }
    }

    public var messageCount: Int { phases.reduce(0) { $0 + $1.steps * $1.messages.count } }

    /// Equal steps in a row become one phase.
    mutating func append(_ phase: Phase) {
        guard phase.steps > 0, !phase.messages.isEmpty else { return }
        if let last = phases.last, last.messages == phase.messages {
            phases[phases.count - 1].steps += phase.steps
        } else {
            phases.append(phase)
        }
    }

    /// The ranks of this pattern as ranks of a larger group.
    func mapped(_ rank: (Int) -> Int) -> [Phase] {
        phases.map { phase in
            Phase(
                steps: phase.steps,
                messages: phase.messages.map { Message(from: rank($0.source), to: rank($0.destination), bytes: $0.bytes) })
        }
    }

    /// Several patterns of the same length side by side, on different ranks.
    static func together(ranks: Int, _ patterns: [[Phase]]) -> CommunicationPattern {
        var all = CommunicationPattern(ranks: ranks, phases: [])
        guard let first = patterns.first else { return all }
        for index in first.indices {
            all.append(Phase(steps: first[index].steps, messages: patterns.flatMap { index < $0.count ? $0[index].messages : [] }))
        }
        return all
    }
}
