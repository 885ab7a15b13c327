import Quantities

extension Network {
    /// Hosts that share a fast switch: the GPUs of a node in a rail network, 1 elsewhere.
    public var nodeSize: Int { (shape as? RailShape)?.gpusPerNode ?? 1 }

    /// The network of a cluster of GPUs, every GPU a host: an NVSwitch (or what joins the node) inside, and a rail-optimised, non-blocking network between
    /// nodes, 32 nodes to a leaf. Ports are spread evenly over the GPUs of a node.
    public init(cluster: ClusterSpec) {
        let inside = LinkProperties(bandwidth: cluster.intraNode.bandwidth.bytesPerSecond, latency: cluster.intraNode.latency.seconds / 2)
        guard let between = cluster.interNode, cluster.gpus > cluster.gpusPerNode else {
            self.init(shape: StarShape(hosts: max(1, cluster.gpus), link: inside, duplex: .full, hub: "NVSwitch"))
            return
        }
        let perNode = max(1, cluster.gpusPerNode)
        let port = LinkProperties(bandwidth: between.nodeBandwidth / Double(perNode), latency: between.link.latency.seconds / 2)
        let group = min(32, max(1, cluster.nodes))
        self.init(
            shape: RailShape(
                .init(gpus: cluster.gpus, gpusPerNode: perNode, nodesPerGroup: group, spines: group), link: port, nvlink: inside,
                duplex: .full))
    }
}
