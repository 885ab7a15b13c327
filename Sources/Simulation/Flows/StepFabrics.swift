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
        // The closed form of a collective knows the ports of nodes only.
        case .auto: (cluster.interNode?.form.oversubscription ?? 1) > 1 || cluster.interNode?.form.between != nil
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

    init(_ plan: Plan, _ conditions: Conditions, _ settings: SimulationSettings, _ player: StepPlayer) throws(Fault) {
        let links = try LinkFinder(plan: plan, seed: settings.seed)
        let faults = LinkFaultPlan(
            try conditions.linkFaults.enumerated().map { index, fault throws(Fault) in
                .init(
                    links: try links.links(fault.which, named: ("link_faults", index)), rate: fault.rate, from: fault.from,
                    until: fault.until,
                    reroutes: fault.reroutes)
            })
        let onsets = Set(conditions.slowLinks.map(\.from)).union([.zero]).sorted()
        for onset in onsets {
            // Factors by link. Of several on one link the greatest counts.
            var slow: [Int: Double] = [:]
            for (index, condition) in conditions.slowLinks.enumerated() where condition.from <= onset {
                for link in try links.links(condition.which, named: ("slow_links", index)) {
                    slow[link] = max(slow[link] ?? 1, condition.slowdown)
                }
            }
            states.append(
                State(from: onset, flows: try StepFlows(plan: plan, graph: player.graph, times: player.times, slow: slow, faults: faults)))
        }
    }

    /// A step that begins at `start`; slow links change between steps, faults also within one.
    func play(_ closed: [Int64], at start: Duration, records: Bool) throws(Fault) -> (durations: [Int64], load: FabricLoad?) {
        guard let state = states.last(where: { $0.from <= start }) else { return (closed, nil) }
        var player = FlowPlayer(state.flows, phases: state.flows.phases(from: start), records: records)
        let played = try player.play(closed)
        return (played.durations, records ? FabricAccount(flows: state.flows, played: played).load : nil)
    }
}

/// Finds the links that conditions speak of.
private struct LinkFinder {
    private let cluster: ClusterSpec
    private let network: TrainingNetwork
    private let seed: UInt64

    init(plan: Plan, seed: UInt64) throws(Fault) {
        cluster = plan.job.cluster
        self.seed = seed
        do { network = try TrainingNetwork(cluster: cluster) } catch { throw error.fault }
    }

    /// `named`: key and index of the condition.
    func links(_ which: Conditions.SlowLinks.Which, named place: (key: String, index: Int)) throws(Fault) -> [Int] {
        switch which {
        case .node(let node): return ports(of: [node])
        case .share(let share):
            let purpose = "\(place.key.replacing("_", with: "-"))-\(place.index)"
            return ports(of: Disturbances.draw(share: share, of: cluster.nodes, seed: seed, purpose: purpose))
        case .gpu(let gpu): return network.portLinks(of: gpu)
        case .link(let name):
            let found = network.links(named: name)
            guard !found.isEmpty else {
                throw Fault(
                    keyPath: "conditions.\(place.key)[\(place.index)].link", reason: "there is no link \"\(name)\"",
                    suggestion: "names read like \"\(network.exampleName)\"")
            }
            return found
        }
    }

    private func ports(of nodes: [Int]) -> [Int] {
        var links: Set<Int> = []
        for node in nodes {
            for gpu in node * cluster.gpusPerNode..<min(cluster.gpus, (node + 1) * cluster.gpusPerNode) {
                links.formUnion(network.portLinks(of: gpu))
            }
        }
        return links.sorted()
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
