import Foundation

extension NodesShape {
    /// At most `limit` nodes, spread evenly over the cluster, with the leaves that they hang on and one box for the switches above each.
    func drawing(limit: Int) -> NetworkDrawing {
        var drawing = NetworkDrawing()
        let shown = min(max(1, limit), nodes)
        drawing.hiddenNodes = nodes - shown
        var leafBox: [Int: Int] = [:]
        var leafOrder: [(row: Int, box: Int)] = []
        for index in 0..<shown {
            let node = index * nodes / shown
            let gpus = node * gpusPerNode..<min(gpus, (node + 1) * gpusPerNode)
            let box = drawing.boxes.count
            drawing.boxes.append(
                .init(label: "node \(node)", tier: 0, links: gpus.flatMap { [Int(inside.up($0)), Int(inside.down($0))] }))
            guard nodes > 1 else { continue }
            var byLeaf: [(row: Int, links: [Int])] = []
            for port in 0..<portsPerNode {
                let row = port % rails * leaves + place(node: node, port: port) / portsPerLeaf
                let cable = node * portsPerNode + port
                let links = [Int(ports.up(cable)), Int(ports.down(cable))]
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
                    drawing.boxes.append(.init(label: leafName(row / leaves, row % leaves), tier: 1, links: []))
                }
                drawing.edges.append(.init(lower: box, upper: upper, links: links))
            }
        }
        guard spines > 0 else { return drawing }
        let top = drawing.boxes.count
        drawing.boxes.append(.init(label: cores > 0 ? "pods and core" : "spines", tier: 2, links: []))
        for (row, box) in leafOrder {
            let cables = row * spines..<(row + 1) * spines
            drawing.edges.append(
                .init(lower: box, upper: top, links: cables.flatMap { [Int(leafUp.up($0)), Int(leafUp.down($0))] }))
        }
        return drawing
    }
}

/// Hosts, the switches that they hang on, and those above, found by the names of links: the picture of every network without one of its own. Hosts of
/// one switch share a box where there are many; a graph stands on two circles, hosts outside.
struct NamedDrawing {
    private(set) var result = (drawing: NetworkDrawing(), hosts: [[Int]]())

    /// Nodes by label, with their cables.
    private struct Cables {
        var labels: [String] = []
        var numbers: [String: Int] = [:]
        /// [cables] lower and higher label, and its links.
        var cables: [(a: Int, b: Int, links: [Int])] = []
        private var known: [Int: Int] = [:]

        mutating func add(_ ends: LinkEnds, _ link: Int) {
            let (from, to) = (number(ends.from), number(ends.to))
            let (a, b) = (min(from, to), max(from, to))
            let key = a << 32 | b
            if let cable = known[key] {
                cables[cable].links.append(link)
            } else {
                known[key] = cables.count
                cables.append((a, b, [link]))
            }
        }

        private mutating func number(_ label: String) -> Int {
            if let known = numbers[label] { return known }
            numbers[label] = labels.count
            labels.append(label)
            return labels.count - 1
        }
    }

    init(_ shape: some NetworkShape, limit: Int) {
        var cables = Cables()
        for link in 0..<shape.linkCount {
            // Of a table of sockets by sockets only (lower, higher) is a cable.
            if let server = shape as? PCIeShape, server.sockets.contains(link) {
                let cable = server.sockets.cable(of: link).cable
                guard cable / server.form.sockets % server.form.sockets < cable % server.form.sockets else { continue }
            }
            if let ends = LinkEnds(shape.name(of: link)) { cables.add(ends, link) }
        }
        let tiers = Self.tiers(cables)
        let groups = Self.groups(cables, tiers, limit: limit)
        // Box of each label; -1: not drawn.
        var boxOf = [Int](repeating: -1, count: cables.labels.count)
        let shown = min(groups.count, max(1, limit))
        for (index, group) in groups.enumerated() {
            // Evenly over the network.
            let place = index * shown / groups.count
            guard index == (place * groups.count + shown - 1) / shown else {
                result.drawing.hiddenNodes += group.count
                continue
            }
            for label in group { boxOf[label] = result.drawing.boxes.count }
            append(Self.name(group.map { cables.labels[$0] }), tier: 0, hosts: group.compactMap { LinkEnds.host(cables.labels[$0]) })
        }
        place(cables, tiers, &boxOf, limit: limit)
        join(cables, boxOf)
        if shape is GraphShape { arrangeOnCircles() }
    }

    private mutating func append(_ label: String, tier: Int, hosts: [Int] = []) {
        result.drawing.boxes.append(.init(label: label, tier: tier, links: []))
        result.hosts.append(hosts)
    }

