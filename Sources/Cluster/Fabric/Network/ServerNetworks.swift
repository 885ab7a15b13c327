/// Servers whose GPUs hang on PCIe: GPUs on switches, switches on the root complexes of sockets, sockets joined pair by pair (UPI, Infinity Fabric), and one
/// network port a switch, all of which meet in one non-blocking network. Traffic between two GPUs of a switch stays in it; between servers it takes the port
/// of the GPU's own switch and so never crosses a socket.
struct PCIeShape: NetworkShape {
    struct Form {
        var gpus: Int
        var perSwitch: Int
        var switchesPerSocket: Int
        var sockets: Int
        var switches: Int { switchesPerSocket * sockets }
        var perNode: Int { perSwitch * switches }
    }
    struct Links {
        /// GPU to switch, switch to socket, socket to socket.
        var slot: LinkProperties
        var uplink: LinkProperties
        var socket: LinkProperties
        /// Switch to network; absent for a single server.
        var port: LinkProperties?
    }
    let form: Form
    let slots: CableBlock
    let uplinks: CableBlock
    /// Per server sockets x sockets, of which (lower, higher) are used.
    let sockets: CableBlock
    let ports: CableBlock

    init(_ form: Form, links: Links, duplex: Duplex) {
        self.form = form
        let nodes = (form.gpus + form.perNode - 1) / form.perNode
        slots = CableBlock(first: 0, cables: form.gpus, properties: links.slot, duplex: duplex)
        uplinks = CableBlock(first: slots.end, cables: nodes * form.switches, properties: links.uplink, duplex: duplex)
        sockets = CableBlock(first: uplinks.end, cables: nodes * form.sockets * form.sockets, properties: links.socket, duplex: duplex)
        ports = CableBlock(
            first: sockets.end, cables: links.port == nil ? 0 : nodes * form.switches, properties: links.port ?? links.slot, duplex: duplex)
    }

    var hostCount: Int { form.gpus }
    var linkCount: Int { ports.end }
    private func block(of link: Int) -> CableBlock { [slots, uplinks, sockets].first { $0.contains(link) } ?? ports }
    func properties(of link: Int) -> LinkProperties { block(of: link).properties }

    func name(of link: Int) -> String {
        func pcie(_ index: Int) -> String { "PCIe switch \(index % form.switches) of node \(index / form.switches)" }
        if slots.contains(link) { return slots.name(link) { ("GPU \($0)", pcie($0 / form.perSwitch)) } }
        if uplinks.contains(link) {
            return uplinks.name(link) {
                (pcie($0), "socket \($0 % form.switches / form.switchesPerSocket) of node \($0 / form.switches)")
            }
        }
        if sockets.contains(link) {
            return sockets.name(link) { cable in
                let node = cable / form.sockets / form.sockets
                return ("socket \(cable / form.sockets % form.sockets) of node \(node)", "socket \(cable % form.sockets) of node \(node)")
            }
        }
        return ports.name(link) { (pcie($0), "network") }
    }

    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        let (a, b) = (source / form.perSwitch, destination / form.perSwitch)
        links.append(slots.up(source))
        if a != b {
            let (nodeA, nodeB) = (a / form.switches, b / form.switches)
            if nodeA != nodeB {
                links.append(ports.up(a))
                links.append(ports.down(b))
            } else {
                let (from, to) = (a % form.switches / form.switchesPerSocket, b % form.switches / form.switchesPerSocket)
                links.append(uplinks.up(a))
                if from != to {
                    let (low, high) = (min(from, to), max(from, to))
                    let cable = (nodeA * form.sockets + low) * form.sockets + high
                    links.append(from < to ? sockets.up(cable) : sockets.down(cable))
                }
                links.append(uplinks.down(b))
            }
        }
        links.append(slots.down(destination))
    }
}

/// NPUs on a grid whose dimensions are rings, full meshes or switches: the networks of ASTRA-sim (Won et al. 2023, arXiv:2303.14006). NPU = x0 + d0 (x1 + d1 ...);
/// a message goes through the dimensions in order, in a ring the shorter way round and forward when both are equal.
struct GridShape: NetworkShape {
    enum Kind: String, Sendable, CaseIterable { case ring = "Ring", fullyConnected = "FullyConnected", switched = "Switch" }
    struct Dimension: Sendable {
        var kind: Kind
        var size: Int
        var link: LinkProperties
    }
    let dimensions: [Dimension]
    let hostCount: Int
    /// [dimensions] NPUs between two neighbours.
    private let strides: [Int]
    private let blocks: [CableBlock]

    /// A ring and a switch have a cable an NPU, a full mesh one a pair (only lower to higher is used).
    static func cables(_ kind: Kind, size: Int, hosts: Int) -> Int { kind == .fullyConnected ? hosts * size : hosts }

    init(_ dimensions: [Dimension]) {
        self.dimensions = dimensions
        let hosts = dimensions.reduce(1) { $0 * $1.size }
        hostCount = hosts
        var strides: [Int] = []
        var blocks: [CableBlock] = []
        var stride = 1
        for dimension in dimensions {
            strides.append(stride)
            stride *= dimension.size
            blocks.append(
                CableBlock(
                    first: blocks.last?.end ?? 0, cables: Self.cables(dimension.kind, size: dimension.size, hosts: hosts),
                    properties: dimension.link, duplex: .full))
        }
        self.strides = strides
        self.blocks = blocks
    }

    var linkCount: Int { blocks.last?.end ?? 0 }
    private func dimension(of link: Int) -> Int { blocks.firstIndex { $0.contains(link) } ?? 0 }
    func properties(of link: Int) -> LinkProperties { blocks[dimension(of: link)].properties }

    private func place(_ npu: Int, _ index: Int) -> Int { npu / strides[index] % dimensions[index].size }
    private func moved(_ npu: Int, _ index: Int, to place: Int) -> Int { npu + (place - self.place(npu, index)) * strides[index] }

    func name(of link: Int) -> String {
        let index = dimension(of: link)
        let size = dimensions[index].size
        let ends = blocks[index].name(link) { cable in
            switch dimensions[index].kind {
            case .ring: ("NPU \(cable)", "NPU \(moved(cable, index, to: (place(cable, index) + 1) % size))")
            case .fullyConnected: ("NPU \(cable / size)", "NPU \(moved(cable / size, index, to: cable % size))")
            case .switched: ("NPU \(cable)", "switch")
            }
        }
        return "\(ends) (dimension \(index))"
    }

    func route(from source: Int, to destination: Int, choice: Int, into links: inout Column<Int32>) {
        var npu = source
        for (index, dimension) in dimensions.enumerated() {
            let (goal, size, block) = (place(destination, index), dimension.size, blocks[index])
            var x = place(npu, index)
            guard x != goal else { continue }
            let next = moved(npu, index, to: goal)
            switch dimension.kind {
            case .switched:
                links.append(block.up(npu))
                links.append(block.down(next))
            case .fullyConnected:
                links.append(x < goal ? block.up(npu * size + goal) : block.down(next * size + x))
            case .ring:
                let forward = (goal - x + size) % size <= size / 2 && !(size == 2 && x == 1)
                while x != goal {
                    let after = forward ? (x + 1) % size : (x + size - 1) % size
                    links.append(forward ? block.up(npu) : block.down(moved(npu, index, to: after)))
                    npu = moved(npu, index, to: after)
                    x = after
                }
            }
            npu = next
        }
    }
}
