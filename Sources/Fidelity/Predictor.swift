import Calibration
import Plan
import Quantities
import Scenario
import Simulation

/// A measured run made ready to be predicted under any constants: its plan, and the graph of its step.
public struct PreparedRun: Sendable {
    public private(set) var run: MeasuredRun
    public let plan: Plan
    let graph: StepReplay
    /// Seconds a step of what the plan does not hold: the exchange of workers that average now and then.
    public let added: Double

    /// - Throws: `PreparationError` with the reason why the run cannot be modelled.
    public init(_ run: MeasuredRun, data: CalibrationData) throws(PreparationError) {
        guard var job = run.job else { throw PreparationError(run.reason ?? "no job can be made of it") }
        job.software = data.stacks.published(job.software, on: job.cluster.accelerator)
        self.run = run
        do throws(Faults) {
            let first = try job.plan(data)
            if let settled = try OpenSettings.settle(first, open: run.open, data: data) {
                plan = settled.plan
                self.run.warnings.append(settled.remark)
            } else {
                plan = first
            }
        } catch { throw PreparationError("\(error)") }
        added = run.localUpdates.map { $0.exchangeSeconds(job) / Double($0.steps) } ?? 0
        do throws(Fault) { graph = try StepReplay(plan: plan) } catch { throw PreparationError("\(error)") }
    }

    /// A job that nobody measured yet, as a run of unknown duration.
    /// - Throws: `PreparationError` with the reason why it cannot be modelled.
    public init(job: Job, named name: String, data: CalibrationData) throws(PreparationError) {
        try self.init(MeasuredRun(job: job, id: name), data: data)
    }

    /// Seconds of the step under the constants that the plan was made with.
    public func seconds() throws(Fault) -> Double { try graph.seconds(costs: plan.costs) + added }

    /// How far the measured step may lie from the predicted one; settings that the table does not state or guesses widen it.
    public func uncertainty(_ profiles: ProfileTable, priors: ConstantTable) -> StepUncertainty {
        let heavy: Set = ["zero", "recompute", "tensor", "pipeline", "micro_batch", "precision", "hardware", "inter_node", "data_overlap"]
        return plan.uncertainty(profiles, priors: priors, guessed: run.open.intersection(heavy).count)
    }

    /// The same run with another measured time.
    func timed(_ seconds: Double) -> PreparedRun {
        var copy = self
        copy.run.stepTimeS = seconds
        return copy
    }

    /// Seconds of the step under other constants, with the order of the schedule kept.
    public func seconds(_ constants: Constants) throws(Fault) -> Double {
        try graph.seconds(costs: StageCosts(work: plan.work, training: plan.job.training, model: plan.model.with(constants))) + added
    }
}

/// Why a measured run cannot be predicted.
public struct PreparationError: Error, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
