import TestSupport
import Testing

@testable import Plan

/// Validity, timing and memory as passes: what they refuse, and answers by hand.
struct SchedulesPassesTests {
    private let oneInOneOut = PipelineSchedule(
        name: "hand",
        ranks: [
            [.init(.forward, 0), .init(.forward, 1), .init(.backward, 0), .init(.backward, 1)],
            [.init(.forward, 0), .init(.backward, 0), .init(.forward, 1), .init(.backward, 1)],
        ], microBatches: 2)

    private func message(_ schedule: PipelineSchedule) -> String {
        do {
            try schedule.validate()
            return "valid"
        } catch { return error.message }
    }

    @Test func timingByHand() throws {
        // tF = 2, B with W = 3, hop = 1. Stage 0: F0 0-2, F1 2-4. Stage 1: F0 3-5, B0 5-8, F1 8-10, B1 10-13. Stage 0: B0 9-12, B1 14-17.
        let costs = ScheduleCosts.uniform(virtualStages: 2, forward: 2, backward: 2, weight: 1, communication: 1)
        let timing = try oneInOneOut.timing(costs)
        #expect(timing.start == [0, 2, 9, 14, 3, 5, 8, 10])
        #expect(timing.finish == [2, 4, 12, 17, 5, 8, 10, 13])
        #expect(timing.makespan == 17 && timing.busy == [10, 10] && timing.bubble == [7, 7])
        #expect(timing.span == [17, 10] && timing.period == 17)
        #expect(timing.times(rank: 1, position: 2) == (8, 10))
        // F0 | F0 B0 F1 B1 | B1: each starts when the one before lets it.
        let chain = try CompiledSchedule(oneInOneOut).criticalChain(costs)
        #expect(chain.map(\.rank) == [0, 1, 1, 1, 1, 0] && chain.map(\.position) == [0, 0, 1, 2, 3, 3])
    }

    @Test func theCriticalChainFillsTheMakespan() throws {
        // The durations and hops along the chain add up to the makespan.
        for kind in ScheduleKind.allCases {
            let schedule = try PipelineSchedule.make(kind, ranks: 4, microBatches: 10, chunks: kind.fixedChunks ?? 2)
            let n = schedule.virtualStages
            let costs = ScheduleCosts(
                forward: (0..<n).map { 3 + Double($0 % 3) }, backward: (0..<n).map { 4 + Double($0 % 2) },
                weight: Array(repeating: 2, count: n),
                communication: 1)
            let compiled = try CompiledSchedule(schedule)
            let timing = try compiled.timing(costs)
            let chain = try compiled.criticalChain(costs)
            var at = 0.0
            for (i, link) in chain.enumerated() {
                let times = timing.times(rank: link.rank, position: link.position)
                at += (i > 0 && chain[i - 1].rank != link.rank ? 1 : 0) + times.finish - times.start
            }
            #expect(at == timing.makespan, "\(kind)")
            let length = try compiled.length(costs)
            #expect(length.makespan == timing.makespan && length.period == timing.period)
        }
    }

