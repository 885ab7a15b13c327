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

    /// Peak in flight of every rank, [ranks].
    private func held(_ schedule: PipelineSchedule, backwardFrees: Double = 1) -> [Double] {
        schedule.ranks.indices.map { schedule.peakInFlight(rank: $0, backwardFrees: backwardFrees) }
    }

    @Test func inFlightOfThePlainSchedules() throws {
        for p in Self.ranks {
            for m in Self.microBatches {
                let all = Double(m)
                // GPipe m; 1F1B p - s (0-based stage).
                #expect(held(try .make(.gpipe, ranks: p, microBatches: m)) == Array(repeating: all, count: p))
                let oneInOneOut = (0..<p).map { min(all, Double(p - $0)) }
                #expect(held(try .make(.oneForwardOneBackward, ranks: p, microBatches: m)) == oneInOneOut)
                // Interleaved: stage 0 holds p (1 + (p - 1)/(p v)).
                for v in 2...4 where m % p == 0 && m >= 2 * p {
                    let schedule = try PipelineSchedule.make(.interleaved, ranks: p, microBatches: m, chunks: v)
                    let expected = Double(p * v + p - 1) / Double(v)
                    #expect(abs(schedule.peakInFlight(rank: 0) - expected) < 1e-9, "p \(p) m \(m) v \(v)")
                }
            }
        }
    }

    @Test func inFlightOfZeroBubble() throws {
        for p in Self.ranks {
            for m in Self.microBatches {
                let all = Double(m)
                // Until B: ZB-H1 as 1F1B, ZB-H2 2(p - s) - 1. Until W: at most p and 2p - 1 on every stage.
                let h1 = try PipelineSchedule.make(.zbH1, ranks: p, microBatches: m)
                #expect(held(h1) == (0..<p).map { min(all, Double(p - $0)) })
                #expect(held(h1, backwardFrees: 0).allSatisfy { $0 <= min(all, Double(p)) })
                let h2 = try PipelineSchedule.make(.zbH2, ranks: p, microBatches: m)
                #expect(held(h2) == (0..<p).map { min(all, Double(2 * (p - $0) - 1)) })
                #expect(held(h2, backwardFrees: 0).allSatisfy { $0 <= min(all, Double(2 * p - 1)) })
                // Searched: p and 2p forwards on every stage, where B frees half and W the rest.
                #expect(held(try .make(.zb1p, ranks: p, microBatches: m), backwardFrees: 0.5).allSatisfy { $0 <= Double(p) })
                #expect(held(try .make(.zb2p, ranks: p, microBatches: m), backwardFrees: 0.5).allSatisfy { $0 <= Double(2 * p) })
            }
        }
    }

    @Test func inFlightOfTheFoldedSchedules() throws {
        for p in Self.ranks {
            for m in Self.microBatches {
                // ZB-V: p forwards, even over the stages, whatever B frees.
                let v = try PipelineSchedule.make(.zbV, ranks: p, microBatches: m)
                for share in [0, 0.5, 1] { #expect(held(v, backwardFrees: share).allSatisfy { $0 <= Double(p) }) }
                if m >= 2 * p - 1 { #expect(held(v) == Array(repeating: Double(p), count: p), "p \(p) m \(m)") }
                #expect(held(try .make(.vHalf, ranks: p, microBatches: m), backwardFrees: 0.5).allSatisfy { $0 <= Double((p + 2) / 2) })
                #expect(held(try .make(.vMin, ranks: p, microBatches: m), backwardFrees: 0.5).allSatisfy { $0 <= Double((p + 4) / 3) })
                // DualPipe: p + 1 forwards of a stage; DualPipeV, whose chunks are half as large, 2p + 1 of them.
                if p % 2 == 0, m % 2 == 0, m >= 2 * p {
                    #expect(
                        held(try .make(.dualpipe, ranks: p, microBatches: m)) == Array(repeating: Double(p + 1), count: p), "p \(p) m \(m)")
                }
                if m >= 2 * p {
                    let folded = held(try .make(.dualpipeV, ranks: p, microBatches: m))
                    #expect(folded == Array(repeating: Double(2 * p + 1) / 2, count: p), "p \(p) m \(m)")
                }
            }
        }
    }
}
