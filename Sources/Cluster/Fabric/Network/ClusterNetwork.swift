import Quantities

extension Network {
    /// Hosts that make a node: those on an NVSwitch, in a PCIe server, in the first dimension of a grid; 1 where every host is a node.
    public var nodeSize: Int {
        switch shape {
        case let nodes as any NodesOfGPUs: min(nodes.domain, nodes.hostCount)
        case let rails as RailShape: min(rails.form.gpusPerNode, rails.hostCount)
        case let server as PCIeShape: min(server.form.perNode, server.hostCount)
        case let grid as GridShape: grid.dimensions.count > 1 ? grid.dimensions[0].size : 1
        case let star as StarShape: star.hub == "NVSwitch" ? star.hostCount : 1
        default: 1
        }
    }

    /// Hosts on one switch of the first level, where `sharp` begins.
    public var leafSize: Int {
        switch shape {
        case let star as StarShape: star.hostCount
        case let tree as LeafSpineShape: min(tree.hostsPerLeaf, tree.hostCount)
        default: nodeSize
        }
    }

    /// The network of a cluster of GPUs, every GPU a host, with the topology of the cluster: the one that the flows of a step use (`TrainingNetwork`).
    /// - Throws: `FabricError` naming the scenario key, where the topology cannot be built.
    public init(cluster: ClusterSpec) throws(FabricError) {
        self = try TrainingNetwork(cluster: cluster).network
        let form = cluster.interNode?.form
        if form?.between == nil, form?.oversubscription ?? 1 <= 1 { library = CollectiveModel(cluster: cluster) }
    }

    /// Ports of a node through which it meets the others, and bytes a second of all of them together.
    func networkRate(perPort rate: Double) -> Double {
        if let nodes = shape as? any NodesOfGPUs { return rate * Double(nodes.portsPerNode * max(1, nodeSize / nodes.gpusPerNode)) }
        return rate * Double(nodeSize)
    }
}
