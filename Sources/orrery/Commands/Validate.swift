import ArgumentParser
import Fidelity
import Glibc
import Plan
import Report
import Scenario
import Simulation

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
    @OptionGroup var anchors: RunsOption
    @Option(
        help: ArgumentHelp(
            "Give every source some of its own runs first, which are then not scored: smallest, first:N or designed:N.", valueName: "choice"
        ))
    var anchor: String?

    func validate() throws {
        if let anchor, AnchorChoice(parsing: anchor) == nil {
            throw ValidationError("--anchor is \"\(anchor)\"; write smallest, first:3 or designed:5")
        }
    }

    func run() throws {
        let runs = try measuredRuns(files)
        try report.prepare()
        let data = try anchors.data(output).data
        var own: [Int: CalibrationData] = [:]
        var given = Set<Int>()
        if let choice = anchor.flatMap(AnchorChoice.init(parsing:)) {
            for source in try AnchoredSources(runs: runs, choice: choice, data: data).sources {
                for member in source.members { own[member] = source.data }
                given.formUnion(source.anchors)
            }
        }
        let (updates, scored) = (own, runs.indices.filter { !given.contains($0) })
        let rows = parallelMap(
            scored, jobs: jobs.count, progress: Progress("predicting", of: scored.count, quiet: output.quiet)
        ) { ValidationRow(runs[$0], updates[$0] ?? data) }
        let score = ValidationReport(rows: rows)
        if let directory = report.directory {
            var path = ""
            try uninterrupted { () throws(ReportError) in path = try score.write(to: directory, version: Orrery.version) }
            output.note("report: \(path)")
        }
        try Console.output(output.json ? score.json() : output.csv ? score.csv() : score.table(style: Console.style))
        output.note("\(rows.count) rows, \(score.overall.failed) of them could not be modelled")
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

extension ValidationRow {
    /// A measured run that nothing has been said about yet.
    init(_ run: MeasuredRun) {
        let training = run.job?.training
        var origin = Origin(
            id: run.id, file: run.file, source: run.source, hardware: run.hardware, framework: run.framework,
            completeness: run.completeness ?? "")
        if let job = run.job {
            origin.kinds = [job.model.moe == nil ? "dense" : "MoE"]
            if job.layout.zero == 3 { origin.kinds.append("FSDP") }
            if job.layout.pipeline > 1 { origin.kinds.append("pipeline") }
            origin.tensor = job.layout.tensor
        }
        self.init(
            origin,
            Shape(
                gpus: run.job?.cluster.gpus ?? run.integer("gpus"), layers: run.job?.model.layers ?? run.integer("layers"),
                hidden: run.job?.model.hidden ?? run.integer("hidden"), sequence: training?.sequence ?? run.integer("sequence"),
                globalBatch: training?.globalBatch ?? run.integer("global_batch")),
            measuredS: run.stepTimeS, memoryGB: run.memoryGB, weight: run.isExcluded ? 0 : run.weight)
    }

    /// A measured run and what the simulator says about it.
    init(_ run: MeasuredRun, _ data: CalibrationData) {
        self.init(run)
        assumptions = run.warnings
        do {
            let prepared = try PreparedRun(run, data: data)
            let plan = prepared.plan
            assumptions = prepared.run.warnings
            var settings = SimulationSettings()
            settings.timeline = false
            let result = try simulate(plan, settings: settings)
            let seconds = result.step.timeS.mean + prepared.added
            let uncertainty = prepared.uncertainty(data.profiles, priors: data.priors)
            var evidence = result.evidence
            evidence.stepTimeError = uncertainty.error
            assumptions += uncertainty.remarks
            self = predicted(
                Prediction(
                    stepS: seconds, memoryGB: plan.memory.printed(for: plan.job) * 1e-9, fits: plan.memory.fits,
                    interval90: uncertainty.interval90(seconds), evidence: evidence))
        } catch {
            self = failed("\(error)")
        }
    }
}

extension MeasuredRun {
    /// A whole number as the table writes it; 0 where it holds none.
    fileprivate func integer(_ column: String) -> Int { columns[column].flatMap { Int($0) } ?? 0 }
}
