/// Every instruction of a schedule found by (kind, micro-batch, virtual stage), after the checks that need no replay.
struct InstructionIndex {
    let virtualStages: Int
    /// First instruction of each rank, [ranks + 1].
    let rankStart: [Int32]
    /// All instructions, rank by rank.
    let flat: [Instruction]
    /// Virtual stage of each, [instructions].
    let stage: [Int]
    /// Rank of each, [instructions].
    let rank: [Int32]
    /// Position by (kind, micro-batch, stage), [3 x micro-batches x virtual stages]; -1: absent.
    private let position: [Int32]
    private let microBatches: Int

    /// - Throws: `ScheduleError` naming the instruction that is missing, doubled, out of range, in the wrong place or before its input on the same rank.
    init(_ schedule: PipelineSchedule) throws(ScheduleError) {
        try Self.checkShape(schedule)
        let stages = schedule.virtualStages
        let micro = schedule.microBatches
        var start: [Int32] = [0]
        var flat: [Instruction] = []
        var stage: [Int] = []
        var rankOf: [Int32] = []
        var position = [Int32](repeating: -1, count: 3 * micro * stages)
        flat.reserveCapacity(schedule.instructionCount)
        stage.reserveCapacity(schedule.instructionCount)
        rankOf.reserveCapacity(schedule.instructionCount)
        for (rank, list) in schedule.ranks.enumerated() {
            for instruction in list {
                // Made only for an error: the loop runs for every instruction.
                func place() -> String { "schedule \(schedule.name), rank \(rank), \(instruction)" }
                guard (0..<micro).contains(instruction.microBatch), (0..<schedule.chunks).contains(instruction.chunk) else {
                    throw ScheduleError("\(place()): there are micro-batches 0 to \(micro - 1) and chunks 0 to \(schedule.chunks - 1)")
                }
                guard instruction.kind != .weight || schedule.splitsBackward else {
                    throw ScheduleError("\(place()): a W, but the schedule says that it does not part W from B")
                }
                let s = schedule.virtualStage[rank][instruction.chunk]
                let slot = (instruction.kind.index * micro + instruction.microBatch) * stages + s
                guard position[slot] < 0 else { throw ScheduleError("\(place()): done twice; once is right") }
                position[slot] = Int32(flat.count)
                flat.append(instruction)
                stage.append(s)
                rankOf.append(Int32(rank))
            }
            if let last = list.last, last.joinsNext {
                throw ScheduleError("schedule \(schedule.name), rank \(rank), \(last): joined with a next instruction, but it is the last")
            }
            start.append(Int32(flat.count))
        }
        virtualStages = stages
        microBatches = micro
        rankStart = start
        self.flat = flat
        self.stage = stage
        rank = rankOf
        self.position = position
        try checkComplete(schedule)
    }

    private static func checkShape(_ schedule: PipelineSchedule) throws(ScheduleError) {
        let name = "schedule \(schedule.name)"
        guard !schedule.ranks.isEmpty, schedule.chunks > 0, schedule.chunks <= 1 << 28, schedule.microBatches > 0 else {
            throw ScheduleError("\(name): needs at least one rank, one chunk and one micro-batch")
        }
        guard schedule.virtualStage.count == schedule.ranks.count, schedule.virtualStage.allSatisfy({ $0.count == schedule.chunks }) else {
            throw ScheduleError(
                "\(name): virtualStage must have one entry per rank and chunk ([\(schedule.ranks.count)][\(schedule.chunks)])")
        }
        let places = schedule.ranks.count * schedule.chunks
        for s in schedule.virtualStage.joined() where !(0..<places).contains(s) {
            throw ScheduleError("\(name): virtual stage \(s) is not within 0 to \(places - 1)")
        }
        let stages = schedule.virtualStages
        var copies = [Int](repeating: 0, count: stages)
        for s in schedule.virtualStage.joined() { copies[s] += 1 }
        guard let least = copies.min(), least > 0, copies.allSatisfy({ $0 == least }) else {
            throw ScheduleError(
                "\(name): the virtual stages must run from 0 without a gap, each on equally many ranks; copies of each: \(copies)")
        }
        guard schedule.microBatches <= Int(Int32.max), 3 * schedule.microBatches < Int(Int32.max) / stages else {
            throw ScheduleError("\(name): more than 2^31 instructions; use fewer micro-batches")
        }
        // Far too few instructions: say so before room is made for all of them.
        let wanted = (schedule.splitsBackward ? 3 : 2) * schedule.microBatches * stages
        guard schedule.instructionCount >= wanted / 16 - 4096 else {
            throw ScheduleError("\(name): \(schedule.instructionCount) instructions; \(schedule.microBatches) micro-batches need \(wanted)")
        }
    }

    private func checkComplete(_ schedule: PipelineSchedule) throws(ScheduleError) {
        for kind in schedule.splitsBackward ? [Instruction.Kind.forward, .backward, .weight] : [.forward, .backward] {
            for micro in 0..<microBatches {
                for s in 0..<virtualStages where at(kind, micro, s) == nil {
                    throw ScheduleError(
                        "schedule \(schedule.name): \(kind.rawValue)\(micro) of virtual stage \(s) is missing; every micro-batch needs one")
                }
            }
        }
        for i in flat.indices {
            let instruction = flat[i]
            let s = stage[i]
            let input: Int? =
                switch instruction.kind {
                case .forward: s > 0 ? at(.forward, instruction.microBatch, s - 1) : nil
                case .backward: s < virtualStages - 1 ? at(.backward, instruction.microBatch, s + 1) : nil
                case .weight: nil
                }
            // F, B and W of one micro-batch and stage belong on one rank and chunk, in this order.
            let before: Int? =
                switch instruction.kind {
                case .forward: nil
                case .backward: at(.forward, instruction.microBatch, s)
                case .weight: at(.backward, instruction.microBatch, s)
                }
            if let before, rank[before] != rank[i] || flat[before].chunk != instruction.chunk {
                throw ScheduleError(
                    "schedule \(schedule.name), rank \(rank[i]), \(instruction): its \(flat[before]) is on rank \(rank[before]); one place is right"
                )
            }
            for earlier in [input, before].compactMap({ $0 }) where rank[earlier] == rank[i] && earlier > i {
                throw ScheduleError("schedule \(schedule.name), rank \(rank[i]): \(instruction) comes before its input \(flat[earlier])")
            }
        }
    }

    func at(_ kind: Instruction.Kind, _ microBatch: Int, _ stage: Int) -> Int? {
        let found = position[(kind.index * microBatches + microBatch) * virtualStages + stage]
        return found < 0 ? nil : Int(found)
    }

    /// The instruction of another rank whose result `i` needs; nil: none.
    func source(of i: Int) -> Int? {
        let s = stage[i]
        let found: Int? =
            switch flat[i].kind {
            case .forward: s > 0 ? at(.forward, flat[i].microBatch, s - 1) : nil
            case .backward: s < virtualStages - 1 ? at(.backward, flat[i].microBatch, s + 1) : nil
            case .weight: nil
            }
        guard let found, rank[found] != rank[i] else { return nil }
        return found
    }
}
