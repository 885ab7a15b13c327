import Archive
import ArgumentParser
import Plan
import Planner
import Quantities
import Report
import Scenario
import Studies

struct Search: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find the best layout for a model on a cluster.",
        discussion: """
            Keeps the file's model, cluster, global batch, sequence, precision and software, and goes through every legal layout, schedule,
            micro-batch, recomputation and ZeRO stage. Lower bounds leave out what cannot win; the rest is simulated without conditions.
            Given tables of measured runs (CSV) instead of a scenario, searches for each of their jobs and compares with the layout that was run.
            Exit status 1 where no layout holds to the constraints.
            """)
    @Argument(help: "Scenario file (YAML), or tables of measured runs (CSV).", completion: .file(extensions: ["yaml", "yml", "csv"]))
    var files: [String]
    @Option(
        help:
            "What is made small: time, cost, energy, or pareto for all layouts that nothing beats in time, cost, energy and memory together; loss for the size of the model, the tokens and the layout that --budget or --deadline buys."
    )
    var objective = Goal.time
    @Option(parsing: .unconditional, help: ArgumentHelp("Answer with the best so far after this many seconds.", valueName: "seconds"))
    var timeBudget: Double?
    @Option(parsing: .unconditional, help: ArgumentHelp("Most memory on a GPU, below what it has.", valueName: "GB")) var memory: Double?
    @Option(parsing: .unconditional, help: ArgumentHelp("Longest time for the whole run, for instance \"30 days\".", valueName: "time"))
    var deadline: Quantities.Duration?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Most that the whole run may cost, storage apart, for instance \"2 MUSD\".", valueName: "amount"))
    var budget: Money?
    @Option(parsing: .unconditional, help: ArgumentHelp("Global batch, in place of the file's.", valueName: "sequences")) var batch: Int?
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Schedules to try, or all (default: those of 1f1b, interleaved, zb-1p and zb-v that the framework has).", valueName: "schedule")
    ) var schedules: [String] =
        []
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Recomputation to try: none, selective, full, auto, norms, activation, mla-up, parts joined with +, or all (default: none selective full auto).",
            valueName: "what"))
    var recompute: [String] = []
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Also simulate everything in spaces of at most this many layouts.", valueName: "layouts"))
    var exhaustive = 500
    @OptionGroup var anchors: RunsOption
    @OptionGroup var journal: JournalOption
    @OptionGroup var archive: ArchiveOption
    @OptionGroup var report: ReportOption
    @OptionGroup var output: OutputOptions
    @OptionGroup var jobs: JobsOption
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over the file, for instance training.sequence=8192; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    private var isOfTables: Bool { files.contains { $0.lowercased().hasSuffix(".csv") } }

    func validate() throws {
        if let timeBudget, !(timeBudget >= 0) { throw ValidationError("--time-budget is \(timeBudget); give seconds, zero or more") }
        if let memory, !(memory > 0 && memory.isFinite) { throw ValidationError("--memory is \(memory); give gigabytes above zero") }
        if let deadline, deadline.seconds <= 0 { throw ValidationError("--deadline is \(deadline); give a time above zero") }
        if let budget, budget.dollars <= 0 { throw ValidationError("--budget is \(budget); give an amount above zero") }
        if let batch, batch < 1 { throw ValidationError("--batch is \(batch); give a number of sequences above zero") }
        if exhaustive < 0 { throw ValidationError("--exhaustive is \(exhaustive); give a number of layouts, zero or more") }
        if isOfTables {
            guard files.allSatisfy({ $0.lowercased().hasSuffix(".csv") }) else {
                throw ValidationError("tables of measured runs and scenarios cannot be searched together; give one kind")
            }
            guard objective == .time, deadline == nil, budget == nil, batch == nil, journal.path == nil, overrides.isEmpty, !output.json
            else {
                throw ValidationError(
                    "tables of measured runs are searched for time; --objective, --deadline, --budget, --batch, --journal, --set and --json need a scenario"
                )
            }
        }
    }

    func run() throws {
        let start = ContinuousClock.now
        if isOfTables { return try runPublished() }
        // Not in validate(), which is asked before the parser complains of an unknown option, whose value looks like a second file.
        guard files.count == 1 else { throw ValidationError("\(files.count) scenarios are given; search takes one") }
        let file = files[0]
        let scenario = try Scenario.loadAnyLayout(path: file, overrides: overrides + (batch.map { ["training.global_batch=\($0)"] } ?? []))
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        if !scenario.conditions.isUniform { output.note("search: conditions are left out; orrery run shows the winner under them") }
        if let problem = scenario.layoutProblems.first {
            output.note("search: the file's own layout cannot run and is left out: \(problem.keyPath): \(problem.reason)")
        }
        guard let kind = objective.ofLayouts else { return try runLoss(scenario) }
        var question = SearchQuestion(scenario, objective: kind, constraints: try constraints())
        (question.deadline, question.budget) = (deadline, budget)
        let outputs = try Outputs([report.page("search.html")], inputs: scenario.files)
        var settings = settings()
        if journal.path != nil { settings.journal = try journal.open("search", identity: question.identity()) }
        let answer = try interruptible { isInterrupted in
            settings.isInterrupted = isInterrupted
            return try output.study("searching (bounds closed, %)", jobs: jobs.count, anchors: anchors) {
                try $0.search(question, settings: settings)
            }
        }
        journal.report(settings.journal, output)
        if settings.journal != nil {
            output.note("search: \(rounded(answer.result.seconds, 2)) s, of them \(rounded(answer.result.boundSeconds, 2)) s for bounds")
        }
        try Console.output(output.json ? answer.json.text() + "\n" : output.csv ? CSVRecords.text(answer.rows) : answer.text)
        report.write(outputs, output.note) { directory throws(ReportError) in
            let winner = answer.ranked.first.map { scenario.yaml(with: $0.job) }
            return try SearchPage(title: scenario.name, answer: answer, winner: winner).write(to: directory, version: programVersion)
        }
        archive.keep(output, since: start) {
            var entry = ArchiveEntry("search", scenario, result: answer.json.text() + "\n")
            if let best = answer.ranked.first { entry.take(best) }
            return entry
        }
        try outputs.finish()
        if let refusal = answer.refusal {
            Console.error("\(file): \(refusal)")
            throw ExitCode.doesNotHold
        }
    }

    private func runLoss(_ scenario: Scenario) throws {
        guard journal.path == nil else { throw InputError("--objective loss keeps no journal: leave out --journal") }
        let question = LossQuestion(scenario, budget: budget, deadline: deadline, constraints: try constraints())
        var settings = settings()
        let answer = try interruptible { isInterrupted in
            settings.isInterrupted = isInterrupted
            return try output.study("searching (bounds closed, %)", jobs: jobs.count, anchors: anchors) {
                try $0.searchLoss(question, settings: settings)
            }
        }
        try Console.output(output.json ? answer.json.text() + "\n" : output.csv ? CSVRecords.text(answer.rows) : answer.text)
        if let refusal = answer.refusal {
            Console.error("\(files[0]): \(refusal)")
            throw ExitCode.doesNotHold
        }
    }

    /// Each row as soon as it is known, so that a run that is cut short leaves what it has.
    private func runPublished() throws {
        let runs = try measuredRuns(files, output)
        let constraints = try constraints()
        let header = PublishedLayouts.header
        func write(_ rows: [[String]]) throws {
            try Console.output(output.csv ? CSVRecords.text(rows) : rows.map(PublishedLayouts.line).joined())
        }
        try write(output.csv ? [header] : [header, header.map { _ in "---" }])
        let answer = try output.study("searching", jobs: jobs.count, anchors: anchors) {
            try $0.publishedLayouts(runs, settings: settings(), constraints: constraints) { try write($0.map(PublishedLayouts.cells)) }
        }
        if !output.csv { try Console.output(answer.summary) }
        if answer.rows.contains(where: { !$0.holds }) { throw ExitCode.doesNotHold }
    }

    private func constraints() throws(Fault) -> SearchConstraints {
        try SearchConstraints(memory: memory, schedules: schedules, recompute: recompute, as: "--")
    }

    private func settings() -> SearchSettings {
        var settings = SearchSettings()
        settings.seconds = timeBudget
        settings.exhaustiveLimit = exhaustive
        settings.refined = settings.keep
        return settings
    }
}

extension Search {
    /// What is made small.
    enum Goal: String, CaseIterable, ExpressibleByArgument {
        case time, cost, energy, pareto, loss

        /// As a goal of layouts; nil where the model varies too.
        var ofLayouts: Objective.Kind? { Objective.Kind(rawValue: rawValue) }
    }
}

extension ExpressibleByArgument where Self: Quantity {
    public init?(argument: String) { try? self.init(parsing: argument) }
}
extension Quantities.Duration: ExpressibleByArgument {}
extension Money: ExpressibleByArgument {}
