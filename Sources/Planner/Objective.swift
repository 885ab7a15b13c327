import Calibration
import Cost
import Plan
import Quantities
import Simulation
import Workload

/// Why a search cannot be made.
public struct PlannerError: Error, Sendable, CustomStringConvertible {
    /// Scenario key at fault.
    public let keyPath: String
    public let reason: String
    public let suggestion: String
    public var description: String { "\(keyPath): \(reason); \(suggestion)" }
}

/// What a search makes small, for one step of the job.
public struct Objective: Sendable {
    public enum Kind: String, Sendable, Hashable, CaseIterable { case time, cost, energy }
    public let kind: Kind
    private let prices: PriceBook
    private let power: PowerModel?
    /// Dollars that a second of the whole cluster costs, energy apart.
    private let dollarsASecond: Double
    private let dollarsAJoule: Double

    /// Seconds a step; needs no prices.
    public static var time: Objective { Objective() }

    private init() {
        (kind, prices, power, dollarsASecond, dollarsAJoule) = (.time, PriceBook(), nil, 0, 0)
    }

    /// - Throws: `PlannerError` where `prices` lacks what the objective needs.
    public init(_ kind: Kind, job: Job, prices: PriceBook) throws(PlannerError) {
        self.kind = kind
        self.prices = prices
        let hourly: HourlyPrice?
        do throws(PriceError) {
            hourly = try prices.hourly()
            power = kind == .time ? nil : try PowerModel(of: job.cluster.accelerator.generation)
        } catch {
            throw PlannerError(keyPath: "prices", reason: error.message, suggestion: "add it")
        }
        let kilowattHour = prices.electricity?.dollarsPerKilowattHour ?? 0
        dollarsAJoule = prices.chargesEnergy ? kilowattHour * prices.pue / 3.6e6 : 0
        if kind == .cost, hourly == nil, dollarsAJoule == 0 {
            throw PlannerError(
                keyPath: "prices.gpu_hour", reason: "without a price every layout costs nothing",
                suggestion: "write gpu_hour: 2.00 USD/h, or search for time")
        }
        dollarsASecond = Double(job.cluster.gpus) * (hourly?.dollarsPerHour ?? 0) / 3600
    }

    /// Whether the step time alone decides.
    var needsTimeOnly: Bool { kind == .time || kind == .cost && dollarsAJoule == 0 }

    /// The objective of a step of `seconds`: seconds, dollars or joules (before the facility's overhead).
    /// - Parameters:
    ///   - breakdown: seconds by activity, which sum to `seconds`.
    ///   - hfu: executed FLOPs over the dense peak.
    func value(seconds: Double, breakdown: [Activity: Double], hfu: Double, job: Job) -> Double {
        if kind == .time { return seconds }
        var joules = 0.0
        if let power, !needsTimeOnly {
            let gpu = power.gpuPower(breakdown: breakdown, hfu: hfu, boardPower: job.cluster.accelerator.boardPower)
            joules = seconds * (Double(job.cluster.gpus) * gpu.watts + power.hostPower(job.cluster))
        }
        return kind == .energy ? joules : seconds * dollarsASecond + joules * dollarsAJoule
    }

    /// At most the objective of any step that `bound` holds for. A GPU computes for as long as the least busy one at the rate of the model's own
    /// FLOPs, and idles for the rest: every watt beyond that only adds.
    func bound(_ bound: StepBound, job: Job, modelFLOPs: Double) -> Double {
        if needsTimeOnly { return value(seconds: bound.seconds, breakdown: [:], hfu: 0, job: job) }
        let compute = min(bound.leastCompute, bound.seconds)
        let capacity = job.cluster.accelerator.peak(job.training.precision.compute) * Double(job.cluster.gpus) * bound.seconds
        return value(
            seconds: bound.seconds, breakdown: [.forward: compute, .bubble: bound.seconds - compute],
            hfu: capacity > 0 ? modelFLOPs / capacity : 0, job: job) * (1 - 1e-9)
    }
}
