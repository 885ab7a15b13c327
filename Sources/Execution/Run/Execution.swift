import Glibc
import Kernels
import Scenario

/// How a run is made.
public struct ExecutionSettings: Sendable {
    public var workers = WorkerKind.threads
    /// Kernel times to predict from; nil: the workers time the run's own kernels first, one by one.
    public var times: (any CallTimes)?
    /// Kernels are timed and steps run in turn, so many times.
    public var rounds = 2
    /// Seconds that a kernel is timed for in a round; with 0 nothing is predicted.
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
    /// Where the kernel times come from.
    public var source: String
    /// From the times of kernels and copies alone; nil where nothing was timed.
    public var predicted: StepTimes?
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
    /// Predicted over measured, less 1.
    public var error: Double? { predicted.map { $0.step / measured.step - 1 } }
    /// The same against the undisturbed step.
    public var undisturbedError: Double? { predicted.map { $0.step / undisturbed - 1 } }

    /// Really runs the spec's training, in workers.
    /// - Throws: `ExecutionError` where it cannot be run here or a worker fails; no worker is then left.
    public static func run(_ spec: ExecutionSpec, _ settings: ExecutionSettings = .init()) throws(ExecutionError) -> ExecutionReport {
        let plan = try RunPlan(spec)
        var options = RunMemory.Options()
        options.rounds = max(1, min(settings.rounds, spec.steps))
        options.trialSeconds = settings.trialSeconds
        options.patience = settings.patience
        options.pins = settings.pins
        options.timesKernels = settings.times == nil
        let memory = try RunMemory(creating: plan, options)
        let before = loadAverage()
        try Launcher(plan: plan, memory: memory).run(settings.workers) { settings.progress($0, memory.steps) }
        return try Evaluation(plan: plan, memory: memory).report(settings, load: (before, loadAverage()))
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

    func report(_ settings: ExecutionSettings, load: (before: Double, after: Double)) throws(ExecutionError) -> ExecutionReport {
        let play = try StepPlay(plan)
        let first = memory.options.warmUp
        let steps = (first..<memory.steps).map { step in
            (0..<memory.workers).map { memory.record($0, step)[StepField.total.rawValue] }.max() ?? 0
        }
        var predicted: StepTimes?
        if memory.options.trialSeconds > 0 { predicted = try predict(play, try PieceTimes(plan, memory, settings.times)) }
        let backend: String
        do throws(KernelError) { backend = try CPUBackend(threads: 1).description.description } catch {
            throw ExecutionError(.refused, error.message)
        }
        return ExecutionReport(
            spec: spec, backend: backend,
            source: settings.times?.source ?? "the run's own kernels, timed one by one between its steps", predicted: predicted,
            measured: measured(steps), steps: steps, undisturbedTimes: try play.play(processorCosts()).times, disturbance: disturbance(),
            load: load, losses: losses(), stepFLOPs: plan.model.stepFLOPs)
    }

    // MARK: Prediction

    /// Costs depend on how much the other workers are busy meanwhile, and that on the costs: a few turns settle both.
    private func predict(_ play: StepPlay, _ times: PieceTimes) throws(ExecutionError) -> StepTimes {
        var overlap = [Double](repeating: spec.workers > 1 ? 1 : 0, count: spec.workers)
        var outcome = StepPlay.Outcome()
        for _ in 0..<6 {
            outcome = try play.play((0..<spec.workers).map { costs($0, times, overlap: overlap[$0]) })
            overlap = outcome.overlap
        }
        return outcome.times
    }

    private func costs(_ worker: Int, _ times: PieceTimes, overlap: Double) -> WorkerCosts {
        let pieces = plan.pieces[worker % spec.pipeline]
        // Behind the pipeline all workers do the same at the same time.
        let late = spec.workers > 1 ? 1.0 : 0
        var costs = WorkerCosts()
        costs.forward = pieces.forward.map { times.seconds($0, load: overlap) }
        costs.backward = pieces.backward.map { times.seconds($0, load: overlap) }
        costs.forwardCopy = pieces.forwardCopies.map { times.seconds($0, load: overlap) }
        costs.backwardCopy = pieces.backwardCopies.map { times.seconds($0, load: overlap) }
        if let straggler = spec.straggler, straggler.worker == worker { costs.slowdown = max(1, straggler.slowdown) }
        costs.scale = times.seconds(pieces.scale, load: late)
        costs.encode = times.seconds(pieces.encode, load: late)
        costs.share = times.seconds(pieces.share, load: late)
        costs.reduce = times.seconds(pieces.reduce, load: late)
        costs.fetch = times.seconds(pieces.fetch, load: late)
        costs.decode = times.seconds(pieces.decode, load: late)
        costs.tiedShare = times.seconds(pieces.tiedShare, load: late)
        costs.tiedFetch = times.seconds(pieces.tiedFetch, load: late)
        costs.optimizer = times.seconds(pieces.optimizer, load: late)
        costs.clear = times.seconds(pieces.clear, load: late)
        return costs
    }

    // MARK: Measurement

    private func middle(_ worker: Int, _ field: Int) -> Double {
        middleValue((memory.options.warmUp..<memory.steps).map { memory.record(worker, $0)[field] })
    }

    private func processorCosts() -> [WorkerCosts] {
        let m = Double(spec.microBatches)
        return (0..<spec.workers).map { worker in
            func middle(_ field: StepField) -> Double { self.middle(worker, StepRecord.processor(field)) }
            func chunks(backward: Bool) -> [Double] {
                (0..<spec.virtual).map { self.middle(worker, StepRecord.chunk($0, backward: backward, of: spec.virtual)) / m }
            }
            var costs = WorkerCosts()
            costs.forward = chunks(backward: false)
            costs.backward = chunks(backward: true)
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
