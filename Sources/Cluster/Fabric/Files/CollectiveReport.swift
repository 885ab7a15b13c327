import Quantities

/// The table that nccl-tests prints, for a simulated network: one row a size.
public struct CollectiveReport: Sendable {
    /// One size; the names of its members are those of the JSON document.
    public struct Row: Sendable, Encodable {
        /// Bytes of the full buffer.
        public var size: Double
        /// Elements of four bytes.
        public var count: Int
        public var algorithm: String
        /// What the library would use with this algorithm at this size: LL, LL128 or Simple.
        public var `protocol`: String
        public var microseconds: Double
        /// GB/s: size over time, and that times what the operation must put on every port over the size (2(n-1)/n for all-reduce).
        public var algbw: Double
        public var busbw: Double
        /// "measured rates", "closed form" or "flows".
        public var method: String
        /// With faults or congestion: the link that held messages back the longest, and the rank that was through last.
        public var held_by: String?
        public var last_rank: Int?
    }
    /// What was timed, and where.
    public let op: CollectiveOp
    public let ranks: Int
    public let network: Network
    private let options: Options
    /// By size, ascending.
    public var rows: [Row] = []

    /// Sizes from `from` to `to`, each `factor` times the one before.
    public struct Sizes: Sendable {
        /// The smallest and the largest size, and the factor between neighbours.
        public var from: Bytes
        public var to: Bytes
        public var factor: Int
        public init(from: Bytes, to: Bytes, factor: Int = 2) {
            self.from = from
            self.to = to
            self.factor = factor
        }
        var all: [Double] {
            var result: [Double] = []
            var size = Double(max(1, from.count))
            while size <= Double(to.count), result.count < 64 {
                result.append(size)
                size *= Double(max(2, factor))
            }
            return result
        }
    }

    /// Which algorithm each size gets.
    public enum Selection: Sendable, Hashable {
        /// Of the ways that NCCL has, the one that takes the least time; the protocol is the one that NCCL's estimate prefers for it.
        case library
        /// Whichever takes the least simulated time.
        case fastest
        case way(CollectiveWay)
    }

    /// What patterns are made of beside operation, ranks and size; nil takes what is usual.
    public struct Options: Sendable {
        /// Pieces that follow each other through the pattern, and copies that share the bytes.
        public var chunks: Int?
        public var channels: Int?
        /// Counts the flags of this protocol as bytes on the wire; nil: none.
        public var wire: WireProtocol?
        public init(chunks: Int? = nil, channels: Int? = nil, wire: WireProtocol? = nil) {
            self.chunks = chunks
            self.channels = channels
            self.wire = wire
        }
    }

    /// Ranks are placed on the first hosts. `way` nil takes the fastest at each size.
    /// - Throws: `FabricError` for more ranks than hosts and ways that cannot do the operation.
    public init(
        _ op: CollectiveOp, by way: CollectiveWay? = nil, ranks: Int, sizes: Sizes, on network: Network
    ) throws(FabricError) {
        try self.init(op, ranks: ranks, sizes: (sizes, Options()), on: network, selection: way.map { .way($0) } ?? .fastest)
    }

    /// Ranks are placed on the first hosts.
    /// - Throws: `FabricError` for more ranks than hosts, ways that cannot do the operation, and impossible chunks or channels.
    public init(
        _ op: CollectiveOp, ranks: Int, sizes: (Sizes, Options), on network: Network, selection: Selection
    ) throws(FabricError) {
        self.op = op
        self.ranks = ranks
        self.network = network
        options = sizes.1
        guard ranks >= 2, ranks <= network.hostCount else {
            throw FabricError(key: "ranks", "\(ranks) ranks on \(network.hostCount) hosts: from 2 to \(network.hostCount) are possible")
        }
        let maker = Maker(op: op, ranks: ranks, options: sizes.1, network: network, situation: network.situation(ranks: ranks))
        for size in sizes.0.all {
            var best: (choice: LibraryTuning.Choice, timing: PatternTiming)?
            for choice in try maker.candidates(selection, size) {
                let timing = try maker.timing(choice, size, selection)
                if timing.seconds < best?.timing.seconds ?? .infinity { best = (choice, timing) }
            }
            guard let best else { continue }
            let algbw = size / best.timing.seconds * 1e-9
            let held = best.timing.waits.first.map { network.name(ofLink: $0.link) }
            rows.append(
                Row(
                    size: size, count: Int(size / 4), algorithm: best.choice.way.rawValue, protocol: best.choice.wire.rawValue,
                    microseconds: best.timing.seconds * 1e6, algbw: algbw, busbw: algbw * op.busFactor(ranks: Double(ranks)),
                    method: best.timing.method.rawValue, held_by: held, last_rank: best.timing.lastRank))
        }
    }

