import Calibration
import Glibc

/// How far a measured step may lie from the predicted one.
public struct StepUncertainty: Sendable, Hashable {
    /// Standard deviations of ln(measured / predicted) towards faster and towards slower runs; what is not known mostly makes runs slower.
    public var below: Double
    public var above: Double
    /// What the calibration has no run of: "chip mi300", "stack colossalai".
    public var unseen: [String]
    /// How much of the job the calibration knows: "known" (runs of this stack on this chip), "pair" (of both, apart), "chip", "stack", "stack and chip"
    /// (none of them).
    public var stratum = "known"
    /// A state that some runs of such a stack fall into; see `SlowState`.
    public var slow: SlowState?

    public init(below: Double, above: Double, unseen: [String], stratum: String = "known", slow: SlowState? = nil) {
        self.below = below
        self.above = above
        self.unseen = unseen
        self.stratum = stratum
        self.slow = slow
    }

    /// Half the distance of the two sides: the relative standard error to print.
    public var error: Double { (below + above) / 2 }

    /// What a reader should know before the figure.
    public var remarks: [String] {
        var list: [String] = []
        if !unseen.isEmpty {
            list.append(
                "no published run of \(unseen.joined(separator: " and ")) is in the calibration: the step time comes from formulas and from what is alike, "
                    + "and is known to about \(Int((error * 100).rounded())) % (one standard deviation); one measured run of your own narrows it"
            )
        }
        if let slow, slow.probability >= 0.1 { list.append(slow.remark) }
        return list
    }

    /// Seconds between which 90 of 100 measurements should lie: 1.645 standard deviations to each side, and the slow state where it has its part.
    public func interval90(_ seconds: Double) -> ClosedRange<Double> {
        let low = seconds * exp(-1.645 * below)
        var high = seconds * exp(1.645 * above)
        if let slow, slow.probability >= SlowState.least { high = max(high, (seconds + slow.added) * exp(1.645 * SlowState.spread)) }
        return low...max(low, high)
    }
}

/// A second state of runs whose pipeline stages exchange metadata in blocking messages that the host waits for: the same layout takes several times
/// as long in some runs. In a published scan of one such stack 27 % of the runs were in it, the more the more nodes; each tick of the pipeline
/// then takes 0.5 to 0.9 s more, whatever the layout.
public struct SlowState: Sendable, Hashable {
    public var probability: Double
    /// Seconds that a step takes more.
    public var added: Double
    /// Below this share of the runs it stays outside an interval of 90 %.
    static let least = 0.06
    /// Standard deviation of the logarithm of a step in this state.
    public static let spread = 0.25

    /// Nil for stacks that do not block.
    public init?(of plan: Plan) {
        let job = plan.job
        guard plan.behaviour.blockingSends else { return nil }
        let stages = job.layout.pipeline
        let doublings = log2(Double(max(1, job.cluster.nodes)))
        // Share of the runs at 1, 2, 4, ... 64 nodes with several stages; with one stage only the largest jobs were seen in it.
        let shares = [0.04, 0.08, 0.13, 0.13, 0.19, 0.48, 0.83]
        if stages > 1 {
            let index = min(doublings, Double(shares.count - 1))
            let low = Int(index)
            let high = min(low + 1, shares.count - 1)
            probability = shares[low] + (shares[high] - shares[low]) * (index - Double(low))
        } else {
            probability = doublings >= 5.5 ? 0.5 : 0.04
        }
        // Seconds a tick by stages 1, 2, 4 and more: one neighbour, or two.
        let stall = stages == 1 ? 1.4 : stages == 2 ? 0.49 : 0.88
        added = stall * Double(job.microBatches + stages - 1)
    }

    /// Words for the reader.
    public var remark: String {
        "this stack sends blocking messages between pipeline stages: some \(Int((probability * 100).rounded())) in 100 such runs take "
            + "\(added < 10 ? String(Double(Int(added * 10)) / 10) : String(Int(added))) s a step more; repeat a run before believing it"
    }
}

