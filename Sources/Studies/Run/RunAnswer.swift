import Cost
import Lifetime
import Plan
import Scenario
import Simulation

/// One predicted run with all that a page or a file says about it.
public struct RunAnswer: Sendable {
    public var scenario: String
    /// Of the canonical scenario, in hex.
    public var hash: String
    /// Of the program that made it.
    public var version: String
    public var seed: UInt64
    /// Whether the layout is legal and fits.
    public var valid: Bool
    /// Remarks on the scenario; those of the simulation stand in `result`.
    public var warnings: [String]
    public var job: Job
    /// The step.
    public var result: SimulatedStep
    /// The steps of the whole run, and what comes between them.
    public var run: RunSummary
    public var bill: Bill
    /// The weeks of the run, sample by sample; nil where nothing disturbs it.
    public var outcome: RunOutcome?
    /// The stretches between the run's updates; one where nothing changes.
    public var phases: [RunPhase] = []
    /// Why the run can never finish; its figures are then of no run.
    public var neverEnds: String?
    /// Key of a price to where it comes from.
    public var priceSources: [String: String] = [:]
    /// Changes of the layout that would make it fit, best first.
    public var suggestions: [String] = []
    /// The user's own runs that updated the calibration.
    public var anchored: AnchoredReport?

    public init(scenario: Scenario, result: SimulatedStep, run: RunSummary, bill: Bill, version: String = programVersion) {
        self.scenario = scenario.name
        self.hash = scenario.hash
        self.version = version
        self.seed = scenario.settings.seed
        self.valid = result.memory.fits
        self.warnings = scenario.warnings
        self.job = scenario.job
        self.result = result
        self.run = run
        self.bill = bill
        self.priceSources = scenario.prices.sources
    }

    /// The scenario's warnings, then the simulation's.
    public var allWarnings: [String] { warnings + result.warnings }
}

extension Study {
    /// What does this training run take? The way of the data: scenario, plan, step, run, bill.
    /// - Throws: `ScenarioErrors` where the job cannot be planned, played or billed, each fault at its place in the file.
    public func run(_ scenario: Scenario) throws(ScenarioErrors) -> RunAnswer {
        let study = try knowing(scenario)
        let (data, anchored) = (study.data, study.anchored)
        var settings = scenario.settings
        settings.jobs = jobs
        return try scenario.locatingFaults {
            let plan = try scenario.job.plan(data)
            var step = try simulate(plan, conditions: scenario.conditions, settings: settings, onStep: progress, isStopped: isStopped)
            if let remark = plan.attentionRemark(scenario.job.software, data: data) { step.warnings.append(remark) }
            let uncertainty = plan.uncertainty(data.profiles, priors: data.priors)
            let range = uncertainty.interval90(step.step.timeS.mean)
            step.evidence.stepTimeError = uncertainty.error
            step.evidence.interval90 = [range.lowerBound, range.upperBound]
            step.warnings.insert(contentsOf: uncertainty.remarks, at: 0)
            if self.anchored == nil, let anchored { step.warnings += anchored.remarks }
            let phases = try phases(of: scenario, plan, step)
            if phases.count > 1 { step.warnings += phases.remarks }
            if scenario.weeks.isActive, plan.job.hasLength { return try weeks(of: scenario, plan, step, phases) }
            let run = phases.count > 1 ? phases.run : RunSummary(undisturbed: plan.job, stepS: step.step.timeS.mean)
            var usage = try Usage(of: run, step: step, job: plan.job, stored: scenario.prices.stored)
            if phases.count > 1 { usage.energy = try phases.energy() }
            let bill = try scenario.prices.bill(for: usage)
            var answer = RunAnswer(scenario: scenario, result: step, run: run, bill: bill)
            answer.phases = phases
            if !plan.memory.fits { answer.suggestions = MemoryEstimate.fittingLayouts(plan.job, data: data) }
            answer.anchored = anchored
            return answer
        }
    }
}
