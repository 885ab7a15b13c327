import ArgumentParser
import Report
import Scenario
import Studies

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Score the predictions against measured runs.",
        discussion: """
            A row that cannot be modelled is listed with the reason and counts as a failure. Exit status 0 when all rows were tried.
            """)
    @Argument(help: "Tables of measured runs (CSV).", completion: .file(extensions: ["csv"])) var files: [String]
    @OptionGroup var output: OutputOptions
    @OptionGroup var report: ReportOption
    @OptionGroup var jobs: JobsOption

    func run() throws {
        let runs = try measuredRuns(files)
        try report.prepare()
        let score = try output.study("predicting", jobs: jobs.count) { $0.validate(runs) }
        if let directory = report.directory {
            var path = ""
            try uninterrupted { () throws(ReportError) in path = try score.write(to: directory, version: programVersion) }
            output.note("report: \(path)")
        }
        try Console.output(output.json ? score.json() : output.csv ? score.csv() : score.table(style: Console.style))
        output.note("\(score.rows.count) rows, \(score.overall.failed) of them could not be modelled")
    }
}

/// The rows of all tables; the faults of all of them at once.
func measuredRuns(_ files: [String]) throws(ScenarioErrors) -> [MeasuredRun] {
    var runs: [MeasuredRun] = []
    var faults: [ScenarioError] = []
    for file in files {
        do throws(ScenarioErrors) { runs += try MeasuredRuns.read(path: file) } catch { faults += error.errors }
    }
    guard faults.isEmpty else { throw ScenarioErrors(faults) }
    return runs
}
