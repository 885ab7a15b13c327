/// Which part of a cluster a link belongs to.
public enum LinkTier: Int, Sendable, Hashable, CaseIterable {
    case inside, port, leaf, core
}

/// The network of a training job, link by link, for simulations that count many flows at once.
public struct TrainingNetwork: Sendable {
    /// Hosts are GPUs, numbered through the cluster.
    public let network: Network
    private let shape: any NodesOfGPUs
    /// The same where it is a tree, whose routes are asked for often.
    private let tree: NodesShape?

    /// Every GPU a host. A cluster without a network is one fast domain.
    /// - Throws: `FabricError` naming the scenario key, where the topology cannot be built.
    public init(cluster: ClusterSpec) throws(FabricError) {
        let alone = InterNode(link: cluster.intraNode, nicsPerNode: 1)
        let between = cluster.interNode ?? alone
        var network: Network
        if let topology = between.form.between {
            let own = try NodesOnShape(cluster, between: between, on: topology)
            (shape, tree) = (own, nil)
            network = Network(shape: own)
        } else {
            guard ["fat_tree", "rail_optimized"].contains(between.topology) else {
                throw FabricError(
                    key: "cluster.inter_node.topology.kind",
                    "nothing says how large the \(between.topology) is",
                    suggestion: "write dims (torus), groups, routers and hosts_per_router (dragonfly) or file (graph), or kind: fat_tree"
                )
            }
            let own = try NodesShape(cluster, between: between)
            (shape, tree) = (own, own)
            network = Network(shape: own, routing: between.form.routing)
        }
        network.generation = cluster.accelerator.generation
        self.network = network
    }

    public func tier(of link: Int) -> LinkTier { LinkTier(rawValue: shape.tier(of: link)) ?? .core }

    /// Both directions of the port that a GPU sends through, as links.
    public func portLinks(of gpu: Int) -> [Int] {
        let (node, port) = shape.port(of: gpu)
        let cable = node * shape.portsPerNode + port
        return [Int(shape.ports.up(cable)), Int(shape.ports.down(cable))]
    }

    /// The way of one flow, by which `FlowRouter` visits it. Where the way meets a link of `avoiding`, the first other way that meets none is taken, if there is one.
    fileprivate func route(from source: Int, to destination: Int, key: UInt64, avoiding: Set<Int>, into links: inout Column<Int32>) {
        let choice = network.choice(from: source, to: destination, key: key)
        route(from: source, to: destination, choice: choice, into: &links)
        func meetsNone() -> Bool { !(0..<links.count).contains { avoiding.contains(Int(links[$0])) } }
        guard !avoiding.isEmpty, !meetsNone() else { return }
        for other in 0..<shape.choices(from: source, to: destination) {
            route(from: source, to: destination, choice: other, into: &links)
            if meetsNone() { return }
        }
        route(from: source, to: destination, choice: choice, into: &links)
    }

    private func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        links.removeAll()
        if let tree {
            tree.route(from: source, to: destination, choice: choice, into: &links)
        } else {
            shape.route(from: source, to: destination, choice: choice, into: &links)
        }
    }
}

/// Finds the ways of many flows through a network, one after the other.
public struct FlowRouter: ~Copyable {
    private let network: TrainingNetwork
    private var links = Column<Int32>()

    public init(_ network: TrainingNetwork) { self.network = network }

    /// Visits the links from one GPU to another, in order. `key` tells flows apart where routing hashes. Where the way meets a link of `avoiding`, the first
    /// other way that meets none is taken, if there is one.
    public mutating func forEachLink(
        from source: Int, to destination: Int, key: UInt64 = 0, avoiding: Set<Int> = [], _ body: (Int) -> Void
    ) {
        network.route(from: source, to: destination, key: key, avoiding: avoiding, into: &links)
        for hop in 0..<links.count { body(Int(links[hop])) }
    }
}

extension TrainingNetwork {
    /// Links of exactly this name.
    public func links(named name: String) -> [Int] { (0..<network.linkCount).filter { network.name(ofLink: $0) == name } }

    /// A name between switches where there is one, else of a port.
    public var exampleName: String {
        if let tree, tree.leafUp.cables > 0 { return network.name(ofLink: Int(tree.leafUp.up(0))) }
        return network.name(ofLink: tree == nil && network.linkCount > shape.ports.end ? shape.ports.end : Int(shape.ports.up(0)))
    }
}
