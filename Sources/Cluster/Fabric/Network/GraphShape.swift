/// Any network: hosts and switches joined by cables, with routes by fewest hops (ties: least latency, then the lowest cable) or from a table.
/// With choices (ECMP, adaptive), each hop picks among the next cables of equal hop count by a hash of the choice.
struct GraphShape: NetworkShape {
    /// A cable; nodes are numbered hosts first, then switches.
    struct Cable: Sendable, Hashable {
        var a: Int
        var b: Int
        var properties: LinkProperties
        var duplex: Duplex
    }

    let hostCount: Int
    let cables: [Cable]
    /// [cables] link from a to b; the way back is the next link, or the same where half duplex.
    private let firstLink: [Int32]
    let linkCount: Int
    private let cableOfLink: [Int32]
    /// [nodes] (neighbour, cable), by cable.
    private let neighbours: [[(node: Int, cable: Int)]]
    /// [hosts][nodes] hops to the host; -1 where there is no way.
    private let hops: [[Int32]]
    /// [hosts][nodes] the next cable of static routing; -1 at the host and where there is no way.
    private let next: [[Int32]]
    /// [hosts * hosts] routes of a table as links; empty without one.
    private let table: [Int: [Int32]]

    static let pairLimit = 1 << 27

    /// `routes`: cables of (source, destination) in order; pairs that are not listed take the shortest way.
    /// - Throws: `FabricError` where a node does not exist or a route does not lead from its source to its destination.
    init(hosts: Int, switches: Int, cables: [Cable], routes: [(source: Int, destination: Int, cables: [Int])]) throws(FabricError) {
        let nodes = hosts + switches
        guard hosts * nodes <= Self.pairLimit else {
            throw FabricError(
                key: "topology", "\(hosts) hosts and \(switches) switches: a graph is limited to hosts x nodes = \(Self.pairLimit)")
        }
        hostCount = hosts
        self.cables = cables
        var first: [Int32] = []
        var owner: [Int32] = []
        var neighbours = [[(node: Int, cable: Int)]](repeating: [], count: nodes)
        for (index, cable) in cables.enumerated() {
            first.append(Int32(owner.count))
            owner.append(Int32(index))
            if cable.duplex == .full { owner.append(Int32(index)) }
            neighbours[cable.a].append((cable.b, index))
            neighbours[cable.b].append((cable.a, index))
        }
        firstLink = first
        cableOfLink = owner
        linkCount = owner.count
        self.neighbours = neighbours
        var hops: [[Int32]] = []
        var next: [[Int32]] = []
        for host in 0..<hosts {
            let tree = Self.shortestPaths(to: host, nodes: nodes, neighbours: neighbours, cables: cables)
            hops.append(tree.hops)
            next.append(tree.next)
        }
        self.hops = hops
        self.next = next
        var table: [Int: [Int32]] = [:]
        for (index, route) in routes.enumerated() {
            table[route.source * hosts + route.destination] = try Self.links(route, key: "topology.routes[\(index)]", cables, first)
        }
        self.table = table
    }

    private static func links(
        _ route: (source: Int, destination: Int, cables: [Int]), key: String, _ cables: [Cable], _ first: [Int32]
    ) throws(FabricError) -> [Int32] {
        var node = route.source
        var result: [Int32] = []
        for cable in route.cables {
            guard cables.indices.contains(cable) else {
                throw FabricError(key: key, "link \(cable) does not exist; there are \(cables.count)")
            }
            let ends = cables[cable]
            guard ends.a == node || ends.b == node else {
                throw FabricError(key: key, "link \(cable) does not begin where the link before it ends")
            }
            let forward = ends.a == node
            result.append(first[cable] + (forward || ends.duplex == .half ? 0 : 1))
            node = forward ? ends.b : ends.a
        }
        guard node == route.destination else { throw FabricError(key: key, "the route does not end at host \(route.destination)") }
        return result
    }

    /// Breadth first from the host: hop counts; then, among next cables with the least hops, the least latency, then the lowest cable.
    private static func shortestPaths(
        to host: Int, nodes: Int, neighbours: [[(node: Int, cable: Int)]], cables: [Cable]
    ) -> (hops: [Int32], next: [Int32]) {
        var hops = [Int32](repeating: -1, count: nodes)
        var next = [Int32](repeating: -1, count: nodes)
        var latency = [Double](repeating: 0, count: nodes)
        var order = [host]
        hops[host] = 0
        var head = 0
        while head < order.count {
            let node = order[head]
            head += 1
            for (other, _) in neighbours[node] where hops[other] < 0 {
                hops[other] = hops[node] + 1
                order.append(other)
            }
        }
        for node in order.dropFirst() {
            var best = Double.infinity
            for (other, cable) in neighbours[node] where hops[other] == hops[node] - 1 {
                let total = latency[other] + cables[cable].properties.latency
                if total < best {
                    best = total
                    next[node] = Int32(cable)
                }
            }
            latency[node] = best
        }
        return (hops, next)
    }

    func properties(of link: Int) -> LinkProperties { cables[Int(cableOfLink[link])].properties }

    func name(of link: Int) -> String {
        let index = Int(cableOfLink[link])
        let cable = cables[index]
        func node(_ number: Int) -> String { number < hostCount ? "h\(number)" : "s\(number - hostCount)" }
        if cable.duplex == .half { return "\(node(cable.a)) - \(node(cable.b)) (link \(index))" }
        let forward = Int(firstLink[index]) == link
        return "\(node(forward ? cable.a : cable.b)) to \(node(forward ? cable.b : cable.a)) (link \(index))"
    }

    func isReachable(from source: Int, to destination: Int) -> Bool { hops[destination][source] >= 0 }

    func choices(from source: Int, to destination: Int) -> Int { source == destination ? 1 : 16 }
    /// Choice 0 is the static route; the others are hashed hop by hop.
    func staticChoice(from source: Int, to destination: Int) -> Int { 0 }

    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        if choice == 0, let listed = table[source * hostCount + destination] {
            for link in listed { links.append(link) }
            return
        }
        var node = source
        var hash = UInt64(choice)
        while node != destination, hops[destination][node] > 0 {
            var index = Int(next[destination][node])
            if choice > 0 {
                let options = neighbours[node].filter { hops[destination][$0.node] == hops[destination][node] - 1 }
                hash = (hash ^ UInt64(node)) &* 0x9e37_79b9_7f4a_7c15
                hash ^= hash >> 29
                index = options[Int(hash % UInt64(options.count))].cable
            }
            let cable = cables[index]
            let forward = cable.a == node
            links.append(firstLink[index] + (forward || cable.duplex == .half ? 0 : 1))
            node = forward ? cable.b : cable.a
        }
    }
}
