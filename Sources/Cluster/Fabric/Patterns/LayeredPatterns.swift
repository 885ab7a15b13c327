/// Patterns that treat the inside of a node and the network apart, and those in which switches reduce.
extension CommunicationPattern {
    private static func groups(_ ranks: Int, _ group: Int, _ way: CollectiveWay) throws(FabricError) -> Int {
        guard group >= 1, ranks % group == 0 else {
            throw FabricError(
                key: "ranks", "\(ranks) ranks are not a multiple of the \(group) ranks of a node, which \(way.rawValue) needs")
        }
        return ranks / group
    }

    /// Ring reduce-scatter in each group, ring all-reduce across for each place in the group, ring all-gather. With several chunks the three stages
    /// work on different chunks at the same time.
    static func hierarchical(_ ranks: Int, bytes: Double, form: PatternForm) throws(FabricError) -> CommunicationPattern {
        let group = form.group
        let groups = try groups(ranks, group, .hierarchical)
        let chunks = form.chunks ?? 1
        let size = bytes / Double(chunks)
        var inside: [Phase] = []
        if group > 1 {
            let part = ring(group, steps: group - 1, bytes: size / Double(group))
            inside = sideBySide((0..<groups).map { node in part.mapped { node * group + $0 } })
        }
        var across: [Phase] = []
        if groups > 1 {
            let part = ring(groups, steps: 2 * (groups - 1), bytes: size / Double(group) / Double(groups))
            across = sideBySide((0..<group).map { local in part.mapped { $0 * group + local } })
        }
        let stages = [inside, across, inside].filter { !$0.isEmpty }
        let participants = (0..<ranks).map { Participant.rank($0) }
        guard chunks > 1, stages.count > 1 else {
            return CommunicationPattern(
                ranks: ranks, participants: participants, phases: (0..<chunks).flatMap { _ in stages.flatMap { $0 } })
        }
        return pipelined(stages, chunks: chunks, participants: participants, ranks: ranks)
    }

    /// First everything for place j of any group goes to place j of the own group, then from group to group between equal places. Each rank puts
    /// ranks/group times larger messages on the network than by the direct way, and group times fewer (as DeepEP and PXN do).
    static func hierarchicalAllToAll(_ ranks: Int, bytes: Double, group: Int) throws(FabricError) -> CommunicationPattern {
        let groups = try groups(ranks, group, .hierarchical)
        let each = bytes / Double(ranks)
        let inside = pairwise(group, bytes: each * Double(groups))
        let across = pairwise(groups, bytes: each * Double(group))
        var result = CommunicationPattern(ranks: ranks, phases: [])
        result.append(sideBySide((0..<groups).map { node in mapped(inside) { node * group + $0 } }))
        result.append(sideBySide((0..<group).map { local in mapped(across) { $0 * group + local } }))
        return result
    }

    /// All ranks on one switch. The switch reads every rank's share and hands the sum to its owner, and multicasts what an owner sends: an all-reduce puts
    /// S (1 + 1/n) on every link each way, half of a ring's. Chunk after chunk, the four passes at work at the same time.
    static func switched(_ op: CollectiveOp, _ ranks: Int, bytes: Double, chunks: Int) -> CommunicationPattern {
        let whole = bytes / Double(chunks)
        let share = whole / Double(ranks)
        let hub = ranks
        func up(_ size: Double) -> [Message] { (0..<ranks).map { Message(from: $0, to: hub, bytes: size) } }
        func down(_ size: Double) -> [Message] { (0..<ranks).map { Message(from: hub, to: $0, bytes: size) } }
        // A hub for each pass: one chunk need not wait for another in the switch.
        let passes: [(messages: [Message], hub: Int)] =
            switch op {
            case .reduceScatter: [(up(whole), 0), (down(share), 0)]
            case .allGather: [(up(share), 0), (down(whole), 0)]
            case .broadcast:
                [([Message(from: 0, to: hub, bytes: whole)], 0), ((1..<ranks).map { Message(from: hub, to: $0, bytes: whole) }, 0)]
            default: [(up(whole), 0), (down(share), 0), (up(share), 1), (down(whole), 1)]
            }
        let hubs = (passes.last?.hub ?? 0) + 1
        let participants = (0..<ranks).map { Participant.rank($0) } + (0..<hubs).map { _ in .switchAbove(rank: 0) }
        var result = CommunicationPattern(ranks: ranks, participants: participants, phases: [])
        for beat in 0..<(chunks + passes.count - 1) {
            var messages: [Message] = []
            for (pass, work) in passes.enumerated() where (0..<chunks).contains(beat - pass) {
                messages += work.messages.map {
                    Message(
                        from: $0.source == hub ? hub + work.hub : $0.source, to: $0.destination == hub ? hub + work.hub : $0.destination,
                        bytes: $0.bytes)
                }
            }
            result.append(Phase(steps: 1, messages: messages))
        }
        return result
    }

