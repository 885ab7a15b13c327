import Testing

@testable import Plan

#if canImport(Glibc)
    import Glibc
#endif

/// One suite over every schedule: p in 1...16, m in 1...64, v in 1...4 wherever legal; a thinned grid unless ORRERY_FULL is set.
struct SchedulesContractTests {
    static let full = getenv("ORRERY_FULL") != nil
    static let ranks = full ? Array(1...16) : [1, 2, 3, 4, 7, 8]
    static let microBatches = full ? Array(1...64) : [1, 2, 3, 5, 8, 16, 21]

    static func cases(_ kind: ScheduleKind) -> [(p: Int, m: Int, v: Int)] {
        var all: [(Int, Int, Int)] = []
        for p in ranks { for m in microBatches { for v in kind.fixedChunks == nil ? [1, 2, 3, 4] : [1] { all.append((p, m, v)) } } }
        return all
    }

    /// The numbers that a kind refuses, as its paper says them.
    static func legal(_ kind: ScheduleKind, _ p: Int, _ m: Int) -> Bool {
        switch kind {
        case .dualpipe: p % 2 == 0 && m % 2 == 0 && m >= 2 * p
        case .dualpipeV: m >= 2 * p
        default: true
        }
    }

    @Test(arguments: ScheduleKind.allCases)
    func validCompleteAndFreeOfDeadlock(kind: ScheduleKind) throws {
        for (p, m, v) in Self.cases(kind) {
            guard Self.legal(kind, p, m) else {
                #expect(throws: ScheduleError.self) { try PipelineSchedule.make(kind, ranks: p, microBatches: m, chunks: v) }
                continue
            }
            let schedule = try PipelineSchedule.make(kind, ranks: p, microBatches: m, chunks: v)
            #expect(throws: Never.self, "\(kind) p \(p) m \(m) v \(v)") { try schedule.validate() }
            #expect(schedule.ranks.count == p && schedule.microBatches == m)
            let parts = kind.splitsBackward ? 3 : 2
            #expect(schedule.instructionCount == parts * m * schedule.virtualStages, "\(kind) p \(p) m \(m) v \(v)")
        }
    }

    /// Independent oracle: each (kind, micro-batch, stage) once, found with a dictionary, and a replay that polls all ranks until none moves.
    @Test(arguments: ScheduleKind.allCases)
    func oracleAgrees(kind: ScheduleKind) throws {
        for p in [1, 2, 4, 6] {
            for m in [1, 3, 12, 14] where Self.legal(kind, p, m) {
                let schedule = try PipelineSchedule.make(kind, ranks: p, microBatches: m, chunks: kind.fixedChunks ?? 3)
                let costs = ScheduleCosts.uniform(
                    virtualStages: schedule.virtualStages, forward: 3, backward: 4, weight: 2, communication: 1)
                let (makespan, count) = try #require(pollingReplay(schedule, costs))
                #expect(count == schedule.instructionCount)
                #expect(try schedule.timing(costs).makespan == makespan, "\(kind) p \(p) m \(m)")
            }
        }
    }

    @Test(arguments: ScheduleKind.allCases)
    func oneStageIsNoPipelineAndOneMicroBatchIsSequential(kind: ScheduleKind) throws {
        // One rank never waits: makespan = m (tF + tB + tW) per virtual stage.
        for m in [1, 2, 5, 8] where Self.legal(kind, 1, m) {
            let schedule = try PipelineSchedule.make(kind, ranks: 1, microBatches: m)
            let stages = schedule.virtualStages
            let timing = try schedule.timing(.uniform(virtualStages: stages, forward: 3, backward: 5, weight: 2, communication: 7))
            #expect(timing.makespan == Double(m * stages * 10) && timing.bubble == [0], "\(kind) m \(m)")
        }
        // One micro-batch runs through all stages and back, one after the other; a parted W of the first stages comes last.
        for p in [2, 3, 5] where Self.legal(kind, p, 1) {
            let schedule = try PipelineSchedule.make(kind, ranks: p, microBatches: 1)
            let n = Double(schedule.virtualStages)
            let timing = try schedule.timing(.uniform(virtualStages: schedule.virtualStages, forward: 3, backward: 5, weight: 2))
            if kind.splitsBackward {
                #expect(timing.makespan >= n * 8 + 2 && timing.makespan <= n * 10, "\(kind) p \(p)")
            } else {
                #expect(timing.makespan == n * 10, "\(kind) p \(p)")
            }
        }
    }

