import Engine
import Testing

@testable import Cluster

@Suite struct PlacementSearchTests {
    private func cluster(_ gpus: Int, perNode: Int) throws -> ClusterSpec {
        try ClusterSpec.measured(hardware: "h100-sxm-80gb", gpus: gpus, gpusPerNode: perNode, interNode: "ib-ndr-400g-x\(perNode)").spec
    }

    /// Every way to deal ranks out to nodes, as GPU lists.
    private func allPlacements(world: Int, perNode: Int) -> [[Int]] {
        var result: [[Int]] = []
        var node = [Int](repeating: 0, count: world)
        var used = [Int](repeating: 0, count: world / perNode)
        func deal(_ rank: Int) {
            guard rank < world else {
                var next = (0..<used.count).map { $0 * perNode }
                result.append(
                    node.map { place in
                        next[place] += 1
                        return next[place] - 1
                    })
                return
            }
            for place in used.indices where used[place] < perNode {
                // Equal nodes: a fresh one only after all before it are in use.
                if place > 0, used[place] == 0, used[place - 1] == 0 { break }
                used[place] += 1
                node[rank] = place
                deal(rank + 1)
                used[place] -= 1
            }
        }
        deal(0)
        return result
    }

    /// Against all placements of eight ranks, degrees and loads at random.
    @Test func smallCasesAgainstEveryPlacement() throws {
        var better = 0
        for seed in UInt64(0)..<12 {
            var random = RandomStream(seed: seed, purpose: "placement search")
            let shapes = [(8, 1, 1), (1, 8, 1), (2, 2, 2), (4, 2, 1), (2, 4, 1), (2, 1, 4), (1, 4, 2), (4, 1, 2)]
            let (tensor, data, pipeline) = shapes[Int(random.next() % 8)]
            let perNode = random.uniform() < 0.5 ? 4 : 2
            let spec = try cluster(8, perNode: perNode)
            let degrees = ParallelDegrees(tensor: tensor, data: data, pipeline: pipeline)
            func bytes() -> Double { [1e4, 1e6, 1e8, 1e9][Int(random.next() % 4)] }
            let loads = [
                GroupLoad(.tensor, .allReduce, bytes: bytes(), calls: 4), GroupLoad(.data, .allReduce, bytes: bytes()),
                GroupLoad(.pipeline, .sendReceive, bytes: bytes(), calls: 8),
            ]
            let model = CollectiveModel(cluster: spec)
            let least =
                try allPlacements(world: 8, perNode: perNode).map {
                    try Placement(degrees, spec, .explicit($0)).expectedSeconds(loads, model)
                }.min() ?? 0
            let found = try Placement.searched(degrees, spec, loads: loads)
            #expect(
                abs(found.seconds / least - 1) < 1e-9,
                "seed \(seed): \(found.seconds) s, least \(least) s, \(degrees) in nodes of \(perNode)")
            #expect(try found.seconds <= Placement.packed(degrees, spec).expectedSeconds(loads, model))
            if try found.seconds < Placement.packed(degrees, spec).expectedSeconds(loads, model) * 0.999 { better += 1 }
            #expect(abs(found.placement.expectedSeconds(loads, model) - found.seconds) < 1e-15)
        }
        #expect(better > 0, "in no case was packed beaten, so that nothing was searched")
    }

    /// Heavy data and light tensor groups: 2 x 4 in nodes of 4 is best with a data group to a node, which packed cannot do.
    @Test func heavyGroupsStayInsideNodes() throws {
        let spec = try cluster(64, perNode: 8)
        let degrees = ParallelDegrees(tensor: 8, data: 8)
        let loads = [GroupLoad(.tensor, .allReduce, bytes: 1e4), GroupLoad(.data, .allReduce, bytes: 1e9)]
        let found = try Placement.searched(degrees, spec, loads: loads)
        #expect(found.placement.shape(.data).perDomain == 8)
        #expect(try found.seconds < 0.5 * Placement.packed(degrees, spec).expectedSeconds(loads, CollectiveModel(cluster: spec)))
        #expect(throws: PlacementError.self) { try Placement.searched(ParallelDegrees(tensor: 128), spec, loads: loads) }
    }
}
