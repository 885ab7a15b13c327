#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// One kind of failure: how often, what it takes away, and how long people and programs need with it. Times in seconds.
public struct FailureCause: Sendable, Hashable {
    /// How the times between failures of one unit are distributed; the mean is the cause's MTBF.
    public enum Law: Sendable, Hashable {
        case exponential
        case weibull(shape: Double)
        case gamma(shape: Double)
        /// `cv`: standard deviation over mean.
        case lognormal(cv: Double)
        /// At these moments of the run, ascending, whatever the MTBF.
        case trace([Double])
    }

    /// When a unit whose failures are not memoryless is as good as new.
    public enum Renewal: String, Sendable, Hashable, Codable, CaseIterable {
        /// When it was repaired or replaced; at the start units are of all ages (the equilibrium distribution), so the rate is 1/MTBF throughout.
        case repair
        /// At the start and at the end of each restart of the run.
        case restart
    }

    public var name: String
    public var per: FailingUnit
    /// Mean time between failures of one unit.
    public var mtbf: Double
    public var law: Law
    public var renewal: Renewal
    public var strikes: Blast
    /// Nobody notices until `detect` has passed; the run then goes back to a checkpoint begun before the failure.
    public var isSilent: Bool
    public var detect: DurationLaw
    /// In place of `detect`: when the run's monitor sees it.
    public var isFoundByMonitor = false
    /// How far it moves what the monitor watches, over the healthy value; nil: the machine stops.
    public var shows: Double?
    public var diagnose: DurationLaw
    public var repair: DurationLaw
    /// In place of the run's restart parts; nil: as the run's.
    public var restart: DurationLaw?
    /// Chance that copies of the state in peers' memory are lost with it; nil: 1 where it takes more than one node, else 0.
    public var memoryLost: Double?
    /// Where the numbers come from; what is assumed among them.
    public var source: String
    public var assumed: String

    public init(
        _ name: String, per: FailingUnit, mtbf: Double, law: Law = .exponential, strikes: Blast? = nil, isSilent: Bool = false,
        detect: DurationLaw = .none, repair: DurationLaw = .none
    ) {
        self.name = name
        self.per = per
        self.mtbf = mtbf
        self.law = law
        renewal = per == .job ? .restart : .repair
        self.strikes = strikes ?? Self.usualBlast(of: per)
        self.isSilent = isSilent
        self.detect = detect
        diagnose = .none
        self.repair = repair
        restart = nil
        memoryLost = nil
        source = ""
        assumed = ""
    }

    /// A part that is swapped with its node takes the node; a switch, a rack or a domain takes what hangs on it.
    public static func usualBlast(of unit: FailingUnit) -> Blast {
        switch unit {
        case .gpu, .nic, .node: .node
        case .leaf: .leaf
        case .rack: .rack
        case .domain: .domain
        case .storage, .job: .job
        }
    }

    /// Mean time between failures from a rate per thousand node-days, for a unit of which a node has `perNode`.
    public static func mtbf(per1000NodeDays rate: Double, perNode: Double = 1) -> Double {
        rate > 0 ? 86_400_000 * perNode / rate : .infinity
    }

    /// Failures of all units a second while all are there.
    public func rate(in fleet: Fleet) -> Double { mtbf > 0 && mtbf.isFinite ? Double(fleet.count(of: per)) / mtbf : 0 }

    /// Time between failures of one unit, where it is not a trace.
    var interval: DurationLaw? {
        switch law {
        case .exponential: return .exponential(mean: mtbf)
        case .weibull(let shape): return .weibull(shape: shape, mean: mtbf)
        case .gamma(let shape): return .gamma(shape: shape, mean: mtbf)
        case .lognormal(let cv):
            // sigma^2 = ln(1 + cv^2); the median is the mean over e^(sigma^2/2).
            let variance = log1p(cv * cv)
            return .lognormal(median: mtbf * exp(-variance / 2), sigma: variance.squareRoot())
        case .trace: return nil
        }
    }

    /// Whether nodes, and so lemons among them, cause it.
    var isOfNodes: Bool { per == .gpu || per == .nic || per == .node }
}

/// A share of the nodes that fails more often than the rest.
///
/// Repair does not cure a lemon, and what replaces one is as likely one as any node: the number of lemons in a run stays as drawn at its start.
public struct Lemons: Sendable, Hashable {
    public var share: Double
    /// Times the others' rate.
    public var factor: Double
    /// Health checks keep them out of runs of more GPUs; nil: of none.
    public var screenedAbove: Int?
    /// The mean rate is that of the causes (`kept`), or that is the others' rate and the lemons raise the mean, as rates are published without them.
    public var keepsMean: Bool
    public init(share: Double, factor: Double, screenedAbove: Int? = nil, keepsMean: Bool = false) {
        self.share = share
        self.factor = factor
        self.screenedAbove = screenedAbove
        self.keepsMean = keepsMean
    }

    func areIn(_ fleet: Fleet) -> Bool { share > 0 && factor != 1 && fleet.gpus <= screenedAbove ?? .max }

    /// What the rate of a run's nodes is multiplied by when `count` of `nodes` are lemons.
    func multiple(count: Double, of nodes: Double) -> Double {
        let raised = 1 + (factor - 1) * count / max(1, nodes)
        return keepsMean ? raised / (1 + (factor - 1) * share) : raised
    }
}
