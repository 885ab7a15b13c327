import Cost
import Foundation
import Plan
import Report
import Scenario
import Simulation
import Testing

/// A file of scenarios/ and its recorded result.
struct ScenarioFile: Sendable, CustomTestStringConvertible {
    let name: String
    var testDescription: String { name }

    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "scenarios")

    static let all: [ScenarioFile] = {
        func names(_ inner: String) -> [String] {
            let all = (try? FileManager.default.contentsOfDirectory(atPath: folder.appending(path: inner).path)) ?? []
            return all.filter { $0.hasSuffix(".yaml") }.sorted().map { inner + $0.dropLast(5) }
        }
        // Of the claims those that are scenarios; the others are cluster files, which FabricClaimTests computes.
        let claims = names("claims/").map { ScenarioFile(name: $0) }.filter { file in
            ((try? String(contentsOfFile: file.path, encoding: .utf8)) ?? "").contains("\nmodel:")
        }
        return names("").map { ScenarioFile(name: $0) } + claims
    }()
    /// Runs that are there to show that they do not fit, by file.
    static let unfit = ["does-not-fit": 1, "claims/c42-32b-one-card": 1]

    var path: String { ScenarioFile.folder.appending(path: "\(name).yaml").path }
    var expected: URL { ScenarioFile.folder.appending(path: "\(name).expected.json") }

    /// The way that `orrery run` and `orrery compare` go, once for each scenario that the file holds. The version is left out, so that a release does
    /// not change every recorded result.
    func reports(jobs: Int = 2, samples: Int? = nil, seed: UInt64? = nil) throws -> [RunReport] {
        let data = try CalibrationData.shipped()
        return try Scenario.expand(path: path).map { point in
            var scenario = point.scenario
            scenario.name = ([scenario.name] + point.point.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
            scenario.settings.jobs = jobs
            scenario.settings.samples = samples ?? scenario.settings.samples
            scenario.settings.seed = seed ?? scenario.settings.seed
            scenario.settings.timeline = false
            let plan = try scenario.job.plan(data)
            let result = try simulate(plan, conditions: scenario.conditions, settings: scenario.settings)
            let bill = try scenario.prices.bill(for: result, job: plan.job)
            var report = RunReport(scenario: scenario, version: "", result: result, bill: bill)
            if !plan.memory.fits { report.suggestions = MemoryEstimate.fittingLayouts(plan.job, data: data) }
            return report
        }
    }

    static func json(_ reports: [RunReport]) -> String { reports.count == 1 ? reports[0].json() : RunReport.json(of: reports) }
}