    @Test func whatIsNotValidIsNamed() {
        #expect(message(oneInOneOut) == "valid")
        func changed(_ change: (inout PipelineSchedule) -> Void) -> String {
            var schedule = oneInOneOut
            change(&schedule)
            return message(schedule)
        }
        #expect(changed { $0.ranks[1].removeLast() }.contains("B1 of virtual stage 1 is missing"))
        #expect(changed { $0.ranks[0][1] = .init(.forward, 0) }.contains("rank 0, F0: done twice"))
        #expect(changed { $0.ranks[0][1] = .init(.forward, 2) }.contains("micro-batches 0 to 1"))
        #expect(changed { $0.ranks[0][1] = .init(.forward, 1, chunk: 1) }.contains("chunks 0 to 0"))
        #expect(changed { $0.ranks[0].append(.init(.weight, 0)) }.contains("does not part W"))
        #expect(changed { $0.ranks[1].swapAt(0, 1) }.contains("B0 comes before its input F0"))
        #expect(changed { $0.virtualStage = [[0], [2]] }.contains("virtual stage 2"))
        #expect(
            changed { $0.virtualStage = [[0], [0]] }.contains("missing") || changed { $0.virtualStage = [[0], [0]] }.contains("twice"))
        #expect(changed { $0.virtualStage = [[0], [Int.max]] }.contains("virtual stage"))
        #expect(changed { $0.microBatches = Int.max }.contains("2^31"))
        #expect(changed { $0.microBatches = 1 << 24 }.contains("instructions"))
        #expect(changed { $0.ranks[0][3].joinsNext = true }.contains("it is the last"))
        #expect(changed { $0.ranks = [] }.contains("at least one rank"))
        // Stage 0 wants B1 before it has sent F1's... stage 1 needs F1 first: F1 after B1 on stage 0 closes the circle.
        #expect(changed { $0.ranks[0] = [.init(.forward, 0), .init(.backward, 0), .init(.forward, 1), .init(.backward, 1)] } == "valid")
        let circle = changed {
            $0.ranks[1] = [.init(.forward, 1), .init(.forward, 0), .init(.backward, 0), .init(.backward, 1)]
            $0.ranks[0] = [.init(.forward, 0), .init(.backward, 0), .init(.forward, 1), .init(.backward, 1)]
        }
        #expect(circle.contains("deadlock: rank 0 waits for ever before B0"))
    }

    @Test func joinedInstructionsAreOneBlock() throws {
        // B0 joined with W0 on stage 1: its gradient leaves only at 1 + 1 + 2 = 4, so that stage 0's B0 runs 4-5; parted it leaves at 2.
        func schedule(_ joined: Bool) -> PipelineSchedule {
            PipelineSchedule(
                name: "joined",
                ranks: [
                    [.init(.forward, 0), .init(.backward, 0), .init(.weight, 0)],
                    [.init(.forward, 0), .init(.backward, 0, joinsNext: joined), .init(.weight, 0)],
                ], microBatches: 1, splitsBackward: true)
        }
        let costs = ScheduleCosts.uniform(virtualStages: 2, forward: 1, backward: 1, weight: 2)
        #expect(try schedule(false).timing(costs).times(rank: 0, position: 1) == (3, 4))
        #expect(try schedule(true).timing(costs).times(rank: 0, position: 1) == (5, 6))
    }

    @Test func memoryByHand() throws {
        // Stage 0 holds both forwards, stage 1 one at a time.
        #expect(oneInOneOut.peakInFlight(rank: 0) == 2 && oneInOneOut.peakInFlight(rank: 1) == 1 && oneInOneOut.peakInFlight(rank: 9) == 0)
        var costs = ScheduleCosts.uniform(virtualStages: 2)
        costs.memory = [3, 5]
        #expect(try oneInOneOut.peakMemory(rank: 0, costs: costs) == 6)
        #expect(try oneInOneOut.peakMemory(rank: 1, costs: costs) == 5)
        #expect(throws: ScheduleError.self) { try oneInOneOut.peakMemory(rank: 2, costs: costs) }
    }

    @Test func costsAreChecked() {
        var costs = ScheduleCosts.uniform(virtualStages: 3)
        #expect(throws: ScheduleError("costs: forward has 3 entries; the schedule has 2 virtual stages, each needs one")) {
            try oneInOneOut.timing(costs)
        }
        costs = .uniform(virtualStages: 2)
        costs.weight[1] = .nan
        #expect(throws: ScheduleError("costs: weight[1] is nan; it must be a finite number, zero or more")) {
            try oneInOneOut.timing(costs)
        }
        for change: (inout ScheduleCosts) -> Void in [
            { $0.communication = -1 }, { $0.backwardFrees = 2 }, { $0.overlap = 0 }, { $0.memoryLimit = 0 }, { $0.memory = [] },
        ] {
            var costs = ScheduleCosts.uniform(virtualStages: 2)
            change(&costs)
            #expect(throws: ScheduleError.self) { try oneInOneOut.timing(costs) }
        }
    }

    @Test func impossibleNumbersSayWhatWouldBeRight() {
        func refused(_ kind: ScheduleKind, _ p: Int, _ m: Int, _ v: Int = 1) -> String {
            do {
                _ = try PipelineSchedule.make(kind, ranks: p, microBatches: m, chunks: v)
                return "accepted"
            } catch { return error.message }
        }
        #expect(refused(.dualpipe, 3, 8) == "schedule dualpipe: 3 ranks; it needs an even number: 4, or dualpipev")
        #expect(refused(.dualpipe, 4, 6) == "schedule dualpipe: 6 micro-batches on 4 ranks; it needs an even number, at least 8")
        #expect(refused(.dualpipeV, 4, 6) == "schedule dualpipev: 6 micro-batches on 4 ranks; it needs at least 8")
        #expect(refused(.zbV, 4, 6, 3) == "schedule zb-v: 3 chunks a rank; it has 2")
        #expect(refused(.gpipe, 4, 6, 2).contains("choose interleaved"))
        #expect(refused(.gpipe, 0, 6).contains("at least 1"))
        #expect(refused(.interleaved, 1 << 16, 1 << 24, 4).contains("2^28"))
    }

    @Test func groupsOfMegatronCore() throws {
        // microbatch_group_size_per_vp_stage: from p to m, and the last group full or at least p.
        for (p, m, group) in [(2, 8, 4), (2, 7, 4), (4, 12, 4), (4, 9, 5), (4, 16, 16), (3, 11, 4), (8, 40, 16)] {
            for v in 1...4 {
                let schedule = try PipelineSchedule.interleaved(ranks: p, microBatches: m, chunks: v, groupSize: group)
                #expect(throws: Never.self, "p \(p) m \(m) group \(group) v \(v)") { try schedule.validate() }
            }
        }
        #expect(throws: ScheduleError.self) { try PipelineSchedule.interleaved(ranks: 4, microBatches: 8, chunks: 2, groupSize: 3) }
        #expect(throws: ScheduleError.self) { try PipelineSchedule.interleaved(ranks: 4, microBatches: 8, chunks: 2, groupSize: 9) }
        #expect(
            throws: ScheduleError(
                "schedule interleaved: 9 micro-batches in groups of 4 leave 1 in the last group; it must be 0 or at least 4 (ranks): 8 or 12 "
                    + "micro-batches would fit")
        ) { try PipelineSchedule.interleaved(ranks: 4, microBatches: 9, chunks: 2, groupSize: 4) }
    }

    /// Mutated files never crash the reader: they read as valid schedules or are refused.
    @Test func damagedFilesAreRefused() throws {
        let seed: UInt64 = 7
        var draws = TestDraws(seed: seed)
        func next(_ bound: Int) -> Int { draws.below(bound) }
        let text = Array(try PipelineSchedule.make(.dualpipe, ranks: 2, microBatches: 4).text)
        let alphabet = Array("0123456789FBW+.: \n#-e\u{301}rank")
        for _ in 0..<3000 {
            var damaged = text
            for _ in 0...next(3) { damaged[next(damaged.count)] = alphabet[next(alphabet.count)] }
            if let schedule = try? PipelineSchedule(parsing: String(damaged)) {
                #expect(throws: Never.self, "seed \(seed)") { try schedule.validate() }
            }
        }
    }
}
