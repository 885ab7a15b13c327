/// A figure over replicates.
public struct Band: Sendable, Equatable {
    public var mean: Double
    public var p5: Double
    public var p95: Double

    /// Nil for no values.
    public init?(_ values: [Double]) {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        mean = values.reduce(0, +) / Double(values.count)
        p5 = sorted[Int((0.05 * Double(sorted.count - 1)).rounded())]
        p95 = sorted[Int((0.95 * Double(sorted.count - 1)).rounded())]
    }
}

/// What the replicates of a co-simulation say together.
public struct CosimResult: Sendable {
    public struct Task: Sendable, Equatable {
        public var parameters: Int
        public var tokensPerSample: Int
        public var floor: Double?
    }
    /// Bytes of one message of the target, uncompressed and as the method sends it.
    public struct Wire: Sendable, Equatable {
        public var plain: Double
        public var message: Double
    }
    public struct Point: Sendable, Equatable {
        public var update: Int
        public var step: Int
        public var tokens: Double
        public var seconds: Double
        public var usd: Double
        public var joules: Double
        public var loss: Band
    }
    public let task: Task
    public let wire: Wire
    public let rate: TunedRate
    public let seeds: Int
    public private(set) var points: [Point] = []
    public private(set) var finalLoss = Double.infinity
    /// Above the task's least loss: of the noisy quadratic the mean over the last half, of others at the end; nil where no least loss is known.
    public private(set) var excessLoss: Double?
    public private(set) var secondMoment: Double?
    public private(set) var updates = 0.0
    public private(set) var seconds = 0.0
    /// Steps, samples and seconds to the target loss, over the replicates that reached it.
    public private(set) var stepsToTarget: Band?
    public private(set) var tokensToTarget: Band?
    public private(set) var secondsToTarget: Band?
    public private(set) var reached = 0
    public private(set) var usdPerSecond = 0.0
    public private(set) var watts = 0.0
    public private(set) var utilization = 0.0
    /// [staleness] share of the updates.
    public private(set) var staleness: [Double] = []
    public private(set) var meanStaleness = 0.0
    /// Of one worker in one update.
    public private(set) var bytesPerUpdate = 0.0
    /// Bytes of uncompressed training that synchronises every step over those of this method, for the same steps.
    public private(set) var bytesRatio: Double?
    /// [workers] seconds, mean over replicates.
    public private(set) var waited: [Double] = []
    public private(set) var blamed: [Double] = []
    public private(set) var skipped = 0.0
    /// Load of the busiest expert over the mean at the end, mean over replicates; nil without experts.
    public private(set) var expertImbalance: Double?
    /// Of the first replicate.
    public private(set) var skippedSteps: [Int] = []
    /// The caller ended the runs early.
    public private(set) var isInterrupted = false
    public private(set) var diverged = 0
    public private(set) var noise = NoiseScaleSums()
    public private(set) var stepsFactor: Band?
    /// Loss at which `stepsFactor` was taken, and the rate of the training that it compares with.
    public private(set) var factorLoss: Double?
    public private(set) var referenceRate: TunedRate?
    /// Simulated seconds of one step of that training.
    public private(set) var referenceStepSeconds: Double?

    init(_ runs: [Trajectory], spec: CosimSpec, task: Task, wire: Wire, rate: TunedRate) {
        self.task = task
        self.wire = wire
        self.rate = rate
        seeds = runs.count
        let count = Double(runs.count)
        func mean(_ value: (Trajectory) -> Double) -> Double { runs.reduce(0) { $0 + value($1) } / count }
        usdPerSecond = runs[0].usdPerSecond
        watts = runs[0].watts
        finalLoss = mean { $0.points.last?.loss ?? .infinity }
        updates = mean { Double($0.updates) }
        seconds = mean(\.seconds)
        utilization = mean(\.utilization)
        meanStaleness = mean(\.meanStaleness)
        skipped = mean { Double($0.skipped) }
        skippedSteps = runs[0].skippedSteps
        let loads = runs.compactMap(\.expertImbalance)
        if !loads.isEmpty { expertImbalance = loads.reduce(0, +) / Double(loads.count) }
        isInterrupted = !runs.allSatisfy(\.isComplete)
        diverged = runs.filter(\.hasDiverged).count
        let moments = runs.compactMap(\.secondMoment)
        if moments.count == runs.count { secondMoment = moments.reduce(0, +) / count }
        let width = runs.map(\.staleness.count).max() ?? 0
        let all = runs.reduce(0) { $0 + $1.staleness.reduce(0, +) }
        if all > 0 {
            staleness = (0..<width).map { lag in
                Double(runs.reduce(0) { $0 + (lag < $1.staleness.count ? $1.staleness[lag] : 0) }) / Double(all)
            }
        }
        let workers = runs.map(\.busy.count).min() ?? 0
        waited = (0..<workers).map { worker in mean { $0.waited[worker] } }
        blamed = (0..<workers).map { worker in mean { $0.blamed[worker] } }
        let messages = mean(\.messages)
        bytesPerUpdate = updates > 0 ? messages * wire.message / updates : 0
        let steps = mean { Double($0.steps) }
        // Of an asynchronous run a step is one worker's; everything else counts steps of each.
        var each = steps
        if case .asynchronous = spec.method { each = steps / Double(max(1, spec.workers)) }
        if messages > 0 { bytesRatio = each * wire.plain / (messages * wire.message) }
        if let floor = task.floor {
            if case .noisyQuadratic = spec.proxy.task {
                excessLoss = mean(\.lateLoss) - floor
            } else {
                excessLoss = finalLoss - floor
            }
        }
        for run in runs where run.noise.count > 0 { noise.add(run.noise) }
        points = Self.curve(runs)
        addTarget(runs, spec.stop.targetLoss)
    }

