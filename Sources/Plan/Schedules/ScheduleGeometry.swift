/// Where the virtual stages of a schedule live, and what flows between them.
extension PipelineSchedule {
    /// Number of virtual stages: ranks x chunks, or ranks where two directions share them (DualPipe).
    public var virtualStages: Int { (virtualStage.joined().max() ?? -1) + 1 }

    /// Share of a rank's layers that one chunk is: a forward of it is this many forwards of the rank.
    public var forwardsPerChunk: Double { virtualStages == 0 ? 1 : Double(ranks.count) / Double(virtualStages) }

    /// Instructions of all ranks.
    public var instructionCount: Int { ranks.reduce(0) { $0 + $1.count } }

    /// Rank and chunk that `stage` lives on, for the micro-batches that run through `chunk` of a neighbouring stage:
    /// where a stage has two copies (DualPipe), that of the same direction. Nil where the table names no such stage. O(ranks x chunks).
    func holder(of stage: Int, near chunk: Int) -> (rank: Int, chunk: Int)? {
        var other: (rank: Int, chunk: Int)?
        for rank in virtualStage.indices {
            for candidate in virtualStage[rank].indices where virtualStage[rank][candidate] == stage {
                if candidate == chunk { return (rank, candidate) }
                if other == nil { other = (rank, candidate) }
            }
        }
        return other
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
        guard let stage = stage(of: instruction, rank: rank), instruction.kind != .weight else { return nil }
        let next = instruction.kind == .forward ? stage + 1 : stage - 1
        guard let target = holder(of: next, near: instruction.chunk), target.rank != rank else { return nil }
        return Transfer(
            payload: instruction.kind == .forward ? .activation : .gradient, microBatch: instruction.microBatch, fromStage: stage,
            toStage: next, fromRank: rank, toRank: target.rank)
    }

    /// What must have arrived on `rank` before `instruction` starts; nil for W, at the ends of the model, and where it is made on the same rank.
    public func receives(of instruction: Instruction, rank: Int) -> Transfer? {
        guard let stage = stage(of: instruction, rank: rank), instruction.kind != .weight else { return nil }
        let previous = instruction.kind == .forward ? stage - 1 : stage + 1
        guard let source = holder(of: previous, near: instruction.chunk), source.rank != rank else { return nil }
        return Transfer(
            payload: instruction.kind == .forward ? .activation : .gradient, microBatch: instruction.microBatch, fromStage: previous,
            toStage: stage, fromRank: source.rank, toRank: rank)
    }

    private func stage(of instruction: Instruction, rank: Int) -> Int? {
        guard virtualStage.indices.contains(rank), virtualStage[rank].indices.contains(instruction.chunk) else { return nil }
        return virtualStage[rank][instruction.chunk]
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
        var steps: [PipelineStep] = []
        var block: [Instruction] = []
        for instruction in ranks[rank] {
            block.append(instruction)
            if instruction.joinsNext { continue }
            steps += block.compactMap { receives(of: $0, rank: rank).map { .receive($0) } }
            steps += block.map { .compute($0) }
            steps += block.compactMap { sends(of: $0, rank: rank).map { .send($0) } }
            block = []
        }
        return steps
    }
}
