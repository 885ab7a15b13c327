import Foundation
import Quantities

/// How long a collective takes on a cluster when nothing else uses its links, in closed form with measured constants (`collectives.yaml` says which).
///
/// Inside a fast domain t = alpha + f S / B + c sqrt(S). Over D domains with k ranks in each, a ring (all operations) and a double binary tree
/// (all-reduce; Sanders, Speck and Träff 2009) compete and the faster counts, as NCCL chooses. Both are bounded by the slower of the part inside a
/// domain and the part on the network; `concurrent` groups share a domain's ports. No result beats the nominal rate of a link.
public struct CollectiveModel: Sendable {
    /// One operation over n ranks inside a domain: seconds, seconds a byte, seconds a root of a byte.
    private struct Inside: Sendable {
        var alpha = 0.0
        var perByte = 0.0
        var perRoot = 0.0
        /// Seconds a byte at the nominal rate of the link, the bound that no efficiency lifts.
        var floor = 0.0
    }
    /// The network's constants in seconds, bytes and bytes a second.
    private struct Between: Sendable {
        var domainRate: Double
        /// What one GPU can reach: its own port, or its share of the node's ports.
        var rankRate: Double
        var share: Double
        var stream: Double
        var latency: Double
        var tauIntra: Double
        var hop: Double
        var hopGrowth: Double
        var p: Double
        var tree: (Double, Double)
        /// Seconds a root of a byte at `reference` bytes a second.
        var root: (Double, Double)
        var q: Double
        var reference: Double
        var lowHop: Double
        var lowShare: Double
        var pairwise: (Double, Double)
        /// Bytes a second that one group can put on the network from one domain, however many ports there are.
        var groupRate: Double
        /// Seconds a byte of a ring between domains on the links inside them; 0 where the table's own rate counts.
        var through: Double
    }

    private let domain: Int
    /// Ranks up to which the table goes; larger groups of one domain take its last entry.
    private let limit: Int
    private static let largest = 1024
    /// [operation][ranks 0...limit], and at the end the all-reduce by ring, without reduction in the switch.
    private let inside: [Inside]
    private let between: Between
    private let send: Inside
    private let nvlsFrom: Int
    /// Bytes of a buffer a second that a switch reduces at most.
    private let nvlsMost: Double
    private static let ringReduce = 5
    /// Bytes a second through the host's memory.
    private static let hostPath = 6.5e9
    private static let operations = 6

    public init(cluster: ClusterSpec) {
        domain = max(1, cluster.domain)
        let limit = min(domain, Self.largest)
        self.limit = limit
        // The file is part of the module and a test reads it; were it broken, plain link rates remain.
        let constants = try? CollectiveConstants.parsed.get()
        let set = constants?.set(for: cluster.accelerator, over: cluster.intraNode.fabric)
        let nominal = cluster.intraNode.bandwidth.bytesPerSecond
        let own = set.flatMap { Self.nominal(of: $0) }
        let rate = own.map { nominal / $0.rate } ?? 1
        let startUp = own.map { max(1e-9, cluster.intraNode.latency.seconds) / $0.latency } ?? 1
        // Cards that do not reach each other pass every message through the host's memory: two or three at the pace below, more share what one of them had
        // (measured steps of 2, 4 and 8 RTX 3090: 7, 1.6 and 0.8 GB/s a card).
        let throughHost = cluster.intraNode.fabric == .pcie && !cluster.accelerator.peerToPeer
        let switched = (set?.nvlsFrom ?? 0) > 0 && cluster.intraNode.fabric != .pcie ? set?.nvlsFrom ?? 0 : 0
        nvlsFrom = switched
        nvlsMost = switched > 0 ? (set?.nvlsMost ?? .infinity) * nominal : .infinity
        var table = [Inside](repeating: Inside(), count: Self.operations * (limit + 1))
        let rows: [(CollectiveOp, String, Int)] = [
            (.allReduce, "all_reduce", 0), (.reduceScatter, "reduce_scatter", 1), (.allGather, "all_gather", 2),
            (.allToAll, "all_to_all", 3),
            (.broadcast, "all_gather", 4),
        ]
        for (op, name, row) in rows where limit > 1 {
            for n in 2...limit {
                let f = op.busFactor(ranks: Double(n))
                // Reduction in the switch: a rank sends its buffer once, and its part of the sum once more.
                let least = op == .allReduce && switched > 0 && n >= switched ? 1 + 1 / Double(n) : f
                let fit =
                    set?.fit(name, ranks: n)
                    ?? .init(alpha: cluster.intraNode.latency.seconds * 1e6, bandwidth: 0.8 * nominal * 1e-9, root: 0)
                let shared = throughHost ? Self.hostPath / Double(n > 3 ? n : 1) : .infinity
                table[row * (limit + 1) + n] = Inside(
                    alpha: fit.alpha * 1e-6 * startUp, perByte: f / min(fit.bandwidth * 1e9 * rate, shared),
                    perRoot: fit.root * 1e-9 / rate,
                    floor: least / nominal)
            }
        }
        for n in 0...limit where limit > 1 {
            let reduce = table[n]
            let gather = table[2 * (limit + 1) + n]
            let byRing = switched > 0 && n >= switched
            table[Self.ringReduce * (limit + 1) + n] =
                byRing
                ? Inside(alpha: reduce.alpha, perByte: 2 * gather.perByte, perRoot: reduce.perRoot, floor: 2 * gather.floor) : reduce
        }
        inside = table
        let reached = set.flatMap { $0.send.first.flatMap(Double.init) }.map { $0 * 1e9 * rate } ?? 0.8 * nominal
        send = Inside(
            alpha: cluster.intraNode.latency.seconds, perByte: 1 / min(reached, nominal, throughHost ? Self.hostPath : .infinity),
            perRoot: 0, floor: 1 / nominal)
        between = Self.between(cluster, constants?.network)
    }

