import Quantities

/// Many runs of one plan.
public struct RunStudy: Sendable {
    public var plan: RunPlan
    /// In the order of their index; fewer than asked for where the study was stopped.
    public var samples: [RunSample]
    /// What happened in sample 0.
    public var events: [RunEvent]
    public var wasStopped: Bool

    public struct Settings: Sendable {
        public var samples = 1000
        public var seed: UInt64 = 1
        /// Worker threads; never changes a result.
        public var jobs = 1
        /// Keep the log of sample 0.
        public var logs = false
        public init(samples: Int = 1000, seed: UInt64 = 1, jobs: Int = 1, logs: Bool = false) {
            self.samples = samples
            self.seed = seed
            self.jobs = jobs
            self.logs = logs
        }
    }

    /// Plays the samples. Sample i is a function of (plan, seed, i) alone, so the number of threads changes nothing, and plans that differ in what
    /// they do about failures meet the same failures (common random numbers).
    /// - Parameters:
    ///   - progress: is told how many samples are done, now and then, from any thread.
    ///   - isStopped: is asked before each block of samples; the samples done by then are kept.
    /// - Throws: `Fault` for a plan that cannot be played.
    public init(
        _ plan: RunPlan, _ settings: Settings, progress: @Sendable (Int) -> Void = { _ in }, isStopped: @Sendable () -> Bool = { false }
    ) throws(Fault) {
        try plan.check()
        if let reason = plan.whyItNeverEnds { throw Fault(keyPath: "conditions.failures", reason: "the run can never finish: \(reason)") }
        self.plan = plan
        let count = plan.isRandom ? max(1, settings.samples) : 1
        let block = max(1, min(64, count / max(1, settings.jobs * 4)))
        let blocks = (count + block - 1) / block
        let seed = settings.seed
        let results = parallelMap(
            Array(0..<blocks), jobs: settings.jobs, until: isStopped, finished: { progress(min(count, $0 * block)) }
        ) { index in
            var sampler = RunSampler(plan, seed: seed)
            return (index * block..<min(count, (index + 1) * block)).map { sampler.run($0) }
        }
        samples = results.compactMap(\.self).flatMap(\.self)
        wasStopped = samples.count < count
        events = []
        if settings.logs {
            var sampler = RunSampler(plan, seed: settings.seed)
            _ = sampler.run(0, logging: true)
            events = sampler.log ?? []
        }
    }

    /// Adds time that every run spends once, with all its nodes, whatever strikes.
    public mutating func spendOnce(_ seconds: Double, _ part: TimePart) {
        guard seconds > 0 else { return }
        for index in samples.indices where samples[index].ending != .unfinished {
            samples[index].wallClock += seconds
            samples[index].seconds[part.rawValue] += seconds
            samples[index].billed[part.rawValue] += seconds * Double(plan.fleet.nodes)
        }
    }

    public var unfinished: Int { samples.count { $0.ending == .unfinished } }
    public var tainted: Int { samples.count { $0.ending == .tainted } }

    /// [samples] a figure of each.
    public func figures(_ figure: (RunSample) -> Double) -> [Double] { samples.map(figure) }

    public func mean(_ figure: (RunSample) -> Double) -> Double {
        samples.isEmpty ? .nan : samples.reduce(0) { $0 + figure($1) } / Double(samples.count)
    }

    /// Standard error of the mean.
    public func standardError(_ figure: (RunSample) -> Double) -> Double {
        guard samples.count > 1 else { return 0 }
        let mean = mean(figure)
        let squares = samples.reduce(0) { $0 + (figure($1) - mean) * (figure($1) - mean) }
        return (squares / Double(samples.count - 1) / Double(samples.count)).squareRoot()
    }

    /// Time over failures, all samples together; infinite where nothing failed. With lemons this is the mean over time, shorter than the median run's.
    public var mttf: Double {
        let failures = samples.reduce(0) { $0 + $1.interruptions }
        return failures > 0 ? samples.reduce(0) { $0 + $1.wallClock } / Double(failures) : .infinity
    }
}

extension RunPlan {
    /// Whether two samples may differ.
    public var isRandom: Bool {
        let fails = causes.contains { cause in
            if case .trace = cause.law { return cause.isRandomInItself || restart.isRandom }
            return cause.rate(in: fleet) > 0
        }
        let moves = capacity.map { plan in
            if case .market = plan.source { return true }
            return plan.startsAtRandom || plan.price.isRandom || restart.isRandom
        }
        return fails || slow.contains { $0.rate > 0 || $0.share > 0 && $0.share < 1 } || moves ?? false
            || maintenance != nil && restart.isRandom
    }
}

extension FailureCause {
    var isRandomInItself: Bool {
        [detect, diagnose, repair, restart ?? .none].contains { $0.isRandom } || memoryLost.map { $0 > 0 && $0 < 1 } ?? false
    }
}

extension RestartPlan {
    var isRandom: Bool { requeue.isRandom || initialise.isRandom }
}

extension DurationLaw {
    var isRandom: Bool {
        if case .constant = self { return false }
        return true
    }
}

extension PricePlan {
    var isRandom: Bool {
        if case .reverting = self { return true }
        return false
    }
}
