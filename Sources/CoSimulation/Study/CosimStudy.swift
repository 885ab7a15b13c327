import Quantities
import Training

/// Runs a co-simulation's replicates, tunes its rate, and sums up.
public struct CosimStudy: Sendable {
    public var spec: CosimSpec
    public var clock: WorkerClock
    /// Of the clock for tuned synchronous training, where that is another job's: without compression, say.
    public var referenceClock: WorkerClock?
    public var wire: WireScale?
    public var jobs = 1
    /// Told steps done and in all; false ends the study early.
    public var progress: @Sendable (_ done: Int, _ total: Int) -> Bool = { _, _ in true }
    /// Where states are kept; nil: nowhere.
    public var store: (any StateStore)?

    public init(_ spec: CosimSpec, clock: WorkerClock, wire: WireScale? = nil) {
        self.spec = spec
        self.clock = clock
        self.wire = wire
    }

    /// - Throws: `CoSimulationError` for settings that cannot be run.
    public func run() throws(CoSimulationError) -> CosimResult {
        switch spec.precision {
        case .fp32: try run(on: spec.proxy.singlePrecision())
        case .fp64: try run(on: spec.proxy.doublePrecision())
        }
    }

    private func run<Scalar: TrainingScalar>(on task: any LearningTask<Scalar>) throws(CoSimulationError) -> CosimResult {
        guard spec.seeds >= 1 else { throw CoSimulationError("cosim.seeds", "\(spec.seeds) seeds", "write 1 or more") }
        let tuned = try rate(spec, task, clock, name: "tune")
        guard isWanted else { throw Self.interrupted }
        let trajectories = try replicates(spec, task, clock, tuned.rate, name: "run")
        var result = CosimResult(
            trajectories, spec: spec,
            task: .init(parameters: task.parameterCount, tokensPerSample: task.tokensPerSample, floor: task.floor),
            wire: try scale(task), rate: tuned)
        if spec.comparesWithSynchronous, isWanted, let reference = reference(for: trajectories, task) {
            if spec.method == .synchronous(), spec.codec == nil, spec.rate.peak == nil {
                // It is what it would be compared with.
                result.compare(with: trajectories, of: trajectories, rate: tuned, targetLoss: spec.stop.targetLoss)
                return result
            }
            let plain = try rate(reference, task, referenceClock ?? clock, name: "tune-reference")
            let own = isWanted ? try replicates(reference, task, referenceClock ?? clock, plain.rate, name: "reference") : []
            if own.count == trajectories.count, own.allSatisfy(\.isComplete) {
                result.compare(with: own, of: trajectories, rate: plain, targetLoss: spec.stop.targetLoss)
            }
        }
        return result
    }

    /// Tuned synchronous training without compression that may train as many samples as the method did; twice as many where a loss is to be
    /// reached, as the method may be the better one. Nil where the method reached no such loss.
    private func reference<Scalar: TrainingScalar>(for own: [Trajectory], _ task: any LearningTask<Scalar>) -> CosimSpec? {
        var reference = spec
        reference.method = .synchronous()
        reference.codec = nil
        reference.rate.peak = nil
        let trained = own.compactMap { $0.points.last?.tokens }.max() ?? 0
        let steps = trained / Double(max(1, spec.workers * spec.batch * task.tokensPerSample))
        if let target = spec.stop.targetLoss {
            guard own.contains(where: { $0.first(below: target) != nil }) else { return nil }
            reference.stop.most = min(max(1, Int((2 * steps).rounded(.up))), 1_000_000_000)
        } else {
            reference.stop.most = max(1, Int(steps.rounded(.up)))
        }
        reference.stop.seconds = nil
        // Its steps are others' than the method's updates.
        reference.evaluate = nil
        reference.scaleWarmup(from: spec.stop.most)
        return reference
    }

    /// Asks whether the caller still wants an answer.
    private var isWanted: Bool { progress(0, 0) }
    private static var interrupted: CoSimulationError {
        CoSimulationError("cosim.rate", "interrupted while the rate was searched for", "start again, or write a rate")
    }

    private func scale<Scalar: TrainingScalar>(_ task: any LearningTask<Scalar>) throws(CoSimulationError) -> CosimResult.Wire {
        let wire = wire ?? WireScale(elements: task.parameterCount, bytesPerElement: 4)
        do {
            return CosimResult.Wire(plain: wire.plainBytes, message: try wire.messageBytes(spec.codec))
        } catch { throw CoSimulationError("training.compression", "\(error)", "choose another codec") }
    }

    // MARK: Replicates

