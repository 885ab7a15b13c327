import Foundation
import TestSupport
import Testing

@testable import Report
@testable import Studies

@Suite("Validation statistics")
struct ValidationTests {
    /// Errors +10 %, -20 %, +30 % with weights 1, 2, 1.
    private var three: [ValidationRow] {
        [
            Fixture.row("a", measured: 10, predicted: 11), Fixture.row("b", measured: 20, predicted: 16, weight: 2),
            Fixture.row("c", measured: 5, predicted: 6.5),
        ]
    }

    @Test("weighted figures of three rows by hand")
    func byHand() {
        let s = ValidationStatistics(three)
        // Absolute errors 0.1, 0.2, 0.2, 0.3 (weight 4): the second quarter ends inside 0.2, 90 % inside 0.3.
        #expect(abs((s.median ?? .nan) - 0.2) < 1e-12)
        #expect(abs((s.p90 ?? .nan) - 0.3) < 1e-12)
        // (0.1 + 2 x 0.2 + 0.3) / 4 = 0.2; (0.1 - 2 x 0.2 + 0.3) / 4 = 0.
        #expect(abs((s.mean ?? .nan) - 0.2) < 1e-12)
        #expect(abs((s.bias ?? .nan)) < 1e-12)
        #expect(abs((s.worst ?? .nan) - 0.3) < 1e-12)
        // Intervals are +-10 % of the prediction: 9.9...12.1 holds 10; 14.4...17.6 misses 20; 5.85...7.15 misses 5. So 1 of weight 4.
        #expect(s.coverage == 0.25)
        #expect(s.measuredShare == 0.5)
        #expect(abs((s.memoryMedian ?? .nan) - 0.1) < 1e-12 && s.memoryRows == 3)
        // Throughput: measured c > a > b, predicted c (6.5) > a (11) > b (16): all three pairs agree.
        #expect(s.tau == 1 && s.pairs == 3)
        #expect(s.rows == 3 && s.failed == 0 && s.weight == 4)
    }

    @Test("a row that cannot be modelled counts as infinitely wrong in the quantiles")
    func failures() {
        let s = ValidationStatistics(three + [Fixture.row("d", measured: 1, predicted: nil)])
        // Weights 1, 2, 1 and 1 failed: half of 5 lies inside 0.2; 90 % (4.5) in the failure.
        #expect(s.failed == 1 && abs((s.median ?? .nan) - 0.2) < 1e-12)
        #expect(s.p90 == .infinity)
        #expect(abs((s.worst ?? .nan) - 0.3) < 1e-12)
        let nothing = ValidationStatistics([])
        #expect(nothing.median == nil && nothing.tau == nil && nothing.mean == nil && nothing.coverage == nil)
        #expect(ValidationStatistics([Fixture.row("d", measured: 1, predicted: nil)]).median == .infinity)
    }

    @Test("Kendall's tau compares only what is comparable and differs by 1 %")
    func tau() {
        // Measured 10, 12, 15; predicted 10, 16, 14: pairs (10,12) and (10,15) agree, (12,15) does not: (2 - 1) / 3.
        let rows = [
            Fixture.row("a", measured: 10, predicted: 10), Fixture.row("b", measured: 12, predicted: 16),
            Fixture.row("c", measured: 15, predicted: 14),
        ]
        #expect(kendallTau(rows).tau == 1.0 / 3)
        // Another GPU count is another group; 0.5 % apart is a tie of the measurement; equal predictions decide nothing.
        #expect(kendallTau([rows[0], Fixture.row("d", measured: 12, predicted: 5, gpus: 128)]).tau == nil)
        #expect(kendallTau([rows[0], Fixture.row("d", measured: 10.05, predicted: 5)]).pairs == 0)
        #expect(kendallTau([rows[0], Fixture.row("d", measured: 11, predicted: 10)]).pairs == 0)
    }

    @Test("tau beyond the noise leaves out the pairs that repeats could turn round")
    func tauOverNoise() throws {
        // Measured 10, 10.2, 12; predicted 10, 9, 12. Pairs: (10, 10.2) differ by 2 % and are ordered wrongly, the other two by 20 and 17.6 % and
        // are right: (2 - 1) / 3 over all, 2 / 2 beyond 3 %.
        let rows = [
            Fixture.row("a", measured: 10, predicted: 10), Fixture.row("b", measured: 10.2, predicted: 9),
            Fixture.row("c", measured: 12, predicted: 12),
        ]
        let s = ValidationStatistics(rows)
        #expect(s.tau == 1.0 / 3 && s.pairs == 3)
        #expect(s.tauOverNoise == 1 && s.pairsOverNoise == 2)
        // The order of the rows does not matter, and without such a pair there is none.
        #expect(ValidationStatistics(rows.reversed()).tauOverNoise == 1)
        let close = ValidationStatistics(Array(rows.prefix(2)))
        #expect(close.tauOverNoise == nil && close.pairsOverNoise == 0 && close.tau == -1)
        let table = ValidationReport(rows: rows).table(style: .plain)
        #expect(table.contains("tau >3%") && table.contains("    0.33    1.00"))
        #expect(ValidationReport(rows: rows).json().contains("\"kendall_tau_over_noise\""))
    }

