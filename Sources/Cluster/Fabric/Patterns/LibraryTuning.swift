import Foundation
import Yams

/// How a library puts messages on the wire: with a flag in every word, in every 128 bytes, or in large pieces without.
public enum WireProtocol: String, Sendable, Hashable, CaseIterable {
    case ll = "LL", ll128 = "LL128", simple = "Simple"
    var index: Int { self == .ll ? 0 : self == .ll128 ? 1 : 2 }
}

/// What NCCL would choose, from `library-tuning.yaml`: for each algorithm and protocol it estimates latency + bytes / rate and takes the least.
public struct LibraryTuning: Sendable {
    /// What the choice depends on beside operation and bytes.
    public struct Situation: Sendable, Hashable {
        /// Ranks of the group.
        public var ranks: Int
        /// Ranks of a node.
        public var perNode: Int
        public var generation: Generation
        /// Whether the GPUs of a node meet in NVLink (else PCIe), and whether its switch reduces.
        public var hasNVLink: Bool
        public var hasNVSwitch: Bool
        /// Bytes a second of one GPU's link inside the node, and of the whole node on the network.
        public var insideRate: Double
        public var networkRate: Double
        public var nodes: Int { (ranks + perNode - 1) / max(1, perNode) }

        public init(
            ranks: Int, perNode: Int, generation: Generation = .hopper, links: (hasNVLink: Bool, hasNVSwitch: Bool),
            rates: (inside: Double, network: Double)
        ) {
            self.ranks = ranks
            self.perNode = perNode
            self.generation = generation
            (hasNVLink, hasNVSwitch) = links
            (insideRate, networkRate) = rates
        }
    }
    /// Algorithm and protocol, with the estimate that decided.
    public struct Choice: Sendable, Hashable {
        /// What is sent to whom, and how it is written on the wire.
        public var way: CollectiveWay
        public var wire: WireProtocol
        /// The library's own estimate, seconds; it decides and is no prediction.
        public var estimate: Double
    }

    private struct Tables: Decodable, Sendable {
        struct Latency: Decodable, Sendable {
            var algorithm: String
            var `where`: String
            var us: [Double]
            var source: String
        }
        struct Family: Decodable, Sendable {
            var name: String
            var nvls_from: Int
            var ring: Double
            var nvls: Double
            var ll_cap: [Double]
            var channels: Double
            var tree_cap: [Double]
            var source: String
        }
        struct Wire: Decodable, Sendable {
            var name: String
            var data: Double
            var source: String
        }
        struct Rule: Decodable, Sendable {
            var name: String
            var values: [Double]
            var source: String
        }
        var protocols: [Wire]
        var latencies: [Latency]
        var generations: [Family]
        var rules: [Rule]

        func latency(_ algorithm: String, _ place: String) -> [Double] {
            latencies.first { $0.algorithm == algorithm && $0.where == place && $0.us.count == 3 }?.us ?? [0, 0, 0]
        }
        func rule(_ name: String, _ index: Int, default fallback: Double) -> Double {
            guard let values = rules.first(where: { $0.name == name })?.values, values.indices.contains(index) else { return fallback }
            return values[index]
        }
    }
    private let tables: Tables
    private static let parsed = Result<LibraryTuning, CatalogueError> { () throws(CatalogueError) in
        do { return LibraryTuning(tables: try YAMLDecoder().decode(Tables.self, from: Data(PackageResources.library_tuning_yaml))) } catch {
            throw .malformed(file: "library-tuning.yaml", path: "", reason: "\(error)")
        }
    }
    private init(tables: Tables) { self.tables = tables }

    /// The choices of NCCL 2.27.
    /// - Throws: `CatalogueError` where the data file is damaged.
    public static func nccl() throws(CatalogueError) -> LibraryTuning { try parsed.get() }

    /// Share of the bytes on the wire that are data.
    public func dataShare(_ wire: WireProtocol) -> Double { tables.protocols.first { $0.name == wire.rawValue }?.data ?? 1 }

    /// How many chunks a pipelined algorithm cuts so many bytes into.
    public func chunks(_ bytes: Double) -> Int {
        let most = tables.rule("pipeline", 1, default: 8)
        return max(1, Int(min(most, (bytes / tables.rule("pipeline", 0, default: 1_048_576)).rounded(.up))))
    }

