/// Which part of a cluster a link belongs to.
public enum LinkTier: Int, Sendable, Hashable, CaseIterable {
    case inside, port, leaf, core
}

/// The network of a training job, link by link, for simulations that count many flows at once.
public struct TrainingNetwork: Sendable {
    public let network: Network
    private let shape: NodesShape

    /// Every GPU a host. A cluster without a network is one fast domain.
    /// - Throws: `FabricError` naming the scenario key, where the topology cannot be built.
    public init(cluster: ClusterSpec) throws(FabricError) {
        let alone = InterNode(link: cluster.intraNode, nicsPerNode: 1)
        shape = try NodesShape(cluster, between: cluster.interNode ?? alone)
        var network = Network(shape: shape, routing: cluster.interNode?.form.routing ?? .fixed)
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

    /// Visits the links from one GPU to another, in order. `key` tells flows apart where routing hashes.
    public func forEachLink(from source: Int, to destination: Int, key: UInt64 = 0, _ body: (Int) -> Void) {
        var links = Column<Int32>()
        shape.route(from: source, to: destination, choice: network.choice(from: source, to: destination, key: key), into: &links)
        for hop in 0..<links.count { body(Int(links[hop])) }
    }
}

/// A network as boxes in tiers and bundles of cables between them, for pictures.
public struct NetworkDrawing: Sendable, Hashable {
    public struct Box: Sendable, Hashable {
        public var label: String
        /// 0 nodes, 1 leaves, 2 what is above.
        public var tier: Int
        /// Links inside (the fast switch's), empty for switches.
        public var links: [Int]
    }
    public struct Edge: Sendable, Hashable {
        /// Indices of boxes.
        public var lower: Int
        public var upper: Int
        public var links: [Int]
    }
    public var boxes: [Box] = []
    public var edges: [Edge] = []
    /// Nodes that are not drawn.
    public var hiddenNodes = 0
}

extension TrainingNetwork {
    /// At most `limit` nodes, spread evenly over the cluster, with the leaves that they hang on and one box for the switches above each.
    public func drawing(limit: Int = 16) -> NetworkDrawing {
        var drawing = NetworkDrawing()
        let shown = min(max(1, limit), shape.nodes)
        drawing.hiddenNodes = shape.nodes - shown
        var leafBox: [Int: Int] = [:]
        var leafOrder: [(row: Int, box: Int)] = []
        for index in 0..<shown {
            let node = index * shape.nodes / shown
            let gpus = node * shape.gpusPerNode..<min(shape.gpus, (node + 1) * shape.gpusPerNode)
            let box = drawing.boxes.count
            drawing.boxes.append(
                .init(label: "node \(node)", tier: 0, links: gpus.flatMap { [Int(shape.inside.up($0)), Int(shape.inside.down($0))] }))
            guard shape.nodes > 1 else { continue }
            var byLeaf: [(row: Int, links: [Int])] = []
            for port in 0..<shape.portsPerNode {
                let row = port % shape.rails * shape.leaves + shape.place(node: node, port: port) / shape.portsPerLeaf
                let cable = node * shape.portsPerNode + port
                let links = [Int(shape.ports.up(cable)), Int(shape.ports.down(cable))]
                if let known = byLeaf.firstIndex(where: { $0.row == row }) {
                    byLeaf[known].links += links
                } else {
                    byLeaf.append((row, links))
                }
            }
            for (row, links) in byLeaf {
                let upper: Int
                if let known = leafBox[row] {
                    upper = known
                } else {
                    upper = drawing.boxes.count
                    leafBox[row] = upper
                    leafOrder.append((row, upper))
                    drawing.boxes.append(.init(label: shape.leafName(row / shape.leaves, row % shape.leaves), tier: 1, links: []))
                }
                drawing.edges.append(.init(lower: box, upper: upper, links: links))
            }
        }
        guard shape.spines > 0 else { return drawing }
        let top = drawing.boxes.count
        drawing.boxes.append(.init(label: shape.cores > 0 ? "pods and core" : "spines", tier: 2, links: []))
        for (row, box) in leafOrder {
            let cables = row * shape.spines..<(row + 1) * shape.spines
            drawing.edges.append(
                .init(lower: box, upper: top, links: cables.flatMap { [Int(shape.leafUp.up($0)), Int(shape.leafUp.down($0))] }))
        }
        return drawing
    }
}

extension TrainingNetwork {
    /// Links of exactly this name.
    public func links(named name: String) -> [Int] { (0..<network.linkCount).filter { network.name(ofLink: $0) == name } }

    /// A name between switches where there is one, else of a port.
    public var exampleName: String {
        network.name(ofLink: shape.leafUp.cables > 0 ? Int(shape.leafUp.up(0)) : Int(shape.ports.up(0)))
    }
}
