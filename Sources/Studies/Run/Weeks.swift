import Cost
import Lifetime
import Plan
import Quantities
import Scenario
import Simulation

extension Study {
    /// The run of a scenario that says what happens in its weeks: the pace from the step model, then samples of the run, then their bill.
    /// - Throws: `Fault` for a run that cannot be, that never ends, or that cannot be billed.
    func weeks(of given: Scenario, _ plan: Plan, _ step: SimulatedStep, _ phases: [RunPhase]) throws(Fault) -> RunAnswer {
        var scenario = given
        // Nodes that are taken back are bought as such, where the scenario gives the price.
        if scenario.weeks.spot != nil, scenario.prices.purchase == .onDemand, scenario.prices.spotGPUHour != nil {
            scenario.prices.purchase = .spot
            scenario.warnings.append("conditions.spot: the nodes are paid at prices.spot_gpu_hour")
        }
        let job = plan.job
        let resolved = try resolve(scenario, plan, step, phases)
        if let reason = resolved.plan.whyItNeverEnds { return endless(scenario, step, resolved, reason) }
        let total = scenario.runSamples ?? 1000
        let settings = RunStudy.Settings(samples: total, seed: scenario.settings.seed, jobs: jobs, logs: true)
        let show = progress
        var study = try RunStudy(resolved.plan, settings, progress: { show($0, total) }, isStopped: isStopped)
        guard !study.samples.isEmpty else { throw Fault(reason: "the run was stopped before a sample was done") }
        if study.unfinished == study.samples.count {
            return endless(scenario, step, resolved, "no sample ended within 250 years or two million failures")
        }
        // Nothing strikes during a switch: seconds to minutes, a few times a run.
        study.spendOnce(phases.reduce(0) { $0 + $1.switchS }, .resizing)
        var outcome = RunOutcome(study, resolved, dollarsPerNodeSecond: 0)
        let run = summary(outcome, job: job)
        let usage = try Usage(of: run, step: step, job: job, stored: try stored(scenario, job))
        var bill = try scenario.prices.bill(for: usage)
        let nodeSeconds = run.wallClockS * Double(job.cluster.nodes)
        let energy = scenario.prices.chargesEnergy ? bill.energyUSD : 0
        outcome.dollarsPerNodeSecond = nodeSeconds > 0 ? (bill.computeUSD + energy) / nodeSeconds : 0
        outcome.otherDollars = bill.storageUSD
        let share = nodeSeconds > 0 ? outcome.paidNodeSeconds / nodeSeconds : 1
        bill.computeUSD *= share
        bill.energyUSD *= share
        bill.gpuHours *= share
        bill.totalUSD = outcome.totalUSD.mean
        bill.usdPerMillionTokens = usage.tokens > 0 ? bill.totalUSD / (usage.tokens / 1e6) : 0
        var answer = RunAnswer(scenario: scenario, result: step, run: run, bill: bill)
        answer.outcome = outcome
        answer.phases = phases
        answer.result.warnings += remarks(outcome)
        answer.result.assumptions += resolved.assumptions.map { Assumption(subject: $0.subject, value: $0.value, source: $0.source) }
        if !step.memory.fits { answer.suggestions = MemoryEstimate.fittingLayouts(job, data: data) }
        return answer
    }

    private func endless(_ scenario: Scenario, _ step: SimulatedStep, _ resolved: ResolvedRun, _ reason: String) -> RunAnswer {
        let run = RunSummary(steps: 0, tokens: 0, wallClockS: .infinity, goodput: 0, lostS: [:])
        var answer = RunAnswer(scenario: scenario, result: step, run: run, bill: Bill())
        answer.neverEnds = "the run can never finish: \(reason)"
        answer.result.warnings += resolved.remarks + [answer.neverEnds ?? ""]
        answer.result.assumptions += resolved.assumptions.map { Assumption(subject: $0.subject, value: $0.value, source: $0.source) }
        return answer
    }

    /// The plan of the run: what the scenario leaves open is filled in from the job, its pace with slow machines simulated.
    private func resolve(
        _ scenario: Scenario, _ plan: Plan, _ step: SimulatedStep, _ phases: [RunPhase]
    ) throws(Fault) -> ResolvedRun {
        var settings = scenario.settings
        (settings.jobs, settings.samples, settings.steps, settings.timeline) = (jobs, 1, 1, false)
        let healthy = scenario.weeks.slow.isEmpty ? nil : try simulate(plan, settings: settings).step.timeS.mean
        var prices = ResolvedRun.Prices()
        if let spot = scenario.prices.spotGPUHour, let full = scenario.prices.gpuHour, spot.dollarsPerHour > 0 {
            prices.onDemand = scenario.prices.purchase == .spot ? full.dollarsPerHour / spot.dollarsPerHour : 1
        }
        var (job, stepS) = (plan.job, step.step.timeS.mean)
        if phases.count > 1 {
            // Between updates steps differ: the run is one of as many mean steps.
            job.training.length = .steps(phases.steps)
            stepS = phases.work / Double(max(1, phases.steps))
        }
        var resolved = try ResolvedRun(
            scenario.weeks, job: job, stepS: stepS,
            pace: { (slowdown) throws(Fault) -> Double in
                var conditions = Conditions()
                conditions.slowGPUs = [.init(which: .gpu(0), slowdown: slowdown)]
                return max(1, try simulate(plan, conditions: conditions, settings: settings).step.timeS.mean / (healthy ?? 1))
            }, prices: prices)
        if phases.count > 1 { resolved.samplesPerStep = phases.tokens / Double(max(1, phases.steps)) / Double(max(1, job.tokensPerSample)) }
        return resolved
    }

    /// Means, for what needs one number.
    private func summary(_ outcome: RunOutcome, job: Job) -> RunSummary {
        var lost: [LossCause: Double] = [:]
        for (name, seconds) in outcome.lostS { if let cause = LossCause(rawValue: name) { lost[cause] = seconds.mean } }
        let steps = outcome.steps.mean
        return RunSummary(
            steps: Int(min(9e18, steps.rounded())), tokens: outcome.samplesTrained.mean * Double(job.tokensPerSample),
            wallClockS: outcome.wallClockS.mean, goodput: outcome.goodput.mean, lostS: lost)
    }

    /// Bytes in storage: what the scenario says, else the checkpoints that are kept.
    private func stored(_ scenario: Scenario, _ job: Job) throws(Fault) -> Bytes? {
        guard scenario.prices.stored == nil, let keep = scenario.weeks.checkpoint?.keep else { return scenario.prices.stored }
        do { return try Bytes(baseValue: CheckpointSize(job).bytes * Double(keep)) } catch {
            throw Fault(keyPath: "conditions.checkpoint.keep", reason: error.message)
        }
    }

    private func remarks(_ outcome: RunOutcome) -> [String] {
        var all = outcome.resolved.remarks
        let count = outcome.study.samples.count
        if outcome.study.wasStopped { all.append("stopped early: the run's figures rest on the \(count) samples done by then") }
        if outcome.study.unfinished > 0 { all.append("\(outcome.study.unfinished) of \(count) runs were given up: they do not finish") }
        let over = outcome.study.samples.count { $0.startedOver > 0 }
        if over > 0 {
            all.append(
                "conditions.checkpoint.keep: \(over) of \(count) runs went back to step 0, as no kept checkpoint was older than a corruption"
            )
        }
        if outcome.study.tainted > 0 { all.append("\(outcome.study.tainted) of \(count) runs end with a corruption that nobody found") }
        return all
    }
}
