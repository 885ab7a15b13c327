#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// What an interval between checkpoints costs, in closed form, and the best one.
///
/// With failures every M (exponential), recovery R, interval tau and stall d, a synchronous interval takes M e^(R/M) (e^((tau+d)/M) - 1) in the mean
/// (Daly 2006, doi:10.1016/j.future.2004.11.016), or (M + R)(e^((tau+d)/M) - 1) where nothing fails during recovery. With asynchronous writes that
/// end w after the stall and slow training by f, a failure within w of a stall costs two intervals: a middle interval takes
/// K e^((tau+s+w)/M) (1 - e^(-a/M)), a = tau + s + w f/(1+f), K as above; the first K (e^((tau+s+w)/M) - 1); the last K e^((tau+s)/M) (1 - e^(-(a-w)/M)).
public struct IntervalAccount: Sendable {
    let mttf: Double
    /// Mean time from a failure until training goes on, warm-up included.
    let recovery: Double
    private let isExposed: Bool
    private let work: Double
    private let step: Double
    private let checkpoint: CheckpointPlan
    private let memorySurvives: Double
    /// What one checkpoint costs beside its time, in seconds of the run's price.
    public var priceOfOne = 0.0

    public init(_ plan: RunPlan) {
        mttf = plan.mttf
        step = plan.step
        checkpoint = plan.checkpoint
        isExposed = plan.failsDuringRecovery
        if case .work(let total) = plan.goal { work = total } else { work = .infinity }
        // Each cause weighs by its rate; a restart of its own stands in place of the run's.
        let rates = plan.causes.map { $0.law == .exponential || $0.interval != nil ? $0.rate(in: plan.fleet) : 0 }
        let total = max(rates.reduce(0, +), .leastNonzeroMagnitude)
        var (mean, survives) = (0.0, 0.0)
        for (cause, rate) in zip(plan.causes, rates) where rate > 0 {
            let own = cause.restart?.mean ?? plan.restart.mean - plan.restart.warmUp
            mean += rate / total * (cause.detect.mean + cause.diagnose.mean + own)
            survives += rate / total * (1 - (cause.memoryLost ?? (plan.fleet.nodes(struckBy: cause.strikes) > 1 ? 1 : 0)))
        }
        recovery = mean + plan.restart.warmUp
        memorySurvives = survives
    }

    /// Time that a checkpoint costs a healthy run: its stall, and what its write slows down.
    public var overhead: Double { checkpoint.stall + checkpoint.write * checkpoint.slowdown / (1 + checkpoint.slowdown) }

    /// sqrt(2 d M) (Young 1974, doi:10.1145/361147.361115).
    public var young: Double { (2 * overhead * mttf).squareRoot() }

    /// sqrt(2 d M) (1 + sqrt(d/2M)/3 + d/18M) - d for d < 2M, else M (Daly 2006).
    public var daly: Double {
        guard overhead < 2 * mttf else { return mttf }
        let ratio = overhead / (2 * mttf)
        return young * (1 + ratio.squareRoot() / 3 + ratio / 9) - overhead
    }

    /// Mean wall clock of the whole run (of one second of work where the run ends by the clock) with this interval.
    public func expectedWallClock(interval: Double) -> Double {
        let isOpen = !work.isFinite
        let total = isOpen ? interval : work
        let count = max(1, (total / interval - 1e-9).rounded(.up))
        let last = total - (count - 1) * interval
        let stall = checkpoint.stall
        guard mttf.isFinite else {
            let written = (count - (checkpoint.endsWithOne || isOpen ? 0 : 1)) * overhead
            return (total + written) / (isOpen ? interval : 1)
        }
        if let major = checkpoint.major { return withMajors(major, interval, total: total) / (isOpen ? interval : 1) }
        let factor = isExposed ? mttf * exp(recovery / mttf) : mttf + recovery
        let finalStall = checkpoint.endsWithOne || isOpen ? stall : 0
        guard checkpoint.write > 0 else {
            let all = (count - 1) * factor * expm1((interval + stall) / mttf) + factor * expm1((last + finalStall) / mttf)
            return all / (isOpen ? interval : 1)
        }
        let write = checkpoint.write
        let slowed = write * checkpoint.slowdown / (1 + checkpoint.slowdown)
        let middle = -expm1(-(interval + stall + slowed) / mttf) * factor * exp((interval + stall + write) / mttf)
        if isOpen { return middle / interval }
        guard count > 1 else { return factor * expm1((last + finalStall) / mttf) }
        let first = factor * expm1((interval + stall + write) / mttf)
        let end = -expm1(-max(0, last + finalStall + slowed - write) / mttf) * factor * exp((last + finalStall) / mttf)
        return first + (count - 2) * middle + end
    }

