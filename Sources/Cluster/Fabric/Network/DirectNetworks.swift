/// Hosts as routers on a grid with wrap-around in every dimension; h = x0 + d0 (x1 + d1 (x2 ...)). Dimension-order routing, the shorter way round and forward
/// when both are equal. One cable from every node to its next in every dimension; of two nodes the route uses the cable of the lower.
struct TorusShape: NetworkShape {
    let sizes: [Int]
    let hostCount: Int
    let cables: CableBlock

    init(sizes: [Int], link: LinkProperties, duplex: Duplex) {
        self.sizes = sizes
        hostCount = sizes.reduce(1, *)
        cables = CableBlock(first: 0, cables: hostCount * sizes.count, properties: link, duplex: duplex)
    }

    var linkCount: Int { cables.end }
    func properties(of link: Int) -> LinkProperties { cables.properties }

    func name(of link: Int) -> String {
        cables.name(link) { cable in
            let (node, dimension) = (cable / sizes.count, cable % sizes.count)
            let stride = sizes[..<dimension].reduce(1, *)
            let x = node / stride % sizes[dimension]
            return ("host \(node)", "host \(node + ((x + 1) % sizes[dimension] - x) * stride)")
        }
    }

    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        var stride = 1
        var node = source
        for (dimension, size) in sizes.enumerated() {
            var x = node / stride % size
            let goal = destination / stride % size
            let ahead = (goal - x + size) % size
            let forward = ahead <= size / 2 && !(size == 2 && x == 1)
            while x != goal {
                let next = forward ? (x + 1) % size : (x + size - 1) % size
                let owner = forward ? node : node + (next - x) * stride
                links.append(forward ? cables.up(owner * sizes.count + dimension) : cables.down(owner * sizes.count + dimension))
                node += (next - x) * stride
                x = next
            }
            stride *= size
        }
    }
}

/// Groups of chassis of routers (Kim et al. 2008, doi:10.1109/ISCA.2008.19, in the three-level form of the Cray Cascade). Routers of a chassis are joined all
/// to all ("green"), so are equal routers of a group's chassis ("black"); router t of chassis 0 of group g is joined to router g of chassis 0 of group t ("blue").
/// Minimal routing.
struct DragonflyShape: NetworkShape {
    struct Form {
        var groups: Int
        var chassis: Int
        var routers: Int
        var hostsPerRouter: Int
        /// Cables that are one fat link, per pair.
        var globalLinks: Int
        var chassisLinks: Int
        var routerLinks: Int
    }
    let form: Form
    let access: CableBlock
    let green: CableBlock
    let black: CableBlock
    let blue: CableBlock

    init(_ form: Form, link: LinkProperties, duplex: Duplex) {
        self.form = form
        let (g, c, r) = (form.groups, form.chassis, form.routers)
        access = CableBlock(first: 0, cables: g * c * r * form.hostsPerRouter, properties: link, duplex: duplex)
        green = CableBlock(first: access.end, cables: g * c * r * r, properties: link.times(form.routerLinks), duplex: duplex)
        black = CableBlock(first: green.end, cables: g * r * c * c, properties: link.times(form.chassisLinks), duplex: duplex)
        blue = CableBlock(first: black.end, cables: g * g, properties: link.times(form.globalLinks), duplex: duplex)
    }

    var hostCount: Int { access.cables }
    var linkCount: Int { blue.end }
    private func block(of link: Int) -> CableBlock { [access, green, black].first { $0.contains(link) } ?? blue }
    func properties(of link: Int) -> LinkProperties { block(of: link).properties }

    func name(of link: Int) -> String {
        let (chassis, routers) = (form.chassis, form.routers)
        func router(_ index: Int) -> String { "router \(index / routers / chassis).\(index / routers % chassis).\(index % routers)" }
        if access.contains(link) { return access.name(link) { ("host \($0)", router($0 / form.hostsPerRouter)) } }
        if green.contains(link) {
            return green.name(link) { cable in
                let (row, a, b) = (cable / (routers * routers), cable / routers % routers, cable % routers)
                return (router(row * routers + a), router(row * routers + b))
            }
        }
        if black.contains(link) {
            return black.name(link) { cable in
                let (row, a, b) = (cable / (chassis * chassis), cable / chassis % chassis, cable % chassis)
                let (group, r) = (row / routers, row % routers)
                return (router((group * chassis + a) * routers + r), router((group * chassis + b) * routers + r))
            }
        }
        return blue.name(link) { ("group \($0 / form.groups)", "group \($0 % form.groups)") }
    }

    /// One cable a pair, numbered by (lower, higher); its way up leads to the higher.
    private func hop(_ block: CableBlock, row: Int, width: Int, from a: Int, to b: Int) -> Int32 {
        a < b ? block.up((row * width + a) * width + b) : block.down((row * width + b) * width + a)
    }

    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        let (chassis, routers) = (form.chassis, form.routers)
        let (from, to) = (source / form.hostsPerRouter, destination / form.hostsPerRouter)
        var (g, c, r) = (from / routers / chassis, from / routers % chassis, from % routers)
        let (goalGroup, goalChassis, goalRouter) = (to / routers / chassis, to / routers % chassis, to % routers)
        func turn(toRouter next: Int) {
            if r != next { links.append(hop(green, row: g * chassis + c, width: routers, from: r, to: next)) }
            r = next
        }
        func turn(toChassis next: Int) {
            if c != next { links.append(hop(black, row: g * routers + r, width: chassis, from: c, to: next)) }
            c = next
        }
        links.append(access.up(source))
        if g != goalGroup {
            turn(toRouter: goalGroup)
            turn(toChassis: 0)
            links.append(hop(blue, row: 0, width: form.groups, from: g, to: goalGroup))
            r = g
            g = goalGroup
        }
        turn(toRouter: goalRouter)
        turn(toChassis: goalChassis)
        links.append(access.down(destination))
    }
}
