/// The network of a cluster of GPUs, every GPU a host: a fast switch inside each domain (NVSwitch), ports on the nodes, and a fat tree of one to three tiers
/// between the ports, in planes ("rails"). A flow whose destination is on another rail first goes over the fast switch to the GPU of its own node on that rail,
/// as NCCL's PXN does, so that it never changes rails. With one rail it enters the network at its own port.
///
/// Static routing is destination modulo k (Zahavi 2012, doi:10.1002/cpe.1887) over the ports of the rail: neighbouring destinations take different ways up,
/// so that shifts by a constant (rings, pipeline neighbours) never meet where the tree is not oversubscribed.
struct NodesShape: NetworkShape {
    let gpus: Int
    let gpusPerNode: Int
    let domain: Int
    /// Whether the fast switches reduce: NVSwitches do.
    let reduces: Bool
    /// Ports that GPUs send through; more ports than GPUs count as wider ones.
    let portsPerNode: Int
    let rails: Int
    let nodes: Int
    /// Ports of one leaf, and leaves of one rail.
    let portsPerLeaf: Int
    let leaves: Int
    /// Ways up of a leaf; 0 where one switch joins the whole rail.
    let spines: Int
    /// With three tiers: leaves of a pod, ways up of each switch above the leaves. 0 with fewer.
    let leavesPerPod: Int
    let cores: Int
    let inside: CableBlock
    let ports: CableBlock
    let leafUp: CableBlock
    let podUp: CableBlock

    /// - Throws: `FabricError` for levels that the nodes do not fit.
    init(_ cluster: ClusterSpec, between: InterNode) throws(FabricError) {
        let form = between.form
        gpus = cluster.gpus
        gpusPerNode = max(1, cluster.gpusPerNode)
        domain = max(1, cluster.domain)
        reduces = cluster.intraNode.fabric == .nvlink
        nodes = (gpus + gpusPerNode - 1) / gpusPerNode
        portsPerNode = max(1, min(between.nicsPerNode, gpusPerNode))
        let wanted = form.rails ?? between.nicsPerNode
        let width = portsPerNode
        rails = (1...width).last { width % $0 == 0 && $0 <= max(1, wanted) } ?? 1
        let perRail = portsPerNode / rails
        let hosts = nodes * perRail
        let ratio = max(1, form.oversubscription)
        let radix = max(2, form.radix)
        // Down : up = ratio : 1 of the radix; whole nodes to a leaf where they fit.
        let down = max(1, min(radix - 1, Int((Double(radix) * ratio / (1 + ratio)).rounded())))
        let whole = down >= perRail ? down / perRail * perRail : down
        let half = max(1, radix / 2)
        let least = hosts <= radix && ratio == 1 ? 1 : hosts <= whole * radix ? 2 : 3
        let levels = max(form.levels ?? least, ratio > 1 ? 2 : 1)
        guard (1...3).contains(levels), hosts <= half * half * radix else {
            throw FabricError(
                key: "cluster.inter_node.topology.levels",
                "\(hosts) ports on a plane need more than \(min(3, max(1, levels))) tiers of switches with \(radix) ports",
                suggestion: "raise radix or rails"
            )
        }
        guard levels >= least else {
            throw FabricError(
                key: "cluster.inter_node.topology.levels",
                "\(levels) \(levels == 1 ? "tier" : "tiers") of switches with \(radix) ports cannot join \(hosts) ports",
                suggestion: "at least \(least) are needed"
            )
        }
        let bandwidth = between.nodeBandwidth / Double(portsPerNode)
        let latency = between.link.latency.seconds / Double(2 * levels)
        let port = LinkProperties(bandwidth: bandwidth, latency: latency)
        let leafPorts = levels == 1 ? hosts : levels == 2 ? whole : max(1, half / perRail * perRail)
        portsPerLeaf = leafPorts
        leaves = (hosts + leafPorts - 1) / leafPorts
        let leafRatio = levels == 2 ? ratio : 1
        spines = levels == 1 ? 0 : max(1, Int((Double(leafPorts) / leafRatio).rounded()))
        leavesPerPod = levels == 3 ? half : 0
        cores = levels == 3 ? max(1, Int((Double(half) / ratio).rounded())) : 0
        let pods = levels == 3 ? (leaves + half - 1) / half : 0
        inside = CableBlock(
            first: 0, cables: gpus,
            properties: LinkProperties(
                bandwidth: cluster.intraNode.bandwidth.bytesPerSecond, latency: cluster.intraNode.latency.seconds / 2), duplex: .full)
        ports = CableBlock(first: inside.end, cables: nodes * portsPerNode, properties: port, duplex: .full)
        // Whole cables; their rate makes up what rounding takes, so that the ratio is exact.
        var up = port
        up.bandwidth *= Double(leafPorts) / leafRatio / Double(max(1, spines))
        leafUp = CableBlock(first: ports.end, cables: rails * leaves * spines, properties: up, duplex: .full)
        var top = port
        top.bandwidth *= Double(half) / ratio / Double(max(1, cores))
        podUp = CableBlock(first: leafUp.end, cables: rails * pods * spines * cores, properties: top, duplex: .full)
    }

