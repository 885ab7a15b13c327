import Archive
import ArgumentParser
import Planner
import Quantities
import Report
import Scenario
import Studies

struct Sweep: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict every combination of the values of keys.",
        discussion: """
            Goes through the products of --vary, times what the file itself varies (vary, zip). A combination that is not possible is listed with
            its reason. --scaling varies cluster.gpus (or takes the values that --vary gives it): strong keeps the global batch, weak keeps the batch
            a GPU. --sample draws points from ranges (--vary key=lo..hi, key=log lo..hi, or lists) instead, and says which key matters most: the
            share of the variance that it explains (Sobol indices; samples x (keys + 2) runs). Exit status 1 where no combination fits.
            """)
    @Argument(help: "Scenario file (YAML).", completion: .file(extensions: ["yaml", "yml"])) var file: String
    @Option(parsing: .upToNextOption, help: ArgumentHelp("Keys with their values.", valueName: "key=v1,v2")) var vary: [String] = []
    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("Keys whose values go together, the first with the first.", valueName: "key=v1,v2"))
    var zip: [String] = []
    @Option(help: "Sample ranges: sobol or lhs (Latin hypercube).") var sample: SampleDesign.Kind?
    @Option(parsing: .unconditional, help: "Points of a sample; keys + 2 times as many are run (default: 64).") var samples: Int?
    @Option(help: "What a sample explains: step_time, samples_per_s, mfu, memory or cost.") var response = SweepResponse.stepTime
    @OptionGroup var anchors: RunsOption
    @OptionGroup var journal: JournalOption
    @OptionGroup var archive: ArchiveOption
    @OptionGroup var report: ReportOption
    @Option(help: "Scaling study over cluster.gpus: strong or weak.") var scaling: SweepScaling?
    @OptionGroup var output: OutputOptions
    @OptionGroup var jobs: JobsOption
    @Option(parsing: .unconditional, help: "Seed of everything random, in place of simulate.seed.") var seed: UInt64?
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over the file, for instance layout.tensor=8; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    func validate() throws {
        if sample == nil, samples != nil { throw ValidationError("--samples needs --sample; add --sample sobol") }
        if sample != nil, scaling != nil || !zip.isEmpty {
            throw ValidationError("--sample excludes --scaling and --zip; give one of them")
        }
    }

    func run() throws {
        let start = ContinuousClock.now
        let sweep = try question().planned()
        guard sweep.runs.count > 1 else { throw InputError("\(file): nothing varies; give --vary layout.tensor=1,2,4 or --scaling strong") }
        let outputs = try Outputs([report.page("sweep.html")], inputs: [file] + sweep.runs.compactMap(\.scenario).flatMap(\.files))
        let journal = try self.journal.open("sweep", identity: sweep.identity)
        let answer = try interruptible { isInterrupted in
            try output.study("simulating", jobs: jobs.count, anchors: anchors) { $0.sweep(sweep, journal: journal, until: isInterrupted) }
        }
        if answer.rows.count < sweep.runs.count {
            Console.error("interrupted: \(answer.rows.count) of \(sweep.runs.count) combinations were run")
        }
        self.journal.report(journal, output)
        try Console.output(output.json ? answer.json.text() + "\n" : output.csv ? CSVRecords.text(answer.cells) : answer.text)
        report.write(outputs, output.note) { directory throws(ReportError) in
            try answer.page(file: file).write(to: directory, version: programVersion)
        }
        archive.keep(output, since: start) {
            // Of a large sweep the table is kept, which is a tenth of the results.
            let isLarge = answer.rows.count > 500
            var entry = ArchiveEntry(command: "sweep", name: file)
            if let scenario = sweep.runs.lazy.compactMap(\.scenario).first {
                entry = ArchiveEntry("sweep", scenario, result: isLarge ? CSVRecords.text(answer.cells) : answer.json.text() + "\n")
            }
            return entry
        }
        try outputs.finish()
        if !answer.rows.contains(where: { $0.report?.valid == true }) { throw ExitCode.doesNotHold }
    }

    private func question() throws -> SweepQuestion {
        let vary = try self.vary.map { try SweepAxis($0) }
        let zip = try self.zip.map { try SweepAxis($0, option: "--zip") }
        var question = SweepQuestion(try ScenarioDocument(path: file))
        question.overrides = overrides
        (question.vary, question.zip, question.scaling, question.seed) = (vary, zip, scaling, seed)
        question.sample = sample.map { SweepSample($0, count: samples ?? 64, response: response) }
        return question
    }
}

extension SampleDesign.Kind: ExpressibleByArgument {}
extension SweepScaling: ExpressibleByArgument {}
extension SweepResponse: ExpressibleByArgument {}
