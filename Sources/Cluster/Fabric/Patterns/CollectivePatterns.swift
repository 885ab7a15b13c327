/// How a collective operation is carried out message by message.
public enum CollectiveWay: String, Sendable, Hashable, CaseIterable {
    /// Everybody sends to the next, chunk by chunk (Patarasuk and Yuan 2009, doi:10.1016/j.jpdc.2008.09.002).
    case ring
    /// Two binary trees, each for half the buffer; a rank is a leaf in at least one (Sanders, Speck and Träff 2009, doi:10.1016/j.parco.2009.09.001).
    case tree
    /// Recursive halving, then doubling (Thakur, Rabenseifner and Gropp 2005, doi:10.1177/1094342005051521).
    case halvingDoubling = "halving-doubling"
    /// Inside each group, across groups, inside: reduce-scatter, all-reduce, all-gather; for all-to-all first to the group's rank of the same number.
    case hierarchical
    /// Everybody to everybody, in the order of distance.
    case direct
    /// From rank to rank along a line, chunk after chunk.
    case chain
    /// The switch reduces and multicasts (NVLink SHARP; Klenk et al. 2020, doi:10.1109/ISCA45697.2020.00085).
    case nvls
    /// `nvls` inside each group, a double binary tree across groups (NCCL's NVLS_TREE).
    case nvlsTree = "nvls-tree"
    /// A tree of switches reduces on the way up and multicasts on the way down (Graham et al. 2016, doi:10.1109/COMHPC.2016.006).
    case sharp
}

/// What a pattern depends on beside operation, ranks and bytes.
public struct PatternForm: Sendable, Hashable {
    /// Ranks that share a fast switch: of a node, or for `sharp` of a leaf.
    public var group: Int
    /// Pieces that follow each other through the pattern; nil takes what is usual for it (trees: `LibraryTuning.treePieces`; others one).
    public var chunks: Int?
    /// Independent copies that share the bytes; each enters and leaves a group at another rank.
    public var channels: Int
    /// Latency and bandwidth of a typical message, which the usual number of a tree's pieces depends on.
    public var hop: LinkProperties?
    public init(group: Int = 8, chunks: Int? = nil, channels: Int = 1, hop: LinkProperties? = nil) {
        self.group = group
        self.chunks = chunks
        self.channels = channels
        self.hop = hop
    }
    static let limit = 1024
}

extension CommunicationPattern {
    /// - Parameters:
    ///   - bytes: as `CollectiveOp` counts them: the full buffer.
    ///   - group: ranks of a node, for `hierarchical`.
    /// - Throws: `FabricError` for a way that cannot do the operation.
    public static func collective(
        _ op: CollectiveOp, by way: CollectiveWay, ranks: Int, bytes: Double, group: Int = 8
    ) throws(FabricError) -> CommunicationPattern {
        try collective(op, by: way, ranks: ranks, bytes: bytes, form: PatternForm(group: group))
    }

    /// - Parameter bytes: as `CollectiveOp` counts them: the full buffer.
    /// - Throws: `FabricError` for a way that cannot do the operation, ranks that do not fill their groups, and chunks or channels outside 1 to 1,024.
    public static func collective(
        _ op: CollectiveOp, by way: CollectiveWay, ranks: Int, bytes: Double, form: PatternForm
    ) throws(FabricError) -> CommunicationPattern {
        guard ranks >= 1, bytes >= 0, bytes.isFinite else {
            throw FabricError(key: "ranks", "\(ranks) ranks with \(bytes) bytes: at least one rank and zero or more bytes are needed")
        }
        for (key, value) in [("chunks", form.chunks ?? 1), ("channels", form.channels)] where !(1...PatternForm.limit).contains(value) {
            throw FabricError(key: key, "\(value) is outside 1 to \(PatternForm.limit)")
        }
        guard ways(of: op).contains(way) else {
            let ways = ways(of: op).map(\.rawValue).joined(separator: ", ")
            throw FabricError(key: "algorithm", "\(way.rawValue) cannot do \(op.rawValue); it can be done by \(ways)")
        }
        guard ranks > 1 else { return CommunicationPattern(ranks: ranks, phases: []) }
        let part = try channel(op, way, ranks, bytes / Double(form.channels), form)
        // Every channel of an operation with a root has the same root.
        let isRooted = op == .broadcast || op == .sendReceive
        return channels(form.channels, of: part, group: isRooted ? 1 : form.group)
    }

