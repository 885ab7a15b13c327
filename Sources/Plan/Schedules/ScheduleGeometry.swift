/// Where the virtual stages of a schedule live, and what flows between them.
extension PipelineSchedule {
    /// Number of virtual stages: ranks x chunks, or ranks where two directions share them (DualPipe).
    public var virtualStages: Int { (virtualStage.joined().max() ?? -1) &+ 1 }

    /// Share of a rank's layers that one chunk is: a forward of it is this many forwards of the rank.
    public var forwardsPerChunk: Double { virtualStages == 0 ? 1 : Double(ranks.count) / Double(virtualStages) }

    /// Instructions of all ranks.
    public var instructionCount: Int { ranks.reduce(0) { $0 + $1.count } }
}

/// Rank and chunk of every virtual stage. Making one takes O(stages x chunks), so whoever asks for many transfers keeps it.
public struct StageMap: Sendable {
    private let chunks: Int
    public let stages: Int
    /// Home of stage s for micro-batches of chunk c, [virtual stages x chunks]; first any, then that of the same chunk.
    private var home: [(rank: Int, chunk: Int)?]
    private let table: [[Int]]

    public init(_ schedule: PipelineSchedule) {
        table = schedule.virtualStage
        chunks = max(0, table.map(\.count).max() ?? 0)
        // A stage number beyond the places that there are is an error that `validate` names; it has no home here.
        stages = max(0, min(schedule.virtualStages, table.count * chunks))
        home = Array(repeating: nil, count: stages * chunks)
        for (rank, held) in table.enumerated() {
            for (chunk, stage) in held.enumerated() where (0..<stages).contains(stage) {
                for other in 0..<chunks where home[stage * chunks + other] == nil || other == chunk {
                    home[stage * chunks + other] = (rank, chunk)
                }
            }
        }
    }

    /// Where `stage` lives for micro-batches that run through `chunk` of a neighbouring stage: where it has two copies (DualPipe), that of the
    /// same direction. Nil where there is no such stage.
    func holder(of stage: Int, near chunk: Int) -> (rank: Int, chunk: Int)? {
        guard (0..<stages).contains(stage), (0..<chunks).contains(chunk) else { return nil }
        return home[stage * chunks + chunk]
    }

    /// What `rank` sends (or must have received) for `instruction`; nil for W, at the ends of the model, and where the neighbour is its own.
    public func transfer(of instruction: Instruction, rank: Int, sent: Bool) -> Transfer? {
        guard table.indices.contains(rank), table[rank].indices.contains(instruction.chunk), instruction.kind != .weight else { return nil }
        let own = table[rank][instruction.chunk]
        let step = (instruction.kind == .forward) == sent ? 1 : -1
        let other = own &+ step
        guard let place = holder(of: other, near: instruction.chunk), place.rank != rank else { return nil }
        return Transfer(
            payload: instruction.kind == .forward ? .activation : .gradient, microBatch: instruction.microBatch,
            fromStage: sent ? own : other, toStage: sent ? other : own, fromRank: sent ? rank : place.rank, toRank: sent ? place.rank : rank
        )
    }
}

/// A tensor that one rank sends another: the output of a forward, or the gradient of an input.
public struct Transfer: Sendable, Hashable, Codable {
    public enum Payload: String, Sendable, Hashable, Codable { case activation, gradient }
    public var payload: Payload
    public var microBatch: Int
    /// Virtual stage that made it, and the one that takes it.
    public var fromStage: Int
    public var toStage: Int
    public var fromRank: Int
    public var toRank: Int
}

extension PipelineSchedule {
    /// What `rank` sends once `instruction` is done; nil for W, at the ends of the model, and where the next stage is its own.
    public func sends(of instruction: Instruction, rank: Int) -> Transfer? {
        StageMap(self).transfer(of: instruction, rank: rank, sent: true)
    }

    /// What must have arrived on `rank` before `instruction` starts; nil for W, at the ends of the model, and where it is made on the same rank.
    public func receives(of instruction: Instruction, rank: Int) -> Transfer? {
        StageMap(self).transfer(of: instruction, rank: rank, sent: false)
    }
}

/// One line of what an executor does on a rank.
public enum PipelineStep: Sendable, Hashable, Codable {
    /// Wait until this has arrived.
    case receive(Transfer)
    case compute(Instruction)
    /// Start sending and go on; the next computation does not wait for it.
    case send(Transfer)
}

extension PipelineSchedule {
    /// The rank's list with its sends and receives written out, for an executor. Joined instructions receive before and send after their block.
    public func steps(rank: Int) -> [PipelineStep] {
        guard ranks.indices.contains(rank) else { return [] }
        let map = StageMap(self)
        var steps: [PipelineStep] = []
        var block: [Instruction] = []
        for instruction in ranks[rank] {
            block.append(instruction)
            if instruction.joinsNext { continue }
            steps += block.compactMap { map.transfer(of: $0, rank: rank, sent: false).map { .receive($0) } }
            steps += block.map { .compute($0) }
            steps += block.compactMap { map.transfer(of: $0, rank: rank, sent: true).map { .send($0) } }
            block = []
        }
        return steps
    }
}
