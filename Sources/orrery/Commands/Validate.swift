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
        let runs = try measuredRuns(files, output)
        let outputs = try Outputs([report.page("validation.html")], inputs: files)
        let score = try output.study("predicting", jobs: jobs.count) { $0.validate(runs) }
        try Console.output(output.json ? score.json() : output.csv ? score.csv() : score.table(style: Console.style))
        output.note("\(score.rows.count) rows, \(score.overall.failed) of them could not be modelled")
        report.write(outputs, output.note) { directory throws(ReportError) in try score.write(to: directory, version: programVersion) }
        try outputs.finish()
    }
}

/// The rows of all tables; the faults of all of them at once.
func measuredRuns(_ files: [String], _ output: OutputOptions) throws(ScenarioErrors) -> [MeasuredRun] {
    var runs: [MeasuredRun] = []
    var remarks: [String] = []
    var faults: [ScenarioError] = []
    for file in files {
        do throws(ScenarioErrors) {
            let table = try MeasuredRuns.table(path: file)
            runs += table.runs
            remarks += table.remarks
        } catch { faults += error.errors }
    }
    guard faults.isEmpty else { throw ScenarioErrors(faults) }
    // Those within a file are among them already.
    for remark in remarks + MeasuredRuns.repeated(runs).filter({ !remarks.contains($0) }) { output.note(remark) }
    return runs
}