    /// The ways in which an operation can be carried out, the usual one first.
    public static func ways(of op: CollectiveOp) -> [CollectiveWay] {
        switch op {
        case .allReduce: [.ring, .tree, .halvingDoubling, .hierarchical, .nvls, .nvlsTree, .sharp]
        case .reduceScatter, .allGather: [.ring, .halvingDoubling, .nvls]
        case .allToAll: [.direct, .hierarchical]
        case .sendReceive: [.direct]
        case .broadcast: [.tree, .chain, .nvls]
        }
    }

    /// One channel.
    private static func channel(
        _ op: CollectiveOp, _ way: CollectiveWay, _ ranks: Int, _ bytes: Double, _ form: PatternForm
    ) throws(FabricError) -> CommunicationPattern {
        let chunks = form.chunks ?? 1
        let n = Double(ranks)
        switch (op, way) {
        case (.allReduce, .ring): return repeated(chunks, ring(ranks, steps: 2 * (ranks - 1), bytes: bytes / n / Double(chunks)))
        case (_, .ring): return repeated(chunks, ring(ranks, steps: ranks - 1, bytes: bytes / n / Double(chunks)))
        case (.allReduce, .tree), (.broadcast, .tree):
            return doubleTree(ranks, bytes: bytes, form: form, reduces: op == .allReduce)
        case (_, .chain): return chain(ranks, bytes: bytes, chunks: chunks)
        case (_, .halvingDoubling): return try halvingDoubling(op, ranks, bytes: bytes)
        case (.allToAll, .hierarchical): return try hierarchicalAllToAll(ranks, bytes: bytes, group: form.group)
        case (_, .hierarchical): return try hierarchical(ranks, bytes: bytes, form: form)
        case (_, .nvls): return switched(op, ranks, bytes: bytes, chunks: chunks)
        case (_, .nvlsTree): return try switchedTree(ranks, bytes: bytes, form: form)
        case (_, .sharp): return try reductionTree(ranks, bytes: bytes, form: form)
        case (.sendReceive, _):
            let message = Message(from: 0, to: ranks - 1, bytes: bytes / Double(chunks))
            return CommunicationPattern(ranks: ranks, phases: [Phase(steps: chunks, messages: [message])])
        default: return CommunicationPattern(ranks: ranks, phases: pairwise(ranks, bytes: bytes / n))
        }
    }

    /// The same again for every chunk.
    private static func repeated(_ times: Int, _ pattern: CommunicationPattern) -> CommunicationPattern {
        var result = pattern
        for _ in 1..<max(1, times) { result.append(pattern.phases) }
        return result
    }

    /// Everybody sends `bytes` to everybody.
    static func pairwise(_ ranks: Int, bytes: Double) -> [Phase] {
        (1..<max(1, ranks)).map { distance in
            Phase(steps: 1, messages: (0..<ranks).map { Message(from: $0, to: ($0 + distance) % ranks, bytes: bytes) })
        }
    }

    static func ring(_ ranks: Int, steps: Int, bytes: Double) -> CommunicationPattern {
        let messages = (0..<ranks).map { Message(from: $0, to: ($0 + 1) % ranks, bytes: bytes) }
        return CommunicationPattern(ranks: ranks, phases: [Phase(steps: steps, messages: messages)])
    }

    /// With `ranks` no power of two, the ranks above the largest one first hand their buffer to a partner and get the result from it in the end
    /// (all-reduce only).
    private static func halvingDoubling(_ op: CollectiveOp, _ ranks: Int, bytes: Double) throws(FabricError) -> CommunicationPattern {
        var core = 1
        while core * 2 <= ranks { core *= 2 }
        let rest = core..<ranks
        var exchanges: [Phase] = []
        var distance = core / 2
        var size = bytes / 2
        while distance > 0 {
            exchanges.append(Phase(steps: 1, messages: (0..<core).map { Message(from: $0, to: $0 ^ distance, bytes: size) }))
            distance /= 2
            size /= 2
        }
        guard op == .allReduce else {
            guard rest.isEmpty else {
                throw FabricError(
                    key: "ranks", "\(ranks) ranks are no power of two, which halving-doubling of \(op.rawValue) needs; ring does any number"
                )
            }
            return CommunicationPattern(ranks: ranks, phases: op == .reduceScatter ? exchanges : exchanges.reversed())
        }
        var phases = [Phase(steps: 1, messages: rest.map { Message(from: $0, to: $0 - core, bytes: bytes) })]
        phases += exchanges + exchanges.reversed()
        phases.append(Phase(steps: 1, messages: rest.map { Message(from: $0 - core, to: $0, bytes: bytes) }))
        return CommunicationPattern(ranks: ranks, phases: phases)
    }
}