    /// What the links carry in a row's collective.
    public struct Load: Sendable {
        /// [links] bytes.
        public var carried: [Double]
        /// [links] bytes over what the link could have carried at its nominal rate.
        public var utilization: [Double]
        /// Of the ten hottest; nil where a pattern has too many messages to be played once more.
        public var overTime: LoadOverTime?
    }
    private static let messageLimit = 4_000_000

    /// The links in one row's collective, the ten hottest over `spans` of its time.
    /// - Throws: `FabricError` as the table.
    public func load(of row: Row, spans: Int) throws(FabricError) -> Load {
        let maker = Maker(op: op, ranks: ranks, options: options, network: network, situation: network.situation(ranks: ranks))
        let pattern = try maker.pattern(CollectiveWay(rawValue: row.algorithm) ?? .ring, row.size)
        let hosts = Array(0..<ranks)
        let end = row.microseconds * 1e-6
        let carried = try network.carried(pattern, on: hosts)
        let utilization = carried.enumerated().map { end > 0 ? $1 / (network.properties(ofLink: $0).bandwidth * end) : 0 }
        let hottest = utilization.indices.filter { carried[$0] > 0 }
            .sorted { (utilization[$1], $0) < (utilization[$0], $1) }.prefix(10)
        let isPlayable = pattern.messageCount <= Self.messageLimit && end > 0 && !hottest.isEmpty
        return Load(
            carried: carried, utilization: utilization,
            overTime: isPlayable ? try network.load(of: pattern, on: hosts, links: Array(hottest), over: (end, spans)) : nil)
    }

    /// Patterns of one operation on one network.
    private struct Maker {
        let op: CollectiveOp
        let ranks: Int
        let options: Options
        let network: Network
        let situation: LibraryTuning.Situation
        // The file is part of the module and a test reads it; were it broken, rings with Simple remain.
        let tuning = try? LibraryTuning.nccl()

        /// Measured rates say nothing of faults, congestion and patterns that somebody cut in his own way.
        private var library: CollectiveModel? {
            let isPlain = network.faults.isEmpty && network.congestion == nil && network.efficiency == nil
            let isUsual = options.chunks == nil && options.channels == nil && options.wire == nil
            return isPlain && isUsual ? network.library : nil
        }
        private var group: GroupShape { GroupShape(ranks: ranks, perDomain: situation.perNode) }

        func candidates(_ selection: Selection, _ size: Double) throws(FabricError) -> [LibraryTuning.Choice] {
            func choice(_ way: CollectiveWay?) -> LibraryTuning.Choice {
                tuning?.choice(op, bytes: size, situation, way: way) ?? .init(way: way ?? .ring, wire: .simple, estimate: 0)
            }
            let possible = CommunicationPattern.ways(of: op).filter(isPossible)
            switch selection {
            case .library:
                if let library { return [choice(named(by: library, size, choice(nil).way))] }
                let known: [CollectiveWay] = [.ring, .chain, .tree, .nvls, .nvlsTree, .direct]
                let ways = possible.filter { known.contains($0) && (op != .broadcast || $0 != .ring) }
                return (ways.isEmpty ? possible : ways).map { choice($0) }
            case .way(let way): return [choice(way)]
            case .fastest: return possible.map { choice($0) }
            }
        }

