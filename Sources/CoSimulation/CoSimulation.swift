import Compression
import Training

/// Why a co-simulation cannot be run: the key it lies with, what is wrong, and what would be right.
public struct CoSimulationError: Error, Sendable, Equatable, CustomStringConvertible {
    public let key: String
    public let reason: String
    public let advice: String

    public init(_ key: String, _ reason: String, _ advice: String) {
        self.key = key
        self.reason = reason
        self.advice = advice
    }
    public var description: String { "\(key): \(reason); \(advice)" }
}

/// When a run ends. Whatever is asked for, it ends after `most` steps.
public struct StopRule: Sendable, Equatable {
    /// Steps of each worker; of an asynchronous run updates, of a federated one rounds.
    public var most: Int
    /// Simulated seconds.
    public var seconds: Double?
    /// Ends at the first evaluation at or below this.
    public var targetLoss: Double?

    public init(steps: Int, seconds: Double? = nil, targetLoss: Double? = nil) {
        most = steps
        self.seconds = seconds
        self.targetLoss = targetLoss
    }
}

/// Real training whose clock is simulated: virtual workers hold real parameters, compute real gradients, encode real messages, and the order in
/// which all of that happens follows the durations of the clock.
public struct CoSimulation<Scalar: TrainingScalar>: Sendable {
    public var task: any LearningTask<Scalar>
    public var method: SynchronizationMethod
    public var workers: Int
    /// Samples of a worker's gradient.
    public var batch: Int
    public var optimizer: OptimizerRecipe
    public var schedule: any RateSchedule
    /// What gradients, or with local steps changes, are sent through; nil: as they are.
    public var codec: (any GradientCodec)?
    public var clipper: (any GradientClipper<Scalar>)?
    /// Gradients are kept in 16-bit floats under this scale; a step that overflows is skipped, and its time is gone.
    public var scaler: LossScaler?
    public var clock: WorkerClock
    public var stop: StopRule
    /// The loss is evaluated every so many updates; 0: at ever longer distances, a fiftieth of the updates so far.
    public var evaluate: Int
    /// Elements of the target's gradient and bytes of an uncompressed one; nil: the task's own.
    public var wire: WireScale?
    /// Threads; never changes a result.
    public var jobs = 1

    public init(
        task: any LearningTask<Scalar>, method: SynchronizationMethod, workers: Int, batch: Int = 1, optimizer: OptimizerRecipe = .sgd(),
        schedule: any RateSchedule, clock: WorkerClock = WorkerClock(), stop: StopRule, evaluate: Int? = nil
    ) {
        self.task = task
        self.method = method
        self.workers = workers
        self.batch = batch
        self.optimizer = optimizer
        self.schedule = schedule
        self.clock = clock
        self.stop = stop
        self.evaluate = evaluate ?? max(1, stop.most / 100)
    }

    /// Runs one replicate.
    /// - Parameters:
    ///   - seed: of initial parameters, samples and service times.
    ///   - saved: a state that `onCheckpoint` gave, to go on from; the result is the same to the bit as that of a run in one piece.
    ///   - onProgress: called now and then with the steps done and all of them; false ends the run early.
    ///   - onCheckpoint: called with the whole state at every evaluation.
    /// - Throws: `CoSimulationError` for settings that cannot be run or a saved state of another run.
    public func run(
        seed: UInt64, from saved: [UInt8]? = nil, onProgress: (Int, Int) -> Bool = { _, _ in true },
        onCheckpoint: (([UInt8]) -> Void)? = nil
    ) throws(CoSimulationError) -> Trajectory {
        try check()
        do {
            var run = try makeRun(seed: seed)
            if let saved {
                var reader = try StateReader(saved)
                try run.restore(&reader)
                guard reader.isAtEnd else { throw TrainingError("the saved state is longer than this run's") }
            }
            while !run.ledger.isOver {
                let before = run.ledger.points.count
                try run.advance()
                guard run.ledger.points.count > before else { continue }
                if let onCheckpoint {
                    var writer = StateWriter()
                    run.save(&writer)
                    onCheckpoint(writer.bytes)
                }
                if !onProgress(run.ledger.steps, stop.most) { break }
            }
            return run.ledger.trajectory(of: self)
        } catch let error as CoSimulationError {
            throw error
        } catch let error as TrainingError {
            throw CoSimulationError("cosim", error.message, "change what it names")
        } catch {
            throw CoSimulationError("training.compression", "\(error)", "choose another codec")
        }
    }