    /// Between two major checkpoints there are m states, one for each minor checkpoint since; a failure stays in its state where the copies survive and goes
    /// back to the first where not. T_j = f M + f (recovery) + (1-f) T_(j+1) + f (keep T_j + (1 - keep) T_0), f = 1 - e^(-L_j/M): linear in T_0.
    private func withMajors(_ major: CheckpointPlan.Major, _ interval: Double, total: Double) -> Double {
        let survives = checkpoint.minorIsInMemory ? memorySurvives : 1
        let calm = exp(-recovery / mttf)
        // More failures may strike while recovering; each may destroy the copies.
        let keep = isExposed ? survives * calm / max(1e-300, 1 - (1 - calm) * survives) : survives
        let recovering = isExposed ? mttf * expm1(recovery / mttf) : recovery
        // T_j = a_j + b_j T_0, from the last state back to the first.
        var (a, b) = (0.0, 0.0)
        for state in stride(from: major.every - 1, through: 0, by: -1) {
            let length = interval + (state == major.every - 1 ? major.stall : checkpoint.stall)
            let fails = -expm1(-length / mttf)
            let spent = mttf * fails + fails * recovering
            let stays = 1 - fails * keep
            a = (spent + (1 - fails) * a) / stays
            b = ((1 - fails) * b + fails * (1 - keep)) / stays
        }
        return a / max(1e-300, 1 - b) * total / (Double(major.every) * interval)
    }

    /// Cost of the whole run in seconds of its price: the mean wall clock, and what its checkpoints cost beside.
    public func cost(interval: Double) -> Double {
        let count = work.isFinite ? max(1, (work / interval - 1e-9).rounded(.up)) : 1 / interval
        let cost = expectedWallClock(interval: interval) + priceOfOne * count
        // Intervals of many MTTFs overflow: nobody would choose them.
        return cost.isNaN ? .infinity : cost
    }

    /// The interval of least cost: whole steps, no shorter than the write, no longer than the run.
    ///
    /// The cost has one valley over the logarithm of the interval, with teeth where the number of intervals of a short run changes; so the valley is
    /// scanned, then searched step by step, and the intervals that divide the run evenly are tried too.
    public var best: Double {
        let unit = step > 0 ? step : 1e-6
        let least = max(unit, max(checkpoint.write, checkpoint.major?.write ?? 0))
        let longest = work.isFinite ? max(work, least) : max(least, 100 * min(mttf, 1e9))
        func kept(_ wanted: Double) -> Double {
            guard step > 0 else { return min(max(wanted, least), longest) }
            let up = (least / step - 1e-9).rounded(.up)
            return max(up, min((wanted / step).rounded(), (longest / step - 1e-9).rounded(.up))) * step
        }
        var best = (interval: kept(longest), cost: cost(interval: kept(longest)))
        func attempt(_ wanted: Double) {
            let interval = kept(wanted)
            let value = cost(interval: interval)
            if value < best.cost { best = (interval, value) }
        }
        let points = 400
        let ratio = log(longest / least) / Double(points)
        for index in 0..<points { attempt(least * exp(ratio * Double(index))) }
        if work.isFinite {
            for count in 1...400 { attempt(step > 0 ? (work / Double(count) / step).rounded(.up) * step : work / Double(count)) }
        }
        // Golden section inside the valley's neighbouring points, then single steps.
        var (low, high) = (best.interval * exp(-ratio), best.interval * exp(ratio))
        for _ in 0..<40 {
            let (a, b) = (high - (high - low) * 0.618, low + (high - low) * 0.618)
            if cost(interval: kept(a)) < cost(interval: kept(b)) { high = b } else { low = a }
            attempt((low + high) / 2)
        }
        if step > 0 { for offset in -6...6 { attempt(best.interval + Double(offset) * step) } }
        return best.interval
    }
}
