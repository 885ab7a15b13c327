import Cost
import Foundation
import Lifetime
import Scenario
import Simulation

/// A combination to be run: a scenario, or why there is none.
public struct SweepRun: Sendable {
    /// Keys and values that single it out.
    public var point: [(key: String, value: String)]
    public var scenario: Scenario?
    public var faults: [ScenarioError] = []
}

/// A combination with its result, or why there is none.
public struct SweepRow: Sendable {
    public var point: [(key: String, value: String)]
    public var report: RunAnswer?
    public var reason: String?

    init(point: [(key: String, value: String)], report: RunAnswer? = nil, reason: String? = nil) {
        (self.point, self.report, self.reason) = (point, report, reason)
    }

    init(_ run: SweepRun, _ study: Study) {
        point = run.point
        guard let scenario = run.scenario else {
            reason = Self.text(run.faults)
            return
        }
        do throws(ScenarioErrors) { report = try study.run(scenario) } catch { reason = Self.text(error.errors) }
    }

    private static func text(_ faults: [ScenarioError]) -> String { faults.map { "\($0.keyPath): \($0.reason)" }.joined(separator: "; ") }
}

/// A finished row as a journal keeps it: what a run of the scenario finds, or why it cannot run.
struct SweepRecord: Codable {
    private struct Found: Codable {
        var step: SimulatedStep
        var run: RunSummary
        var bill: Bill
        var suggestions: [String]
    }
    private var found: Found?
    private var reason: String?

    init(_ row: SweepRow) {
        reason = row.reason
        found = row.report.map { Found(step: $0.result, run: $0.run, bill: $0.bill, suggestions: $0.suggestions) }
    }

    /// One line of JSON.
    var line: String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// nil for a line that is no record.
    init?(line: String) {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        guard let record = try? decoder.decode(SweepRecord.self, from: Data(line.utf8)) else { return nil }
        self = record
    }

    /// The row of a run that this record was made of; nil where something is missing.
    func row(of run: SweepRun) -> SweepRow? {
        guard let scenario = run.scenario, reason == nil else { return SweepRow(point: run.point, reason: reason) }
        guard let found else { return nil }
        var report = RunAnswer(scenario: scenario, result: found.step, run: found.run, bill: found.bill)
        report.suggestions = found.suggestions
        return SweepRow(point: run.point, report: report)
    }
}
