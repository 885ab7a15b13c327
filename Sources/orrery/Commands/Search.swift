import ArgumentParser
import Cost
import Plan
import Planner
import Quantities
import Report
import Scenario
import Simulation

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
            "What is made small: time, cost, energy, or pareto for all layouts that nothing beats in time, cost, energy and memory together."
    )
    var objective = Objective.Kind.time
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
        help: ArgumentHelp("Schedules to try, or all (default: 1f1b interleaved zb-1p).", valueName: "schedule")) var schedules: [String] =
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
        let (data, _) = try anchors.data(output)
        if isOfTables {
            return try PublishedLayouts(settings: settings(), constraints: constraints()).run(files, output: output, data: data)
        }
        // Not in validate(), which is asked before the parser complains of an unknown option, whose value looks like a second file.
        guard files.count == 1 else { throw ValidationError("\(files.count) scenarios are given; search takes one") }
        let file = files[0]
        let scenario = try Scenario.loadAnyLayout(path: file, overrides: overrides + (batch.map { ["training.global_batch=\($0)"] } ?? []))
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        if !scenario.conditions.isUniform { output.note("search: conditions are left out; orrery run shows the winner under them") }
        if let problem = scenario.layoutProblems.first {
            output.note("search: the file's own layout cannot run and is left out: \(problem.keyPath): \(problem.reason)")
        }
        let result: SearchResult
        let space = SearchSpace(job: scenario.job, constraints: try constraints())
        var settings = settings()
        do {
            let goal = try goal(scenario)
            settings.journal = try journal.open(
                "search", identity: "\(scenario.hash) \(goal.0) \(space.choices.count) \(space.constraints)")
            result = try search(space, objective: goal.1, data: data, settings: settings)
        } catch let error as PlannerError {
            throw ScenarioErrors([
                ScenarioError(
                    file: file, line: 1, column: 1, keyPath: error.keyPath, reason: error.reason, suggestion: error.suggestion)
            ])
        }
        journal.report(settings.journal, output)
        let answer = SearchAnswer(
            result: result, objective: objective,
            ranked: try result.ranked.map { try report(space.job($0.choice), scenario, data) },
            own: scenario.layoutProblems.isEmpty ? try? report(scenario.job, scenario, data) : nil, showsTime: settings.journal == nil)
        if settings.journal != nil {
            output.note("search: \(rounded(result.seconds, 2)) s, of them \(rounded(result.boundSeconds, 2)) s for bounds")
        }
        try Console.output(output.json ? answer.json.text() + "\n" : output.csv ? csvText(answer.rows) : answer.text)
        if result.ranked.isEmpty {
            Console.error("\(file): \(refusal(result, scenario))")
            throw ExitCode.doesNotHold
        }
    }

    /// The objective, and what its evaluations depend on.
    private func goal(_ scenario: Scenario) throws -> (String, Objective) {
        let steps = Double(scenario.job.steps)
        let limits = (deadline: deadline.map { $0.seconds / steps }, budget: budget.map { $0.dollars / steps })
        if deadline != nil || budget != nil, scenario.job.training.length == .oneStep {
            throw PlannerError(
                keyPath: "training.tokens", reason: "the length of the run is unknown, so --deadline and --budget say nothing",
                suggestion: "write tokens: 1T or steps: 100000")
        }
        let goal = try Objective(
            objective, job: scenario.job, prices: scenario.prices, deadline: limits.deadline, budget: limits.budget)
        return ("\(objective) \(String(describing: limits.deadline)) \(String(describing: limits.budget))", goal)
    }

    /// Which constraint removed how many layouts.
    private func refusal(_ result: SearchResult, _ scenario: Scenario) -> String {
        let removed = result.removed
        let steps = Double(scenario.job.steps)
        let capacity = rounded(scenario.job.cluster.accelerator.memory.baseValue / 1e9, 1)
        var parts: [String] = []
        if removed.memory > 0 { parts.append("\(removed.memory) need more than the \(capacity) GB of a GPU") }
        if removed.memoryLimit > 0 { parts.append("\(removed.memoryLimit) more than --memory \(rounded(memory ?? 0, 1)) GB") }
        if removed.deadline > 0 {
            let least = try? Quantities.Duration(seconds: result.least.seconds * steps)
            parts.append("\(removed.deadline) take longer than --deadline (no layout takes less than \(least.map { "\($0)" } ?? "that"))")
        }
        if removed.budget > 0 {
            let least = try? Money(baseValue: result.least.dollars * steps)
            parts.append("\(removed.budget) cost more than --budget (no layout costs less than \(least.map { "\($0)" } ?? "that"))")
        }
        if removed.impossible > 0 { parts.append("\(removed.impossible) have no schedule") }
        let memoryOnly = removed.memory + removed.memoryLimit == removed.all
        return "none of the \(result.space) legal layouts \(memoryOnly ? "fits into the memory" : "holds to the constraints"): "
            + parts.joined(separator: ", ")
            + (memoryOnly
                ? "; use more GPUs, or GPUs with more memory"
                    + (scenario.job.layout.offload == .none ? ", or search with --set layout.offload=optimizer" : "")
                : "; loosen a constraint, or use more GPUs")
    }

    private func constraints() throws -> SearchConstraints {
        var constraints = SearchConstraints()
        constraints.memory = memory.map { $0 * 1e9 }
        if schedules == ["all"] {
            constraints.schedules = SearchSpace.schedules
        } else if !schedules.isEmpty {
            constraints.schedules = try schedules.map { name in
                guard let kind = ScheduleKind(rawValue: name), SearchSpace.schedules.contains(kind) else {
                    let known = SearchSpace.schedules.map(\.rawValue).joined(separator: ", ")
                    throw InputError("--schedules: \"\(name)\" cannot be searched; choose from \(known), or write all")
                }
                return kind
            }
        }
        if !recompute.isEmpty {
            constraints.recompute = try recompute == ["all"] ? Self.everyRecomputation : recompute.map(Self.recomputation)
        }
        return constraints
    }

    private static let everyRecomputation: [Recompute] =
        [.none, .selective, .full, .auto, .modules(.norms), .modules([.norms, .activation]), .modules([.norms, .latentUp, .activation])]

    private static func recomputation(_ name: String) throws -> Recompute {
        switch name {
        case "none": return .none
        case "selective": return .selective
        case "full": return .full
        case "auto": return .auto
        default: break
        }
        var modules = RecomputedModules()
        for part in name.split(separator: "+", omittingEmptySubsequences: false) {
            guard let module = RecomputedModules.names.first(where: { $0.name == part }) else {
                let parts = RecomputedModules.names.map(\.name).joined(separator: ", ")
                throw InputError(
                    "--recompute: \"\(part)\" is nothing that can be recomputed; choose from none, selective, full, auto, \(parts) (joined with +), or write all"
                )
            }
            modules.insert(module.value)
        }
        return .modules(modules)
    }

    private func settings() -> SearchSettings {
        var settings = SearchSettings()
        settings.jobs = jobs.count
        settings.seconds = timeBudget
        settings.exhaustiveLimit = exhaustive
        settings.refined = settings.keep
        let progress = Progress("searching (bounds closed, %)", of: 100, quiet: output.quiet)
        settings.progress = { _, closed in progress.show(Int(closed * 100)) }
        return settings
    }

    /// The undisturbed run of a layout.
    private func report(_ job: Job, _ scenario: Scenario, _ data: CalibrationData) throws -> RunReport {
        var own = scenario
        own.job = job
        own.conditions = Conditions()
        own.settings.timeline = false
        return try project(own, from: files[0], data)
    }
}

extension Objective.Kind: ExpressibleByArgument {}

extension ExpressibleByArgument where Self: Quantity {
    public init?(argument: String) { try? self.init(parsing: argument) }
}
extension Quantities.Duration: ExpressibleByArgument {}
extension Money: ExpressibleByArgument {}

extension Job {
    /// Optimizer steps of the whole run; 1 where its length is not known.
    fileprivate var steps: Int {
        switch training.length {
        case .oneStep: 1
        case .steps(let count): max(1, count)
        case .tokens(let tokens):
            max(1, Int((Double(tokens) / max(1, Double(training.globalBatch) * Double(training.sequence))).rounded(.up)))
        }
    }
}
