import Compression
import Training

/// A co-simulation as a user asks for it: everything but the clock.
public struct CosimSpec: Sendable {
    public enum Shape: String, Sendable, CaseIterable {
        case constant, cosine, linear, wsd
        case inverseSquareRoot = "inverse-sqrt"
    }
    /// A rate with its way through the run; no peak: it is tuned.
    public struct Rate: Sendable, Equatable {
        public var shape = Shape.constant
        public var peak: Double?
        public var warmup = 0
        /// Rate at the end.
        public var end = 0.0
        public init(_ peak: Double? = nil) { self.peak = peak }

        /// - Throws: `TrainingError` for phases that are not in order.
        func schedule(peak: Double, steps: Int) throws(TrainingError) -> any RateSchedule {
            switch shape {
            case .constant:
                warmup == 0 ? ConstantRate(peak) : try WarmupDecay(.linear, peak: peak, warmup: warmup, total: steps, ends: (0, peak))
            case .cosine: try WarmupDecay(.cosine, peak: peak, warmup: warmup, total: steps, ends: (0, end))
            case .linear: try WarmupDecay(.linear, peak: peak, warmup: warmup, total: steps, ends: (0, end))
            case .inverseSquareRoot: try InverseSquareRoot(peak: peak, warmup: max(1, warmup))
            case .wsd:
                try WarmupStableDecay(
                    peak: peak, warmup: warmup, decayStart: max(warmup, steps * 8 / 10), total: steps,
                    decay: (.oneMinusSquareRoot, end: end))
            }
        }
    }
    public enum Clipping: Sendable, Equatable {
        case norm(Double)
        case value(Double)
        case quantile(Double)
        case adaptive(Double)
    }
    public struct Tuning: Sendable, Equatable {
        public var trials = 16
        public var seeds = 2
        public init() {}
    }

    public var proxy: ProxySpec
    public var method = SynchronizationMethod.synchronous()
    public var workers: Int
    public var batch = 8
    public var optimizer = OptimizerRecipe.sgd()
    public var rate = Rate(0.1)
    public var stop = StopRule(steps: 1000)
    public var seeds = 5
    /// Of the first replicate; the others follow.
    public var seed: UInt64 = 1
    public var tuning = Tuning()
    /// Updates between evaluations; nil: a hundredth of the run.
    public var evaluate: Int?
    public var precision = ProxySpec.Precision.fp32
    public var codec: (any GradientCodec)?
    public var clipping: Clipping?
    /// Initial loss scale of a run with 16-bit gradients; nil for none.
    public var lossScale: Double?
    /// Also runs tuned synchronous training without compression, and says how many times its samples this method needs.
    public var comparesWithSynchronous = false

    public init(proxy: ProxySpec, workers: Int) {
        self.proxy = proxy
        self.workers = workers
    }

    /// A shorter or longer run warms up for the same share of its steps as one of `steps` would.
    mutating func scaleWarmup(from steps: Int) {
        rate.warmup = Int((Double(rate.warmup) * Double(stop.most) / Double(max(1, steps))).rounded())
    }

    /// The run of one replicate on `task` under `clock`.
    /// - Throws: `CoSimulationError` for a schedule that is not in order.
    func simulation<Scalar: TrainingScalar>(
        _ task: any LearningTask<Scalar>, _ clock: WorkerClock, _ wire: WireScale?, rate peak: Double
    ) throws(CoSimulationError) -> CoSimulation<Scalar> {
        let schedule: any RateSchedule
        let scaler: LossScaler?
        let clipper: (any GradientClipper<Scalar>)?
        do throws(TrainingError) {
            schedule = try rate.schedule(peak: peak, steps: stop.most)
            scaler = try lossScale.map { (scale) throws(TrainingError) in try LossScaler(initial: scale) }
            clipper = try clipping.map { (kind) throws(TrainingError) -> any GradientClipper<Scalar> in
                switch kind {
                case .norm(let most): NormClipper<Scalar>(maximum: most)
                case .value(let limit): ValueClipper<Scalar>(limit: limit)
                case .quantile(let share): try QuantileClipper<Scalar>(quantile: share)
                case .adaptive(let ratio): AdaptiveClipper<Scalar>(ratio: ratio)
                }
            }
        } catch { throw CoSimulationError("cosim.rate", error.message, "check rate, clip and loss_scale") }
        var evaluate = evaluate
        // Where a loss is to be reached, steps to it are wanted to some per cent, early or late.
        if evaluate == nil, stop.targetLoss != nil { evaluate = 0 }
        if evaluate == nil, let seconds = stop.seconds {
            // About a hundred points, wherever the time ends the run.
            var perUpdate = clock.service.mean + clock.update
            if case .asynchronous = method { perUpdate /= Double(workers) }
            if perUpdate > 0 { evaluate = max(1, Int(min(Double(stop.most), seconds / perUpdate) / 100)) }
        }
        var run = CoSimulation(
            task: task, method: method, workers: workers, batch: batch, optimizer: optimizer, schedule: schedule, clock: clock, stop: stop,
            evaluate: evaluate)
        run.codec = codec
        run.clipper = clipper
        run.scaler = scaler
        run.wire = wire
        return run
    }
}