    /// Steps from the nearest host.
    private static func tiers(_ cables: Cables) -> [Int] {
        var neighbours = [[Int]](repeating: [], count: cables.labels.count)
        for cable in cables.cables {
            neighbours[cable.a].append(cable.b)
            neighbours[cable.b].append(cable.a)
        }
        var tiers = cables.labels.map { LinkEnds.host($0) == nil ? -1 : 0 }
        var order = tiers.indices.filter { tiers[$0] == 0 }
        var head = 0
        while head < order.count {
            let node = order[head]
            head += 1
            for other in neighbours[node] where tiers[other] < 0 {
                tiers[other] = tiers[node] + 1
                order.append(other)
            }
        }
        return tiers.map { max(0, $0) }
    }

    /// Hosts one by one, or together with the others of their switch where there are more than `limit`.
    private static func groups(_ cables: Cables, _ tiers: [Int], limit: Int) -> [[Int]] {
        let hosts = cables.labels.indices.filter { LinkEnds.host(cables.labels[$0]) != nil }
            .sorted { (LinkEnds.host(cables.labels[$0]) ?? 0) < (LinkEnds.host(cables.labels[$1]) ?? 0) }
        guard hosts.count > limit else { return hosts.map { [$0] } }
        var home = [Int](repeating: -1, count: cables.labels.count)
        for cable in cables.cables {
            if tiers[cable.a] == 0, tiers[cable.b] > 0, home[cable.a] < 0 { home[cable.a] = cable.b }
            if tiers[cable.b] == 0, tiers[cable.a] > 0, home[cable.b] < 0 { home[cable.b] = cable.a }
        }
        var groups: [[Int]] = []
        var groupOf: [Int: Int] = [:]
        for host in hosts {
            if home[host] >= 0, let known = groupOf[home[host]] {
                groups[known].append(host)
            } else {
                if home[host] >= 0 { groupOf[home[host]] = groups.count }
                groups.append([host])
            }
        }
        return groups
    }

    /// "hosts 0–15" for hosts in a row.
    private static func name(_ labels: [String]) -> String {
        guard labels.count > 1, let first = labels.first, let last = labels.last, let low = LinkEnds.host(first),
            let high = LinkEnds.host(last)
        else { return labels.first ?? "" }
        let noun = first.hasPrefix("GPU") ? "GPUs" : first.hasPrefix("NPU") ? "NPUs" : "hosts"
        return high - low == labels.count - 1 ? "\(noun) \(low)–\(high)" : "\(labels.count) \(noun) from \(low)"
    }

    /// Boxes for switches, row by row; a row of many becomes one box, and switches that only hidden hosts hang on are left out.
    private mutating func place(_ cables: Cables, _ tiers: [Int], _ boxOf: inout [Int], limit: Int) {
        var reached = Set(boxOf.indices.filter { boxOf[$0] >= 0 })
        for tier in stride(from: 1, through: tiers.max() ?? 0, by: 1) {
            var row = Set<Int>()
            for cable in cables.cables {
                if reached.contains(cable.a), tiers[cable.b] == tier { row.insert(cable.b) }
                if reached.contains(cable.b), tiers[cable.a] == tier { row.insert(cable.a) }
            }
            let switches = row.sorted()
            if switches.count <= max(limit, 8) {
                for label in switches {
                    boxOf[label] = result.drawing.boxes.count
                    append(cables.labels[label], tier: tier)
                }
            } else {
                for label in switches { boxOf[label] = result.drawing.boxes.count }
                append("\(switches.count) switches", tier: tier)
            }
            reached.formUnion(row)
        }
    }

    private mutating func join(_ cables: Cables, _ boxOf: [Int]) {
        var known: [Int: Int] = [:]
        for cable in cables.cables where boxOf[cable.a] >= 0 && boxOf[cable.b] >= 0 {
            let (a, b) = (min(boxOf[cable.a], boxOf[cable.b]), max(boxOf[cable.a], boxOf[cable.b]))
            if a == b {
                result.drawing.boxes[a].links += cable.links
            } else if let edge = known[a << 32 | b] {
                result.drawing.edges[edge].links += cable.links
            } else {
                known[a << 32 | b] = result.drawing.edges.count
                result.drawing.edges.append(.init(lower: a, upper: b, links: cable.links))
            }
        }
    }

    private mutating func arrangeOnCircles() {
        let outer = result.drawing.boxes.indices.filter { result.drawing.boxes[$0].tier == 0 }
        let inner = result.drawing.boxes.indices.filter { result.drawing.boxes[$0].tier > 0 }
        for (ring, radius) in [(outer, 0.46), (inner, inner.count == 1 ? 0 : 0.26)] {
            for (place, box) in ring.enumerated() {
                let angle = 2 * Double.pi * Double(place) / Double(max(1, ring.count))
                result.drawing.boxes[box].place = .init(x: 0.5 + radius * sin(angle), y: 0.5 - radius * cos(angle))
            }
        }
    }
}
