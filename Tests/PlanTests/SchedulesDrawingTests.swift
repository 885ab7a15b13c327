import Foundation
import Testing

@testable import Plan

struct SchedulesDrawingTests {
    private func drawn(_ kind: ScheduleKind, _ p: Int, _ m: Int, chunks: Int = 1) throws -> String {
        try PipelineSchedule.make(kind, ranks: p, microBatches: m, chunks: chunks).drawing()
    }

    @Test func gpipe() throws {
        #expect(
            try drawn(.gpipe, 2, 3) == """
                stage 0: F0 F1 F2 B0 B1 B2
                stage 1: F0 F1 F2 B0 B1 B2
                """)
    }

    @Test func oneForwardOneBackward() throws {
        #expect(
            try drawn(.oneForwardOneBackward, 3, 4) == """
                stage 0: F0 F1 F2 B0 F3 B1 B2 B3
                stage 1: F0 F1 B0 F2 B1 F3 B2 B3
                stage 2: F0 B0 F1 B1 F2 B2 F3 B3
                """)
    }

    @Test func interleaved() throws {
        // Warm-up 2(p - s - 1) + (v - 1)p = 4 and 2 forwards, then F and B in turn.
        #expect(
            try drawn(.interleaved, 2, 2, chunks: 2) == """
                stage 0: F0 F1 F0.1 F1.1 B0.1 B1.1 B0 B1
                stage 1: F0 F1 F0.1 B0.1 F1.1 B1.1 B0 B1
                """)
    }

    @Test func zeroBubble() throws {
        // Stage s lags s (H1) or 2s (H2) micro-batches behind with W.
        #expect(
            try drawn(.zbH1, 2, 3) == """
                stage 0: F0 F1 B0 W0 F2 B1 W1 B2 W2
                stage 1: F0 B0 F1 B1 W0 F2 B2 W1 W2
                """)
        #expect(
            try drawn(.zbH2, 2, 4) == """
                stage 0: F0 F1 F2 B0 W0 F3 B1 W1 B2 W2 B3 W3
                stage 1: F0 B0 F1 B1 F2 B2 W0 F3 B3 W1 W2 W3
                """)
    }

    @Test func zeroBubbleV() throws {
        #expect(
            try drawn(.zbV, 2, 3) == """
                stage 0: F0 F1 F2 F0.1 B0.1 W0.1 F1.1 B1.1 W1.1 B0 W0 F2.1 B2.1 W2.1 B1 W1 B2 W2
                stage 1: F0 F0.1 F1 F1.1 B0.1 W0.1 F2 B0 W0 F2.1 B1.1 W1.1 B1 B2.1 B2 W1 W2.1 W2
                """)
    }

    @Test func dualPipe() throws {
        #expect(
            try drawn(.dualpipe, 2, 4) == """
                stage 0: F0 F2.1 F1 B2.1+W2.1 F3.1+B0+W0 B3.1+W3.1 B1 W1
                stage 1: F2.1 F0 F3.1 B0+W0 F1+B2.1+W2.1 B1+W1 B3.1 W3.1
                """)
    }

    @Test func grid() throws {
        // tF = 1 and a backward of 2: each stage idles (p - 1) x 3 units.
        let schedule = try PipelineSchedule.make(.oneForwardOneBackward, ranks: 2, microBatches: 2)
        #expect(
            try schedule.grid(.uniform(virtualStages: 2)) == """
                stage 0: F0 F1 .  .  B0--- .  B1---
                stage 1: .  F0 B0--- F1 B1--- .  .
                """)
    }

    @Test func svgNamesEveryInstruction() throws {
        let schedule = try PipelineSchedule.make(.zbH1, ranks: 2, microBatches: 3)
        let picture = try schedule.svg(.uniform(virtualStages: 2))
        #expect(picture.hasPrefix("<svg") && picture.hasSuffix("</svg>\n"))
        #expect(picture.components(separatedBy: "<rect").count - 1 == schedule.instructionCount)
        #expect(picture.contains("W2, virtual stage 1"))
    }

    @Test(arguments: ScheduleKind.allCases)
    func fileRoundTrip(kind: ScheduleKind) throws {
        let schedule = try PipelineSchedule.make(
            kind, ranks: 4, microBatches: 9 + (kind == .dualpipe ? 1 : 0), chunks: kind.fixedChunks ?? 3)
        #expect(try PipelineSchedule(parsing: schedule.text) == schedule)
    }

    @Test func fileErrorsNameTheLine() throws {
        let text = try PipelineSchedule.make(.zbH1, ranks: 2, microBatches: 2).text
        let cases: [(find: String, put: String, says: String)] = [
            ("micro-batches 2", "micro-batches two", "line 2"), ("parts B W", "parts W", "line 4"), ("B0 W0", "B0 X0", "line 5: \"X0\""),
            ("rank 1", "rank 7", "line 6"), ("B0 W0", "B0", "W0"), ("chunks 1", "chunks 2", "virtualStage"), ("F0 F1", "F0 F0", "twice"),
            ("schedule zb-h1", "shedule zb-h1", "unknown key"),
        ]
        for (find, put, says) in cases {
            #expect(text.contains(find))
            do {
                _ = try PipelineSchedule(parsing: text.replacingOccurrences(of: find, with: put))
                Issue.record("\(put) was accepted")
            } catch { #expect(error.message.contains(says), "\(error.message) should contain \(says)") }
        }
        #expect(throws: ScheduleError.self) { try PipelineSchedule.read(from: "/nonexistent/schedule") }
    }

    @Test func executorStepsHoldEverySend() throws {
        let schedule = try PipelineSchedule.make(.oneForwardOneBackward, ranks: 2, microBatches: 1)
        let down = Transfer(payload: .activation, microBatch: 0, fromStage: 0, toStage: 1, fromRank: 0, toRank: 1)
        let up = Transfer(payload: .gradient, microBatch: 0, fromStage: 1, toStage: 0, fromRank: 1, toRank: 0)
        #expect(
            schedule.steps(rank: 0) == [.compute(Instruction(.forward, 0)), .send(down), .receive(up), .compute(Instruction(.backward, 0))])
        #expect(
            schedule.steps(rank: 1) == [.receive(down), .compute(Instruction(.forward, 0)), .compute(Instruction(.backward, 0)), .send(up)])
    }
}
