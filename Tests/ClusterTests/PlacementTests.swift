import Quantities
import TestSupport
import Testing

@testable import Cluster

@Suite struct PlacementTests {
    static func cluster(_ gpus: Int, domain: Int = 8) throws -> ClusterSpec {
        ClusterSpec(
            name: "test", accelerator: try Catalogue.accelerator(named: "h100-sxm-80gb"), gpus: gpus, gpusPerNode: domain,
            intraNode: try Catalogue.link(named: "nvlink4"),
            interNode: InterNode(link: try Catalogue.link(named: "ib-ndr-400g"), nicsPerNode: 8))
    }

    /// What the shapes mean, by walking the grid of coordinates and the node of every rank; shares no code with `Placement`'s geometry.
    struct BruteForce {
        var ranks = 0
        var mostDomains = 1
        var concurrent = 0

        init(_ kind: ParallelKind, _ p: Placement) {
            let d = p.degrees
            // The groups of a kind: ranks with equal key.
            var groups: [[Int]: [Int]] = [:]
            for pipeline in 0..<d.pipeline {
                for data in 0..<d.data {
                    for context in 0..<d.context {
                        for tensor in 0..<d.tensor {
                            let rank = p.rank(of: RankCoordinates(tensor: tensor, context: context, data: data, pipeline: pipeline))
                            let within = tensor + d.tensor * (context + d.context * data)
                            let expertTensor = within % d.expertTensor
                            let expert = within / d.expertTensor % d.expert
                            let expertData = within / (d.expertTensor * d.expert)
                            let key: [Int] =
                                switch kind {
                                case .tensor: [context, data, pipeline]
                                case .context: [tensor, data, pipeline]
                                case .data: [tensor, context, pipeline]
                                case .dataContext: [tensor, pipeline]
                                case .expertTensor: [expert, expertData, pipeline]
                                case .expert: [expertTensor, expertData, pipeline]
                                case .expertData: [expertTensor, expert, pipeline]
                                case .pipeline: [within]
                                }
                            groups[key, default: []].append(rank)
                        }
                    }
                }
            }
            ranks = groups.values.map(\.count).max() ?? 0
            let spans = groups.values.map { Set($0.map { p.domain(of: $0) }) }
            mostDomains = spans.map(\.count).max() ?? 1
            var inDomain: [Int: Int] = [:]
            for span in spans where span.count > 1 || mostDomains == 1 {
                for place in span { inDomain[place, default: 0] += 1 }
            }
            concurrent = inDomain.values.max() ?? 1
        }
    }

    static func compare(_ p: Placement, _ comment: String) {
        for kind in ParallelKind.allCases where kind != .pipeline {
            let truth = BruteForce(kind, p)
            let shape = p.shape(kind)
            #expect(shape.ranks == truth.ranks, "\(kind) \(comment)")
            #expect(shape.perDomain == (truth.ranks + truth.mostDomains - 1) / truth.mostDomains, "\(kind) \(comment)")
            #expect(shape.concurrent == truth.concurrent, "\(kind) \(comment)")
        }
        let d = p.degrees
        var pairs = 0
        var leaving: [Int: Int] = [:]
        for pipeline in 0..<(d.pipeline - 1) {
            for rank in (pipeline * d.stage)..<((pipeline + 1) * d.stage) {
                var next = p.coordinates(of: rank)
                next.pipeline += 1
                pairs += 1
                if p.domain(of: rank) != p.domain(of: p.rank(of: next)) { leaving[p.domain(of: rank), default: 0] += 1 }
            }
        }
        let crossing = leaving.values.reduce(0, +)
        #expect(p.pipelineCrossing == (pairs == 0 ? 0 : Double(crossing) / Double(pairs)), "\(comment)")
        #expect(p.pipelineSenders == leaving.values.max() ?? 0, "\(comment)")
    }

    @Test func llama405B() throws {
        // TP 8 fills a node; PP 16 and DP 128 have one rank a node in a group and all 8 GPUs of a node in different groups.
        let p = try Placement.packed(ParallelDegrees(tensor: 8, data: 128, pipeline: 16), Self.cluster(16384))
        #expect(p.shape(.tensor) == GroupShape(ranks: 8, perDomain: 8, concurrent: 1))
        #expect(p.shape(.data) == GroupShape(ranks: 128, perDomain: 1, concurrent: 8))
        #expect(p.pipelineCrossing == 1 && p.pipelineSenders == 8)
        // A stage is 1,024 GPUs; 8 experts in the data dimension of 8 tensor ranks: 64 GPUs = 8 nodes of one rank each.
        let moe = try Placement.packed(ParallelDegrees(tensor: 8, expert: 8, expertTensor: 8, data: 128, pipeline: 2), Self.cluster(2048))
        #expect(moe.shape(.expert) == GroupShape(ranks: 8, perDomain: 1, concurrent: 8))
        #expect(moe.shape(.expertData) == GroupShape(ranks: 16, perDomain: 1, concurrent: 8))
    }

