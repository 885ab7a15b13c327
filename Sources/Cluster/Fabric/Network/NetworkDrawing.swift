import Foundation

/// A network as boxes and bundles of cables between them, for pictures.
public struct NetworkDrawing: Sendable, Hashable {
    /// A node, a host, a switch, or several that are drawn as one.
    public struct Box: Sendable, Hashable {
        /// What stands in the box.
        public var label: String
        /// 0 nodes or hosts, 1 the switches that they hang on, 2 and more what is above.
        public var tier: Int
        /// Links inside (the fast switch's, or of the hosts that the box stands for), empty for switches.
        public var links: [Int]
        /// Where it stands, from 0 to 1 to the right and down; nil: in the row of its tier.
        public var place: Place?
    }
    /// From 0 to 1 to the right and down.
    public struct Place: Sendable, Hashable, Codable {
        /// To the right, and down.
        public var x: Double
        public var y: Double
    }
    /// Cables between two boxes.
    public struct Edge: Sendable, Hashable {
        /// Indices of boxes.
        public var lower: Int
        public var upper: Int
        public var links: [Int]
        /// Leads round the edge of a grid.
        public var wraps = false
    }
    /// Tier by tier from below, and the cables between them.
    public var boxes: [Box] = []
    public var edges: [Edge] = []
    /// Nodes or hosts that are not drawn.
    public var hiddenNodes = 0
}

extension Network {
    /// Networks with more links than this are not drawn as boxes of single names.
    private static let drawingLimit = 400_000

    /// At most about `limit` hosts, nodes or groups of them, with the switches that they hang on; nil for networks too large to draw.
    public func drawing(limit: Int = 16) -> NetworkDrawing? {
        if let tree = shape as? NodesShape { return tree.drawing(limit: limit) }
        if let nodes = shape as? NodesOnShape {
            guard nodes.base.linkCount <= Self.drawingLimit else { return nil }
            return nodes.drawing(limit: limit)
        }
        guard linkCount <= Self.drawingLimit else { return nil }
        return shape.drawing(limit: limit).drawing
    }
}

extension NetworkShape {
    /// With the hosts that each box stands for.
    func drawing(limit: Int) -> (drawing: NetworkDrawing, hosts: [[Int]]) {
        switch self {
        case let torus as TorusShape: GridDrawing(sizes: torus.sizes, shape: torus).result
        case let grid as GridShape where grid.dimensions.allSatisfy({ $0.kind != .switched }):
            GridDrawing(sizes: grid.dimensions.map(\.size), shape: grid).result
        case let dragonfly as DragonflyShape: dragonfly.groupDrawing
        default: NamedDrawing(self, limit: limit).result
        }
    }
}

extension NodesOnShape {
    /// The picture of what joins the nodes; a node's own links and ports are in its box.
    func drawing(limit: Int) -> NetworkDrawing {
        var (drawing, hosts) = base.drawing(limit: limit)
        for index in drawing.edges.indices { drawing.edges[index].links = drawing.edges[index].links.map { $0 + ports.end } }
        for index in drawing.boxes.indices {
            var links = drawing.boxes[index].links.map { $0 + ports.end }
            for node in hosts[index] {
                for gpu in node * gpusPerNode..<min(gpus, (node + 1) * gpusPerNode) {
                    links += [Int(inside.up(gpu)), Int(inside.down(gpu))]
                }
                for port in node * portsPerNode..<(node + 1) * portsPerNode { links += [Int(ports.up(port)), Int(ports.down(port))] }
            }
            drawing.boxes[index].links = links
            drawing.boxes[index].label = drawing.boxes[index].label.replacing("hosts ", with: "nodes ").replacing("host ", with: "node ")
        }
        return drawing
    }
}

/// The two ends that a link's name gives: "a to b", "a - b" (both directions), each with remarks in brackets behind.
struct LinkEnds {
    var from: String
    var to: String

    init?(_ name: String) {
        let bare = name.hasSuffix(")") ? name.lastIndex(of: "(").map { String(name[..<$0]) } ?? name : name
        guard let middle = bare.firstRange(of: " to ") ?? bare.firstRange(of: " - ") else { return nil }
        from = Self.box(bare[..<middle.lowerBound])
        to = Self.box(bare[middle.upperBound...])
    }

    /// Without the number of the cable; a port stands for its node.
    private static func box(_ text: Substring) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        if let cable = text.firstRange(of: " cable ") { text = text[..<cable.lowerBound] }
        if text.hasPrefix("port "), let of = text.firstRange(of: " of node ") { return "node \(text[of.upperBound...])" }
        if let of = text.firstRange(of: "NVSwitch of node ") { return "node \(text[of.upperBound...])" }
        return String(text)
    }

    /// The number of a host, which is what flows begin and end at; nil for a switch.
    static func host(_ label: String) -> Int? {
        for prefix in ["host ", "GPU ", "NPU ", "h"] where label.hasPrefix(prefix) { return Int(label.dropFirst(prefix.count)) }
        return nil
    }
}
