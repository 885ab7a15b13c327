import Foundation
import Report
import Scenario
import Studies
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
        // Of the claims those that are scenarios; the others are cluster files, which FabricClaimTests computes, and what ClaimsTests measures.
        let claims = names("claims/").map { ScenarioFile(name: $0) }.filter { file in
            let text = (try? String(contentsOfFile: file.path, encoding: .utf8)) ?? ""
            return text.contains("\nmodel:") && !text.contains("# Measured by: orrery claims")
        }
        return names("").map { ScenarioFile(name: $0) } + claims
    }()
    /// Runs that are there to show that they do not fit, by file.
    static let unfit = ["does-not-fit": 1, "claims/c42-32b-one-card": 1]

    var path: String { ScenarioFile.folder.appending(path: "\(name).yaml").path }
    var expected: URL { ScenarioFile.folder.appending(path: "\(name).expected.json") }

    /// The way that `orrery run` and `orrery compare` go, once for each scenario that the file holds. The version is left out, so that a release does
    /// not change every recorded result.
    func reports(jobs: Int = 2, samples: Int? = nil, seed: UInt64? = nil) throws -> [RunAnswer] {
        let study = try Study.shipped(jobs: jobs)
        return try Scenario.expand(path: path).map { point in
            var scenario = point.scenario
            scenario.name = ([scenario.name] + point.point.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
            scenario.settings.samples = samples ?? scenario.settings.samples
            scenario.settings.seed = seed ?? scenario.settings.seed
            scenario.settings.timeline = false
            var answer = try study.run(scenario)
            answer.version = ""
            return answer
        }
    }

    static func json(_ reports: [RunAnswer]) -> String { reports.count == 1 ? reports[0].json() : RunAnswer.json(of: reports) }
}
