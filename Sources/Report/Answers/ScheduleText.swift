import Plan
import Quantities
import Studies

extension ScheduleAnswer {
    /// Instructions of all ranks beyond which a page shows no drawing.
    private static let drawn = 6000

    public var text: String {
        let unit = isInSeconds ? " s" : ""
        let held = inFlight
        var lines = [
            "\(schedule.name): \(schedule.ranks.count) ranks, \(schedule.microBatches) micro-batches"
                + (schedule.chunks > 1 ? ", \(schedule.chunks) chunks a rank" : "")
                + (schedule.splitsBackward ? ", weight gradients apart" : "") + "; valid",
            "length \(significant(timing.makespan, digits: 6))\(unit) of passes and hops, \(fixed(idle * 100, decimals: 2)) % idle on average, longest span of a rank \(significant(timing.period, digits: 6))\(unit)",
            "micro-batches in flight: \(significant(held.max() ?? 0)) at most (rank \(held.firstIndex(of: held.max() ?? 0) ?? 0)), \(significant(held.min() ?? 0)) at least",
        ]
        lines += remarks.filter { $0.hasPrefix("layout.schedule") }
        if schedule.instructionCount <= Self.drawn, let grid = try? schedule.grid(costs) {
            lines += ["", grid]
        } else {
            lines.append("too long to draw here: --svg FILE makes a picture, --write FILE lists every instruction")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Every instruction with its times.
    public var rows: [[String]] {
        [["rank", "position", "instruction", "micro_batch", "chunk", "virtual_stage", "start", "finish"]]
            + schedule.ranks.enumerated().flatMap { rank, list in
                list.enumerated().map { position, instruction in
                    let (start, finish) = timing.times(rank: rank, position: position)
                    return [
                        "\(rank)", "\(position)", instruction.kind.rawValue, "\(instruction.microBatch)", "\(instruction.chunk)",
                        "\(schedule.virtualStage[rank][instruction.chunk])", "\(start)", "\(finish)",
                    ]
                }
            }
    }
}
