import Cluster
import Foundation
import Quantities
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
    /// - Throws: `Fault` when the table lacks it.
    public init(of generation: Generation) throws(Fault) {
        let table: Table
        do {
            table = try YAMLDecoder().decode(Table.self, from: Data(PackageResources.power_yaml))
        } catch { throw Fault(reason: "the power table cannot be read: \(error)") }
        guard let row = table.generations[generation.rawValue] else {
            throw Fault(reason: "the power table has no row for \(generation.rawValue)", suggestion: "add one to Resources/power.yaml")
        }
        self.init(
            idle: row.idle, memoryBound: row.memory, computeBound: row.compute, communication: row.communication,
            host: (table.host_share, table.host_per_board))
        source = table.sources[row.source] ?? row.source
    }

    /// Watts of one GPU, averaged over what it did: the seconds in each state weighted by the state's power.
    ///
    /// Computing lies between memory-bound and compute-bound by the rate it reaches while it computes: at `fullRate` of the dense peak a GPU is at its board power.
    public func gpuPower(_ load: PowerLoad, boardPower: Power) -> Power {
        let total = load.parts.reduce(0) { $0 + $1.seconds }
        guard total > 0, total.isFinite else { return scaled(boardPower, idle) }
        let computing = load.parts.reduce(0) { $0 + ($1.state == .computing ? $1.seconds : 0) }
        let rate = computing > 0 ? min(1, max(0, load.hfu) * total / computing / Self.fullRate) : 0
        let busy = memoryBound + (computeBound - memoryBound) * rate
        let share = load.parts.reduce(0) { $0 + $1.seconds * level($1.state, computing: busy) } / total
        return scaled(boardPower, share)
    }

    /// Highest matrix-product rates anyone measures are 0.7 to 0.8 of the dense peak, held back by power (S. Bekman, ml-engineering).
    static let fullRate = 0.7

    private func level(_ state: PowerState, computing: Double) -> Double {
        switch state {
        case .computing: computing
        case .memoryBound: memoryBound
        case .communicating: communication
        case .waiting: idle
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

    /// Energy of a cluster's machines, without the facility's overhead: GPUs at the power of `load` while they are useful and idle in the rest,
    /// hosts throughout.
    /// - Parameters:
    ///   - wallClock: seconds.
    ///   - useful: share of them in which the GPUs do what `load` says.
    /// - Throws: `Fault` when the time has no finite length.
    public func energy(of cluster: ClusterSpec, under load: PowerLoad, wallClock: Double, useful: Double) throws(Fault) -> Energy {
        let board = cluster.accelerator.boardPower
        let busy = wallClock * min(1, max(0, useful))
        let waiting = (wallClock - busy) * idle * board.watts
        let joules = Double(cluster.gpus) * (gpuPower(load, boardPower: board).watts * busy + waiting) + hostPower(cluster) * wallClock
        do { return try Energy(baseValue: joules) } catch { throw Fault(reason: "the run's energy: \(error.message)") }
    }
}

/// What a GPU does, as far as its power goes.
public enum PowerState: Sendable, Hashable, CaseIterable {
    case computing
    /// Passes over memory without matrix products: the optimizer.
    case memoryBound
    case communicating, waiting
}

/// How a GPU passes its time, as far as its power goes.
public struct PowerLoad: Sendable, Hashable {
    public struct Part: Sendable, Hashable {
        public var state: PowerState
        public var seconds: Double
    }
    /// In an order that does not change from run to run: a sum in another order differs in its last digits.
    public private(set) var parts: [Part] = []
    /// Executed FLOPs over the dense peak, mean over all parts.
    public var hfu: Double

    public init(hfu: Double) { self.hfu = hfu }
    public mutating func add(_ state: PowerState, seconds: Double) { parts.append(Part(state: state, seconds: max(0, seconds))) }
}
