import Plan
import Planner
import Quantities
import Scenario

/// What to change of a scenario, each rule tried by simulation, and what did not help.
public struct AdviceAnswer: Sendable {
    public enum Objective: String, Sendable, CaseIterable { case time, cost }

    /// One rule tried on the scenario as it then stood.
    public struct Trial: Sendable {
        public var rule: AdviceRule
        public var settings: [String]
        /// Objective without over with the rule; above 1 it gains. nil where it could not run.
        public var gain: Double?
        /// Gain of the rule on the scenario as given; another gain here is an interaction.
        public var alone: Double?
        public var refusal: String?
    }
    public var scenario: String
    public var objective: Objective
    /// Value of the objective as given and with all of `taken`: seconds or dollars of the run, or of a sample where the run has no length.
    public var before: Double
    public var after: Double
    public var unit: String
    /// Half of the 90 % interval of the step, relative: a gain below it is not sure.
    public var error: Double
    public var fitsBefore: Bool
    /// In the order in which they were taken, each upon those before.
    public var taken: [Trial]
    public var rejected: [Trial]

    public var settings: [String] { taken.flatMap(\.settings) }
}

extension Study {
    /// Tries every rule that applies, takes the best, tries the others upon it, and so on until none gains: conflicts between rules are settled by
    /// trying them together.
    /// - Parameter takesRisk: also takes rules that change what training learns or when machines are there; else they are tried and shown.
    /// - Throws: `ScenarioErrors` where the scenario itself cannot run.
    public func advise(
        _ document: ScenarioDocument, overrides: [String] = [], objective: AdviceAnswer.Objective = .time, takesRisk: Bool = false
    ) throws(ScenarioErrors) -> AdviceAnswer {
        var advisor = Advisor(study: self, document: document, overrides: overrides, objective: objective, takesRisk: takesRisk)
        return try advisor.answer()
    }
}

private struct Advisor {
    let study: Study
    let document: ScenarioDocument
    let overrides: [String]
    let objective: AdviceAnswer.Objective
    let takesRisk: Bool

    /// A gain below this is noise of rounding.
    private static let least = 1.002
    private static let mostRounds = 8
    private static let runSamples = 50

    private struct Outcome {
        var scenario: Scenario
        var value: Double
        var fits: Bool
        var error: Double
    }

    init(study: Study, document: ScenarioDocument, overrides: [String], objective: AdviceAnswer.Objective, takesRisk: Bool) {
        (self.study, self.document, self.overrides) = (study, document, overrides)
        (self.objective, self.takesRisk) = (objective, takesRisk)
    }

    private func outcome(_ settings: [String]) throws(ScenarioErrors) -> Outcome {
        var scenario = try Scenario.load(document, overrides: overrides + settings)
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        scenario.settings.timeline = false
        // Runs of weeks under common random numbers: so few show a difference, and dozens of them are played.
        scenario.runSamples = min(scenario.runSamples ?? Self.runSamples, Self.runSamples)
        // A run that has begun is finished, so that what was taken stays whole.
        var single = study.single
        single.isStopped = { false }
        let answer = try single.run(scenario)
        let figures = ResultFigures(answer.jsonValue())
        let isWhole = scenario.job.hasLength && answer.neverEnds == nil
        let perRun = objective == .time ? figures["run.wall_clock_s"] : figures["bill.total_usd"]
        // A scenario without a length is billed for one step.
        let ofStep = objective == .time ? answer.result.step.timeS.mean : figures["bill.total_usd"] ?? answer.result.step.timeS.mean
        let perSample = ofStep / Double(max(1, scenario.job.training.globalBatch))
        return Outcome(
            scenario: scenario, value: isWhole ? perRun ?? perSample : perSample, fits: answer.valid && answer.neverEnds == nil,
            error: answer.result.evidence.stepTimeError)
    }