    /// Seconds from the first rank's start until the last has its result, all ranks starting together. Zero for a group of one.
    /// - Parameters:
    ///   - bytes: the full buffer (see `CollectiveOp`).
    ///   - algorithm: forces how an all-reduce crosses domains, and by ring inside one; other operations have one way.
    public func seconds(
        _ op: CollectiveOp, bytes: Double, group: GroupShape, efficiency: LinkEfficiency = .nominal,
        algorithm: CollectiveAlgorithm = .fastest
    ) -> Double {
        guard group.ranks > 1, bytes >= 0 else { return 0 }
        let k = max(1, min(group.perDomain, group.ranks, domain))
        if op == .sendReceive { return sendSeconds(bytes, crossing: k < group.ranks, group, efficiency) }
        if k == group.ranks {
            let row = op == .allReduce && algorithm == .ring ? Self.ringReduce : op.index
            return insideSeconds(row, bytes, k, efficiency.intra)
        }
        let route = Route(domain: k, group: group, rate: networkRate(k, group), efficiency: efficiency, share: between.share)
        if op == .allToAll { return pairwiseSeconds(bytes, route) }
        var best = op == .allReduce && algorithm == .tree ? .infinity : ringSeconds(op, bytes, route)
        if op == .allReduce, algorithm != .ring { best = min(best, treeSeconds(bytes, route)) }
        let least = op == .broadcast ? 1 : (op == .allReduce ? 2 : 1) * (route.domains - 1) / route.domains
        return max(best, least * bytes / route.rate)
    }

    /// As `seconds`, of the library alone, as nccl-tests measures it: buffers beyond those of the fitted tables meet the rate that they level off at.
    public func benchmark(_ op: CollectiveOp, bytes: Double, group: GroupShape, algorithm: CollectiveAlgorithm = .fastest) -> Double {
        let fitted = seconds(op, bytes: bytes, group: group, algorithm: algorithm)
        let reduces = op == .allReduce && algorithm == .fastest && !group.crossesDomains && nvlsFrom > 0 && group.ranks >= nvlsFrom
        return reduces ? max(fitted, bytes / nvlsMost) : fitted
    }

