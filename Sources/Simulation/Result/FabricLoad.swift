import Cluster

/// A link of the fabric, or several that carried the same.
public struct LinkLoad: Sendable, Hashable, Codable {
    public var name: String
    /// Other links with the same load.
    public var alike: Int
    /// Bytes that crossed one of them in the step.
    public var bytes: Double
    /// Bytes by group: tensor, sequence, context, expert, pipeline, data.
    public var byGroup: [String: Double]
    /// Bytes over what the link could carry in the step at its nominal rate.
    public var utilization: Double
    /// Utilization in each of `FabricLoad.seriesCount` equal parts of the step.
    public var series: [Double]

    public init(name: String, alike: Int, bytes: Double, byGroup: [String: Double], utilization: Double, series: [Double]) {
        (self.name, self.alike, self.bytes, self.byGroup) = (name, alike, bytes, byGroup)
        (self.utilization, self.series) = (utilization, series)
    }
}

/// Time that the passes and transfers of a group lost at a full link, beyond what their closed form takes.
public struct LinkWait: Sendable, Hashable, Codable {
    public var group: String
    public var link: String
    /// Groups whose flows were on the link at the time; empty: the group's own flows overload it.
    public var rivals: [String]
    /// Seconds, summed over the pipeline ranks of a replica, mean over lanes.
    public var seconds: Double
}

/// Boxes and bundles of cables with their load, for pictures.
public struct FabricPicture: Sendable, Hashable, Codable {
    public struct Box: Sendable, Hashable, Codable {
        public var label: String
        /// 0 nodes or hosts, 1 the switches that they hang on, 2 and more what is above.
        public var tier: Int
        /// Greatest utilization of the links inside; nil for switches.
        public var utilization: Double?
        /// Nil: in the row of its tier.
        public var place: NetworkDrawing.Place?
    }
    public struct Edge: Sendable, Hashable, Codable {
        public var lower: Int
        public var upper: Int
        public var cables: Int
        /// Of the fullest of its links.
        public var utilization: Double
        /// Leads round the edge of a grid.
        public var wraps = false
    }
    public var boxes: [Box]
    public var edges: [Edge]
    public var hiddenNodes: Int

    /// The drawing of a network with the load of its links, which are numbered as in the network.
    public init(_ drawing: NetworkDrawing, utilization: (Int) -> Double) {
        func most(_ links: [Int]) -> Double { links.reduce(0) { max($0, utilization($1)) } }
        boxes = drawing.boxes.map {
            Box(label: $0.label, tier: $0.tier, utilization: $0.links.isEmpty ? nil : most($0.links), place: $0.place)
        }
        edges = drawing.edges.map {
            Edge(lower: $0.lower, upper: $0.upper, cables: ($0.links.count + 1) / 2, utilization: most($0.links), wraps: $0.wraps)
        }
        hiddenNodes = drawing.hiddenNodes
    }
}

/// What a step's communication did on the links of the cluster.
public struct FabricLoad: Sendable, Hashable, Codable {
    public static let seriesCount = 48
    /// The ten with the highest utilization, highest first.
    public var links: [LinkLoad]
    /// Longest first, at most ten.
    public var waits: [LinkWait]
    /// Bytes of all GPUs in the step by group, over links inside fast domains and over the network.
    public var inside: [String: Double]
    public var network: [String: Double]
    /// Nil for networks too large to draw.
    public var picture: FabricPicture?
}
