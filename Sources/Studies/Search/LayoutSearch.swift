import Plan
import Planner
import Quantities
import Scenario
import Simulation

/// Which layouts are looked for, and under which limits on the whole run.
public struct SearchQuestion: Sendable {
    public var scenario: Scenario
    public var objective: Objective.Kind
    public var constraints: SearchConstraints
    /// Longest time for the whole run; nil: any.
    public var deadline: Quantities.Duration?
    /// Most that the whole run may cost, storage apart; nil: any.
    public var budget: Money?

    public init(_ scenario: Scenario, objective: Objective.Kind = .time, constraints: SearchConstraints = SearchConstraints()) {
        (self.scenario, self.objective, self.constraints) = (scenario, objective, constraints)
    }

    private var steps: Double { Double(max(1, scenario.job.steps)) }
    private var stepDeadline: Double? { deadline.map { $0.seconds / steps } }
    private var stepBudget: Double? { budget.map { $0.dollars / steps } }

    /// What is made small, for one step.
    func goal() throws(Fault) -> Objective {
        if deadline != nil || budget != nil, scenario.job.training.length == .oneStep {
            throw Fault(
                keyPath: "training.tokens", reason: "the length of the run is unknown, so --deadline and --budget say nothing",
                suggestion: "write tokens: 1T or steps: 100000")
        }
        return try Objective(objective, job: scenario.job, prices: scenario.prices, deadline: stepDeadline, budget: stepBudget)
    }

    /// Everything that the evaluations depend on, for a journal.
    /// - Throws: `ScenarioErrors` where the question has no sense.
    public func identity() throws(ScenarioErrors) -> String {
        _ = try scenario.locatingFaults { try self.goal() }
        let goal = "\(objective) \(String(describing: stepDeadline)) \(String(describing: stepBudget))"
        let space = SearchSpace(job: scenario.job, constraints: constraints)
        return "\(scenario.hash) \(goal) \(space.choices.count) \(space.constraints)"
    }

    /// Which constraint removed how many layouts, where none is left.
    func refusal(_ result: SearchResult) -> String {
        let removed = result.removed
        let (device, margin) = (scenario.job.cluster.accelerator, scenario.job.layout.memoryMargin)
        let capacity = fixed(device.usable.baseValue * (1 - margin) / 1e9, decimals: 1)
        var parts: [String] = []
        if removed.memory > 0 {
            parts.append(
                "\(removed.memory) need more than \(capacity) GB of a GPU (what a process can have of it, less \(fixed(margin * 100, decimals: 1)) % for layout.memory_margin)"
            )
        }
        if removed.memoryLimit > 0 {
            parts.append("\(removed.memoryLimit) more than --memory \(fixed((constraints.memory ?? 0) / 1e9, decimals: 1)) GB")
        }
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
}

extension Study {
    /// Which layout is best? Conditions are left out.
    /// - Parameter settings: how long and how thoroughly; its threads and progress are the study's.
    /// - Throws: `ScenarioErrors` where the question has no sense for this job.
    public func search(_ question: SearchQuestion, settings: SearchSettings = SearchSettings()) throws(ScenarioErrors) -> SearchAnswer {
        let scenario = question.scenario
        let (knowing, own) = (try knowing(scenario), anchored)
        let data = knowing.data
        let space = SearchSpace(job: scenario.job, constraints: question.constraints)
        var settings = settings
        settings.jobs = jobs
        settings.network = scenario.settings.network
        settings.progress = { _, closed in progress(Int(closed * 100), 100) }
        let result = try scenario.locatingFaults {
            try Planner.search(space, objective: question.goal(), data: data, settings: settings)
        }
        // Remarks on the scenario's own runs stand with the first answer alone.
        let each = own == nil ? knowing.single : single
        func undisturbed(_ job: Job) throws(ScenarioErrors) -> RunAnswer {
            var own = scenario
            own.job = job
            own.conditions = Conditions()
            own.settings.timeline = false
            return try each.run(own)
        }
        var ranked: [RunAnswer] = []
        for layout in result.ranked { ranked.append(try undisturbed(space.job(layout.choice))) }
        return SearchAnswer(
            result: result, objective: question.objective, ranked: ranked,
            own: scenario.layoutProblems.isEmpty ? try? undisturbed(scenario.job) : nil, showsTime: settings.journal == nil,
            refusal: result.ranked.isEmpty ? question.refusal(result) : nil)
    }
}