    var hostCount: Int { gpus }
    var linkCount: Int { podUp.end }

    private func block(of link: Int) -> CableBlock { [inside, ports, leafUp].first { $0.contains(link) } ?? podUp }
    func properties(of link: Int) -> LinkProperties { block(of: link).properties }

    /// Tier of a link: 0 inside a domain, 1 ports, 2 above the leaves, 3 above those.
    func tier(of link: Int) -> Int { inside.contains(link) ? 0 : ports.contains(link) ? 1 : leafUp.contains(link) ? 2 : 3 }

    func name(of link: Int) -> String {
        if inside.contains(link) {
            return inside.name(link) { ("GPU \($0)", "NVSwitch of \(domain > gpusPerNode ? "rack" : "node") \($0 / domain)") }
        }
        if ports.contains(link) {
            return ports.name(link) { cable in
                let (node, port) = (cable / portsPerNode, cable % portsPerNode)
                return ("port \(port) of node \(node)", leafName(port % rails, place(node: node, port: port) / portsPerLeaf))
            }
        }
        if leafUp.contains(link) {
            return leafUp.name(link) { cable in
                let leaf = cable / spines
                let (rail, own) = (leaf / leaves, leaf % leaves)
                let above = leavesPerPod > 0 ? "pod \(own / leavesPerPod) switch \(cable % spines)" : "spine \(cable % spines)"
                return (leafName(rail, own), above + onRail(rail))
            }
        }
        return podUp.name(link) { cable in
            let (pod, rest) = (cable / (spines * cores), cable % (spines * cores))
            let pods = (leaves + leavesPerPod - 1) / leavesPerPod
            return ("pod \(pod % pods) switch \(rest / cores)\(onRail(pod / pods))", "core \(rest)\(onRail(pod / pods))")
        }
    }

    func leafName(_ rail: Int, _ leaf: Int) -> String { "leaf \(leaf)\(onRail(rail))" }
    private func onRail(_ rail: Int) -> String { rails > 1 ? " of rail \(rail)" : "" }

    /// Number of a port among those of its rail.
    func place(node: Int, port: Int) -> Int { node * (portsPerNode / rails) + port / rails }
    /// The port's place on its rail, and its leaf.
    private func leaf(of gpu: Int) -> (place: Int, leaf: Int, rail: Int) {
        let (node, port) = port(of: gpu)
        let own = place(node: node, port: port)
        return (own, own / portsPerLeaf, port % rails)
    }
    /// The GPU of the source's node that sends on the destination's rail.
    private func relay(from source: Int, to destination: Int) -> Int {
        let (from, to) = (port(of: source), port(of: destination))
        guard from.port % rails != to.port % rails else { return source }
        return source / gpusPerNode * gpusPerNode + destination % gpusPerNode
    }

    func choices(from source: Int, to destination: Int) -> Int {
        guard source < gpus, destination < gpus, source / domain != destination / domain, spines > 0 else { return 1 }
        let (a, b) = (leaf(of: relay(from: source, to: destination)).leaf, leaf(of: destination).leaf)
        if a == b { return 1 }
        return leavesPerPod == 0 || a / leavesPerPod == b / leavesPerPod ? spines : spines * cores
    }
    func staticChoice(from source: Int, to destination: Int) -> Int {
        destination >= gpus ? 0 : leaf(of: destination).place % max(1, spines * max(1, cores))
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
        let sender = relay(from: source, to: destination)
        if sender != source {
            links.append(inside.up(source))
            if sender < gpus { links.append(inside.down(sender)) }
        }
        let (from, to) = (port(of: sender), port(of: destination))
        let (a, b) = (leaf(of: sender), leaf(of: destination))
        links.append(ports.up(from.node * portsPerNode + from.port))
        if a.leaf != b.leaf {
            let spine = choice % spines
            let (rowA, rowB) = (b.rail * leaves + a.leaf, b.rail * leaves + b.leaf)
            links.append(leafUp.up(rowA * spines + spine))
            if leavesPerPod > 0, a.leaf / leavesPerPod != b.leaf / leavesPerPod {
                let pods = (leaves + leavesPerPod - 1) / leavesPerPod
                let core = choice / spines % cores
                let (podA, podB) = (b.rail * pods + a.leaf / leavesPerPod, b.rail * pods + b.leaf / leavesPerPod)
                links.append(podUp.up((podA * spines + spine) * cores + core))
                links.append(podUp.down((podB * spines + spine) * cores + core))
            }
            links.append(leafUp.down(rowB * spines + spine))
        }
        links.append(ports.down(to.node * portsPerNode + to.port))
    }
}
