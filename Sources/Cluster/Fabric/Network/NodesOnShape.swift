/// A network whose hosts are GPUs in nodes: what collectives and steps ask of it beside its links.
protocol NodesOfGPUs: NetworkShape {
    var gpus: Int { get }
    var gpusPerNode: Int { get }
    /// GPUs on one fast switch.
    var domain: Int { get }
    /// Whether the fast switches reduce.
    var reduces: Bool { get }
    var portsPerNode: Int { get }
    var nodes: Int { get }
    var inside: CableBlock { get }
    var ports: CableBlock { get }
    /// Tier of a link: 0 inside a domain, 1 ports, 2 and 3 above.
    func tier(of link: Int) -> Int
}

extension NodesOfGPUs {
    /// The port that a GPU sends through.
    func port(of gpu: Int) -> (node: Int, port: Int) { (gpu / gpusPerNode, gpu % gpusPerNode * portsPerNode / gpusPerNode) }

    var reducerCount: Int { reduces ? (gpus + domain - 1) / domain : 0 }
    func reducer(above host: Int) -> Int? { reduces ? gpus + host / domain : nil }
    /// From a GPU to the switch of its domain and back.
    func isNextToReducer(_ source: Int, _ destination: Int) -> Bool {
        source >= gpus ? destination < gpus && reducer(above: destination) == source : reducer(above: source) == destination
    }
}

extension NodesShape: NodesOfGPUs {}

/// GPUs in nodes on any network between the nodes: a fast switch inside each domain, a node's ports, and behind them the node as a host of a torus, a
/// dragonfly or a network described in a file. A flow leaves by the port of its own GPU, takes the route from node to node, and enters by the port of its
/// destination.
struct NodesOnShape: NodesOfGPUs {
    let gpus: Int
    let gpusPerNode: Int
    let domain: Int
    let reduces: Bool
    let portsPerNode: Int
    let nodes: Int
    let inside: CableBlock
    let ports: CableBlock
    /// Hosts are nodes; its links come behind the ports.
    let base: any NetworkShape

    private static let key = "cluster.inter_node.topology"

    /// - Throws: `FabricError` naming the scenario key, where nodes and topology do not agree.
    init(_ cluster: ClusterSpec, between: InterNode, on topology: NodeTopology) throws(FabricError) {
        gpus = cluster.gpus
        gpusPerNode = max(1, cluster.gpusPerNode)
        domain = max(1, cluster.domain)
        reduces = cluster.intraNode.fabric == .nvlink
        nodes = (gpus + gpusPerNode - 1) / gpusPerNode
        portsPerNode = max(1, min(between.nicsPerNode, gpusPerNode))
        inside = CableBlock(
            first: 0, cables: gpus,
            properties: LinkProperties(
                bandwidth: cluster.intraNode.bandwidth.bytesPerSecond, latency: cluster.intraNode.latency.seconds / 2), duplex: .full)
        // The latency of a link of the catalogue is that of the whole way from node to node.
        ports = CableBlock(
            first: inside.end, cables: nodes * portsPerNode,
            properties: LinkProperties(
                bandwidth: between.nodeBandwidth / Double(portsPerNode), latency: between.link.latency.seconds / 2), duplex: .full)
        let cable = between.form.cable ?? LinkProperties(bandwidth: between.nodeBandwidth, latency: 0)
        base = try Self.base(topology, cable: cable, nodes: nodes)
    }

    private static func base(_ topology: NodeTopology, cable: LinkProperties, nodes: Int) throws(FabricError) -> any NetworkShape {
        switch topology {
        case .torus(let dims):
            guard !dims.isEmpty, dims.allSatisfy({ $0 > 0 }), try count(dims, "dims") == nodes else {
                let product = dims.map(String.init).joined(separator: " x ")
                throw FabricError(
                    key: "\(key).dims", "\(product) is not the cluster's \(nodes) nodes",
                    suggestion: "write numbers whose product is \(nodes)")
            }
            _ = try count(dims + [dims.count], "dims")
            return TorusShape(sizes: dims, link: cable, duplex: .full)
        case .dragonfly(let size):
            let form = DragonflyShape.Form(size)
            let made = try count([form.groups, form.chassis, form.routers, form.hostsPerRouter], "groups")
            guard made == nodes else {
                throw FabricError(
                    key: "\(key).groups",
                    "groups x chassis x routers x hosts_per_router is \(made), but the cluster has \(nodes) nodes",
                    suggestion: "make them agree")
            }
            guard form.groups <= form.routers else {
                throw FabricError(
                    key: "\(key).groups",
                    "\(form.groups) groups with \(form.routers) routers a chassis: each group needs a router for each other",
                    suggestion: "write groups <= routers"
                )
            }
            for sizes in [
                [form.groups, form.chassis, form.routers, form.routers], [form.groups, form.routers, form.chassis, form.chassis],
                [form.groups, form.groups],
            ] { _ = try count(sizes, "groups") }
            return DragonflyShape(form, link: cable, duplex: .full)
        case .described(let file, let yaml): return try described(yaml, file: file, nodes: nodes)
        }
    }

