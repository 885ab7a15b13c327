import Archive
import ArgumentParser
import Fidelity
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
    @OptionGroup var anchors: RunsOption
    @OptionGroup var output: OutputOptions
    @OptionGroup var report: ReportOption
    @OptionGroup var jobs: JobsOption
    @OptionGroup var archive: ArchiveOption

    @Option(
        help: ArgumentHelp(
            "Give every source some of its own runs first, which are then not scored: smallest, first:N or designed:N.", valueName: "choice"
        ))
    var anchor: String?
    @Flag(
        help:
            "Predict every source as if no run of its stack had been in the calibration: what a new stack is known to, before and after --anchor."
    )
    var unseen = false

    func validate() throws {
        if let anchor, AnchorChoice(parsing: anchor) == nil {
            throw ValidationError("--anchor is \"\(anchor)\"; write smallest, first:3 or designed:5")
        }
    }

    func run() throws {
        let start = ContinuousClock.now
        let runs = try measuredRuns(files, output)
        let outputs = try Outputs([report.page("validation.html")], inputs: files)
        let score = try output.study("predicting", jobs: jobs.count, anchors: anchors) { study in
            let choice = anchor.flatMap(AnchorChoice.init(parsing:))
            return choice == nil && !unseen ? study.validate(runs) : try study.validate(runs, anchored: choice, isUnseen: unseen)
        }
        try Console.output(output.json ? score.json() : output.csv ? score.csv() : score.table(style: Console.style))
        output.note("\(score.rows.count) rows, \(score.overall.failed) of them could not be modelled")
        report.write(outputs, output.note) { directory throws(ReportError) in try score.write(to: directory, version: programVersion) }
        archive.keep(output, since: start) {
            var entry = ArchiveEntry(command: "validate", name: files.joined(separator: " "))
            entry.result = score.json()
            return entry
        }
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
