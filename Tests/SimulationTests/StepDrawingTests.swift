import Calibration
import Cluster
import Plan
import Testing
import Workload

@testable import Simulation

/// Steps drawn as text, a column a millisecond. Digits are forwards and letters backwards of a micro-batch, > and < sends to the next stage and the one before,
/// r the reduction of gradients, g the gather of parameters, O the optimizer.
@Suite("Steps, drawn")
struct StepDrawingTests {
    /// Two stages of 16 layers and two micro-batches under 1F1B on two replicas that shard the optimizer. A forward takes 4 ms, a send 1, the optimizer 2, a gather 2.
    private func drawing(backward: Double, reduce: Double, change: (inout Job) -> Void) throws -> String {
        let plan = try flowPlan(
            flowJob(tensor: 1, pipeline: 2, data: 2) {
                $0.training.globalBatch = 4
                $0.layout.overlap.paramGather = false
                change(&$0)
            })
        var costs = plan.costs
        for stage in costs.stages.indices {
            (costs.stages[stage].forward, costs.stages[stage].backward, costs.stages[stage].weight) = (PassCost(), PassCost(), PassCost())
            costs.stages[stage].forward.seconds[.forward] = 0.004
            costs.stages[stage].backward.seconds[.backward] = backward * 1e-3
            costs.data[stage].gather = 0.002
            costs.data[stage].reduce = reduce * 1e-3
            costs.optimizer[stage] = 0.002
        }
        costs.hop = 0.001
        (costs.fixed, costs.slowest, costs.dataExposed, costs.overlapSlowdown) = (0, 0, 0, 0)
        var player = try StepPlayer(plan: plan, graph: StepGraph(plan: plan, lanes: 1), costs: costs)
        _ = try player.play(player.nominal)
        return Self.draw(try player.spans(limit: 1000))
    }

    private static func draw(_ spans: [Span]) -> String {
        let end = Int((spans.map { $0.startNS + $0.durationNS }.max() ?? 0) / 1_000_000)
        var rows: [String] = []
        for rank in 0...(spans.map(\.rank).max() ?? 0) {
            for stream in StepStream.allCases.map(\.name) where spans.contains(where: { $0.rank == rank && $0.stream == stream }) {
                let own = spans.filter { $0.rank == rank && $0.stream == stream }
                let cells = (0..<end).map { cell -> Character in
                    let middle = Int64(cell) * 1_000_000 + 500_000
                    return own.first { $0.startNS <= middle && middle < $0.startNS + $0.durationNS }.map(mark) ?? "."
                }
                rows.append("\(rank) " + stream.padding(to: 13) + " " + String(cells))
            }
        }
        return rows.joined(separator: "\n")
    }

    private static func mark(_ span: Span) -> Character {
        let micro = Int(span.label.dropFirst()) ?? 0
        switch span.activity {
        case .forward: return Character("\(micro)")
        case .backward: return micro == 0 ? "a" : "b"
        case .optimizer: return "O"
        case .pipelineComm: return span.stream == StepStream.sendForward.name ? ">" : "<"
        default: return span.label.hasPrefix("reduce") ? "r" : "g"
        }
    }

    @Test("gradients that are reduced at the end")
    func reducedAtEnd() throws {
        let drawn = try drawing(backward: 8, reduce: 2) { $0.layout.overlap.gradReduce = false }
        #expect(
            drawn == """
                0 compute       00001111..........aaaaaaaa....bbbbbbbb..OO..
                0 data          ......................................rr..gg
                0 send forward  ....>...>...................................
                1 compute       .....0000aaaaaaaa1111bbbbbbbb...........OO..
                1 data          .............................rr...........gg
                1 send backward .................<...........<..............
                """)
    }

    /// The last backward makes sixteen buckets, one a millisecond; each takes two to be reduced.
    @Test("gradients that leave bucket by bucket beside the last backward pass")
    func reducedInPieces() throws {
        let drawn = try drawing(backward: 16, reduce: 32) { $0.layout.overlap.gradReduce = true }
        #expect(
            drawn == """
                0 compute       00001111..................aaaaaaaaaaaaaaaa....bbbbbbbbbbbbbbbb.................OO..
                0 data          ...............................................rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr..gg
                0 send forward  ....>...>..........................................................................
                1 compute       .....0000aaaaaaaaaaaaaaaa1111bbbbbbbbbbbbbbbb..................................OO..
                1 data          ..............................rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr...................gg
                1 send backward .........................<...................<.....................................
                """)
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
