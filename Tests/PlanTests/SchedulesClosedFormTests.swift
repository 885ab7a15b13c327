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

    /// Idle time of the step where the optimizer does not synchronise the stages: the longest span of a rank beyond its work.
    private func idle(_ schedule: PipelineSchedule, _ t: (f: Double, b: Double, w: Double)) throws -> Double {
        let chunk = schedule.forwardsPerChunk
        let costs = ScheduleCosts.uniform(
            virtualStages: schedule.virtualStages, forward: t.f * chunk, backward: t.b * chunk, weight: t.w * chunk)
        return try schedule.timing(costs).period - Double(schedule.microBatches) * (t.f + t.b + t.w)
    }

    @Test func zeroBubbleH1() throws {
        // (p - 1)(tF + tB - tW), where W is no longer than F and B, from m = p on (arXiv:2401.10241 table 2).
        for p in Self.ranks {
            for m in Self.microBatches where m >= p {
                for t in Self.times {
                    let schedule = try PipelineSchedule.make(.zbH1, ranks: p, microBatches: m)
                    #expect(try bubble(schedule, t) == Double(p - 1) * (t.f + t.b - t.w), "p \(p) m \(m)")
                }
            }
        }
    }

    @Test func zeroBubbleH2() throws {
        // (p - 1)(tF + tB - 2 tW) from the first to the last instruction of a rank, from m = 2p - 1 on.
        for p in Self.ranks {
            for m in Self.microBatches where m >= 2 * p - 1 {
                for t in Self.times {
                    let schedule = try PipelineSchedule.make(.zbH2, ranks: p, microBatches: m)
                    #expect(try idle(schedule, t) == Double(p - 1) * (t.f + t.b - 2 * t.w), "p \(p) m \(m)")
                }
            }
        }
    }

    @Test func zeroBubbleV() throws {
        // Nothing where tF = tB = tW and m >= 2p - 1 (arXiv:2405.15362 table 1).
        for p in Self.ranks {
            for m in Self.microBatches where m >= 2 * p - 1 {
                let schedule = try PipelineSchedule.make(.zbV, ranks: p, microBatches: m)
                #expect(try idle(schedule, (12, 12, 12)) == 0, "p \(p) m \(m)")
            }
        }
    }

    @Test func automaticZeroBubbleWithTwiceTheMemory() throws {
        // With tF = tB = tW and free communication 2p forwards suffice for no bubble.
        for p in Self.ranks {
            for m in Self.microBatches where m >= 2 * p {
                let schedule = try PipelineSchedule.make(.zb2p, ranks: p, microBatches: m)
                #expect(try idle(schedule, (12, 12, 12)) == 0, "p \(p) m \(m)")
            }
        }
    }

    @Test func halfAndThirdOfTheMemory() throws {
        // V-Half: at most p/2 micro-batches of bubble, V-Min at most 2p/3, where tF = tB = tW.
        for p in Self.ranks {
            for m in Self.microBatches where m >= 2 * p {
                let half = try PipelineSchedule.make(.vHalf, ranks: p, microBatches: m)
                #expect(try idle(half, (12, 12, 12)) <= Double(p) / 2 * 36, "p \(p) m \(m)")
                let least = try PipelineSchedule.make(.vMin, ranks: p, microBatches: m)
                #expect(try idle(least, (12, 12, 12)) <= Double(p) * 2 / 3 * 36, "p \(p) m \(m)")
            }
        }
    }

    @Test func dualPipe() throws {
        // (p/2 - 1)(tF&B + tB' - 3 tW), tB' = tB + tW, on every rank where tF = tB >= tW and the pair takes its sum (DeepSeek-V3, table 2).
        // Where the pair overlaps, the middle ranks meet it. DualPipeV is DualPipe of 2p stages on p ranks: (p - 1) times it, by chunk.
        for p in Self.ranks {
            for m in Self.microBatches where m >= 2 * p {
                for t in Self.times where t.f == t.b {
                    let pair = t.f + t.b + t.w
                    if p % 2 == 0, m % 2 == 0 {
                        let schedule = try PipelineSchedule.make(.dualpipe, ranks: p, microBatches: m)
                        #expect(try bubble(schedule, t) == Double(p / 2 - 1) * (pair + t.b + t.w - 3 * t.w), "p \(p) m \(m)")
                        var costs = ScheduleCosts.uniform(virtualStages: p, forward: t.f, backward: t.b, weight: t.w)
                        costs.overlap = 0.75
                        let timing = try schedule.timing(costs)
                        #expect(
                            timing.bubble[p / 2] == Double(p / 2 - 1) * (0.75 * pair + t.b + t.w - 3 * t.w), "overlapped, p \(p) m \(m)")
                    }
                    let folded = try PipelineSchedule.make(.dualpipeV, ranks: p, microBatches: m)
                    #expect(try bubble(folded, t) == Double(p - 1) * (pair + t.b + t.w - 3 * t.w) / 2, "folded, p \(p) m \(m)")
                }
            }
        }
    }

    @Test func inFlight() throws {
        for p in Self.ranks {
            for m in Self.microBatches {
                for s in 0..<p {
                    func held(_ kind: ScheduleKind, chunks: Int = 1, backwardFrees: Double = 1) throws -> Double {
                        try PipelineSchedule.make(kind, ranks: p, microBatches: m, chunks: chunks).peakInFlight(
                            rank: s, backwardFrees: backwardFrees)
                    }
                    let all = Double(m)
                    // GPipe m; 1F1B p - s (0-based stage); ZB-H1 as 1F1B; ZB-H2 2(p - s) - 1.
                    #expect(try held(.gpipe) == all)
                    #expect(try held(.oneForwardOneBackward) == min(all, Double(p - s)))
                    #expect(try held(.zbH1) == min(all, Double(p - s)))
                    #expect(try held(.zbH2) == min(all, Double(2 * (p - s) - 1)))
                    // Counted with W, ZB-H1 peaks at p and ZB-H2 at 2p - 1 forwards, however much of them B frees.
                    #expect(try held(.zbH1, backwardFrees: 0) <= min(all, Double(p)))
                    #expect(try held(.zbH2, backwardFrees: 0) <= min(all, Double(2 * p - 1)))
                    #expect(try held(.zb1p, backwardFrees: 0.5) <= min(all, Double(p)))
                    #expect(try held(.zb2p, backwardFrees: 0.5) <= min(all, Double(2 * p)))
                    // ZB-V p forwards, even over the stages.
                    if m >= 2 * p { #expect(try held(.zbV) == Double(p)) }
                    #expect(try held(.zbV, backwardFrees: 0) <= Double(p))
                    #expect(try held(.vHalf, backwardFrees: 0.5) <= Double((p + 2) / 2))
                    #expect(try held(.vMin, backwardFrees: 0.5) <= Double(max(1, (p + 4) / 3)))
                    // Interleaved: stage 0 holds p (1 + (p - 1)/(p v)).
                    for v in 2...4 where s == 0 && m % p == 0 && m >= 2 * p {
                        let expected = Double(p * v + p - 1) / Double(v)
                        #expect(abs(try held(.interleaved, chunks: v) - expected) < 1e-9, "p \(p) m \(m) v \(v)")
                    }
                    // DualPipe p + 1, with both copies of the stage.
                    if p % 2 == 0, m % 2 == 0, m >= 2 * p { #expect(try held(.dualpipe) <= Double(p + 1)) }
                    if m >= 2 * p { #expect(try held(.dualpipeV) <= Double(2 * p + 1) / 2) }
                }
            }
        }
    }
}