        /// What the measured time is called: over several domains a ring or a tree, whichever is faster, else what NCCL's estimate prefers.
        private func named(by library: CollectiveModel, _ size: Double, _ tuned: CollectiveWay) -> CollectiveWay {
            guard op == .allReduce, group.crossesDomains else { return tuned }
            let ring = library.seconds(op, bytes: size, group: group, algorithm: .ring)
            if ring <= library.seconds(op, bytes: size, group: group, algorithm: .tree) { return .ring }
            return tuned == .ring ? .tree : tuned
        }

        /// Ways that need whole nodes, or switches that reduce, are left out without them.
        private func isPossible(_ way: CollectiveWay) -> Bool {
            let node = situation.perNode
            let fillsNodes = node > 1 && ranks % node == 0 && ranks > node
            switch way {
            case .hierarchical: return fillsNodes
            case .nvls: return situation.hasNVSwitch && situation.nodes == 1
            case .nvlsTree: return situation.hasNVSwitch && fillsNodes
            // A plain switch does not compute; whoever has one that does asks for it by name.
            case .sharp: return false
            case .halvingDoubling: return op == .allReduce || ranks & (ranks - 1) == 0
            default: return true
            }
        }

        func timing(_ choice: LibraryTuning.Choice, _ size: Double, _ selection: Selection) throws(FabricError) -> PatternTiming {
            if let library, let algorithm = algorithm(of: choice.way, selection) {
                let seconds = library.benchmark(op, bytes: size, group: group, algorithm: algorithm)
                return PatternTiming(seconds: seconds, method: .measured, messages: 0)
            }
            return try network.time(try pattern(choice.way, size), on: Array(0..<ranks))
        }

        /// Under which of its algorithms the measured model times a way; nil for ways that it does not know.
        private func algorithm(of way: CollectiveWay, _ selection: Selection) -> CollectiveAlgorithm? {
            if selection == .library || op != .allReduce {
                return [.ring, .chain, .tree, .nvls, .nvlsTree, .direct].contains(way) ? .fastest : nil
            }
            switch way {
            case .ring: return .ring
            case .tree: return group.crossesDomains ? .tree : nil
            case .nvls: return .fastest
            case .nvlsTree: return .tree
            default: return nil
            }
        }

        func pattern(_ way: CollectiveWay, _ size: Double) throws(FabricError) -> CommunicationPattern {
            let pipelined: [CollectiveWay] = [.nvls, .nvlsTree, .chain, .hierarchical, .sharp]
            let chunks = options.chunks ?? (pipelined.contains(way) && op != .allToAll ? tuning?.chunks(size) : nil)
            // As many rings as a node has ranks, so that each leaves it by another port.
            let usual =
                way == .ring && situation.perNode > 1 && situation.nodes > 1 && ranks % situation.perNode == 0 ? situation.perNode : 1
            let group = way == .sharp ? network.leafSize : situation.perNode
            let form = PatternForm(
                group: max(1, group), chunks: chunks, channels: options.channels ?? usual, hop: network.hop(ranks: ranks))
            let bytes = options.wire.map { size / (tuning?.dataShare($0) ?? 1) } ?? size
            return try CommunicationPattern.collective(op, by: way, ranks: ranks, bytes: bytes, form: form)
        }
    }

    /// The rows as nccl-tests prints them.
    public var table: String {
        let isHeld = rows.contains { $0.held_by != nil }
        var table = TextTable(
            ["size B", "count", "type", "algorithm", "protocol", "time us", "algbw GB/s", "busbw GB/s", "by"]
                + (isHeld ? ["last rank", "held by"] : []), left: [3, 4, 8, 10])
        for row in rows {
            table.add(
                [
                    fixed(row.size, decimals: 0), "\(row.count)", "float", row.algorithm, row.protocol,
                    fixed(row.microseconds, decimals: 2),
                    fixed(row.algbw, decimals: 2), fixed(row.busbw, decimals: 2), row.method,
                ] + (isHeld ? [row.last_rank.map { "\($0)" } ?? "-", row.held_by ?? "-"] : []))
        }
        return table.text
    }
}