    /// Bytes that a rank sends on average, over links inside its domain and over the network.
    public func traffic(_ op: CollectiveOp, bytes: Double, group: GroupShape) -> (nvlink: Double, network: Double) {
        guard group.ranks > 1, bytes > 0 else { return (0, 0) }
        let n = Double(group.ranks)
        let k = max(1, min(group.perDomain, group.ranks, domain))
        let sent = op == .broadcast ? bytes * (n - 1) / n : bytes * op.busFactor(ranks: n)
        if k == group.ranks {
            return (op == .allReduce && nvlsFrom > 0 && k >= nvlsFrom ? bytes * (1 + 1 / n) : sent, 0)
        }
        switch op {
        case .sendReceive: return (0, bytes)
        case .allToAll: return (bytes * Double(k - 1) / n, bytes * Double(group.ranks - k) / n)
        default:
            // A ring leaves each domain once: one rank in k sends over the network.
            let outward = sent / Double(k)
            return (sent - outward, outward)
        }
    }

    /// Shares of their nominal rate that links reach under steady traffic: between two GPUs of a domain, and on the network.
    public func reachedShares(_ efficiency: LinkEfficiency) -> (inside: Double, network: Double) {
        (min(1, send.floor / send.perByte * efficiency.intra), min(1, between.share * efficiency.inter))
    }

    private func insideSeconds(_ row: Int, _ bytes: Double, _ n: Int, _ efficiency: Double) -> Double {
        let c = inside[row * (limit + 1) + min(n, limit)]
        return c.alpha + max(c.floor * bytes, (c.perByte * bytes + c.perRoot * bytes.squareRoot()) / efficiency)
    }

    /// The part inside a domain of a collective over several, without its start-up.
    private func insideFlow(_ row: Int, _ bytes: Double, _ k: Int, _ efficiency: Double) -> Double {
        guard k > 1 else { return 0 }
        let c = inside[row * (limit + 1) + min(k, limit)]
        return max(c.floor, c.perByte / efficiency) * bytes
    }

    /// Nominal bytes a second that a group can put on the network from one domain.
    private func networkRate(_ k: Int, _ group: GroupShape) -> Double {
        min(between.domainRate / Double(max(1, group.concurrent)), Double(k) * between.rankRate, between.groupRate)
    }

    private func sendSeconds(_ bytes: Double, crossing: Bool, _ group: GroupShape, _ efficiency: LinkEfficiency) -> Double {
        guard crossing else { return send.alpha + bytes * max(send.floor, send.perByte / efficiency.intra) }
        let shared = between.domainRate / Double(max(1, group.concurrent))
        let reached = min(shared * between.share, between.rankRate * between.stream) * efficiency.inter
        return between.latency + bytes / min(reached, shared, between.rankRate)
    }

    /// A group that crosses domains, and what of the network it has.
    private struct Route {
        /// Ranks in one domain, in all, and domains.
        let k: Int
        let n: Double
        let domains: Double
        let growth: Double
        /// Nominal and reached bytes a second into and out of one domain.
        let rate: Double
        let reached: Double
        let efficiency: LinkEfficiency

        init(domain k: Int, group: GroupShape, rate: Double, efficiency: LinkEfficiency, share: Double) {
            self.k = k
            n = Double(group.ranks)
            domains = Double((group.ranks + k - 1) / k)
            growth = log2(domains)
            self.rate = rate
            reached = min(rate, rate * share * efficiency.inter)
            self.efficiency = efficiency
        }
    }

    private func pairwiseSeconds(_ bytes: Double, _ r: Route) -> Double {
        let k = Double(r.k)
        let local = insideFlow(CollectiveOp.allToAll.index, bytes, r.k, r.efficiency.intra) * k / r.n
        let start = between.latency * between.pairwise.0 + between.pairwise.1 * (r.n - k)
        return start + max(local, bytes * k * (r.n - k) / r.n / r.reached)
    }