    @Test func smallStages() throws {
        // Four GPUs a stage, two stages a node: the first of a node sends inside, the second outside.
        // node 0: s0 s0 s0 s0 s1 s1 s1 s1 | node 1: s2 s2 s2 s2 s3 s3 s3 s3
        let p = try Placement.packed(ParallelDegrees(tensor: 2, data: 2, pipeline: 4), Self.cluster(16))
        #expect(p.shape(.tensor) == GroupShape(ranks: 2, perDomain: 2, concurrent: 4))
        #expect(p.shape(.data) == GroupShape(ranks: 2, perDomain: 2, concurrent: 4))
        #expect(abs(p.pipelineCrossing - 1.0 / 3) < 1e-12 && p.pipelineSenders == 4)
        #expect(p.crossing(from: 0, to: 1) == 0 && p.crossing(from: 1, to: 2) == 1 && p.crossing(from: 3, to: 0) == 1)
    }

    @Test func agreesWithBruteForce() throws {
        let seed: UInt64 = 20_261_121
        print("placement seed \(seed)")
        var random = TestDraws(seed: seed)
        for trial in 0..<150 {
            let pick = [1, 1, 2, 3, 4, 6, 8]
            let d = ParallelDegrees(
                tensor: pick.randomElement(using: &random) ?? 1, context: [1, 1, 2, 4].randomElement(using: &random) ?? 1,
                data: pick.randomElement(using: &random) ?? 1, pipeline: [1, 2, 3, 4, 5].randomElement(using: &random) ?? 1)
            let experts = (1...d.stage).filter { d.stage % $0 == 0 }
            let expertTensor = experts.randomElement(using: &random) ?? 1
            let rest = (1...d.stage).filter { (d.stage / expertTensor) % $0 == 0 }
            var degrees = d
            degrees.expertTensor = expertTensor
            degrees.expert = rest.randomElement(using: &random) ?? 1
            let domain = [4, 8, 8, 72].randomElement(using: &random) ?? 8
            let cluster = try Self.cluster(d.ranks + Int.random(in: 0...9, using: &random), domain: domain)
            let list = Array((0..<cluster.gpus).shuffled(using: &random).prefix(d.ranks))
            for order in [Placement.Order.packed, .spread, .explicit(list)] {
                let p = try Placement(degrees, cluster, order)
                Self.compare(p, "trial \(trial) \(degrees) domain \(domain) \(order)")
            }
        }
    }

    @Test func ranksAndCoordinatesAreABijection() throws {
        let p = try Placement.packed(ParallelDegrees(tensor: 2, context: 3, data: 4, pipeline: 5), Self.cluster(120))
        for rank in 0..<120 {
            #expect(p.rank(of: p.coordinates(of: rank)) == rank)
            for kind in ParallelKind.allCases {
                let members = p.members(kind, of: rank)
                #expect(members.contains(rank) && p.members(kind, of: members[0]) == members, "\(kind) \(rank)")
            }
        }
        // tensor fastest, pipeline outermost: rank 7 = 1 + 2 x (0 + 3 x 1)
        #expect(p.coordinates(of: 7) == RankCoordinates(tensor: 1, context: 0, data: 1, pipeline: 0))
    }

    @Test func spreadUsesEveryGPUOnce() throws {
        for (gpus, domain) in [(16, 8), (20, 8), (7, 8), (9, 4), (72, 72)] {
            let p = try Placement.spread(ParallelDegrees(data: gpus), Self.cluster(gpus, domain: domain))
            #expect(Set((0..<gpus).map(p.gpu(of:))) == Set(0..<gpus), "\(gpus)")
        }
    }

    @Test func hybridShardGroups() throws {
        // 64 replicas on 8 nodes, sharded in a node and replicated across: 8 ranks inside; 8 ranks across, all 8 GPUs of a node in different groups.
        let p = try Placement.packed(ParallelDegrees(data: 64), Self.cluster(64))
        #expect(p.shape(stride: 1, count: 8) == GroupShape(ranks: 8, perDomain: 8, concurrent: 1))
        #expect(p.shape(stride: 8, count: 8) == GroupShape(ranks: 8, perDomain: 1, concurrent: 8))
    }

    @Test func badInputIsAnError() throws {
        let cluster = try Self.cluster(16)
        for degrees in [
            ParallelDegrees(tensor: 0), ParallelDegrees(tensor: 32), ParallelDegrees(expert: 3, data: 8), ParallelDegrees(data: -1),
            ParallelDegrees(tensor: .max, data: 2), ParallelDegrees(expert: .max, expertTensor: 2, data: 2),
        ] {
            #expect(throws: PlacementError.self, "\(degrees)") { try Placement.packed(degrees, cluster) }
        }
        for list in [[0], [0, 0], [0, 16], [-1, 0]] {
            #expect(throws: PlacementError.self, "\(list)") { try Placement(ParallelDegrees(data: 2), cluster, .explicit(list)) }
        }
    }
}
