import Glibc
import Kernels
import Plan
import Scenario

/// How a run is made.
public struct ExecutionSettings: Sendable {
    public var workers = WorkerKind.threads
    /// To predict from, beside the run's own kernels.
    public var calibration: KernelTimes?
    /// Kernels are timed and steps run in turn, so many times.
    public var rounds = 2
    /// Seconds that each of the run's own kernels is timed for in a round; with 0 they predict nothing.
    public var trialSeconds = 0.02
    /// Seconds without a sign of life after which a run is given up.
    public var patience = 120.0
    public var pins = true
    /// Called with steps done and in all.
    public var progress: @Sendable (Int, Int) -> Void = { _, _ in }
    public init() {}
}

/// A run on this machine beside its prediction.
public struct ExecutionReport: Sendable {
    public var spec: ExecutionSpec
    public var backend: String
    /// From the calibration; nil where none was given.
    public var calibrated: StepPrediction?
    /// From the run's own kernels, timed one by one between its steps; nil where they were not.
    public var own: StepPrediction?
    /// Mean of the fastest quarter of the steps: what the run takes where little else runs.
    public var measured: StepTimes
    /// Wall seconds of every measured step.
    public var steps: [Double]
    /// The step played from the measured parts by the processor's clock: what it would take were nothing else running.
    public var undisturbedTimes: StepTimes
    /// Wall over processor seconds of the computation, less 1: how much other programs took.
    public var disturbance: Double
    /// Processes that were ready to run on this machine, before and after (1-minute mean of the kernel).
    public var load: (before: Double, after: Double)
    /// Mean loss of every step, warm-up first.
    public var losses: [Double]
    public var stepFLOPs: Double

    public var undisturbed: Double { undisturbedTimes.step }
    public var median: Double { middleValue(steps) }
    /// The calibration's, else that of the run's own kernels.
    public var prediction: StepPrediction? { calibrated ?? own }
    public var predicted: StepTimes? { prediction?.times }
    /// Predicted over measured, less 1.
    public var error: Double? { predicted.map { $0.step / measured.step - 1 } }
    /// The same against the undisturbed step.
    public var undisturbedError: Double? { predicted.map { $0.step / undisturbed - 1 } }

    /// Really runs the spec's training, in workers.
    /// - Throws: `ExecutionError` where it cannot be run here or a worker fails; no worker is then left.
    public static func run(_ spec: ExecutionSpec, _ settings: ExecutionSettings = .init()) throws(ExecutionError) -> ExecutionReport {
        let plan = try RunPlan(spec)
        let options = RunMemory.Options(spec, settings)
        // Before anything runs: the run enters no prediction.
        let calibrated = try settings.calibration.map { times throws(ExecutionError) in
            try StepPrediction(plan, CalibratedPieceTimes(times, spec))
        }
        let memory = try RunMemory(creating: plan, options)
        let before = loadAverage()
        try Launcher(plan: plan, memory: memory).run(settings.workers) { settings.progress($0, memory.steps) }
        return try Evaluation(plan: plan, memory: memory).report(calibrated, load: (before, loadAverage()))
    }
}

extension StepPrediction {
    /// Predicts a spec's step: from the calibration in `settings` at once, else from its own kernels, timed by its workers now. No step is run.
    /// - Throws: `ExecutionError` where it cannot be run here or a worker fails.
    public static func make(_ spec: ExecutionSpec, _ settings: ExecutionSettings = .init()) throws(ExecutionError) -> StepPrediction {
        if let calibration = settings.calibration { return try StepPrediction(spec, calibration: calibration) }
        let plan = try RunPlan(spec)
        var options = RunMemory.Options(spec, settings)
        options.trains = false
        let memory = try RunMemory(creating: plan, options)
        try Launcher(plan: plan, memory: memory).run(settings.workers) { _ in }
        return try StepPrediction(plan, OwnPieceTimes(plan, memory))
    }
}

extension RunMemory.Options {
    fileprivate init(_ spec: ExecutionSpec, _ settings: ExecutionSettings) {
        rounds = max(1, min(settings.rounds, spec.steps))
        trialSeconds = settings.trialSeconds
        patience = settings.patience
        pins = settings.pins
    }
}

/// 0 where the system does not say.
private func loadAverage() -> Double {
    var loads = [0.0, 0, 0]
    return getloadavg(&loads, 3) > 0 ? loads[0] : 0
}

/// Makes a report of what the workers left.
struct Evaluation {
    let plan: RunPlan
    let memory: RunMemory
    private var spec: ExecutionSpec { plan.spec }

