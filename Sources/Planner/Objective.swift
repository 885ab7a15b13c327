import Calibration
import Cost
import Lifetime
import Plan
import Quantities
import Simulation
import Workload

/// What a search makes small, for one step of the job.
public struct Objective: Sendable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case time, cost, energy
        /// All layouts that nothing beats in time, cost, energy and memory together.
        case pareto
    }
    public let kind: Kind
    /// Longest step that is allowed, seconds; nil: any.
    public let deadline: Double?
    /// Most dollars that a step may cost; nil: any.
    public let budget: Double?
    /// nil where energy does not enter.
    private let power: PowerModel?
    /// Of the whole cluster.
    private let rates: Rates

    /// Seconds a step; needs no prices.
    public static var time: Objective { Objective() }

    private init() {
        (kind, deadline, budget, power, rates) = (.time, nil, nil, nil, Rates())
    }

    /// - Parameters:
    ///   - deadline: seconds that a step may take.
    ///   - budget: dollars that a step may cost.
    /// - Throws: `Fault` where `prices` lacks what the objective or the budget needs.
    public init(_ kind: Kind, job: Job, prices: PriceBook, deadline: Double? = nil, budget: Double? = nil) throws(Fault) {
        (self.kind, self.deadline, self.budget) = (kind, deadline, budget)
        let needsPower = kind != .time || budget != nil
        rates = try prices.rates(gpus: job.cluster.gpus)
        power = needsPower ? try PowerModel(of: job.cluster.accelerator.generation) : nil
        if kind == .cost || budget != nil, rates.dollarsPerSecond == nil, rates.dollarsPerJoule == 0 {
            throw Fault(
                keyPath: "prices.gpu_hour", reason: "without a price every layout costs nothing",
                suggestion: "write gpu_hour: 2.00 USD/h, or search for time")
        }
    }

    /// Whether the step time alone decides.
    var needsTimeOnly: Bool {
        switch kind {
        case .time: budget == nil || rates.dollarsPerJoule == 0
        case .cost: rates.dollarsPerJoule == 0
        case .energy, .pareto: false
        }
    }

    /// Whether the memory is one of the goals.
    var weighsMemory: Bool { kind == .pareto }

    /// The figure that layouts are ranked by; the front is listed by time.
    func value(_ figures: LayoutFigures) -> Double {
        switch kind {
        case .time, .pareto: figures.seconds
        case .cost: figures.dollars
        case .energy: figures.joules
        }
    }

    func missesDeadline(_ figures: LayoutFigures) -> Bool { deadline.map { figures.seconds > $0 } ?? false }
    func exceedsBudget(_ figures: LayoutFigures) -> Bool { budget.map { figures.dollars > $0 } ?? false }

    /// Seconds, dollars and joules (before the facility's overhead) of a step of `seconds`.
    /// - Parameters:
    ///   - breakdown: seconds by activity, which sum to `seconds`.
    ///   - hfu: executed FLOPs over the dense peak.
    func figures(seconds: Double, breakdown: [Activity: Double], hfu: Double, job: Job) -> LayoutFigures {
        var joules = 0.0
        if let power, !needsTimeOnly {
            let gpu = power.gpuPower(PowerLoad(breakdown, hfu: hfu), boardPower: job.cluster.accelerator.boardPower)
            joules = seconds * (Double(job.cluster.gpus) * gpu.watts + power.hostPower(job.cluster))
        }
        return LayoutFigures(
            seconds: seconds, dollars: seconds * (rates.dollarsPerSecond ?? 0) + joules * rates.dollarsPerJoule, joules: joules)
    }

    /// At most the figures of any step that `bound` holds for. A GPU computes for as long as the least busy one at the rate of the model's own
    /// FLOPs, and idles for the rest: every watt beyond that only adds.
    func bound(_ bound: StepBound, job: Job, modelFLOPs: Double) -> LayoutFigures {
        if needsTimeOnly { return figures(seconds: bound.seconds, breakdown: [:], hfu: 0, job: job) }
        let compute = min(bound.leastCompute, bound.seconds)
        let capacity = job.cluster.accelerator.peak(job.precision.compute) * Double(job.cluster.gpus) * bound.seconds
        var figures = figures(
            seconds: bound.seconds, breakdown: [.forward: compute, .bubble: bound.seconds - compute],
            hfu: capacity > 0 ? modelFLOPs / capacity : 0, job: job)
        figures.dollars *= 1 - 1e-9
        figures.joules *= 1 - 1e-9
        return figures
    }
}