    /// How many pieces a tree cuts so many bytes into. C pieces are through after (C + steps - 1) (a + b S / C), with a = latency and b = seconds a byte of a
    /// hop, which is least at C = sqrt((steps - 1) b S / a). Without a hop the library's own size of a piece counts.
    public func treePieces(_ bytes: Double, steps: Int, hop: LinkProperties?) -> Int {
        let most = tables.rule("tree-pieces", 0, default: 128)
        let best =
            if let hop { (Double(max(0, steps - 1)) * bytes / hop.bandwidth / max(hop.latency, 1e-12)).squareRoot().rounded() } else {
                (bytes / tables.rule("tree-pieces", 1, default: 65536)).rounded(.up)
            }
        return max(1, Int(min(most, best)))
    }

    /// `way` limits the choice to one algorithm, of which the protocol is then chosen; algorithms that the library does not have use Simple.
    public func choice(_ op: CollectiveOp, bytes: Double, _ situation: Situation, way: CollectiveWay? = nil) -> Choice {
        let limit = tables.rule("send-ll-limit", 0, default: 16384)
        if op == .allToAll || op == .sendReceive {
            let message = op == .allToAll ? bytes / Double(max(1, situation.ranks)) : bytes
            return Choice(way: way ?? .direct, wire: message <= limit ? .ll : .simple, estimate: 0)
        }
        var best: Choice?
        for candidate in way.map({ [$0] }) ?? [.ring, .chain, .tree, .nvls, .nvlsTree] {
            for wire in WireProtocol.allCases {
                guard let time = estimate(op, candidate, wire, bytes, situation), time < best?.estimate ?? .infinity else { continue }
                best = Choice(way: candidate, wire: wire, estimate: time)
            }
        }
        return best ?? Choice(way: way ?? (op == .broadcast ? .chain : .ring), wire: .simple, estimate: .infinity)
    }

