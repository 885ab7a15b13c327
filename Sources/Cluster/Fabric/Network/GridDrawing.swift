import Foundation

/// Routers on a grid: the first dimension to the right, the second down, more dimensions as further grids.
struct GridDrawing {
    let result: (drawing: NetworkDrawing, hosts: [[Int]])
    private static let most = 256
    private static let side = 16

    init(sizes: [Int], shape: some NetworkShape) {
        let (columns, rows) = (sizes.first ?? 1, sizes.count > 1 ? sizes[1] : 1)
        let shownColumns = min(columns, sizes.count > 1 ? Self.side : 2 * Self.side)
        let shownRows = min(rows, Self.side)
        let planes = sizes.dropFirst(2).reduce(1, *)
        let shownPlanes = min(planes, max(1, Self.most / (shownColumns * shownRows)))
        // Planes side by side in rows of about as many as there are rows of them.
        let across = max(1, Int(Double(shownPlanes).squareRoot().rounded(.up)))
        let down = (shownPlanes + across - 1) / across
        var drawing = NetworkDrawing()
        var boxOf: [Int: Int] = [:]
        var hosts: [[Int]] = []
        for plane in 0..<shownPlanes {
            for row in 0..<shownRows {
                for column in 0..<shownColumns {
                    let host = column + columns * (row + rows * plane)
                    let x = (Double(plane % across) + (Double(column) + 0.5) / Double(shownColumns) * 0.86 + 0.07) / Double(across)
                    let y = (Double(plane / across) + (Double(row) + 0.5) / Double(shownRows) * 0.86 + 0.07) / Double(down)
                    boxOf[host] = drawing.boxes.count
                    hosts.append([host])
                    drawing.boxes.append(.init(label: "host \(host)", tier: 0, links: [], place: .init(x: x, y: y)))
                }
            }
        }
        drawing.hiddenNodes = shape.hostCount - drawing.boxes.count
        var edges: [Pair: Int] = [:]
        for link in 0..<shape.linkCount {
            guard let ends = LinkEnds(shape.name(of: link)), let a = LinkEnds.host(ends.from), let b = LinkEnds.host(ends.to), a != b,
                let from = boxOf[a], let to = boxOf[b]
            else { continue }
            let pair = Pair(low: min(from, to), high: max(from, to))
            if let known = edges[pair] {
                drawing.edges[known].links.append(link)
            } else {
                edges[pair] = drawing.edges.count
                let isNear = Self.areNeighbours(a, b, columns: columns, rows: rows)
                drawing.edges.append(.init(lower: pair.low, upper: pair.high, links: [link], wraps: !isNear))
            }
        }
        result = (drawing, hosts)
    }

    private static func areNeighbours(_ a: Int, _ b: Int, columns: Int, rows: Int) -> Bool {
        let (x, y) = (abs(a % columns - b % columns), abs(a / columns % rows - b / columns % rows))
        return a / (columns * rows) != b / (columns * rows) || x + y == 1
    }
}

private struct Pair: Hashable {
    var low: Int
    var high: Int
}

extension DragonflyShape {
    /// Groups on a circle with their routers round them; groups alone where there are many.
    var groupDrawing: (drawing: NetworkDrawing, hosts: [[Int]]) {
        let routers = form.groups * form.chassis * form.routers
        let isFine = routers <= 160
        let perGroup = form.chassis * form.routers
        var drawing = NetworkDrawing()
        var hosts: [[Int]] = []
        for box in 0..<(isFine ? routers : form.groups) {
            let group = isFine ? box / perGroup : box
            let centre = Self.onCircle(group, of: form.groups, radius: form.groups > 1 ? 0.38 : 0)
            var place = NetworkDrawing.Place(x: 0.5 + centre.x, y: 0.5 + centre.y)
            if isFine {
                let own = Self.onCircle(
                    box % perGroup, of: perGroup, radius: perGroup > 1 ? min(0.1, 1.0 / Double(max(4, form.groups))) : 0)
                place = .init(x: place.x + own.x, y: place.y + own.y)
            }
            let first = box * form.hostsPerRouter * (isFine ? 1 : perGroup)
            let own = Array(first..<first + form.hostsPerRouter * (isFine ? 1 : perGroup))
            hosts.append(own)
            drawing.boxes.append(
                .init(
                    label: isFine ? "router \(group).\(box / form.routers % form.chassis).\(box % form.routers)" : "group \(group)",
                    tier: 0,
                    links: own.flatMap { [Int(access.up($0)), Int(access.down($0))] }, place: place))
        }
        func box(_ group: Int, _ chassis: Int, _ router: Int) -> Int {
            isFine ? (group * form.chassis + chassis) * form.routers + router : group
        }
        func join(_ a: Int, _ b: Int, _ block: CableBlock, _ cable: Int) {
            let links = [Int(block.up(cable)), Int(block.down(cable))]
            if a == b { drawing.boxes[a].links += links } else { drawing.edges.append(.init(lower: a, upper: b, links: links)) }
        }
        for group in 0..<form.groups {
            for chassis in 0..<form.chassis {
                for a in 0..<form.routers {
                    for b in (a + 1)..<max(a + 1, form.routers) {
                        join(
                            box(group, chassis, a), box(group, chassis, b), green,
                            ((group * form.chassis + chassis) * form.routers + a) * form.routers + b)
                    }
                }
            }
            for router in 0..<form.routers {
                for a in 0..<form.chassis {
                    for b in (a + 1)..<max(a + 1, form.chassis) {
                        join(
                            box(group, a, router), box(group, b, router), black,
                            ((group * form.routers + router) * form.chassis + a) * form.chassis + b)
                    }
                }
            }
            for other in (group + 1)..<max(group + 1, form.groups) {
                join(box(group, 0, other), box(other, 0, group), blue, group * form.groups + other)
            }
        }
        return (drawing, hosts)
    }

    private static func onCircle(_ index: Int, of count: Int, radius: Double) -> (x: Double, y: Double) {
        let angle = 2 * Double.pi * Double(index) / Double(max(1, count))
        return (radius * sin(angle), -radius * cos(angle))
    }
}
