import Cluster
import Plan
import Quantities

/// What the links between switches let a layout's collectives do, each of them alone: the least seconds that a play of its flows gives them.
///
/// A pattern of flows that crosses a link with w bytes for each byte of its buffer takes at least w S / (u B) there, of capacity B and the share u that
/// links reach; `StepFabric` calibrates u to the fastest pattern of a step, which is known from the closed form. Flows that share the links only add.
public struct LinkFloor {
    private var builder: PatternBuilder
    private let ranks: Int
    /// Share of their rate that links of the network reach at least.
    private let share: Double
    private var known: [PatternKey: Load] = [:]

    private struct Load {
        /// Seconds a byte of the buffer on the fullest port, and on the fullest link behind the ports, both at their nominal rate.
        var port = 0.0
        var behind = 0.0
    }

    /// - Parameter plan: any plan with the layout's process groups.
    /// - Throws: `Fault` where the network cannot be laid out.
    public init(plan: Plan) throws(Fault) {
        let network: TrainingNetwork
        let groups: RankGroups
        do { network = try TrainingNetwork(cluster: plan.job.cluster) } catch { throw error.fault }
        do { groups = try RankGroups(plan) } catch { throw Fault(reason: "\(error)") }
        builder = PatternBuilder(network: network, groups: groups, collectives: plan.model.collectives, lanes: 1)
        ranks = max(1, plan.job.layout.pipeline)
        share = plan.reachedShares.network
    }

    /// Which flows: a collective of a pipeline rank, or what it sends to another rank.
    public enum Flow: Sendable, Hashable {
        case collective(GroupTraffic, rank: Int)
        case hop(from: Int, to: Int, bytes: Double, seconds: Double)
    }

    /// Seconds that each of the step's flows takes at least, alone: [flows].
    /// - Parameter isDense: some pass moves more than it has time for, so that rates are not those of the closed form.
    public mutating func seconds(of flows: [Flow], isDense: Bool) -> [Double] {
        var reached = isDense ? 1 : share
        var loads: [(bytes: Double, load: Load)] = []
        for flow in flows {
            let (key, bytes, seconds) = Self.parts(flow)
            let load = load(key)
            if seconds > 0 { reached = max(reached, min(1, bytes * load.port / seconds)) }
            loads.append((bytes, load))
        }
        return loads.map { $0.bytes * $0.load.behind / reached }
    }

    private static func parts(_ flow: Flow) -> (PatternKey, bytes: Double, seconds: Double) {
        switch flow {
        case .collective(let traffic, let rank):
            let key = PatternKey(place: rank, kind: .collective(traffic.operation, traffic.members), group: traffic.group)
            return (key, traffic.bytes, traffic.seconds)
        case .hop(let from, let to, let bytes, let seconds):
            return (PatternKey(place: from, kind: .hop(to: to), group: .pipeline), bytes, seconds)
        }
    }

    private mutating func load(_ key: PatternKey) -> Load {
        if let load = known[key] { return load }
        var load = Load()
        for (link, bytes) in builder.build(key, ranks: ranks).loads {
            let seconds = bytes / builder.network.network.properties(ofLink: Int(link)).bandwidth
            switch builder.network.tier(of: Int(link)) {
            case .inside: break
            case .port: load.port = max(load.port, seconds)
            case .leaf, .core: load.behind = max(load.behind, seconds)
            }
        }
        known[key] = load
        return load
    }
}