    init(plan: RunPlan, memory: RunMemory) {
        self.plan = plan
        self.memory = memory
    }

    func report(_ calibrated: StepPrediction?, load: (before: Double, after: Double)) throws(ExecutionError) -> ExecutionReport {
        let play = try StepPlay(plan)
        let first = memory.options.warmUp
        let steps = (first..<memory.steps).map { step in
            (0..<memory.workers).map { memory.record($0, step)[StepField.total.rawValue] }.max() ?? 0
        }
        let own = memory.options.trialSeconds > 0 ? try StepPrediction(plan, OwnPieceTimes(plan, memory)) : nil
        let backend: String
        do throws(KernelError) { backend = try CPUBackend(threads: 1).description.description } catch {
            throw ExecutionError(.refused, error.message)
        }
        return ExecutionReport(
            spec: spec, backend: backend, calibrated: calibrated, own: own,
            measured: measured(steps), steps: steps, undisturbedTimes: try play.play(processorCosts()).times, disturbance: disturbance(),
            load: load, losses: losses(), stepFLOPs: plan.model.stepFLOPs)
    }

    // MARK: Measurement

    private func middle(_ worker: Int, _ field: Int) -> Double {
        middleValue((memory.options.warmUp..<memory.steps).map { memory.record(worker, $0)[field] })
    }

    private func processorCosts() -> [WorkerCosts] {
        // DualPipe's chunks see half of the micro-batches each.
        let m = Double(spec.microBatches / spec.schedule.parameterCopies)
        return (0..<spec.workers).map { worker in
            func middle(_ field: StepField) -> Double { self.middle(worker, StepRecord.processor(field)) }
            func chunks(_ kind: Instruction.Kind) -> [Double] {
                (0..<spec.virtual).map { self.middle(worker, StepRecord.chunk($0, kind, of: spec.virtual)) / m }
            }
            var costs = WorkerCosts()
            costs.forward = chunks(.forward)
            costs.backward = chunks(.backward)
            costs.weight = chunks(.weight)
            let copy = [Double](repeating: middle(.pipelineCopy) / m / Double(2 * spec.virtual), count: spec.virtual)
            (costs.forwardCopy, costs.backwardCopy) = (copy, copy)
            if let straggler = spec.straggler, straggler.worker == worker { costs.slowdown = max(1, straggler.slowdown) }
            costs.encode = middle(.encode)
            costs.share = middle(.exchange)
            costs.decode = middle(.decode)
            costs.optimizer = middle(.optimizer)
            costs.clear = middle(.clear)
            return costs
        }
    }

    /// Over the fastest quarter of the steps, mean over steps and workers.
    private func measured(_ steps: [Double]) -> StepTimes {
        let fastest = steps.indices.sorted { (steps[$0], $0) < (steps[$1], $1) }.prefix(max(1, steps.count / 4))
        func mean(_ fields: StepField...) -> Double {
            var sum = 0.0
            for step in fastest {
                for worker in 0..<spec.workers {
                    for field in fields { sum += memory.record(worker, memory.options.warmUp + step)[field.rawValue] }
                }
            }
            return sum / Double(fastest.count * spec.workers)
        }
        var times = StepTimes()
        times.step = fastest.reduce(0) { $0 + steps[$1] } / Double(fastest.count)
        times.forward = mean(.forward)
        times.backward = mean(.backward)
        times.straggle = mean(.straggle)
        times.pipelineComm = mean(.pipelineCopy)
        times.encode = mean(.encode)
        times.decode = mean(.decode)
        times.dataComm = mean(.exchange)
        times.optimizer = mean(.optimizer)
        times.bubble = mean(.pipelineWait, .exchangeWait, .endWait)
        times.other = max(0, times.step - times.spent - times.bubble)
        return times
    }

    private func disturbance() -> Double {
        var (wall, processor) = (0.0, 0.0)
        for worker in 0..<spec.workers {
            for step in memory.options.warmUp..<memory.steps {
                for field in [StepField.forward, .backward, .optimizer, .encode, .decode] {
                    wall += memory.record(worker, step)[field.rawValue]
                    processor += memory.record(worker, step)[StepRecord.processor(field)]
                }
            }
        }
        return processor > 0 ? wall / processor - 1 : 0
    }

    private func losses() -> [Double] {
        (0..<memory.steps).map { step in
            (0..<spec.workers).reduce(0) { $0 + memory.record($1, step)[StepField.loss.rawValue] } / Double(spec.data)
        }
    }
}
