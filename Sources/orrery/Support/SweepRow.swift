import Cost
import Foundation
import Plan
import Report
import Scenario
import Simulation

/// A combination to be run: a scenario, or why there is none.
struct SweepRun: Sendable {
    var point: [(key: String, value: String)]
    var scenario: Scenario?
    var faults: [ScenarioError] = []
}

/// A combination with its result, or why there is none.
struct SweepRow: Sendable {
    var point: [(key: String, value: String)]
    var report: RunReport?
    var reason: String?

    init(point: [(key: String, value: String)], report: RunReport? = nil, reason: String? = nil) {
        (self.point, self.report, self.reason) = (point, report, reason)
    }

    init(_ run: SweepRun, file: String, _ data: CalibrationData) {
        point = run.point
        guard let scenario = run.scenario else {
            reason = Self.text(run.faults)
            return
        }
        do { report = try project(scenario, from: file, data) } catch {
            reason = (error as? ScenarioErrors).map { Self.text($0.errors) } ?? "\(error)"
        }
    }

    private static func text(_ faults: [ScenarioError]) -> String { faults.map { "\($0.keyPath): \($0.reason)" }.joined(separator: "; ") }
}

/// A finished row as a journal keeps it: everything that a sweep's answer is made of.
struct SweepRecord: Codable {
    private var step: StepResult?
    private var breakdown: [String: Double]?
    private var overlapped: Double?
    private var memory: MemoryEstimate?
    private var traffic: Simulation.Traffic?
    private var run: RunSummary?
    private var evidence: Evidence?
    private var warnings: [String]?
    private var assumptions: [Assumption]?
    private var stepTimes: [Double]?
    private var bill: Bill?
    private var suggestions: [String]?
    private var reason: String?

    init(_ row: SweepRow) {
        reason = row.reason
        guard let report = row.report else { return }
        let result = report.result
        (step, overlapped, memory, traffic, run) = (result.step, result.overlappedCommS, result.memory, result.traffic, result.run)
        breakdown = Dictionary(uniqueKeysWithValues: result.breakdownS.map { ($0.key.rawValue, $0.value) })
        (evidence, warnings, assumptions, stepTimes) = (result.evidence, result.warnings, result.assumptions, result.stepTimesS)
        (bill, suggestions) = (report.bill, report.suggestions)
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
        guard let step, let breakdown, let overlapped, let memory, let traffic, let summary = self.run, let evidence, let bill else {
            return nil
        }
        var activities: [Activity: Double] = [:]
        for activity in Activity.allCases { activities[activity] = breakdown[activity.rawValue] }
        let result = RunResult(
            step: step, breakdownS: activities, overlappedCommS: overlapped, memory: memory, traffic: traffic, run: summary,
            evidence: evidence,
            warnings: warnings ?? [], assumptions: assumptions ?? [], stepTimesS: stepTimes ?? [])
        var report = RunReport(scenario: scenario, version: Orrery.version, result: result, bill: bill)
        report.suggestions = suggestions ?? []
        return SweepRow(point: run.point, report: report)
    }
}
