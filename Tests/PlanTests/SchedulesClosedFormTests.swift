import Testing

@testable import Plan

/// Bubbles and activations of the papers, met exactly under uniform whole-number times and free communication.
struct SchedulesClosedFormTests {
    static let ranks = SchedulesContractTests.ranks
    static let microBatches = SchedulesContractTests.microBatches
    /// (tF, tB, tW) of a rank's whole share of layers for one micro-batch; multiples of 12 so that 1 to 4 chunks are whole numbers.
    static let times: [(f: Double, b: Double, w: Double)] = [(12, 12, 12), (12, 24, 12), (24, 24, 12), (36, 48, 24)]

    /// Longest bubble of a rank beyond its work.
    private func bubble(_ schedule: PipelineSchedule, _ t: (f: Double, b: Double, w: Double)) throws -> Double {
        let chunk = schedule.forwardsPerChunk
        let costs = ScheduleCosts.uniform(
            virtualStages: schedule.virtualStages, forward: t.f * chunk, backward: t.b * chunk, weight: t.w * chunk)
        return try schedule.timing(costs).makespan - Double(schedule.microBatches) * (t.f + t.b + t.w)
    }

    @Test(arguments: [ScheduleKind.gpipe, .oneForwardOneBackward])
    func plainBubble(kind: ScheduleKind) throws {
        // (p - 1)(tF + tB + tW), any number of micro-batches (arXiv:1811.06965, arXiv:2104.04473).
        for p in Self.ranks {
            for m in Self.microBatches {
                for t in Self.times {
                    let schedule = try PipelineSchedule.make(kind, ranks: p, microBatches: m)
                    #expect(try bubble(schedule, t) == Double(p - 1) * (t.f + t.b + t.w), "p \(p) m \(m)")
                }
            }
        }
    }

    @Test func interleavedBubble() throws {
        // (p - 1)(tF + tB + tW) / v where m is a multiple of p (arXiv:2104.04473 section 2.2).
        for p in Self.ranks {
            for m in Self.microBatches where m % p == 0 {
                for v in 1...4 {
                    for t in Self.times {
                        let schedule = try PipelineSchedule.make(.interleaved, ranks: p, microBatches: m, chunks: v)
                        #expect(try bubble(schedule, t) == Double(p - 1) * (t.f + t.b + t.w) / Double(v), "p \(p) m \(m) v \(v)")
                    }
                }
            }
        }
    }
}