extension Plan {
    /// What the calibration leaves open of this job's step time, by the constants that act on it.
    ///
    /// Variance of the logarithm = residual^2 + sum over constants of (slope x spread)^2. The spread of a constant is what the fit left of it in
    /// every scope that the job falls under, and the whole prior spread in scopes that no run showed. Slopes are those of an outline of the
    /// step, not of its replay: max-plus of a bottleneck stage, fill, exchange and update. The factors of the profile scale the result to what
    /// left-out runs showed for known and for unknown scopes.
    /// - Parameter guessed: settings that were assumed.
    public func uncertainty(_ profiles: ProfileTable, priors: ConstantTable, guessed: Int = 0) -> StepUncertainty {
        let known = Set(profiles.adjustments.map(\.scope))
        let behind = behaviour.stack
        let unseenChip = !known.contains(.chip(job.cluster.accelerator.chip))
        let unseenStack = !known.contains(.stack(behind))
        var unseen: [String] = []
        if unseenChip { unseen.append("chip \(job.cluster.accelerator.chip)") }
        if unseenStack { unseen.append("stack \(behind)") }
        if let fabric = job.cluster.interNode?.link.fabric, job.cluster.gpus > job.cluster.domain, !known.contains(.fabric(fabric)) {
            unseen.append("fabric \(fabric.rawValue)")
        }
        let base = logOutline(model.constants)
        var variance = 0.0
        let spreads = profiles.variances(in: profile, priors: priors)
        for constant in Constant.allCases {
            let spread = spreads[constant.rawValue]
            guard spread > 0 else { continue }
            let step = max(0.02, min(0.3, spread.squareRoot()))
            let slope = (logOutline(model.constants.scaled(constant, by: exp(step), priors: priors)) - base) / step
            variance += slope * slope * spread
        }
        let residual = profiles.residual[behind] ?? profiles.residual["generic"] ?? 0.2
        let guesses = 0.02 * 0.02 * Double(guessed)
        let stratum =
            unseenChip
            ? (unseenStack ? "stack and chip" : "chip")
            : unseenStack ? "stack" : known.contains(.pair(behind, job.cluster.accelerator.chip)) ? "known" : "pair"
        let sigma = (residual * residual + variance + guesses).squareRoot()
        let factors = profiles.intervals[stratum] ?? profiles.intervals["known"] ?? [1, 1]
        return StepUncertainty(
            below: sigma * (factors.first ?? 1), above: sigma * (factors.last ?? 1), unseen: unseen, stratum: stratum,
            slow: SlowState(of: self)
        )
    }

    /// Logarithm of an outline of the step's seconds under the given constants.
    private func logOutline(_ constants: Constants) -> Double {
        let costs = StageCosts(work: work, training: job.training, model: model.with(constants))
        let microBatches = Double(max(1, schedule.microBatches))
        var most = 0.0
        var all = 0.0
        var exchange = 0.0
        var update = 0.0
        for rank in schedule.ranks.indices {
            var passes = 0.0
            var traffic = 0.0
            var own = 0.0
            for stage in ownStages(of: rank) {
                passes += costs.stages[stage].forward.total + costs.stages[stage].backward.total + costs.stages[stage].weight.total
                traffic += costs.data[stage].reduce + (job.layout.zero >= 1 ? costs.data[stage].gather : 0)
                own += costs.optimizer[stage]
            }
            most = max(most, passes)
            all += passes
            exchange = max(exchange, traffic)
            update = max(update, own)
        }
        let fill = (all - most) / Double(max(1, schedule.chunks)) + 2 * costs.hop * Double(schedule.ranks.count - 1)
        let core = microBatches * most + fill
        var exposed = 0.0
        if flow.gathersByUnit {
            let moved = costs.unitData.isEmpty ? 0 : microBatches * 3 * exchange / 2
            exposed = max(0, moved - core) + costs.shardedSlowdown * min(moved, core)
        } else if flow.hasReplicas {
            exposed = flow.overlaps ? exchange * costs.dataExposed + max(0, exchange - 0.6 * most) : exchange
        }
        return log(max(1e-9, (core + exposed + update + costs.fixed) * (1 + costs.slowest)))
    }
}
