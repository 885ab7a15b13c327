import ArgumentParser
import Plan
import Planner
import Report
import Scenario
import Simulation

struct Sweep: ParsableCommand {
    enum Scaling: String, ExpressibleByArgument { case strong, weak }

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
    @OptionGroup var report: ReportOption
    @Option(help: "Scaling study over cluster.gpus: strong or weak.") var scaling: Scaling?
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
        try report.prepare()
        let axes = try axes()
        let design = try design(axes)
        let runs = try runs(axes, design)
        guard runs.contains(where: { $0.scenario != nil }) else {
            throw ScenarioErrors(runs.first?.faults ?? [])
        }
        guard runs.count > 1 else { throw InputError("\(file): nothing varies; give --vary layout.tensor=1,2,4 or --scaling strong") }
        let (data, _) = try anchors.data(output)
        let journal = try self.journal.open("sweep", identity: identity(runs))
        let progress = Progress("simulating", of: runs.count, quiet: output.quiet)
        let results = parallelMap(Array(runs.indices), jobs: jobs.count, progress: progress) { index -> SweepRow in
            let run = runs[index]
            if let line = journal?[index], let row = SweepRecord(line: line)?.row(of: run) { return row }
            let row = SweepRow(run, file: file, data)
            if let line = SweepRecord(row).line { journal?.append(index, line) }
            return row
        }
        self.journal.report(journal, output)
        var table = SweepTable(rows: results, scaling: scaling)
        if let design {
            table.sensitivity = SweepSensitivity(results, axes: axes.map(\.key), design: design, response: response, seed: seed ?? 1)
        }
        if let directory = report.directory {
            var path = ""
            try uninterrupted { () throws(ReportError) in path = try table.page(file: file).write(to: directory, version: Orrery.version) }
            output.note("report: \(path)")
        }
        try Console.output(output.json ? table.json.text() + "\n" : output.csv ? csvText(table.cells) : table.text)
        if !results.contains(where: { $0.report?.valid == true }) { throw ExitCode.doesNotHold }
    }

    private func runs(_ axes: [SweepAxis], _ design: SampleDesign?) throws -> [SweepRun] {
        if let design { return try points(of: design, axes) }
        return try combinations(axes).flatMap(expanded)
    }

    /// Everything that the rows depend on.
    private func identity(_ runs: [SweepRun]) -> String {
        runs.map { run in
            let point = run.point.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            return "\(run.scenario?.hash ?? "-") \(run.scenario?.settings.seed ?? 0) \(point)"
        }.joined(separator: "\n")
    }

    // MARK: samples

    private func design(_ axes: [SweepAxis]) throws -> SampleDesign? {
        guard let kind = sample else { return nil }
        if let variation = try base().variation { throw ScenarioErrors([variation]) }
        do throws(PlannerError) { return try SampleDesign(kind, inputs: axes.count, count: samples ?? 64, seed: seed ?? 1) } catch {
            throw InputError("\(error)")
        }
    }

    private func points(of design: SampleDesign, _ axes: [SweepAxis]) throws -> [SweepRun] {
        guard design.count * (axes.count + 2) <= 100_000 else {
            throw InputError("--samples: \(design.count) x (\(axes.count) + 2) are more than 100000 runs; give fewer samples or keys")
        }
        return design.points.flatMap { point in expanded(Swift.zip(axes, point).map { (key: $0.key, value: $0.value(at: $1)) }) }
    }

    // MARK: axes

    private func axes() throws -> [SweepAxis] {
        var axes = try vary.map { try SweepAxis($0) }
        let zipped = try zip.map { try SweepAxis($0, option: "--zip") }
        for (index, axis) in (axes + zipped).enumerated() where (axes + zipped)[..<index].contains(where: { $0.key == axis.key }) {
            throw InputError("--vary: \(axis.key) is given twice; give all its values at once")
        }
        for axis in zipped where axis.values.count != zipped[0].values.count || axis.range != nil {
            throw InputError(
                "--zip: \(axis.key) has \(axis.values.count) values, \(zipped[0].key) has \(zipped[0].values.count); give equally many")
        }
        guard sample == nil else { return axes }
        if let axis = axes.first(where: { $0.range != nil }) {
            throw InputError("--vary: \(axis.key) is a range; add --sample sobol, or list its values")
        }
        let points = axes.reduce(zipped.first?.values.count ?? 1) { $0.multipliedReportingOverflow(by: $1.values.count).partialValue }
        guard points <= 10_000 else { throw InputError("--vary: there are more than 10000 combinations; vary fewer keys, or use search") }
        guard scaling != nil, !(axes + zipped).contains(where: { $0.key == "cluster.gpus" }) else { return axes }
        // Where no numbers are given: the file's machines, doubled three times.
        let scenario = try base()
        axes.insert(SweepAxis(key: "cluster.gpus", values: [1, 2, 4, 8].map { "\(scenario.job.cluster.gpus * $0)" }), at: 0)
        return axes
    }

    private func base() throws(ScenarioErrors) -> Scenario { try Scenario.load(path: file, overrides: overrides) }

    /// All combinations, the last axis fastest, with the batch that goes with weak scaling.
    private func combinations(_ axes: [SweepAxis]) throws -> [[(key: String, value: String)]] {
        var points: [[(key: String, value: String)]] = [[]]
        for axis in axes { points = points.flatMap { point in axis.values.map { point + [(axis.key, $0)] } } }
        let zipped = try zip.map { try SweepAxis($0, option: "--zip") }
        if let first = zipped.first {
            points = points.flatMap { point in first.values.indices.map { row in point + zipped.map { ($0.key, $0.values[row]) } } }
        }
        guard scaling == .weak else { return points }
        let job = try base().job
        return try points.map { point in
            guard let text = point.first(where: { $0.key == "cluster.gpus" })?.value, let gpus = Int(text), gpus > 0,
                gpus <= 1 << 30
            else { throw InputError("--scaling weak: cluster.gpus is not a number of GPUs") }
            return point + [("training.global_batch", "\(max(1, job.training.globalBatch * gpus / job.cluster.gpus))")]
        }
    }

    /// The scenarios of one combination: one, or as many as the file varies.
    private func expanded(_ point: [(key: String, value: String)]) -> [SweepRun] {
        // A scaling study keeps the model's cut and lets the replicas follow.
        let settings = overrides + (scaling == nil ? [] : ["layout.data=auto"]) + point.map { "\($0.key)=\($0.value)" }
        do throws(ScenarioErrors) {
            return try Scenario.expand(path: file, overrides: settings).map { own in
                var scenario = own.scenario
                scenario.settings.seed = seed ?? scenario.settings.seed
                scenario.settings.jobs = 1
                scenario.settings.timeline = false
                return SweepRun(point: point + own.point, scenario: scenario)
            }
        } catch { return [SweepRun(point: point, faults: error.errors)] }
    }
}

extension SampleDesign.Kind: ExpressibleByArgument {}
