import Foundation
import Plan
import Report
import Simulation
import Studies
import Testing

@Suite("Every file of scenarios/ gives its recorded result")
struct ScenarioTests {
    /// `ORRERY_RECORD=1` writes the results anew, and then the run fails, so that no recording passes unseen.
    static let records = ProcessInfo.processInfo.environment["ORRERY_RECORD"] == "1"

    @Test("There are scenarios to run")
    func present() {
        #expect(ScenarioFile.all.map(\.name).contains("llama3-405b-16k"))
        #expect(ScenarioFile.all.count >= 11)
    }

    /// One run of each file, as the longest take seconds: it keeps to the bounds, fits if it should, and equals what was recorded.
    @Test("Result is sound and equals the recorded one", arguments: ScenarioFile.all)
    func recorded(file: ScenarioFile) throws {
        let reports = try file.reports()
        for report in reports {
            checkFit(report)
            checkSums(report)
        }
        #expect(reports.count { !$0.valid } == ScenarioFile.unfit[file.name] ?? 0, "\(reports.filter { !$0.valid }.map(\.scenario))")
        let text = ScenarioFile.json(reports)
        if ScenarioTests.records {
            try text.write(to: file.expected, atomically: true, encoding: .utf8)
            Issue.record("recorded \(file.expected.lastPathComponent); look at the difference, then run again without ORRERY_RECORD")
            return
        }
        let differences = try JSONComparison.differences(try Data(contentsOf: file.expected), Data(text.utf8))
        #expect(differences.isEmpty, "\(file.name): \(differences.prefix(12).joined(separator: "\n"))")
    }

    /// The first figure in seconds behind "Answer:" in a file's comment is the step time of a run of that file, to the digits that stand there.
    @Test("The answer in a file's comment is the present one", arguments: ScenarioFile.all)
    func answer(file: ScenarioFile) throws {
        let text = try String(contentsOfFile: file.path, encoding: .utf8)
        let comment = text.split(separator: "\n").prefix { $0.hasPrefix("#") }.map { $0.dropFirst(1) }.joined()
        guard let figure = comment.firstMatch(of: /Answer:.*? (\d+\.(\d+)) s\b/) else { return }
        let recorded = try JSONSerialization.jsonObject(with: Data(contentsOf: file.expected))
        let runs = try (recorded as? [[String: Any]]) ?? [#require(recorded as? [String: Any])]
        let times = try runs.map { run in
            let step = try #require(run["step"] as? [String: Any])["time_s"]
            let time = (step as? Double) ?? (step as? [String: Any])?["mean"] as? Double
            return String(format: "%.\(figure.2.count)f", try #require(time))
        }
        #expect(times.contains(String(figure.1)), "\(file.name).yaml says \(figure.1) s, its runs take \(times)")
    }

    /// A run that does not fit says what would.
    private func checkFit(_ report: RunAnswer) {
        #expect(report.suggestions.isEmpty == report.valid)
        #expect((report.unfitMessage() == nil) == report.valid)
    }

    /// By definition the parts of `breakdown_s` add up to the step, evidence shares to one, and no FLOPs are done faster than the peak allows.
    private func checkSums(_ report: RunAnswer) {
        let step = report.result.step
        let total = Activity.allCases.reduce(0) { $0 + (report.result.breakdownS[$1] ?? 0) }
        #expect(abs(total / step.timeS.mean - 1) < 1e-9, "\(report.scenario): \(total) of \(step.timeS.mean) s")
        let evidence = report.result.evidence
        #expect(abs(evidence.measured + evidence.interpolated + evidence.formula - 1) < 1e-9)
        #expect(step.mfu > 0 && step.mfu < 1)
        #expect(step.hfu >= step.mfu)
        #expect(step.utilization > 0 && step.utilization <= 1)
        #expect(report.result.memory.stages.allSatisfy { $0.total > 0 })
    }

    /// The JSON may depend neither on how many threads draw the samples nor on the run; a straggler's step depends on the seed.
    @Test("Same seed, same bytes, whatever the threads")
    func determinism() throws {
        let file = try #require(ScenarioFile.all.first { $0.name == "straggler" })
        let first = ScenarioFile.json(try file.reports(jobs: 1, samples: 3))
        #expect(ScenarioFile.json(try file.reports(jobs: 3, samples: 3)) == first)
        #expect(ScenarioFile.json(try file.reports(jobs: 1, samples: 3)) == first)
        let other = ScenarioFile.json(try file.reports(jobs: 1, samples: 3, seed: 8))
        let differences = try JSONComparison.differences(Data(first.utf8), Data(other.utf8))
        #expect(differences.contains { $0.hasPrefix("step.time_s.mean") })
        // What is not random does not move.
        for prefix in ["memory", "traffic_bytes", "run.steps", "assumptions", "hash"] {
            #expect(!differences.contains { $0.hasPrefix(prefix) }, "\(prefix) changes with the seed")
        }
    }

    @Test("A comparison tells documents apart")
    func comparison() throws {
        func differences(_ a: String, _ b: String) throws -> [String] { try JSONComparison.differences(Data(a.utf8), Data(b.utf8)) }
        #expect(try differences(#"{"a": 1, "b": [1, null]}"#, #"{"b": [1.0000000001, null], "a": 1}"#) == [])
        #expect(try differences(#"{"a": 1}"#, #"{"a": 1.00000001}"#).count == 1)
        #expect(try differences(#"{"a": 1}"#, #"{"b": 1}"#) == ["a: gone", "b: new"])
        #expect(try differences("[1]", "[1, 2]") == [": 2 items, expected 1"])
        #expect(try differences(#"["x"]"#, #"[1]"#).count == 1)
    }
}
