import Quantities

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

extension RunPlan {
    /// What cannot be played.
    /// - Throws: `Fault`, which says what is wrong and what would be right.
    public func check() throws(Fault) {
        guard fleet.nodes > 0 else { throw Fault(reason: "the run has no nodes") }
        switch goal {
        case .work(let work):
            guard work >= 0, work.isFinite else {
                throw Fault(keyPath: "training", reason: "\(work) s of work cannot be done; it must be zero or more")
            }
        case .duration(let time):
            guard time > 0, time.isFinite else {
                throw Fault(keyPath: "training.duration", reason: "a duration of \(time) s is none; it must be above zero")
            }
        }
        for cause in causes {
            guard cause.mtbf > 0 else {
                throw Fault(
                    keyPath: "conditions.failures", reason: "\(cause.name): an MTBF of \(cause.mtbf) s is impossible",
                    suggestion: "write a time above zero")
            }
        }
        guard checkpoint.interval > 0 else {
            throw Fault(
                keyPath: "conditions.checkpoint.interval", reason: "an interval of \(checkpoint.interval) s between checkpoints is none")
        }
        if let capacity, case .trace(let trace) = capacity.source, capacity.onDemand == nil {
            let best = capacity.pace.pace(with: min(capacity.most, trace.mostNodes))
            guard best > 0 else {
                throw Fault(
                    keyPath: "conditions.elastic",
                    reason: "the run can never start: the trace never has more than \(trace.mostNodes) nodes, and no layout runs on so few")
            }
        }
    }

    /// Why the run could never finish; nil where it ends within 250 years and does not go in circles.
    public var whyItNeverEnds: String? {
        guard case .work(let work) = goal, work > 0 else { return nil }
        if let maintenance {
            let stopped = maintenance.lasts + checkpoint.stall + restart.mean
            guard maintenance.every > stopped else {
                return "maintenance comes every \(maintenance.every) s, and takes \(stopped) s with its checkpoint and its restart"
            }
        }
        guard checkpoint.losesWork, failureRate > 0 else { return nil }
        let account = IntervalAccount(self)
        let kept = checkpoint.keptInterval(step: step)
        let expected = account.expectedWallClock(interval: min(kept, work))
        let failures = expected / mttf
        // So many failures are played where most of them are of use; a run that goes in circles is not.
        let isInCircles = failures > 2e4 && expected > 50 * work
        guard !(expected < 250 * 31_557_600) || isInCircles else { return nil }
        let every = mttf < 120 ? "\((mttf * 10).rounded() / 10) s" : "\((mttf / 6).rounded() / 10) min"
        if failsDuringRecovery, account.recovery > 2 * mttf {
            return "something fails every \(every), while a restart takes \((account.recovery / 6).rounded() / 10) min"
        }
        let segment = min(kept, work) + checkpoint.stall
        let what = kept.isFinite ? "an interval with its checkpoint takes \((segment / 6).rounded() / 10) min" : "no checkpoint is written"
        return "something fails every \(every), and \(what); save more often, or take longer-lived machines"
    }
}