    private func ringSeconds(_ op: CollectiveOp, _ bytes: Double, _ r: Route) -> Double {
        let b = between
        let crossings = r.domains / r.n
        let steps = op == .allReduce ? 2 * (r.n - 1) : r.n - 1
        let step = (1 - crossings) * b.tauIntra + crossings * (b.hop + b.hopGrowth * r.growth)
        let f = op.busFactor(ranks: r.n)
        let row = op == .allReduce ? Self.ringReduce : op.index
        var local = 0.0
        if r.k > 1 {
            // The ring passes f of all n ranks over every link; the table's entry for k ranks holds the f of k.
            local = insideFlow(row, bytes, r.k, r.efficiency.intra) * f / op.busFactor(ranks: Double(r.k))
            if b.through > 0 { local = min(local, f * bytes * max(send.floor, b.through / r.efficiency.intra)) }
        }
        let flow = max(local, f * bytes / r.reached)
        let ring = pow(pow(steps * step, b.p) + pow(flow, b.p), 1 / b.p)
        guard op != .allReduce else { return ring }
        // Small messages: hops without rendezvous at half the rate; a broadcast goes down a tree.
        let depth = op == .broadcast ? r.growth + log2(Double(max(2, r.k))) : steps
        let low = depth * ((1 - crossings) * b.tauIntra + crossings * b.lowHop) + b.latency + flow / b.lowShare
        return min(ring, low)
    }

    private func treeSeconds(_ bytes: Double, _ r: Route) -> Double {
        let b = between
        // The root of one tree is a leaf of the other, and of two domains each is root once: S out and in. Without reduction in the switch the two-node
        // measurements (A100, 190 of 200 GB/s) show a ring's traffic.
        let net = (r.domains > 2 || nvlsFrom == 0 ? 2 : 1) * bytes / r.reached
        let switched = insideFlow(CollectiveOp.allReduce.index, bytes, r.k, r.efficiency.intra)
        let root = (b.root.0 + b.root.1 * r.growth) * (bytes * b.reference / r.rate).squareRoot() / r.efficiency.inter
        return b.tree.0 + b.tree.1 * r.growth + pow(pow(switched, b.q) + pow(net, b.q), 1 / b.q) + root
    }

    private static func nominal(of set: CollectiveConstants.Set) -> (rate: Double, latency: Double)? {
        guard set.link.count == 2, let rate = try? Bandwidth(parsing: set.link[0]),
            let latency = try? Quantities.Duration(parsing: set.link[1])
        else { return nil }
        return (rate.bytesPerSecond, latency.seconds)
    }

    private static func between(_ cluster: ClusterSpec, _ network: CollectiveConstants.Network?) -> Between {
        let link = cluster.interNode?.link
        // Groups that cross domains where no network is named are bounded by one plain port; the plan's legality check speaks first.
        let port = link?.bandwidth.bytesPerSecond ?? 1.25e9
        let node = cluster.interNode?.nodeBandwidth ?? port
        let perNode = Double(max(1, cluster.gpusPerNode))
        let latency = link?.latency.seconds ?? 19e-6
        let fabric = network.flatMap { $0.fabrics[(link?.fabric ?? .unknown).rawValue] ?? $0.fabrics["unknown"] }
        let slower = network.map { latency / ($0.latency * 1e-6) } ?? 1
        func pair(_ values: [Double]?, _ unit: Double, _ standard: (Double, Double)) -> (Double, Double) {
            guard let values, values.count == 2 else { return standard }
            return (values[0] * unit, values[1] * unit)
        }
        let low = pair(network?.low, 1, (6, 0.5))
        let pairwise = pair(network?.pairwise, 1, (1.5, 0.5))
        return Between(
            domainRate: node * Double(cluster.domain) / perNode, rankRate: max(port, node / perNode), share: fabric?.share ?? 0.9,
            stream: fabric?.stream ?? 0.7, latency: latency, tauIntra: (network?.tauIntra ?? 0.3) * 1e-6,
            hop: (network?.hop ?? 37.5) * 1e-6 * slower, hopGrowth: (network?.hopGrowth ?? 1.3) * 1e-6 * slower, p: network?.p ?? 1.3,
            tree: pair(network?.tree, 1e-6 * slower, (18e-6, 10e-6)), root: pair(network?.root, 1e-9, (19e-9, 15e-9)), q: network?.q ?? 5.5,
            reference: (network?.reference ?? 400) * 1e9, lowHop: low.0 * 1e-6 * slower, lowShare: low.1,
            pairwise: (pairwise.0, pairwise.1 * 1e-6), groupRate: max(node, port * (network?.ports ?? 8.4)),
            through: cluster.intraNode.fabric == .nvlink
                ? 1 / ((network?.through ?? 0.875) * cluster.intraNode.bandwidth.bytesPerSecond) : 0)
    }
}
