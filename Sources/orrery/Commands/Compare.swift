import ArgumentParser
import Plan
import Report
import Scenario

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict several scenarios and set them side by side.",
        discussion: """
            Give several files, or one that varies keys (vary, zip). Exit status 1 where none of the runs fits.
            With --trace, each run's trace gets a number: trace-1.json, trace-2.json, ...
            """)
    @Argument(help: "Scenario files (YAML).", completion: .file(extensions: ["yaml", "yml"])) var files: [String]
    @OptionGroup var options: SimulationOptions

    func run() throws {
        let entries = try scenarios()
        guard entries.count > 1 else {
            throw InputError(
                "\(files.joined(separator: " ")): there is one run and nothing to compare it with; name another file, or add vary: {layout.tensor: [1, 2]}"
            )
        }
        try options.report.prepare()
        let data = try CalibrationData.shipped()
        let results = parallelMap(
            entries, jobs: options.jobs.count, progress: Progress("simulating", of: entries.count, quiet: options.output.quiet)
        ) { entry in Result { try project(entry.scenario, from: entry.file, data) } }
        let reports = try reports(results)
        try options.writeFiles(reports)
        try Console.output(
            options.output.json
                ? RunReport.json(of: reports)
                : options.output.csv ? RunReport.csv(of: reports) : table(reports))
        if reports.allSatisfy({ !$0.valid }) { throw ExitCode.doesNotHold }
    }

    /// Runs of one file are told apart by what varies, so its name is left out.
    private func table(_ reports: [RunReport]) -> String {
        var rows = reports
        if files.count == 1 {
            for index in rows.indices {
                rows[index].scenario = rows[index].scenario.split(separator: " ").filter { $0.contains("=") }.joined(separator: " ")
            }
        }
        var style = Console.style
        if !Console.outputIsTerminal { style.width = 120 }
        return RunReport.comparison(of: rows, style: style)
    }

    /// All reports, or the faults of all files at once.
    private func reports(_ results: [Result<RunReport, any Error>]) throws -> [RunReport] {
        var reports: [RunReport] = []
        var faults: [ScenarioError] = []
        for result in results {
            do { reports.append(try result.get()) } catch let error as ScenarioErrors { faults += error.errors }
        }
        guard faults.isEmpty else { throw ScenarioErrors(faults) }
        return reports
    }

    private struct Entry: Sendable {
        var file: String
        var scenario: Scenario
    }

    /// The scenarios of all files; a point of a varied file is named by its values.
    private func scenarios() throws -> [Entry] {
        var entries: [Entry] = []
        var faults: [ScenarioError] = []
        for file in files {
            do throws(ScenarioErrors) {
                for point in try Scenario.expand(path: file, overrides: options.overrides) {
                    var scenario = options.applied(to: point.scenario, jobs: 1)
                    let values = point.point.map { "\($0.key.split(separator: ".").last ?? "")=\($0.value)" }
                    if !values.isEmpty { scenario.name += " " + values.joined(separator: " ") }
                    entries.append(Entry(file: file, scenario: scenario))
                }
            } catch { faults += error.errors }
        }
        guard faults.isEmpty else { throw ScenarioErrors(faults) }
        return entries
    }
}
