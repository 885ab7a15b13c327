/// How a collective operation is carried out message by message.
public enum CollectiveWay: String, Sendable, Hashable, CaseIterable {
    /// Everybody sends to the next, chunk by chunk (Patarasuk and Yuan 2009, doi:10.1016/j.jpdc.2008.09.002).
    case ring
    /// Two binary trees, each for half the buffer; a rank is a leaf in at least one (Sanders, Speck and Träff 2009, doi:10.1016/j.parco.2009.09.001).
    case tree
    /// Recursive halving, then doubling (Thakur, Rabenseifner and Gropp 2005, doi:10.1177/1094342005051521).
    case halvingDoubling = "halving-doubling"
    /// Reduce-scatter inside each group, all-reduce across groups, all-gather inside.
    case hierarchical
    /// Everybody to everybody, in the order of distance.
    case direct
}

extension CommunicationPattern {
    /// - Parameters:
    ///   - bytes: as `CollectiveOp` counts them: the full buffer.
    ///   - group: ranks of a node, for `hierarchical`.
    /// - Throws: `FabricError` for a way that cannot do the operation.
    public static func collective(
        _ op: CollectiveOp, by way: CollectiveWay, ranks: Int, bytes: Double, group: Int = 8
    ) throws(FabricError) -> CommunicationPattern {
        guard ranks >= 1, bytes >= 0, bytes.isFinite else {
            throw FabricError(key: "ranks", "\(ranks) ranks with \(bytes) bytes: at least one rank and zero or more bytes are needed")
        }
        guard ranks > 1 else { return CommunicationPattern(ranks: ranks, phases: []) }
        switch (op, way) {
        case (.allReduce, .ring): return ring(ranks, steps: 2 * (ranks - 1), bytes: bytes / Double(ranks))
        case (.reduceScatter, .ring), (.allGather, .ring): return ring(ranks, steps: ranks - 1, bytes: bytes / Double(ranks))
        case (.allReduce, .tree): return doubleTree(ranks, bytes: bytes, reduces: true)
        case (.broadcast, .tree): return doubleTree(ranks, bytes: bytes, reduces: false)
        case (.allReduce, .halvingDoubling): return halvingDoubling(ranks, bytes: bytes)
        case (.allReduce, .hierarchical): return try hierarchical(ranks, bytes: bytes, group: group)
        case (.allToAll, .direct):
            return CommunicationPattern(
                ranks: ranks,
                phases: (1..<ranks).map { distance in
                    Phase(
                        steps: 1, messages: (0..<ranks).map { Message(from: $0, to: ($0 + distance) % ranks, bytes: bytes / Double(ranks)) }
                    )
                })
        case (.sendReceive, .direct):
            return CommunicationPattern(ranks: ranks, phases: [Phase(steps: 1, messages: [Message(from: 0, to: ranks - 1, bytes: bytes)])])
        default:
            let ways = ways(of: op).map(\.rawValue).joined(separator: ", ")
            throw FabricError(key: "algorithm", "\(way.rawValue) cannot do \(op.rawValue); it can be done by \(ways)")
        }
    }

    /// The ways in which an operation can be carried out, the usual one first.
    public static func ways(of op: CollectiveOp) -> [CollectiveWay] {
        switch op {
        case .allReduce: [.ring, .tree, .halvingDoubling, .hierarchical]
        case .reduceScatter, .allGather: [.ring]
        case .allToAll, .sendReceive: [.direct]
        case .broadcast: [.tree]
        }
    }

    private static func ring(_ ranks: Int, steps: Int, bytes: Double) -> CommunicationPattern {
        let messages = (0..<ranks).map { Message(from: $0, to: ($0 + 1) % ranks, bytes: bytes) }
        return CommunicationPattern(ranks: ranks, phases: [Phase(steps: steps, messages: messages)])
    }

