import Engine
import Testing

@testable import Cluster

@Suite struct FabricPatternTests {
    private func fatTree(_ hosts: Int, _ perLeaf: Int, _ spines: Int) -> Network {
        Network(
            shape: LeafSpineShape(
                hosts: hosts, hostsPerLeaf: perLeaf, spines: spines, linksPerSpine: 1, link: testLink, uplink: testLink, duplex: .full))
    }

    /// 100 MB over a non-blocking fat tree: 2 (N - 1) steps of (chunk / 12.5 GB/s + 4 us), as the slowest neighbours cross two leaves.
    /// SimGrid 3.32 gives 15.120 ms for 16 hosts (4 a leaf) and 16.254 ms for 64 (16 a leaf).
    @Test(arguments: [(16, 4, 15.120e-3), (64, 16, 16.254e-3)])
    func ringAllReduce(_ hosts: Int, _ perLeaf: Int, _ expected: Double) throws {
        let network = fatTree(hosts, perLeaf, perLeaf)
        let pattern = try CommunicationPattern.collective(.allReduce, by: .ring, ranks: hosts, bytes: 100e6)
        let closed = try network.time(pattern, on: Array(0..<hosts))
        #expect(closed.method == .closedForm)
        #expect(closed.messages == 2 * (hosts - 1) * hosts)
        #expect(abs(closed.seconds - expected) < 1e-9)
        #expect(abs(try network.play(pattern, on: Array(0..<hosts)) - expected) < 1e-9)
    }

    /// [ranks] whose contribution can have reached each rank, one chunk and channel: knowledge spreads along messages, step by step.
    private func knowledge(_ pattern: CommunicationPattern) -> [Set<Int>] {
        var knows = pattern.participants.map { participant -> Set<Int> in
            if case .rank(let rank) = participant { return [rank] }
            return []
        }
        for phase in pattern.phases {
            for _ in 0..<phase.steps {
                let before = knows
                for message in phase.messages { knows[message.destination].formUnion(before[message.source]) }
            }
        }
        var result = [Set<Int>](repeating: [], count: pattern.ranks)
        for (index, participant) in pattern.participants.enumerated() {
            if case .rank(let rank) = participant { result[rank].formUnion(knows[index]) }
        }
        return result
    }

    /// Every way of every operation, with groups, chunks and channels: an all-reduce, all-gather and all-to-all brings something of everybody to
    /// everybody, a broadcast rank 0's to all.
    @Test(arguments: [8, 16])
    func everyWayReachesEverybody(_ ranks: Int) throws {
        var checked = 0
        for op in CollectiveOp.allCases where op != .sendReceive {
            for way in CommunicationPattern.ways(of: op) {
                for form in [PatternForm(group: 4), PatternForm(group: 4, chunks: 3), PatternForm(group: 4, channels: 2)] {
                    let pattern = try CommunicationPattern.collective(op, by: way, ranks: ranks, bytes: 1e6, form: form)
                    let knows = knowledge(pattern)
                    let wanted = op == .broadcast ? Set([0]) : Set(0..<ranks)
                    #expect(knows.allSatisfy { $0.isSuperset(of: wanted) }, "\(op) \(way) \(form)")
                    checked += 1
                }
            }
        }
        #expect(checked == 3 * (7 + 3 + 3 + 2 + 3))
    }