    /// Seconds as the library estimates them; nil for what it does not have.
    private func estimate(
        _ op: CollectiveOp, _ way: CollectiveWay, _ wire: WireProtocol, _ bytes: Double, _ at: Situation
    ) -> Double? {
        // Other families have no reduction in the switch; they are taken like A100.
        let families = tables.generations
        guard
            let generation = families.first(where: { $0.name == at.generation.rawValue }) ?? families.first(where: { $0.name == "ampere" })
        else { return nil }
        let (n, nodes) = (Double(at.ranks), Double(at.nodes))
        let size = min(at.nodes, 3) - 1
        let inside = at.insideRate * generation.ring
        let bus = at.nodes == 1 ? inside : min(at.perNode > 1 ? inside : .infinity, at.networkRate)
        let cap = (generation.ll_cap.indices.contains(size) ? generation.ll_cap[size] : 20) * 1e9
        let fast = at.hasNVLink ? "nvlink" : "pcie"
        let p = wire.index
        let reachesLL128 = at.hasNVLink || at.perNode == 1
        guard wire != .ll128 || reachesLL128 else { return nil }
        var latency = 0.0
        var rate = bus
        switch way {
        case .ring, .chain:
            guard (way == .chain) == (op == .broadcast) else { return nil }
            let steps = op == .allReduce ? 2 * (n - 1) : op == .broadcast ? n : n - 1
            let across = at.nodes == 1 ? 0 : op == .allReduce ? 2 * (nodes - 1) : nodes - 1
            let network = at.perNode == 1 ? tables.latency("tree", "network")[p] : tables.latency("ring", "network")[p]
            let overhead = at.nodes > 1 ? tables.rule("network-overhead", 0, default: 1) * (wire == .simple ? 3 : 1) : 0
            latency = (steps - across) * max(tables.latency("ring", fast)[p], overhead) + across * network
            latency += tables.latency("ring", "base")[p]
            if wire == .ll { rate = min(cap, rate * dataShare(.ll)) }
            if wire == .ll128 { rate *= tables.rule("ring-ll128-share", 0, default: 0.92) }
            rate *= n / steps
            let piece = bytes / generation.channels / n
            if wire == .simple, at.nodes > 1, op == .allReduce, piece >= tables.rule("ring-plateau", 1, default: 64) {
                latency *= tables.rule("ring-plateau", 0, default: 1.4)
            }
        case .tree:
            guard op == .allReduce else { return nil }
            let levels = Double(Int.bitWidth - 1 - max(1, at.nodes).leadingZeroBitCount)
            let local = Double(max(0, at.ranks / max(1, at.nodes) - 1))
            latency = tables.latency("tree", "base")[p]
            latency += 2 * (local * tables.latency("tree", fast)[p] + levels * tables.latency("tree", "network")[p])
            let perChannel = (generation.tree_cap.indices.contains(size) ? generation.tree_cap[size] : 20) * 1e9
            rate = min(rate * tables.rule("tree-share", 0, default: 0.92), generation.channels * perChannel)
            if wire == .ll { rate = min(cap, rate * tables.rule("tree-protocol-shares", 0, default: 0.263)) }
            if wire == .ll128 { rate *= tables.rule("tree-protocol-shares", at.nodes == 1 ? 1 : 2, default: 0.9) }
            rate *= treeShare(wire, bytes) / 2
        case .nvls, .nvlsTree:
            let isAcross = way == .nvlsTree
            guard wire == .simple, at.hasNVSwitch, generation.nvls_from > 0, min(at.perNode, at.ranks) >= generation.nvls_from,
                isAcross == (at.nodes > 1), op == .allReduce || !isAcross && op != .broadcast
            else { return nil }
            latency = tables.latency(way.rawValue, "nvlink")[p]
            rate = at.insideRate * generation.nvls
            if isAcross {
                let levels = Double(Int.bitWidth - 1 - at.nodes.leadingZeroBitCount)
                latency += 2 * levels * tables.latency(way.rawValue, "network")[p]
                rate = min(rate, at.networkRate * (at.nodes == 2 ? 2 : 1))
            }
            rate *= op == .allReduce ? n / (2 * (n - 1)) : 0.5 * n / (n - 1)
        default: return nil
        }
        return rate > 0 ? latency * 1e-6 + bytes / rate : nil
    }

    /// The tree's loss at middle sizes.
    private func treeShare(_ wire: WireProtocol, _ bytes: Double) -> Double {
        let worst = tables.rule("tree-dip", wire.index, default: 0.5)
        let (low, high) = (tables.rule("tree-dip", 3, default: 131072), tables.rule("tree-dip", 4, default: 1_048_576))
        let usual = tables.rule("tree-dip", 5, default: 0.95)
        let octaves = bytes < low ? log2(low / max(1, bytes)) : bytes > high ? log2(bytes / high) : 0
        return worst + (usual - worst) * min(1, octaves / 6)
    }
}

extension Network {
    /// What a library sees of `ranks` on the first hosts.
    public func situation(ranks: Int) -> LibraryTuning.Situation {
        let perNode = max(1, min(nodeSize, ranks))
        func rate(_ destination: Int) -> Double {
            route(from: 0, to: min(destination, hostCount - 1)).map { properties(ofLink: $0).bandwidth }.min() ?? 0
        }
        let isNVSwitch = shape is RailShape || (shape as? any NodesOfGPUs)?.reduces ?? ((shape as? StarShape)?.hub == "NVSwitch")
        let network = ranks > perNode ? networkRate(perPort: rate(perNode)) : 0
        return LibraryTuning.Situation(
            ranks: ranks, perNode: perNode, generation: generation, links: (!(shape is PCIeShape), isNVSwitch),
            rates: (perNode > 1 ? rate(1) : network, network))
    }

    /// Latency and bandwidth of a message between nodes, or inside where there is one node only.
    func hop(ranks: Int) -> LinkProperties? {
        let far = min(max(1, min(nodeSize, ranks - 1)), hostCount - 1)
        let links = route(from: 0, to: far).map { properties(ofLink: $0) }
        guard let rate = links.map(\.bandwidth).min() else { return nil }
        return LinkProperties(bandwidth: rate, latency: links.reduce(0) { $0 + $1.latency })
    }
}