    @Test("against a plain count over expanded rows, random weights and errors", arguments: [UInt64(1), 2, 3])
    func quantileOracle(seed: UInt64) {
        var draws = TestDraws(seed: seed)
        func next(_ n: Int) -> Int { draws.below(n) }
        for _ in 0..<50 {
            let values = (0..<Int(1 + next(12))).map { _ in (value: Double(next(100)), weight: Double(1 + next(4))) }
            // A row of weight w is w equal rows; the quantile is the ceil(q n)-th of them.
            let expanded = values.flatMap { Array(repeating: $0.value, count: Int($0.weight)) }.sorted()
            for q in [0.5, 0.9] {
                let index = Int((q * Double(expanded.count) - 1e-9).rounded(.up)) - 1
                #expect(weightedQuantile(values, q) == expanded[max(0, index)], "seed \(seed)")
            }
        }
    }

    @Test("JSON has the documented keys of a row, and null for what a failed row lacks")
    func json() throws {
        let report = ValidationReport(rows: three + [Fixture.row("d", measured: 1, predicted: nil)])
        let object = try #require(try JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any])
        let rows = try #require(object["rows"] as? [[String: Any]])
        let documented = [
            "id", "file", "hardware", "framework", "modelled", "reason", "measured_s", "predicted_s", "error", "memory_gb",
            "predicted_memory_gb", "fits",
            "interval90", "evidence",
        ]
        for row in rows { #expect(documented.allSatisfy { row[$0] != nil }) }
        #expect(
            rows[3]["modelled"] as? Bool == false && rows[3]["predicted_s"] is NSNull
                && rows[3]["reason"] as? String == "no calibration for a100-sxm-80gb")
        let interval = try #require(rows[0]["interval90"] as? [Double])
        #expect(interval.count == 2 && interval[0] < 10 && interval[1] > 12)
        let summary = try #require(object["summary"] as? [String: Any])
        #expect((summary["all"] as? [String: Any])?["failed"] as? Int == 1)
        #expect(
            Set(summary.keys) == [
                "all", "by_file", "by_hardware", "by_framework", "by_kind", "by_sweep", "by_completeness", "by_complete",
            ])
    }

    /// Five rows of one sweep have ten pairs; a row of a pipeline counts as dense and as pipeline; B rows stay out of the complete ones.
    @Test("rows are scored by kind, by sweep and, where complete, by hardware and framework")
    func splits() {
        var rows = (1...5).map { Fixture.row("r\($0)", measured: Double($0), predicted: Double($0) * 1.1) }
        for index in rows.indices {
            rows[index].origin.kinds = index == 0 ? ["dense", "pipeline"] : ["dense"]
            rows[index].origin.tensor = 8
        }
        var other = Fixture.row("b", measured: 1, predicted: 2)
        other.origin.completeness = "B"
        other.origin.kinds = ["MoE"]
        other.origin.tensor = 1
        let report = ValidationReport(rows: rows + [other])
        #expect(report.statistics(by: .kind).map(\.name) == ["MoE", "dense", "pipeline"])
        #expect(report.statistics(by: .kind).map(\.statistics.rows) == [1, 5, 1])
        #expect(report.statistics(by: .sweep).map(\.name) == ["t, TP 8"])
        #expect(report.statistics(by: .sweep).first?.statistics.tau == 1)
        #expect(report.statistics(by: .complete).map(\.name) == ["A, a100-sxm-80gb", "A, megatron-lm"])
        #expect(report.statistics(by: .complete).allSatisfy { $0.statistics.rows == 5 })
        #expect(report.table(style: .plain).contains("t, TP 8"))
    }

    @Test("the table lists every row and says why one failed")
    func table() {
        let text = ValidationReport(rows: three + [Fixture.row("d", measured: 1, predicted: nil)]).table(style: .plain)
        #expect(text.contains("  a                    64       10 s       11 s    +10.0 %    +10.0 %"))
        #expect(text.contains("  d                    64        1 s  no calibration for a100-sxm-80gb"))
        #expect(text.contains("all rows                     4      1   20.0 %   20.0 %   failed   30.0 %    0.0 %    1.00"))
        #expect(!text.contains("\u{1B}"))
    }
}