    /// Nobody has children in both trees (Sanders, Speck and Träff 2009), every rank reaches the root, and no tree is deeper than log2 n + 1.
    @Test(arguments: [2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 100, 1000])
    func nobodyWorksTwiceInTheDoubleTree(_ ranks: Int) {
        let parents = CommunicationPattern.doubleTreeParents(ranks)
        var children = [[Int]](repeating: [Int](repeating: 0, count: ranks), count: 2)
        for tree in 0..<2 {
            for rank in 1..<ranks {
                children[tree][parents[tree][rank]] += 1
                var (node, depth) = (rank, 0)
                while node != 0, depth <= ranks {
                    node = parents[tree][node]
                    depth += 1
                }
                #expect(node == 0 && (1 << (depth - 1)) <= ranks, "rank \(rank) of \(ranks)")
            }
        }
        for rank in 1..<ranks { #expect(children[0][rank] == 0 || children[1][rank] == 0, "rank \(rank) of \(ranks)") }
        #expect(children.joined().allSatisfy { $0 <= 2 })
    }

    /// 1D: 4 all-reduces of tokens x hidden: each rank sends 8 (p - 1)/p of it. 2D: 3 products of 3 passes; each rank passes on (q - 1)/q of a row's
    /// and of a column's blocks: 3 (q - 1)/q^2 (X + W). 2.5D: X over the depth too, and the sum of dW over the depth, 2 (d - 1)/d W/q^2.
    @Test func tensorParallelVolumes() throws {
        let block = TransformerBlock(tokens: 4096, hidden: 1024)
        let (tokens, hidden) = (4096.0, 1024.0)
        let input = 7 * tokens * hidden * 2
        let weights = 12 * hidden * hidden * 2
        func mean(_ layout: TensorLayout, _ ranks: Int) throws -> Double {
            let sent = try CommunicationPattern.tensorParallel(block, layout, ranks: ranks).volume.sent
            return sent.reduce(0, +) / Double(ranks)
        }
        #expect(abs(try mean(.line, 16) / (8 * 15 / 16 * tokens * hidden * 2) - 1) < 1e-12)
        #expect(abs(try mean(.square, 16) / (3.0 * 3 / 16 * (input + weights)) - 1) < 1e-12)
        let cuboid = 3.0 / 16 * 3 * (input / 4 + weights) + 2.0 * 3 / 4 * weights / 16
        #expect(abs(try mean(.cuboid(depth: 4), 64) / cuboid - 1) < 1e-12)
        #expect(try CommunicationPattern.tensorParallel(block, .cuboid(depth: 1), ranks: 16) == .tensorParallel(block, .square, ranks: 16))
        for (layout, ranks) in [(TensorLayout.square, 8), (.cuboid(depth: 3), 16), (.cuboid(depth: 0), 16), (.cuboid(depth: -1), 16)] {
            #expect(throws: FabricError.self) { try CommunicationPattern.tensorParallel(block, layout, ranks: ranks) }
        }
    }

    /// What each rank holds at the end, chunk by chunk, by doing what the pattern says: sets of the ranks whose data it contains.
    @Test(arguments: [2, 3, 5, 8, 12, 16])
    func everyWayOfAnAllReduceMovesEnough(_ ranks: Int) throws {
        for way in CollectiveWay.allCases where way != .nvls && way != .nvlsTree && way != .sharp {
            guard
                let pattern = try? CommunicationPattern.collective(
                    .allReduce, by: way, ranks: ranks, bytes: 1e6, group: ranks % 4 == 0 ? 4 : 1)
            else { continue }
            // Everybody's contribution must be able to reach everybody: knowledge spreads along messages, step by step.
            #expect(knowledge(pattern).allSatisfy { $0.count == ranks }, "\(way) of \(ranks)")
            // No all-reduce sends less than 2 (n - 1)/n of the buffer in or out of each rank on average (Patarasuk and Yuan 2009).
            let total = pattern.phases.reduce(0) { $0 + Double($1.steps) * $1.messages.reduce(0) { $0 + $1.bytes } }
            #expect(total >= 2 * Double(ranks - 1) * 1e6 * (1 - 1e-12), "\(way) of \(ranks)")
        }
    }

    @Test func treesAreDisjointInWork() throws {
        // 8 ranks: every rank but the root passes half the buffer up in both trees and receives it down again: 4 x 7 halves.
        let pattern = try CommunicationPattern.collective(.allReduce, by: .tree, ranks: 8, bytes: 8e6)
        let total = pattern.phases.reduce(0) { $0 + Double($1.steps) * $1.messages.reduce(0) { $0 + $1.bytes } }
        #expect(abs(total - 4 * 7 * 4e6) < 1)
        var sent = [Double](repeating: 0, count: 8)
        for phase in pattern.phases { for message in phase.messages { sent[message.source] += Double(phase.steps) * message.bytes } }
        // nobody sends more than 3 halves a tree when inner and one half when leaf, in both directions together
        #expect((sent.max() ?? 0) <= 4 * 4e6 + 1)
    }

    /// Ranks, ways and networks at random: where there is a closed form, playing every flow gives the same.
    @Test func closedFormsEqualFlows() throws {
        var closed = 0
        for seed in UInt64(0)..<30 {
            var random = RandomStream(seed: seed, purpose: "patterns")
            let perLeaf = 1 << Int(random.next() % 4)
            let hosts = perLeaf * (1 + Int(random.next() % 5))
            let network = fatTree(hosts, perLeaf, 1 + Int(random.next() % 4))
            var places = Array(0..<hosts)
            if random.uniform() < 0.3 { places.shuffle(using: &random) }
            for way in [CollectiveWay.ring, .tree, .halvingDoubling, .hierarchical] {
                let pattern = try CommunicationPattern.collective(.allReduce, by: way, ranks: hosts, bytes: 3e6, group: perLeaf)
                let played = try network.play(pattern, on: places)
                let timing = try network.time(pattern, on: places)
                if timing.method == .closedForm { closed += 1 }
                #expect(abs(timing.seconds - played) <= 1e-9 * played, "seed \(seed), \(way)")
            }
        }
        #expect(closed > 30)
    }

    @Test func allToAllOnAStarSaturatesEveryPort() throws {
        // 8 hosts, 8 MB each: 7 steps of 1 MB: 7 (80 us + 2 us)
        let network = Network(shape: StarShape(hosts: 8, link: testLink, duplex: .full))
        let pattern = try CommunicationPattern.collective(.allToAll, by: .direct, ranks: 8, bytes: 8e6)
        let timing = try network.time(pattern, on: Array(0..<8))
        #expect(abs(timing.seconds - 7 * 82e-6) < 1e-12)
        #expect(timing.method == .closedForm)
    }

    @Test func hierarchicalBeatsTheFlatRingOnRails() throws {
        // 4 nodes of 8 GPUs, NVLink 450 GB/s, 8 ports of 50 GB/s: the flat ring is held by one port of a node, the hierarchy uses all eight.
        let network = Network(
            shape: RailShape(
                .init(gpus: 32, gpusPerNode: 8, nodesPerGroup: 4, spines: 1), link: LinkProperties(bandwidth: 50e9, latency: 3e-6),
                nvlink: LinkProperties(bandwidth: 450e9, latency: 1e-6), duplex: .full))
        let hosts = Array(0..<32)
        let ring = try network.time(CommunicationPattern.collective(.allReduce, by: .ring, ranks: 32, bytes: 1e9), on: hosts)
        let layered = try network.time(
            CommunicationPattern.collective(.allReduce, by: .hierarchical, ranks: 32, bytes: 1e9, group: 8), on: hosts)
        // by hand: 2 * 7 steps of (125 MB / 450 GB/s + 2 us) and 2 * 3 of (31.25 MB / 50 GB/s + 6 us)
        #expect(abs(layered.seconds - (14 * (125e6 / 450e9 + 2e-6) + 6 * (31.25e6 / 50e9 + 6e-6))) < 1e-9)
        #expect(ring.seconds > 4 * layered.seconds)
    }

    @Test func impossibleRequestsAreErrors() throws {
        #expect(throws: FabricError.self) { try CommunicationPattern.collective(.allToAll, by: .tree, ranks: 4, bytes: 1) }
        #expect(throws: FabricError.self) {
            try CommunicationPattern.collective(.allReduce, by: .hierarchical, ranks: 12, bytes: 1, group: 8)
        }
        #expect(throws: FabricError.self) { try CommunicationPattern.collective(.allReduce, by: .ring, ranks: 0, bytes: 1) }
        for form in [PatternForm(chunks: 0), PatternForm(chunks: 5000), PatternForm(channels: 0), PatternForm(channels: -1)] {
            #expect(throws: FabricError.self) { try CommunicationPattern.collective(.allReduce, by: .ring, ranks: 8, bytes: 1, form: form) }
        }
        #expect(throws: FabricError.self) {
            try CommunicationPattern.collective(.allReduce, by: .hierarchical, ranks: 8, bytes: 1, form: PatternForm(group: 0))
        }
        #expect(throws: FabricError.self) { try CommunicationPattern.collective(.allGather, by: .halvingDoubling, ranks: 6, bytes: 1) }
        // a torus has no switch that could reduce
        let torus = Network(shape: TorusShape(sizes: [4], link: testLink, duplex: .full))
        #expect(throws: FabricError.self) {
            try torus.time(CommunicationPattern.collective(.allReduce, by: .nvls, ranks: 4, bytes: 1), on: [0, 1, 2, 3])
        }
        let network = Network(shape: StarShape(hosts: 4, link: testLink, duplex: .full))
        let pattern = try CommunicationPattern.collective(.allReduce, by: .ring, ranks: 4, bytes: 1)
        #expect(throws: FabricError.self) { try network.time(pattern, on: [0, 1, 2]) }
        #expect(throws: FabricError.self) { try network.time(pattern, on: [0, 1, 2, 2]) }
        #expect(throws: FabricError.self) { try network.time(pattern, on: [0, 1, 2, 9]) }
    }
}
