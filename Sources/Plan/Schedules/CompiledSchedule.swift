/// A schedule as flat arrays in an order that respects every dependency: timing it again under other costs is one pass, O(instructions).
///
/// The unit is the block: one instruction, or several joined ones. A block waits for the block before it on its rank and for at most two results
/// of other ranks (those of an F and of a B). Results made on the same rank are earlier in the rank's list, so the first rule covers them.
public struct CompiledSchedule: Sendable {
    public let ranks: Int
    public let virtualStages: Int
    /// First instruction of each rank, [ranks + 1]; instructions are numbered rank by rank.
    let rankStart: [Int32]
    /// Row of the cost table that an instruction reads, [instructions]: kind x virtual stages + stage.
    let costRow: [Int32]
    /// Block of each instruction, [instructions], blocks numbered rank by rank.
    let block: [Int32]
    let blockCount: Int
    /// Blocks that hold both an F and a B.
    let paired: [Bool]
    /// The order of replay: blocks so that every dependency comes first, [blocks].
    let order: [Int32]
    /// Block before on the rank, [blocks] by block; -1: none.
    let previous: [Int32]
    /// Blocks of other ranks waited for, [blocks x 2]; -1: none.
    let awaited: [Int32]
    let splitsBackward: Bool

    /// - Throws: `ScheduleError` as `PipelineSchedule.validate()` does: incomplete, misplaced or doubled instructions, deadlock.
    public init(_ schedule: PipelineSchedule) throws(ScheduleError) {
        let index = try InstructionIndex(schedule)
        ranks = schedule.ranks.count
        virtualStages = index.virtualStages
        splitsBackward = schedule.splitsBackward
        rankStart = index.rankStart
        let count = index.flat.count
        var costRow = [Int32](repeating: 0, count: count)
        var block = [Int32](repeating: 0, count: count)
        var previous: [Int32] = []
        var paired: [Bool] = []
        for rank in 0..<ranks {
            var open = false
            var kinds = (forward: false, backward: false)
            for i in Int(rankStart[rank])..<Int(rankStart[rank + 1]) {
                let instruction = index.flat[i]
                if !open {
                    previous.append(i == Int(rankStart[rank]) ? -1 : Int32(previous.count - 1))
                    paired.append(false)
                    kinds = (false, false)
                }
                if instruction.kind == .forward { kinds.forward = true }
                if instruction.kind == .backward { kinds.backward = true }
                paired[paired.count - 1] = kinds.forward && kinds.backward
                block[i] = Int32(previous.count - 1)
                costRow[i] = Int32(instruction.kind.index * virtualStages + index.stage[i])
                open = instruction.joinsNext
            }
        }
        var awaited = [Int32](repeating: -1, count: previous.count * 2)
        for i in 0..<count {
            guard let source = index.source(of: i) else { continue }
            let own = Int(block[i])
            awaited[own * 2 + (awaited[own * 2] < 0 ? 0 : 1)] = block[source]
        }
        self.costRow = costRow
        self.block = block
        self.previous = previous
        self.paired = paired
        self.awaited = awaited
        blockCount = previous.count
        order = try Self.replayOrder(schedule, index: index, block: block, awaited: awaited)
    }

    /// Runs the lists as the ranks would: each does its next block once what it awaits is done. O(instructions).
    private static func replayOrder(
        _ schedule: PipelineSchedule, index: InstructionIndex, block: [Int32], awaited: [Int32]
    ) throws(ScheduleError) -> [Int32] {
        let ranks = schedule.ranks.count
        let blocks = awaited.count / 2
        let first = (0..<ranks).map { r in index.rankStart[r] < index.rankStart[r + 1] ? Int(block[Int(index.rankStart[r])]) : -1 }
        var next = first
        var end = [Int](repeating: 0, count: ranks)
        for rank in 0..<ranks where first[rank] >= 0 { end[rank] = Int(block[Int(index.rankStart[rank + 1]) - 1]) + 1 }
        var done = [Bool](repeating: false, count: blocks)
        // A waiting rank hangs on the one block that it waits for; several ranks on one block form a list.
        var waiting = [Int](repeating: -1, count: blocks)
        var alsoWaiting = [Int](repeating: -1, count: ranks)
        var order: [Int32] = []
        order.reserveCapacity(blocks)
        var runnable = Array((0..<ranks).reversed().filter { first[$0] >= 0 })
        while let rank = runnable.popLast() {
            walk: while next[rank] < end[rank] {
                let current = next[rank]
                for slot in 0...1 {
                    let wanted = Int(awaited[current * 2 + slot])
                    if wanted >= 0, !done[wanted] {
                        alsoWaiting[rank] = waiting[wanted]
                        waiting[wanted] = rank
                        break walk
                    }
                }
                done[current] = true
                order.append(Int32(current))
                next[rank] += 1
                var other = waiting[current]
                while other >= 0 {
                    runnable.append(other)
                    other = alsoWaiting[other]
                }
            }
        }
        guard order.count == blocks else {
            let stuck = (0..<ranks).first { first[$0] >= 0 && next[$0] < end[$0] } ?? 0
            let at = block.firstIndex(of: Int32(next[stuck])) ?? 0
            throw ScheduleError(
                "schedule \(schedule.name): deadlock: rank \(stuck) waits for ever before \(index.flat[at]), instruction "
                    + "\(at - Int(index.rankStart[stuck])) of its list; what it waits for comes after something that waits for it")
        }
        return order
    }
}

extension Instruction.Kind {
    /// 0: F, 1: B, 2: W.
    var index: Int {
        switch self {
        case .forward: 0
        case .backward: 1
        case .weight: 2
        }
    }
}

extension Instruction: CustomStringConvertible {
    /// "F3", with chunk "F3.1".
    public var description: String { chunk == 0 ? "\(kind.rawValue)\(microBatch)" : "\(kind.rawValue)\(microBatch).\(chunk)" }
}
