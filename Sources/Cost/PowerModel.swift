import Cluster
import Foundation
import Plan
import Quantities
import Simulation
import Yams

/// Power of a GPU and its share of the host by what it does, as shares of the board power.
public struct PowerModel: Sendable, Hashable {
    public var idle: Double
    public var memoryBound: Double
    public var computeBound: Double
    public var communication: Double
    /// Of the catalogued host power, drawn in training.
    public var hostShare: Double
    /// Host watts for each watt of board power, where the cluster does not give a host power.
    public var hostPerBoard: Double
    public var source: String

    public init(
        idle: Double, memoryBound: Double, computeBound: Double, communication: Double, host: (share: Double, perBoard: Double) = (0, 0)
    ) {
        self.idle = idle
        self.memoryBound = memoryBound
        self.computeBound = computeBound
        self.communication = communication
        hostShare = host.share
        hostPerBoard = host.perBoard
        source = "given"
    }

    /// Board power whatever the GPU does, and no host: how LLaMA (arXiv:2302.13971, table 15) and BLOOM (arXiv:2211.02001) report.
    public static let nameplate = PowerModel(idle: 1, memoryBound: 1, computeBound: 1, communication: 1)

    private struct Table: Decodable {
        struct Row: Decodable {
            var idle: Double
            var memory: Double
            var compute: Double
            var communication: Double
            var source: String
        }
        var sources: [String: String]
        var generations: [String: Row]
        var host_share: Double
        var host_per_board: Double
    }

    /// The catalogue's shares for a generation.
    /// - Throws: `PriceError` when the table lacks it.
    public init(of generation: Generation) throws(PriceError) {
        let table: Table
        do {
            table = try YAMLDecoder().decode(Table.self, from: Data(PackageResources.power_yaml))
        } catch { throw PriceError("the power table cannot be read: \(error)") }
        guard let row = table.generations[generation.rawValue] else {
            throw PriceError("the power table has no row for \(generation.rawValue); add one to Resources/power.yaml")
        }
        self.init(
            idle: row.idle, memoryBound: row.memory, computeBound: row.compute, communication: row.communication,
            host: (table.host_share, table.host_per_board))
        source = table.sources[row.source] ?? row.source
    }

    /// Watts of one GPU, averaged over a step: each activity's seconds weighted by its power.
    ///
    /// Computing lies between memory-bound and compute-bound by the rate it reaches while it computes: at `fullRate` of the dense peak a GPU is at its board power.
    public func gpuPower(breakdown: [Activity: Double], hfu: Double, boardPower: Power) -> Power {
        // Sorted by the enumeration's order: a sum over a dictionary would differ from run to run in its last digits.
        let seconds = Activity.allCases.map { (activity: $0, seconds: max(0, breakdown[$0] ?? 0)) }
        let total = seconds.reduce(0) { $0 + $1.seconds }
        guard total > 0, total.isFinite else { return scaled(boardPower, idle) }
        let computing = seconds.reduce(0) { $0 + (Self.computing.contains($1.activity) ? $1.seconds : 0) }
        let rate = computing > 0 ? min(1, max(0, hfu) * total / computing / Self.fullRate) : 0
        let busy = memoryBound + (computeBound - memoryBound) * rate
        let share = seconds.reduce(0) { $0 + $1.seconds * level($1.activity, computing: busy) } / total
        return scaled(boardPower, share)
    }

    /// Highest matrix-product rates anyone measures are 0.7 to 0.8 of the dense peak, held back by power (S. Bekman, ml-engineering).
    static let fullRate = 0.7
    private static let computing: Set<Activity> = [.forward, .backward, .recompute]

    private func level(_ activity: Activity, computing: Double) -> Double {
        switch activity {
        case .forward, .backward, .recompute: computing
        case .optimizer: memoryBound
        case .tensorComm, .sequenceComm, .contextComm, .expertComm, .pipelineComm, .dataComm, .offloadComm: communication
        case .bubble, .stragglerWait, .inputStall, .launch, .other: idle
        }
    }

    private func scaled(_ power: Power, _ share: Double) -> Power {
        (try? Power(baseValue: power.watts * max(0, share))) ?? power
    }

    /// Watts of the hosts of a job.
    public func hostPower(_ cluster: ClusterSpec) -> Double {
        let node = cluster.hostPower?.watts ?? cluster.accelerator.boardPower.watts * Double(cluster.gpusPerNode) * hostPerBoard
        return node * hostShare * Double(cluster.nodes)
    }

    /// Energy of the machines over the whole run, without the facility's overhead: GPUs at the step's average while they train and idle in
    /// what is lost, hosts throughout.
    /// - Throws: `PriceError` when the run has no finite length.
    public func energy(of result: RunResult, job: Job) throws(PriceError) -> Energy {
        let wallClock = result.run.wallClockS
        let gpu = gpuPower(breakdown: result.breakdownS, hfu: result.step.hfu, boardPower: job.cluster.accelerator.boardPower)
        let useful = wallClock * min(1, max(0, result.run.goodput))
        let waiting = (wallClock - useful) * idle * job.cluster.accelerator.boardPower.watts
        let joules = Double(job.cluster.gpus) * (gpu.watts * useful + waiting) + hostPower(job.cluster) * wallClock
        do { return try Energy(baseValue: joules) } catch { throw PriceError("the run's energy: \(error.message)") }
    }
}
