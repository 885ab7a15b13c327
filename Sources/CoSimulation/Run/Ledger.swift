import Training

/// What is counted while a run goes on, the same for every method.
struct Ledger: Sendable {
    /// Nanoseconds.
    var now: Int64 = 0
    var updates = 0
    /// Of each worker; of an asynchronous run updates, of a federated one rounds.
    var steps = 0
    /// Trained, over all workers; samples where they are no sequences.
    private(set) var tokens = 0.0
    /// Messages of the target's bytes that one worker has sent, mean over workers.
    var messages = 0.0
    private(set) var skipped = 0
    /// The steps that were skipped, the first ten thousand.
    private(set) var skippedSteps: [Int] = []
    /// [workers] nanoseconds of computing, of waiting for others, and that others waited for this one.
    var busy: [Int64]
    var waited: [Int64]
    var blamed: [Int64]
    /// [staleness] updates.
    var staleness: [Int] = []
    var points: [Trajectory.Point] = []
    private(set) var isOver = false
    private(set) var hasDiverged = false
    private(set) var reached = false
    /// Sums of the parameters' mean square between evaluations.
    private var windows: [(updates: Int, sum: Double)] = []
    private var window = (updates: 0, sum: 0.0)
    var noise = NoiseScaleSums()
    /// Of the experts, as the last evaluation found it; nil without experts.
    private(set) var imbalance: Double?
    /// Sums of one worker's mean square just before it meets the others, in the second half of the run.
    private(set) var beforeMeeting = (count: 0, sum: 0.0)

    private let stop: StopRule
    private let evaluate: Int
    private var nextEvaluation: Int
    private let rates: (usd: Double, watts: Double)

    init<Scalar>(_ setup: RunSetup<Scalar>, workers: Int? = nil) throws(TrainingError) {
        let count = workers ?? setup.workers
        busy = [Int64](repeating: 0, count: count)
        (waited, blamed) = (busy, busy)
        stop = setup.plan.stop
        evaluate = setup.plan.evaluate
        nextEvaluation = max(1, setup.plan.evaluate)
        rates = (setup.clock.usdPerSecond, setup.clock.watts)
        try record(setup.task, setup.initial)
    }

    mutating func count<Scalar: TrainingScalar>(samples: Int, of task: any LearningTask<Scalar>, progress: Double) {
        tokens += Double(samples * task.tokensPerSample) * task.share(at: progress).tokens
    }

    mutating func count(staleness value: Int) {
        while staleness.count <= value { staleness.append(0) }
        staleness[value] += 1
    }

    mutating func skip(_ step: Int) {
        skipped += 1
        if skippedSteps.count < 10_000 { skippedSteps.append(step) }
    }

    mutating func count(beforeMeeting square: Double?) {
        guard let square, steps > stop.most / 2 else { return }
        beforeMeeting.count += 1
        beforeMeeting.sum += square
    }

    /// Closes an update: counts it, evaluates when it is time, and sees whether the run is over.
    mutating func close<Scalar>(_ task: any LearningTask<Scalar>, _ parameters: [Tensor<Scalar>]) throws(TrainingError) {
        updates += 1
        if let square = task.secondMoment(parameters) {
            window.updates += 1
            window.sum += square
        }
        let isLate = stop.seconds.map { Double(now) * 1e-9 >= $0 } ?? false
        // What is no number spreads over all parameters: looking at one finds it between evaluations.
        let isBroken = !(parameters.first?.values.first?.isFinite ?? true)
        if steps >= stop.most || isLate || isBroken { isOver = true }
        guard updates >= nextEvaluation || isOver else { return }
        while nextEvaluation <= updates { nextEvaluation += evaluate > 0 ? evaluate : max(1, nextEvaluation / 50) }
        try record(task, parameters)
    }

    private mutating func record<Scalar>(_ task: any LearningTask<Scalar>, _ parameters: [Tensor<Scalar>]) throws(TrainingError) {
        let loss = parameters.allSatisfy { Scalar.allFinite($0.values) } ? try task.loss(parameters) : .infinity
        points.append(
            Trajectory.Point(
                update: updates, step: steps, tokens: tokens, seconds: Double(now) * 1e-9, loss: loss))
        if window.updates > 0 { windows.append(window) }
        window = (0, 0)
        if loss.isFinite { imbalance = try task.expertImbalance(parameters) }
        if !loss.isFinite || points.count > 2 && loss > 1e12 * scale {
            hasDiverged = true
            isOver = true
        }
        if let target = stop.targetLoss, loss <= target {
            reached = true
            isOver = true
        }
    }

