import Cluster
import Engine
import Plan
import Quantities

extension SimulationSettings {
    /// Whether communication runs as flows on `cluster`.
    public func usesFlows(on cluster: ClusterSpec) -> Bool {
        switch network {
        case .flow: true
        case .alphaBeta: false
        case .auto: (cluster.interNode?.form.oversubscription ?? 1) > 1
        }
    }
}

/// The step's flows under each state of the links that slow links pass through in the course of a run.
struct StepFabrics: Sendable {
    private struct State: Sendable {
        /// Holds from here on.
        var from: Duration
        var flows: StepFlows
    }
    private var states: [State] = []

    init(_ plan: Plan, _ conditions: Conditions, _ settings: SimulationSettings, _ player: StepPlayer) throws(SimulationError) {
        let onsets = Set(conditions.slowLinks.map(\.from)).union([.zero]).sorted()
        for onset in onsets {
            let slow = try Self.slowLinks(conditions, at: onset, plan: plan, seed: settings.seed)
            states.append(State(from: onset, flows: try StepFlows(plan: plan, graph: player.graph, times: player.times, slow: slow)))
        }
    }

    /// A step that begins at `start`; links change between steps.
    func play(_ closed: [Int64], at start: Duration, records: Bool) throws(SimulationError) -> (durations: [Int64], load: FabricLoad?) {
        guard let state = states.last(where: { $0.from <= start }) else { return (closed, nil) }
        var player = FlowPlayer(state.flows, records: records)
        let played = try player.play(closed)
        return (played.durations, records ? FabricAccount(flows: state.flows, played: played).load : nil)
    }

    /// Factors by link. Of several on one link the greatest counts.
    private static func slowLinks(
        _ conditions: Conditions, at time: Duration, plan: Plan, seed: UInt64
    ) throws(SimulationError) -> [Int: Double] {
        let active = conditions.slowLinks.enumerated().filter { $0.element.from <= time }
        guard !active.isEmpty else { return [:] }
        let cluster = plan.job.cluster
        let network: TrainingNetwork
        do { network = try TrainingNetwork(cluster: cluster) } catch { throw SimulationError("\(error)") }
        var factors: [Int: Double] = [:]
        func slow(_ link: Int, by factor: Double) { factors[link] = max(factors[link] ?? 1, factor) }
        for (index, condition) in active {
            var nodes: [Int] = []
            switch condition.which {
            case .node(let node): nodes = [node]
            case .share(let share):
                nodes = Disturbances.draw(share: share, of: cluster.nodes, seed: seed, purpose: "slow-links-\(index)")
            case .gpu(let gpu): for link in network.portLinks(of: gpu) { slow(link, by: condition.slowdown) }
            case .link(let name):
                let found = network.links(named: name)
                guard !found.isEmpty else {
                    throw SimulationError(
                        "conditions.slow_links[\(index)].link: there is no link \"\(name)\"; names read like \"\(network.exampleName)\"")
                }
                for link in found { slow(link, by: condition.slowdown) }
            }
            for node in nodes {
                for gpu in node * cluster.gpusPerNode..<min(cluster.gpus, (node + 1) * cluster.gpusPerNode) {
                    for link in network.portLinks(of: gpu) { slow(link, by: condition.slowdown) }
                }
            }
        }
        return factors
    }
}

extension Traffic {
    /// As the flows moved it, mean over GPUs.
    init(_ fabric: FabricLoad, gpus: Int) {
        let count = Double(max(1, gpus))
        var groups: [String: Double] = [:]
        for group in TrafficGroup.allCases {
            groups[group.name] = ((fabric.inside[group.name] ?? 0) + (fabric.network[group.name] ?? 0)) / count
        }
        self.init(
            nvlink: TrafficGroup.allCases.reduce(0) { $0 + (fabric.inside[$1.name] ?? 0) } / count,
            network: TrafficGroup.allCases.reduce(0) { $0 + (fabric.network[$1.name] ?? 0) } / count, byGroup: groups)
    }
}
