import Quantities

extension Network {
    /// Hosts that make a node: those on an NVSwitch, in a PCIe server, in the first dimension of a grid; 1 where every host is a node.
    public var nodeSize: Int {
        switch shape {
        case let rails as RailShape: min(rails.gpusPerNode, rails.hostCount)
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

    /// The network of a cluster of GPUs, every GPU a host: an NVSwitch (or what joins the domain) inside, and a rail-optimised, non-blocking network
    /// between domains, 32 to a leaf. Ports are spread evenly over the GPUs of a node.
    public init(cluster: ClusterSpec) {
        let inside = LinkProperties(bandwidth: cluster.intraNode.bandwidth.bytesPerSecond, latency: cluster.intraNode.latency.seconds / 2)
        guard let between = cluster.interNode, cluster.gpus > max(cluster.domain, cluster.gpusPerNode) else {
            self.init(shape: StarShape(hosts: max(1, cluster.gpus), link: inside, duplex: .full, hub: Self.hub(cluster)))
            generation = cluster.accelerator.generation
            return
        }
        // A rack of an NVL72 is one fast domain of several nodes.
        let perNode = max(1, cluster.domain, cluster.gpusPerNode)
        let port = LinkProperties(
            bandwidth: between.nodeBandwidth / Double(max(1, cluster.gpusPerNode)), latency: between.link.latency.seconds / 2)
        let group = min(32, max(1, (cluster.gpus + perNode - 1) / perNode))
        self.init(
            shape: RailShape(
                .init(gpus: cluster.gpus, gpusPerNode: perNode, nodesPerGroup: group, spines: group), link: port, nvlink: inside,
                duplex: .full))
        generation = cluster.accelerator.generation
    }

    /// What joins the GPUs of a node; only an NVSwitch reduces.
    private static func hub(_ cluster: ClusterSpec) -> String { cluster.intraNode.fabric == .nvlink ? "NVSwitch" : "node" }
}