    /// The mean curve, as far as all replicates that did not diverge go.
    private static func curve(_ runs: [Trajectory]) -> [Point] {
        let finite = runs.filter { !$0.hasDiverged }
        let used = finite.isEmpty ? runs : finite
        let length = used.map(\.points.count).min() ?? 0
        return (0..<length).compactMap { index in
            let at = used.map { $0.points[index] }
            guard let loss = Band(at.map(\.loss)) else { return nil }
            let n = Double(at.count)
            let seconds = at.reduce(0) { $0 + $1.seconds } / n
            return Point(
                update: Int((at.reduce(0) { $0 + Double($1.update) } / n).rounded()),
                step: Int((at.reduce(0) { $0 + Double($1.step) } / n).rounded()),
                tokens: at.reduce(0) { $0 + $1.tokens } / n, seconds: seconds, usd: seconds * used[0].usdPerSecond,
                joules: seconds * used[0].watts, loss: loss)
        }
    }

    private mutating func addTarget(_ runs: [Trajectory], _ target: Double?) {
        guard let target else { return }
        let there = runs.compactMap { $0.first(below: target) }
        reached = there.count
        stepsToTarget = Band(there.map { Double($0.step) })
        tokensToTarget = Band(there.map(\.tokens))
        secondsToTarget = Band(there.map(\.seconds))
    }

    /// Compares samples to one loss, replicate by replicate: the target where one was asked for, else the highest of all final losses.
    mutating func compare(with reference: [Trajectory], of own: [Trajectory], rate: TunedRate, targetLoss: Double?) {
        referenceRate = rate
        let steps = reference.reduce(0) { $0 + $1.steps }
        if steps > 0 { referenceStepSeconds = reference.reduce(0) { $0 + $1.seconds } / Double(steps) }
        let late = (reference + own).map { $0.points.last?.loss ?? .infinity }
        guard let loss = targetLoss ?? late.max(), loss.isFinite else { return }
        factorLoss = loss
        let ratios = zip(own, reference).compactMap { a, b -> Double? in
            guard let mine = a.first(below: loss)?.tokens, let theirs = b.first(below: loss)?.tokens, theirs > 0 else { return nil }
            return mine / theirs
        }
        stepsFactor = Band(ratios)
    }
}

extension NoiseScaleSums {
    mutating func add(_ other: NoiseScaleSums) {
        small += other.small
        large += other.large
        count += other.count
        batches = other.batches
    }
}

extension Trajectory {
    /// Mean loss over the last half of the evaluations; infinite after divergence.
    var lateLoss: Double {
        let late = points.suffix(max(1, points.count / 2))
        return hasDiverged ? .infinity : late.reduce(0) { $0 + $1.loss } / Double(late.count)
    }

    /// What a rate is judged by, the less the better: the samples to `target` where there is one (all below the score of who never reaches
    /// it), else the late loss.
    func score(_ target: Double?) -> Double {
        guard let target else { return lateLoss }
        if let there = first(below: target) { return -1 / max(1, there.tokens) }
        return 1 + max(0, lateLoss - target)
    }

    /// Where the curve, drawn straight between its points, first comes down to `loss`; nil where it never does.
    func first(below loss: Double) -> Point? {
        guard let index = points.firstIndex(where: { $0.loss <= loss }) else { return nil }
        guard index > 0 else { return points[0] }
        let (a, b) = (points[index - 1], points[index])
        let part = a.loss > b.loss ? (a.loss - loss) / (a.loss - b.loss) : 1
        func between(_ x: Double, _ y: Double) -> Double { x + (y - x) * part }
        return Point(
            update: Int(between(Double(a.update), Double(b.update)).rounded()),
            step: Int(between(Double(a.step), Double(b.step)).rounded()),
            tokens: between(a.tokens, b.tokens), seconds: between(a.seconds, b.seconds), loss: loss)
    }
}