    /// Reduce-scatter by the switch of each group, double binary trees across, all-gather by the switch; with several chunks all three at the same time.
    static func switchedTree(_ ranks: Int, bytes: Double, form: PatternForm) throws(FabricError) -> CommunicationPattern {
        let group = form.group
        let groups = try groups(ranks, group, .nvlsTree)
        guard groups > 1, group > 1 else {
            throw FabricError(
                key: "algorithm", "nvls-tree needs several nodes of several ranks; \(ranks) ranks in nodes of \(group) make \(groups)")
        }
        let chunks = form.chunks ?? 1
        let size = bytes / Double(chunks)
        let share = size / Double(group)
        let participants = (0..<ranks).map { Participant.rank($0) } + (0..<groups).map { .switchAbove(rank: $0 * group) }
        func up(_ bytes: Double) -> Phase {
            Phase(steps: 1, messages: (0..<ranks).map { Message(from: $0, to: ranks + $0 / group, bytes: bytes) })
        }
        func down(_ bytes: Double) -> Phase {
            Phase(steps: 1, messages: (0..<ranks).map { Message(from: ranks + $0 / group, to: $0, bytes: bytes) })
        }
        let tree = doubleTree(groups, bytes: share, form: PatternForm(hop: form.hop), reduces: true)
        let across = sideBySide((0..<group).map { local in tree.mapped { $0 * group + local } })
        let stages = [[up(size), down(share)], across, [up(share), down(size)]]
        guard chunks > 1 else { return CommunicationPattern(ranks: ranks, participants: participants, phases: stages.flatMap { $0 }) }
        return pipelined(stages, chunks: chunks, participants: participants, ranks: ranks)
    }

    /// Every rank sends its buffer to its leaf switch, each leaf the sum to the root, and the result comes down the same way: S on every link each way.
    static func reductionTree(_ ranks: Int, bytes: Double, form: PatternForm) throws(FabricError) -> CommunicationPattern {
        let group = max(1, form.group)
        let leaves = (ranks + group - 1) / group
        let chunks = form.chunks ?? 1
        let size = bytes / Double(chunks)
        let hasRoot = leaves > 1
        // Up and down are places of their own, so that a chunk on its way down does not wait for one on its way up.
        let participants =
            (0..<ranks).map { Participant.rank($0) } + (0..<2 * leaves).map { .switchAbove(rank: $0 % leaves * group) }
            + (hasRoot ? [.root] : [])
        let root = ranks + 2 * leaves
        func rising(_ leaf: Int) -> Int { ranks + leaf }
        func falling(_ leaf: Int) -> Int { hasRoot ? ranks + leaves + leaf : ranks + leaf }
        var passes: [[Message]] = [(0..<ranks).map { Message(from: $0, to: rising($0 / group), bytes: size) }]
        if hasRoot {
            passes.append((0..<leaves).map { Message(from: rising($0), to: root, bytes: size) })
            passes.append((0..<leaves).map { Message(from: root, to: falling($0), bytes: size) })
        }
        passes.append((0..<ranks).map { Message(from: falling($0 / group), to: $0, bytes: size) })
        var result = CommunicationPattern(ranks: ranks, participants: participants, phases: [])
        for beat in 0..<(chunks + passes.count - 1) {
            let messages = passes.indices.filter { (0..<chunks).contains(beat - $0) }.flatMap { passes[$0] }
            result.append(Phase(steps: 1, messages: messages))
        }
        return result
    }
}