    @Test(arguments: ScheduleKind.allCases)
    func everySendHasItsReceive(kind: ScheduleKind) throws {
        // Between p > 1 ranks each micro-batch crosses (virtual stages - 1) borders down and as many up, less those between chunks of one rank.
        for p in [1, 2, 4] {
            let m = 2 * p + 2
            let schedule = try PipelineSchedule.make(kind, ranks: kind == .dualpipe && p == 1 ? 2 : p, microBatches: m)
            var sent: [Transfer] = []
            var received: [Transfer] = []
            for (rank, list) in schedule.ranks.enumerated() {
                sent += list.compactMap { schedule.sends(of: $0, rank: rank) }
                received += list.compactMap { schedule.receives(of: $0, rank: rank) }
            }
            #expect(Set(sent) == Set(received) && Set(sent).count == sent.count && sent.count == received.count)
            let folded = [ScheduleKind.zbV, .vHalf, .vMin, .dualpipeV].contains(kind)
            #expect(sent.count == 2 * m * (schedule.virtualStages - 1 - (folded ? 1 : 0)), "\(kind) p \(p)")
        }
    }

    /// Polls rank after rank; nil when it gets stuck.
    private func pollingReplay(_ schedule: PipelineSchedule, _ costs: ScheduleCosts) -> (makespan: Double, done: Int)? {
        struct Key: Hashable { var kind: Instruction.Kind; var micro: Int; var stage: Int }
        var finish: [Key: (time: Double, rank: Int)] = [:]
        var next = Array(repeating: 0, count: schedule.ranks.count)
        var clock = Array(repeating: 0.0, count: schedule.ranks.count)
        let stages = schedule.virtualStages
        var moved = true
        while moved {
            moved = false
            for (r, list) in schedule.ranks.enumerated() where next[r] < list.count {
                var block = [list[next[r]]]
                while block.last?.joinsNext == true { block.append(list[next[r] + block.count]) }
                var begin = clock[r]
                var ready = true
                var duration = 0.0
                for i in block {
                    let s = schedule.virtualStage[r][i.chunk]
                    var inputs: [Key] = []
                    switch i.kind {
                    case .forward:
                        if s > 0 { inputs.append(Key(kind: .forward, micro: i.microBatch, stage: s - 1)) }
                        duration += costs.forward[s]
                    case .backward:
                        inputs.append(
                            s < stages - 1
                                ? Key(kind: .backward, micro: i.microBatch, stage: s + 1)
                                : Key(kind: .forward, micro: i.microBatch, stage: s))
                        duration += costs.backward[s] + (schedule.splitsBackward ? 0 : costs.weight[s])
                    case .weight: duration += costs.weight[s]
                    }
                    for input in inputs {
                        guard let found = finish[input] else {
                            ready = false
                            continue
                        }
                        begin = max(begin, found.time + (found.rank == r ? 0 : costs.communication))
                    }
                }
                guard ready else { continue }
                clock[r] = begin + duration
                for i in block { finish[Key(kind: i.kind, micro: i.microBatch, stage: schedule.virtualStage[r][i.chunk])] = (clock[r], r) }
                next[r] += block.count
                moved = true
            }
        }
        guard next == schedule.ranks.map(\.count) else { return nil }
        return (clock.max() ?? 0, finish.count)
    }
}