    private func replicates<Scalar: TrainingScalar>(
        _ spec: CosimSpec, _ task: any LearningTask<Scalar>, _ clock: WorkerClock, _ rate: Double, name: String
    ) throws(CoSimulationError) -> [Trajectory] {
        var simulation = try spec.simulation(task, clock, wire, rate: rate)
        // Replicates side by side where there are enough of them, else the workers of one.
        let side = min(jobs, spec.seeds)
        simulation.jobs = side > 1 ? 1 : jobs
        let counter = ProgressCounter(of: spec.seeds * spec.stop.most, progress)
        let one = simulation
        do {
            return try parallelMap(trying: Array(0..<spec.seeds), jobs: side) { index in
                let seed = spec.seed &+ UInt64(index)
                let key = "\(name)-\(seed)"
                var last = 0
                return try one.run(
                    seed: seed, from: store?.load(key),
                    onProgress: { done, _ in
                        defer { last = done }
                        return counter.add(done - last)
                    }, onCheckpoint: store.map { store in { store.save($0, as: key) } })
            }
        } catch let error as CoSimulationError {
            throw error
        } catch { throw CoSimulationError("cosim", "\(error)", "report this") }
    }

    // MARK: Tuning

    /// The rate of `spec`, searched for where it names none: a tree Parzen estimator over its logarithm, with successive halving over the steps.
    private func rate<Scalar: TrainingScalar>(
        _ spec: CosimSpec, _ task: any LearningTask<Scalar>, _ clock: WorkerClock, name: String
    ) throws(CoSimulationError) -> TunedRate {
        if let peak = spec.rate.peak { return TunedRate(rate: peak, trials: 0, steps: 0, seconds: 0) }
        if let saved = store?.load(name).flatMap({ try? TunedRate(saved: $0) }) { return saved }
        var spent = 0.0
        do {
            let range = rates(of: spec)
            let space = try TuningSpace([.init("rate", .logarithmic(range))])
            let estimator = try TreeParzenEstimator(space, startup: max(4, spec.tuning.trials / 3), seed: spec.seed)
            let halving = try SuccessiveHalving(least: max(1, spec.stop.most / 9), most: spec.stop.most)
            let result = try tune(estimator, halving: halving, trials: spec.tuning.trials) { values, steps in
                var trial = spec
                guard isWanted else { throw Self.interrupted }
                trial.stop = StopRule(steps: steps, seconds: spec.stop.seconds, targetLoss: spec.stop.targetLoss)
                trial.evaluate = spec.stop.targetLoss == nil ? max(1, steps / 10) : nil
                trial.scaleWarmup(from: spec.stop.most)
                trial.seeds = spec.tuning.seeds
                // Seeds of their own, so that nothing is tuned to the noise it is judged by.
                trial.seed = spec.seed &+ 1_000_000
                var own = self
                own.store = nil
                own.progress = { _, _ in isWanted }
                let runs = try own.replicates(trial, task, clock, values[0], name: name)
                spent += runs.reduce(0) { $0 + $1.seconds }
                return runs.reduce(0) { $0 + $1.score(spec.stop.targetLoss) } / Double(runs.count)
            }
            guard let best = result.best else {
                throw CoSimulationError("cosim.rate", "no rate of \(spec.tuning.trials) trials gave a finite loss", "write a rate")
            }
            let tuned = TunedRate(rate: best.values[0], trials: spec.tuning.trials, steps: result.spent * spec.tuning.seeds, seconds: spent)
            store?.save(tuned.saved, as: name)
            return tuned
        } catch let error as CoSimulationError {
            throw error
        } catch { throw CoSimulationError("cosim.tune", "\(error)", "write 1 or more trials and seeds") }
    }

    /// Where to look: up to the stability limit of a quadratic, or what is usual for the optimizer.
    private func rates(of spec: CosimSpec) -> ClosedRange<Double> {
        switch spec.optimizer {
        case .sgd, .varianceAdaptive:
            if case .noisyQuadratic(let curvature, _, _) = spec.proxy.task, let top = curvature.max(), top > 0 {
                return 1e-4 / top...2 / top
            }
            return 1e-3...3
        case .muon: return 1e-3...0.3
        case .lion: return 1e-5...1e-2
        default: return 1e-4...0.1
        }
    }
}

/// A rate and what it took to find it; without trials it was given.
public struct TunedRate: Sendable, Equatable {
    public var rate: Double
    public var trials: Int
    /// Steps trained for it, over all trials and seeds, and their simulated seconds.
    public var steps: Int
    public var seconds: Double

    public init(rate: Double, trials: Int, steps: Int, seconds: Double) {
        (self.rate, self.trials, self.steps, self.seconds) = (rate, trials, steps, seconds)
    }

    var saved: [UInt8] {
        var writer = StateWriter()
        writer.put(rate)
        writer.put(trials)
        writer.put(steps)
        writer.put(seconds)
        return writer.bytes
    }
    init(saved bytes: [UInt8]) throws(TrainingError) {
        var reader = try StateReader(bytes)
        rate = try reader.double()
        trials = try reader.integer()
        steps = try reader.integer()
        seconds = try reader.double()
    }
}

/// Keeps states by name.
public protocol StateStore: Sendable {
    func load(_ name: String) -> [UInt8]?
    func save(_ state: [UInt8], as name: String)
}