    /// The product, or an error when it is out of reach.
    private static func count(_ sizes: [Int], _ name: String) throws(FabricError) -> Int {
        var result = 1
        for size in sizes {
            let (next, wrapped) = result.multipliedReportingOverflow(by: size)
            guard !wrapped, next <= FabricFile.linkLimit else {
                throw FabricError(
                    key: "\(key).\(name)", "this makes more than \(FabricFile.linkLimit) links", suggestion: "choose smaller numbers")
            }
            result = next
        }
        return result
    }

    /// Routes of the file hold; what it says beside them would be lost, and is refused.
    private static func described(_ yaml: String, file: String, nodes: Int) throws(FabricError) -> any NetworkShape {
        let key = "\(key).file"
        let network: Network
        do { network = try FabricFile.network(yaml: yaml, file: file) } catch {
            throw FabricError(key: key, error.errors.prefix(3).map { "\(file):\($0)" }.joined(separator: "; "))
        }
        guard network.hostCount == nodes else {
            throw FabricError(
                key: key, "\(file) has \(network.hostCount) hosts, but the cluster has \(nodes) nodes",
                suggestion: "a host stands for a node")
        }
        guard network.faults.isEmpty, network.congestion == nil, network.efficiency == nil, network.fairness == .equal else {
            throw FabricError(
                key: key,
                "\(file): faults, congestion, efficiency and fairness are not taken over into a step",
                suggestion: "remove them and write conditions.slow_links"
            )
        }
        guard network.routing != .adaptive else {
            throw FabricError(
                key: key, "\(file): routing adaptive is not possible in a step, whose flows are counted together", suggestion: "write ecmp")
        }
        if let lost = (1..<max(1, nodes)).first(where: { !network.shape.isReachable(from: 0, to: $0) }) {
            throw FabricError(key: key, "\(file): no way leads from host 0 to host \(lost); join them")
        }
        return network.routing == .fixed ? network.shape : HashedShape(network: network)
    }

    var hostCount: Int { gpus }
    var linkCount: Int { ports.end + base.linkCount }

    func properties(of link: Int) -> LinkProperties {
        inside.contains(link) ? inside.properties : ports.contains(link) ? ports.properties : base.properties(of: link - ports.end)
    }
    func tier(of link: Int) -> Int { inside.contains(link) ? 0 : ports.contains(link) ? 1 : 2 }

    func name(of link: Int) -> String {
        if inside.contains(link) {
            return inside.name(link) { ("GPU \($0)", "NVSwitch of \(domain > gpusPerNode ? "rack" : "node") \($0 / domain)") }
        }
        if ports.contains(link) {
            return ports.name(link) { ("port \($0 % portsPerNode) of node \($0 / portsPerNode)", "node \($0 / portsPerNode)") }
        }
        return base.name(of: link - ports.end).replacing("host ", with: "node ")
    }

    private func pair(_ source: Int, _ destination: Int) -> (Int, Int)? {
        guard source < gpus, destination < gpus, source / domain != destination / domain else { return nil }
        return (source / gpusPerNode, destination / gpusPerNode)
    }
    func choices(from source: Int, to destination: Int) -> Int {
        pair(source, destination).map { base.choices(from: $0.0, to: $0.1) } ?? 1
    }
    func staticChoice(from source: Int, to destination: Int) -> Int {
        pair(source, destination).map { base.staticChoice(from: $0.0, to: $0.1) } ?? 0
    }
    func isReachable(from source: Int, to destination: Int) -> Bool {
        source < gpus && destination < gpus || isNextToReducer(source, destination)
    }

    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        if source >= gpus || destination >= gpus {
            links.append(source < gpus ? inside.up(source) : inside.down(destination))
            return
        }
        if source / domain == destination / domain {
            links.append(inside.up(source))
            links.append(inside.down(destination))
            return
        }
        let (from, to) = (port(of: source), port(of: destination))
        links.append(ports.up(from.node * portsPerNode + from.port))
        let first = links.count
        if from.node != to.node { base.route(from: from.node, to: to.node, choice: choice, into: &links) }
        for hop in first..<links.count { links[hop] += Int32(truncatingIfNeeded: ports.end) }
        links.append(ports.down(to.node * portsPerNode + to.port))
    }
}

/// A network whose static way is a hash, as its `routing: ecmp` says.
private struct HashedShape: NetworkShape {
    let network: Network
    private var base: any NetworkShape { network.shape }
    var hostCount: Int { base.hostCount }
    var linkCount: Int { base.linkCount }
    func properties(of link: Int) -> LinkProperties { base.properties(of: link) }
    func name(of link: Int) -> String { base.name(of: link) }
    func isReachable(from source: Int, to destination: Int) -> Bool { base.isReachable(from: source, to: destination) }
    func choices(from source: Int, to destination: Int) -> Int { base.choices(from: source, to: destination) }
    func staticChoice(from source: Int, to destination: Int) -> Int { network.choice(from: source, to: destination, key: 0) }
    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        base.route(from: source, to: destination, choice: choice, into: &links)
    }
}

extension DragonflyShape.Form {
    init(_ size: DragonflySize) {
        self.init(
            groups: size.groups, chassis: size.chassis, routers: size.routers, hostsPerRouter: size.hostsPerRouter,
            globalLinks: size.globalLinks, chassisLinks: size.chassisLinks, routerLinks: size.routerLinks)
    }
}