    private func makeRun(seed: UInt64) throws -> any MethodRun<Scalar> {
        let setup = try RunSetup(self, seed: seed)
        switch method {
        case .synchronous(let backup, let balance): return try SynchronousRun(setup, backup: backup, balance: balance)
        case .asynchronous(let bound, let compensation): return try AsynchronousRun(setup, bound: bound, compensation)
        case .local(let period, let outer, let groups):
            // Meeting after every step is an all-reduce of the gradients.
            if period == .steps(1), outer?.isPlain ?? true, groups == nil { return try SynchronousRun(setup, backup: 0, balance: false) }
            return try LocalRun(setup, period, outer, groups: groups)
        case .federated(let federation): return try FederatedRun(setup, federation)
        case .grouped(let delay): return try GroupedRun(setup, delay: delay)
        }
    }

    private func check() throws(CoSimulationError) {
        guard workers >= 1 else {
            throw CoSimulationError("cosim.workers", "\(workers) workers train nothing", "write 1 or more")
        }
        guard batch >= 1 else { throw CoSimulationError("cosim.batch", "a batch of \(batch) samples", "write 1 or more") }
        guard stop.most >= 1 else { throw CoSimulationError("cosim.steps", "\(stop.most) steps", "write 1 or more") }
        guard evaluate >= 0 else { throw CoSimulationError("cosim.evaluate", "every \(evaluate) updates", "write 1 or more") }
        if let target = stop.targetLoss, let floor = task.floor, target <= floor {
            throw CoSimulationError(
                "cosim.target_loss", "no parameters reach a loss of \(target): the task's least is \(floor)",
                "write a loss above \(floor)")
        }
        let key = "training.synchronization"
        switch method {
        case .synchronous(let backup, _):
            guard backup >= 0, backup < workers else {
                throw CoSimulationError(
                    "\(key).backup", "\(backup) of \(workers) workers not waited for", "write 0 to \(workers - 1)")
            }
        case .asynchronous(let bound, _):
            guard bound ?? 0 >= 0 else {
                throw CoSimulationError("\(key).staleness", "a staleness bound of \(bound ?? 0)", "write none, or 0 or more")
            }
        case .local(let period, _, let groups):
            if case .steps(let steps) = period, steps < 1 {
                throw CoSimulationError("\(key).steps", "\(steps) steps between meetings", "write 1 or more")
            }
            if case .share(let share) = period, !(share > 0 && share < 1) {
                throw CoSimulationError("\(key).steps", "a share of \(share) for communication", "write a share above 0 and below 1")
            }
            if let groups, groups.joined().sorted() != Array(0..<workers) || groups.contains(where: \.isEmpty) {
                throw CoSimulationError(
                    "\(key).groups", "the groups \(groups) do not hold each of \(workers) workers once", "name every worker from 0 once")
            }
        case .federated(let federation):
            guard federation.perRound >= 1, federation.perRound <= federation.clients else {
                throw CoSimulationError(
                    "\(key).per_round", "\(federation.perRound) of \(federation.clients) clients a round",
                    "write 1 to \(federation.clients)")
            }
        case .grouped(let delay):
            guard delay >= 0, delay <= 64 else { throw CoSimulationError("\(key).delay", "a delay of \(delay) steps", "write 0 to 64") }
        }
        try checkMemory()
    }

    /// Copies of the parameters that a run holds at once, with state, gradients and what codecs keep.
    private func checkMemory() throws(CoSimulationError) {
        let copies: Int
        switch method {
        case .synchronous, .grouped: copies = 4 + 2 * jobs + (codec == nil ? 0 : workers)
        case .asynchronous: copies = 4 + 2 * workers
        case .local(_, _, let groups): copies = 4 * (groups?.count ?? workers) + 4
        case .federated: copies = 8
        }
        let bytes = Double(copies) * Double(task.parameterCount) * Double(MemoryLayout<Scalar>.size)
        guard bytes <= Self.mostBytes else {
            throw CoSimulationError(
                "cosim.model",
                "\(workers) workers with \(task.parameterCount) parameters each would take \(Int(bytes / 1e9)) GB, more than this program allows itself (\(Int(Self.mostBytes / 1e9)) GB)",
                "shrink the model or write fewer workers")
        }
    }
    private static var mostBytes: Double { 8e9 }
}