    mutating func answer() throws(ScenarioErrors) -> AdviceAnswer {
        let first = try outcome([])
        var best = first
        var taken: [AdviceAnswer.Trial] = []
        var alone: [[String]: Double] = [:]
        var last: [AdviceAnswer.Trial] = []
        for round in 0..<Self.mostRounds {
            let settings = taken.flatMap(\.settings)
            var trials: [AdviceAnswer.Trial] = []
            var found: (trial: AdviceAnswer.Trial, outcome: Outcome)?
            let tries = candidates(best.scenario, taken)
            for (index, (rule, candidate)) in tries.enumerated() {
                // Stopped early, the advice taken so far is the answer.
                if study.isStopped() { break }
                study.progress(index, tries.count)
                var trial = AdviceAnswer.Trial(rule: rule, settings: candidate)
                do {
                    let tried = try outcome(settings + candidate)
                    // What does not fit is cured first, at any price.
                    let gains = tried.fits && (!best.fits || tried.value * Self.least < best.value)
                    trial.gain = tried.fits ? best.value / tried.value : nil
                    if !tried.fits { trial.refusal = "does not fit" }
                    if round == 0 { alone[candidate] = trial.gain }
                    trial.alone = alone[candidate]
                    if gains, rule.risk == .none || takesRisk, found.map({ tried.value < $0.outcome.value }) ?? true {
                        found = (trial, tried)
                    }
                } catch { trial.refusal = error.errors.first.map { $0.reason } ?? "cannot run" }
                trials.append(trial)
            }
            last = trials
            guard let found, !study.isStopped() else { break }
            taken.append(found.trial)
            best = found.outcome
        }
        let names = Set(taken.map { $0.settings })
        return AdviceAnswer(
            scenario: first.scenario.name, objective: objective, before: first.value, after: best.value,
            unit: (objective == .time ? "s" : "USD") + (first.scenario.job.hasLength ? "" : " a sample"), error: first.error,
            fitsBefore: first.fits, taken: taken, rejected: last.filter { !names.contains($0.settings) })
    }

    /// The layout that a short search finds first, then the rules.
    private func candidates(_ scenario: Scenario, _ taken: [AdviceAnswer.Trial]) -> [(AdviceRule, [String])] {
        var result: [(AdviceRule, [String])] = []
        if taken.isEmpty {
            let rule = AdviceRule(
                name: "layout by search", rule: "ask the planner", failsWhen: "the search is cut short", risk: .none,
                candidates: { _ in [] })
            result += searched(scenario).map { (rule, $0) }
        }
        for rule in AdviceRule.all { result += rule.candidates(scenario).map { (rule, $0) } }
        return result
    }

    /// Settings of the three best layouts that two seconds of search find.
    private func searched(_ scenario: Scenario) -> [[String]] {
        var settings = SearchSettings()
        (settings.keep, settings.seconds) = (3, 2)
        guard let found = try? study.single.search(SearchQuestion(scenario), settings: settings) else { return [] }
        return found.ranked.prefix(3).map { $0.job.settingsOfLayout }
    }
}

extension Job {
    /// The layout as settings of a scenario.
    var settingsOfLayout: [String] {
        var result = [
            "layout.tensor=\(layout.tensor)", "layout.pipeline=\(layout.pipeline)", "layout.virtual=\(layout.virtual)",
            "layout.context=\(layout.context)", "layout.expert=\(layout.expert)", "layout.expert_tensor=\(layout.expertTensor)",
            "layout.sequence_parallel=\(layout.sequenceParallel)", "layout.zero=\(layout.zero)",
            "layout.schedule=\(layout.schedule.rawValue)",
            "layout.data=auto", "training.micro_batch=\(training.microBatch)",
        ]
        switch training.recompute {
        case .none, .selective, .full, .auto: result.append("training.recompute=\(training.recompute.name)")
        case .layers(let count): result.append("training.recompute={layers: \(count)}")
        case .modules, .perRank: result.append("training.recompute=auto")
        }
        if layout.stageDeal.rawValue == "time" { result.append("layout.stage_layers=time") }
        return result
    }
}
