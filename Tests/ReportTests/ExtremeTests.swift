import Lifetime
import Plan
import Quantities
import Simulation
import Studies
import TestSupport
import Testing

@testable import Report

@Suite("Extreme figures")
struct ExtremeTests {
    /// Every figure of a run replaced by one that arithmetic and printing find hard.
    private func report(_ next: () -> Double) throws -> RunAnswer {
        var report = try Fixture.report(stages: 3)
        let long = Int64.max
        report.result.step = StepResult(
            timeS: Distribution(mean: next(), p5: next(), p50: next(), p95: next(), n: .max), tokensPerS: next(), tokensPerSPerGPU: next(),
            samplesPerS: next(), modelTFLOPsPerGPU: next(), hardwareTFLOPsPerGPU: next(), mfu: next(), hfu: next(), mfuCausal: next(),
            utilization: next())
        for activity in Activity.allCases { report.result.breakdownS[activity] = next() }
        report.result.overlappedCommS = next()
        for index in report.result.memory.stages.indices {
            report.result.memory.stages[index].activations = next()
            report.result.memory.stages[index].parameters = next()
        }
        report.result.memory.capacity = next()
        report.result.traffic = Traffic(nvlink: next(), network: next(), byGroup: ["data": next(), "odd": next()])
        report.run = RunSummary(steps: .max, tokens: next(), wallClockS: next(), goodput: next(), lostS: [.failures: next()])
        report.result.evidence = Evidence(measured: next(), interpolated: next(), formula: next(), stepTimeError: next())
        report.result.stepTimesS = (0..<20).map { _ in next() }
        report.result.timeline = [
            Span(rank: .max, stream: "", activity: .other, label: "", startNS: long, durationNS: long),
            Span(rank: .min, stream: "compute", activity: .bubble, label: "W", startNS: .min, durationNS: .min),
        ]
        report.bill.totalUSD = next()
        report.bill.energyKWh = next()
        report.bill.carbonKg = next()
        report.bill.usdPerMillionTokens = next()
        return report
    }

    @Test("no figure stops a report, and the result stays JSON without undefined numbers", arguments: [UInt64(1), 2, 3, 4])
    func nothingStops(seed: UInt64) throws {
        let hard = [.nan, .infinity, -.infinity, 0, -0.0, -1, 1, 1e308, -1e308, Double.leastNonzeroMagnitude, 1e15, 9.3e18, 0.1]
        var draws = TestDraws(seed: seed)
        func next() -> Double { hard[draws.below(hard.count)] }
        for _ in 0..<20 {
            let reports = [try report(next), try report(next)]
            let json = RunAnswer.json(of: reports)
            #expect(!json.contains(": nan") && !json.contains(": inf") && !json.contains(": -inf"), "seed \(seed)")
            #expect(RunAnswer.csv(of: reports).split(separator: "\n").count == 3)
            #expect(!reports[0].summary(style: .plain).isEmpty)
            #expect(RunAnswer.comparison(of: reports, style: .plain).contains("step time"))
            #expect(RunAnswer.html(of: reports, chart: nil).hasSuffix("</html>\n"))
            #expect(reports[0].trace().count > 100)
        }
        let rows = (0..<40).map { Fixture.row("\($0)", measured: next(), predicted: abs(next()).isFinite ? 1 : nil, weight: next()) }
        #expect(!ValidationReport(rows: rows).json().contains(": nan"))
        #expect(ValidationReport(rows: rows).table(style: .plain).contains("all rows"))
    }
}
