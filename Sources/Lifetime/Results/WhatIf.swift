#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// What a change of the run's machinery gains, under the same failures.
public struct WhatIf: Sendable {
    public var change: String
    /// Mean seconds and dollars that it saves; negative: that it costs.
    public var savedS: Double
    public var savedUSD: Double
    /// Standard error of `savedS`.
    public var errorS: Double
}

extension RunOutcome {
    /// One more spare, detection in half the time, a restart in half the time, no slow machines, each alone.
    /// - Parameter samples: of each; the first so many of the run's own.
    public func whatIfs(samples: Int = 200, seed: UInt64) -> [WhatIf] {
        let plan = study.plan
        var changes: [(String, RunPlan)] = []
        func add(_ name: String, _ change: (inout RunPlan) -> Void) {
            var other = plan
            change(&other)
            if other != plan { changes.append((name, other)) }
        }
        add("one more spare") { $0.spares?.warm += 1 }
        add("detection in half the time") { plan in
            for index in plan.causes.indices { plan.causes[index].detect = plan.causes[index].detect.scaled(by: 0.5) }
        }
        add("requeue, initialisation and load in half the time") { plan in
            plan.restart.requeue = plan.restart.requeue.scaled(by: 0.5)
            plan.restart.initialise = plan.restart.initialise.scaled(by: 0.5)
            plan.restart.load /= 2
        }
        add("no slow machines") { $0.slow = [] }
        let settings = RunStudy.Settings(samples: samples, seed: seed)
        guard !changes.isEmpty, let base = try? RunStudy(plan, settings) else { return [] }
        return changes.compactMap { name, other in
            guard let changed = try? RunStudy(other, settings), changed.samples.count == base.samples.count else { return nil }
            var outcome = self
            outcome.study = changed
            let saved = zip(base.samples, changed.samples).map { $0.wallClock - $1.wallClock }
            let dollars = zip(base.samples, changed.samples).map { self.dollars($0) - outcome.dollars($1) }
            let count = Double(saved.count)
            let mean = saved.reduce(0, +) / count
            let variance = saved.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, count - 1)
            return WhatIf(change: name, savedS: mean, savedUSD: dollars.reduce(0, +) / count, errorS: (variance / count).squareRoot())
        }
    }

    /// Cost of intervals round the one that is kept, relative to the least: [points] seconds and factor.
    public func intervalCurve(points: Int = 60) -> [(interval: Double, factor: Double)] {
        let account = resolved.account
        let kept = study.plan.checkpoint.keptInterval(step: study.plan.step)
        guard kept.isFinite, study.plan.mttf.isFinite else { return [] }
        let least = account.cost(interval: account.best)
        return (0..<points).map { index in
            let interval = max(study.plan.checkpoint.write, kept * 0.1 * pow(100, Double(index) / Double(points - 1)))
            return (interval, account.cost(interval: interval) / least)
        }
    }
}

extension DurationLaw {
    /// The same law over a `factor` of the time.
    public func scaled(by factor: Double) -> DurationLaw {
        switch self {
        case .constant(let value): .constant(value * factor)
        case .exponential(let mean): .exponential(mean: mean * factor)
        case .lognormal(let median, let sigma): .lognormal(median: median * factor, sigma: sigma)
        case .uniform(let low, let high): .uniform(from: low * factor, to: high * factor)
        case .weibull(let shape, let mean): .weibull(shape: shape, mean: mean * factor)
        case .gamma(let shape, let mean): .gamma(shape: shape, mean: mean * factor)
        case .quarters(let a, let b, let c, let d): .quarters(a * factor, b * factor, c * factor, d * factor)
        }
    }
}
