import Foundation
import Lifetime
import Quantities

/// The replay of Parcae's trace of 32 spot nodes with its tables of paces and restarts.
struct SpotReplay {
    var folder: String

    private func rows(_ file: String) throws -> [[String]] {
        let text = try String(contentsOfFile: "\(folder)/parcae/\(file)", encoding: .utf8)
        return CSVRecords.split(text) { _, _, _, _ in }.map(\.fields).filter { $0.count > 1 }
    }

    func samples(_ model: String, resizes: Bool) throws -> Double {
        let nodes = try rows("p3.csv").compactMap { row in
            Double(row[0]).flatMap { time in Int(row[1]).map { (time: time / 1000, nodes: $0) } }
        }
        let paces = try rows("strategy_throughput.csv").filter { $0[0] == model }.map {
            (nodes: (Int($0[3]) ?? 0) * (Int($0[4]) ?? 0), pace: Double($0[6]) ?? 0)
        }
        let fastest = paces.map(\.pace).max() ?? 1
        let restarts = try rows("restart_cost.csv").dropFirst().map { (nodes: Double($0[0]) ?? 0, value: (Double($0[1]) ?? 0) + 14) }
        let trace = try CapacityTrace(rows: nodes)
        var plan = RunPlan(fleet: Fleet(nodes: 32, gpusPerNode: 1), goal: .duration(trace.end))
        plan.checkpoint.losesWork = false
        var capacity = CapacityPlan(
            source: .trace(trace), pace: try PaceTable(paces.map { ($0.nodes, $0.pace / fastest) }, most: 32), most: 32)
        capacity.resize = resizes ? try NodeTable(restarts) : NodeTable(constant: 0)
        plan.capacity = capacity
        return try RunStudy(plan, .init()).samples[0].work * fastest
    }
}
