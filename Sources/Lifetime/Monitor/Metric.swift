import Cost
import Plan
import Simulation

/// A figure that a monitor follows: its name, what it counts in, and where a simulated run has it.
public struct Metric: Sendable {
    public enum Scope: String, Sendable, CaseIterable { case gpu, node, job }
    public enum Kind: String, Sendable, CaseIterable {
        case gauge
        /// Only grows.
        case counter
    }
    /// Words joined by underscores, the unit last (as Prometheus wants it).
    public var name: String
    public var unit: String
    public var kind: Kind
    public var scope: Scope
    public var help: String
    /// nil where the run has no such thing.
    public var value: @Sendable (MetricSource) -> Double?

    init(
        _ name: String, _ unit: String, _ help: String, kind: Kind = .gauge, scope: Scope = .job,
        _ value: @escaping @Sendable (MetricSource) -> Double?
    ) {
        self.name = name
        self.unit = unit
        self.help = help
        self.kind = kind
        self.scope = scope
        self.value = value
    }

    /// Before every name where metrics are exported.
    public static let prefix = "orrery_"

    /// All of them, in the order of `orrery catalogue metrics`.
    public static let all: [Metric] =
        stepMetrics + activityMetrics + memoryMetrics + trafficMetrics + powerMetrics + jobMetrics + moneyMetrics + runMetrics
        + lostMetrics + checkpointMetrics + failureMetrics
}

/// A simulated run, as its metrics are read from it.
public struct MetricSource: Sendable {
    public var step: SimulatedStep
    public var job: Job
    public var run: RunSummary
    public var bill: Bill
    /// nil where nothing disturbs the run.
    public var outcome: RunOutcome?
    /// Seconds of the step that each kind of work draws power for, and the watts of a GPU; nil where the power table lacks the GPU.
    let power: PowerModel?
    let load: PowerLoad

    public init(step: SimulatedStep, job: Job, run: RunSummary, bill: Bill, outcome: RunOutcome? = nil) {
        self.step = step
        self.job = job
        self.run = run
        self.bill = bill
        self.outcome = outcome
        power = try? PowerModel(of: job.cluster.accelerator.generation)
        load = PowerLoad(step.breakdownS, hfu: step.step.hfu)
    }

    var stepS: Double { step.step.timeS.mean }
    var gpus: Double { Double(job.cluster.gpus) }
    var nodes: Double { Double(job.cluster.nodes) }
    var board: Double { job.cluster.accelerator.boardPower.watts }
    /// Watts of a GPU, mean over a step.
    var gpuWatts: Double? { power.map { $0.gpuPower(load, boardPower: job.cluster.accelerator.boardPower).watts } }
    var hostWatts: Double? { power.map { $0.hostPower(job.cluster) } }
    var machineWatts: Double? { gpuWatts.flatMap { gpu in hostWatts.map { gpu * gpus + $0 } } }
    var isEndless: Bool { !run.wallClockS.isFinite }

    /// Every metric that this run has, in the catalogue's order.
    public var values: [(metric: Metric, value: Double)] {
        Metric.all.compactMap { metric in metric.value(self).flatMap { $0.isFinite ? (metric, $0) : nil } }
    }
}