    /// What losses are measured against to call a run diverged: its first evaluations, which may begin at the optimum.
    private var scale: Double { max(points[0].loss, points[min(1, points.count - 1)].loss, 1e-300) }

    func trajectory<Scalar>(of plan: CoSimulation<Scalar>) -> Trajectory {
        var result = Trajectory(points: points)
        result.updates = updates
        result.steps = steps
        result.seconds = Double(now) * 1e-9
        result.busy = busy.map { Double($0) * 1e-9 }
        result.waited = waited.map { Double($0) * 1e-9 }
        result.blamed = blamed.map { Double($0) * 1e-9 }
        result.staleness = staleness
        result.messages = messages
        result.skipped = skipped
        result.skippedSteps = skippedSteps
        result.expertImbalance = imbalance
        result.isComplete = isOver
        let last = points.last?.loss ?? .infinity
        result.hasDiverged = hasDiverged || points.count > 2 && last > 1e3 * scale
        result.hasReachedTarget = reached
        result.noise = noise
        result.usdPerSecond = rates.usd
        result.watts = rates.watts
        let half = updates / 2
        var (passed, count, sum) = (0, 0, 0.0)
        for window in windows {
            if passed >= half {
                count += window.updates
                sum += window.sum
            }
            passed += window.updates
        }
        if beforeMeeting.count > 0 { result.secondMomentBeforeMeeting = beforeMeeting.sum / Double(beforeMeeting.count) }
        if count > 0 { result.secondMoment = sum / Double(count) }
        return result
    }

    func save(_ writer: inout StateWriter) {
        writer.put(tokens)
        for value in [Int(now), updates, steps, skipped, nextEvaluation, isOver ? 1 : 0, hasDiverged ? 1 : 0, reached ? 1 : 0] {
            writer.put(value)
        }
        writer.put(messages)
        writer.put(skippedSteps)
        writer.put(imbalance ?? 0)
        for list in [busy, waited, blamed] { writer.put(list) }
        writer.put(staleness)
        writer.put(points.count)
        for point in points {
            writer.put(point.update)
            writer.put(point.step)
            for value in [point.tokens, point.seconds, point.loss] { writer.put(value) }
        }
        writer.put(windows.count)
        for window in windows + [window] {
            writer.put(window.updates)
            writer.put(window.sum)
        }
        writer.put(beforeMeeting.count)
        writer.put(beforeMeeting.sum)
        for value in [noise.small, noise.large, Double(noise.count), noise.batches.small, noise.batches.large] { writer.put(value) }
    }

    mutating func restore(_ reader: inout StateReader) throws(TrainingError) {
        tokens = try reader.double()
        now = Int64(try reader.integer())
        updates = try reader.integer()
        steps = try reader.integer()
        skipped = try reader.integer()
        nextEvaluation = try reader.integer()
        isOver = try reader.integer() == 1
        hasDiverged = try reader.integer() == 1
        reached = try reader.integer() == 1
        messages = try reader.double()
        skippedSteps = try reader.integers()
        let load = try reader.double()
        imbalance = load > 0 ? load : nil
        busy = try reader.times(count: busy.count)
        waited = try reader.times(count: waited.count)
        blamed = try reader.times(count: blamed.count)
        staleness = try reader.integers()
        points = []
        for _ in 0..<max(0, try reader.integer()) {
            let (update, step) = (try reader.integer(), try reader.integer())
            points.append(
                .init(update: update, step: step, tokens: try reader.double(), seconds: try reader.double(), loss: try reader.double()))
        }
        windows = []
        for _ in 0..<max(0, try reader.integer()) { windows.append((try reader.integer(), try reader.double())) }
        window = (try reader.integer(), try reader.double())
        beforeMeeting = (try reader.integer(), try reader.double())
        noise.small = try reader.double()
        noise.large = try reader.double()
        noise.count = Int(try reader.double())
        noise.batches = (try reader.double(), try reader.double())
    }
}
