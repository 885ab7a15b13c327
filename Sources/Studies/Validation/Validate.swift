import Calibration
import Fidelity
import Foundation
import Plan
import Quantities
import Scenario
import Simulation

extension Study {
    /// How far are the predictions from these measured runs? A row that cannot be modelled says why.
    public func validate(_ runs: [MeasuredRun]) -> ValidationReport {
        let count = runs.count
        return ValidationReport(rows: parallelMap(runs, jobs: jobs, finished: { progress($0, count) }) { ValidationRow($0, data) })
    }

    /// The same after every source was given some of its own runs, which are then not scored.
    /// - Throws: `CalibrationError` where a run cannot be timed.
    /// - Parameter isUnseen: and as if no other run of its stack had been in the calibration.
    public func validate(
        _ runs: [MeasuredRun], anchored choice: AnchorChoice?, isUnseen: Bool = false
    ) throws(CalibrationError) -> ValidationReport {
        var own: [Int: CalibrationData] = [:]
        var given = Set<Int>()
        for source in try AnchoredSources(runs: runs, choice: choice, isUnseen: isUnseen, data: data).sources {
            for member in source.members { own[member] = source.data }
            given.formUnion(source.anchors)
        }
        let (updates, scored) = (own, runs.indices.filter { !given.contains($0) })
        let count = scored.count
        return ValidationReport(
            rows: parallelMap(scored, jobs: jobs, finished: { progress($0, count) }) { ValidationRow(runs[$0], updates[$0] ?? data) })
    }
}

extension ValidationRow {
    /// A measured run that nothing has been said about yet.
    public init(_ run: MeasuredRun) {
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
                    stepS: seconds, memoryGB: plan.memory.printed(for: plan.job, as: run.memoryMeasure) * 1e-9, fits: plan.memory.fits,
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