    /// With `ranks` no power of two, the ranks above the largest one first hand their buffer to a partner and get the result from it in the end.
    private static func halvingDoubling(_ ranks: Int, bytes: Double) -> CommunicationPattern {
        var core = 1
        while core * 2 <= ranks { core *= 2 }
        let rest = core..<ranks
        var phases = [Phase(steps: 1, messages: rest.map { Message(from: $0, to: $0 - core, bytes: bytes) })]
        var exchanges: [Phase] = []
        var distance = core / 2
        var size = bytes / 2
        while distance > 0 {
            exchanges.append(Phase(steps: 1, messages: (0..<core).map { Message(from: $0, to: $0 ^ distance, bytes: size) }))
            distance /= 2
            size /= 2
        }
        phases += exchanges + exchanges.reversed()
        phases.append(Phase(steps: 1, messages: rest.map { Message(from: $0 - core, to: $0, bytes: bytes) }))
        return CommunicationPattern(ranks: ranks, phases: phases)
    }

    private static func hierarchical(_ ranks: Int, bytes: Double, group: Int) throws(FabricError) -> CommunicationPattern {
        guard group >= 1, ranks % group == 0 else {
            throw FabricError(key: "ranks", "\(ranks) ranks are not a multiple of the \(group) ranks of a node, which hierarchical needs")
        }
        let groups = ranks / group
        var result = CommunicationPattern(ranks: ranks, phases: [])
        let inside = group > 1 ? ring(group, steps: group - 1, bytes: bytes / Double(group)) : CommunicationPattern(ranks: 1, phases: [])
        let insideAll = together(ranks: ranks, (0..<groups).map { node in inside.mapped { node * group + $0 } })
        for phase in insideAll.phases { result.append(phase) }
        if groups > 1 {
            let across = ring(groups, steps: 2 * (groups - 1), bytes: bytes / Double(group) / Double(groups))
            for phase in together(ranks: ranks, (0..<group).map { local in across.mapped { $0 * group + local } }).phases {
                result.append(phase)
            }
        }
        for phase in insideAll.phases { result.append(phase) }
        return result
    }

    /// Chunks go up both trees and down again, all levels at work at the same time.
    private static func doubleTree(_ ranks: Int, bytes: Double, reduces: Bool) -> CommunicationPattern {
        let chunks = max(1, min(64, Int((bytes / 2 / 65536).rounded(.up))))
        let size = bytes / 2 / Double(chunks)
        var parents = [[Int]]()
        for shift in 0..<2 {
            // The second tree is the first with every rank moved on by one, but the same root.
            var parent = [Int](repeating: -1, count: ranks)
            for rank in 1..<ranks {
                let place = shift == 0 ? rank : (rank % (ranks - 1)) + 1
                let above = treeParent(place, ranks)
                parent[rank] = shift == 0 || above == 0 ? above : (above + ranks - 3) % (ranks - 1) + 1
            }
            parents.append(parent)
        }
        let depths = parents.map { parent in
            (0..<ranks).map { rank in
                var (depth, node) = (0, rank)
                while parent[node] >= 0 {
                    node = parent[node]
                    depth += 1
                }
                return depth
            }
        }
        let height = depths.joined().max() ?? 0
        let down = reduces ? height : 0
        var result = CommunicationPattern(ranks: ranks, phases: [])
        for step in 0..<(chunks + down + height - 1) {
            var messages: [Message] = []
            for tree in 0..<2 {
                for rank in 1..<ranks {
                    let (depth, parent) = (depths[tree][rank], parents[tree][rank])
                    let rising = step - (height - depth)
                    if reduces, rising >= 0, rising < chunks { messages.append(Message(from: rank, to: parent, bytes: size)) }
                    let falling = step - down - (depth - 1)
                    if falling >= 0, falling < chunks { messages.append(Message(from: parent, to: rank, bytes: size)) }
                }
            }
            result.append(Phase(steps: 1, messages: messages))
        }
        return result
    }

    /// Parent in the binary tree whose in-order numbers are the ranks: clear the lowest set bit and set the next.
    private static func treeParent(_ rank: Int, _ ranks: Int) -> Int {
        let lowest = rank & -rank
        let above = (rank ^ lowest) | (lowest << 1)
        return above >= ranks ? rank ^ lowest : above
    }
}
