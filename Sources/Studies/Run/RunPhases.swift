import Cost
import Lifetime
import Plan
import Quantities
import Scenario
import Simulation

/// A stretch of a run between two updates.
public struct RunPhase: Sendable {
    /// Steps done before it, and its own.
    public var first: Int
    public var steps: Int
    public var job: Job
    public var step: SimulatedStep
    /// Seconds of the switch to it: the state is written, processes start and read it in its new form; 0 where only batch or rate change.
    public var switchS: Double
}

extension Study {
    /// The run as its updates divide it; the first stretch is that of `plan`.
    /// - Throws: `Fault` where a later job cannot be planned or played, or the run ends before an update.
    func phases(of scenario: Scenario, _ plan: Plan, _ step: SimulatedStep) throws(Fault) -> [RunPhase] {
        var phases = [RunPhase(first: 0, steps: plan.job.steps, job: plan.job, step: step, switchS: 0)]
        guard !scenario.updates.isEmpty else { return phases }
        guard plan.job.training.length != .oneStep else {
            throw Fault(
                keyPath: "updates", reason: "the length of the run is unknown, so nothing can change in it",
                suggestion: "write training.steps or training.tokens")
        }
        var settings = scenario.settings
        (settings.jobs, settings.timeline) = (jobs, false)
        var raw = scenario.job
        for update in scenario.updates {
            raw = update.applied(to: raw)
            let last = phases.count - 1
            phases[last].steps = update.atStep - phases[last].first
            let before = phases[last].job
            let planned: Plan
            do { planned = try raw.plan(data) } catch { throw Fault(keyPath: "updates", reason: "from step \(update.atStep) on: \(error)") }
            let simulated: SimulatedStep
            do { simulated = try simulate(planned, conditions: scenario.conditions, settings: settings) } catch {
                throw Fault(keyPath: "updates", reason: "from step \(update.atStep) on: \(error)")
            }
            let steps: Int
            switch scenario.job.training.length {
            case .tokens(let all):
                let left = Double(all) - phases.tokens
                guard left > 0 else {
                    throw Fault(
                        keyPath: "updates", reason: "the run's tokens are done before step \(update.atStep)",
                        suggestion: "write an earlier step, or more tokens")
                }
                steps = Int(min(9e18, (left / max(1, planned.job.tokensPerStep)).rounded(.up)))
            case .steps(let all): steps = all - update.atStep
            case .oneStep: steps = 0
            }
            phases.append(
                RunPhase(
                    first: update.atStep, steps: steps, job: planned.job, step: simulated,
                    switchS: update.stopsTheRun ? Self.switchTime(before, planned.job) : 0))
        }
        return phases
    }

    private static func switchTime(_ before: Job, _ after: Job) -> Double {
        let initialise = 30 + 0.01 * Double(after.cluster.nodes)
        return CheckpointSize(before).writeTime(byOneReplica: false) + initialise + CheckpointSize(after).loadTime
    }
}

extension [RunPhase] {
    /// Steps of the whole run, their healthy seconds, and their tokens.
    var steps: Int { reduce(0) { $0 + $1.steps } }
    var work: Double { reduce(0) { $0 + Double($1.steps) * $1.step.step.timeS.mean } }
    var tokens: Double { reduce(0) { $0 + Double($1.steps) * $1.job.tokensPerStep } }

    /// The run where nothing else disturbs it.
    var run: RunSummary {
        let switches = reduce(0) { $0 + $1.switchS }
        let wall = work + switches
        return RunSummary(
            steps: steps, tokens: tokens, wallClockS: wall, goodput: wall > 0 ? work / wall : 1,
            lostS: switches > 0 ? [.restarts: switches] : [:])
    }

    /// Of all stretches, each at the power of its own step.
    func energy() throws(Fault) -> Energy {
        var joules = 0.0
        for phase in self {
            let seconds = Double(phase.steps) * phase.step.step.timeS.mean
            let own = RunSummary(steps: phase.steps, tokens: 0, wallClockS: seconds, goodput: 1, lostS: [:])
            joules += try Usage(of: own, step: phase.step, job: phase.job).energy.joules
        }
        do { return try Energy(baseValue: joules) } catch { throw Fault(keyPath: "updates", reason: error.message) }
    }

    var remarks: [String] {
        dropFirst().map { phase in
            let parameters = significant(Double(phase.job.model.parameters.total) / 1e9)
            let fits = phase.step.memory.fits ? "" : "; it does not fit into the memory"
            return
                "updates: from step \(phase.first) on a step takes \(significant(phase.step.step.timeS.mean)) s with \(parameters) B parameters, "
                + "the switch \(significant(phase.switchS)) s\(fits)"
        }
    }

    var json: JSONValue {
        .array(
            dropFirst().map { phase in
                .object([
                    ("at_step", .integer(phase.first)), ("steps", .integer(phase.steps)),
                    ("parameters", .integer(Int(phase.job.model.parameters.total))), ("step_time_s", .number(phase.step.step.timeS.mean)),
                    ("tokens_per_s", .number(phase.step.step.tokensPerS)), ("peak_bytes", .number(phase.step.memory.peak)),
                    ("fits", .bool(phase.step.memory.fits)), ("switch_s", .number(phase.switchS)),
                ])
            })
    }
}
