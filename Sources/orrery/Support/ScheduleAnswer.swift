import Plan
import Quantities
import Report

/// A schedule with what it takes and holds, as text and as a document.
struct ScheduleAnswer {
    let schedule: PipelineSchedule
    let costs: ScheduleCosts
    let timing: ScheduleTiming
    /// Times are seconds; otherwise in the unit of those that were given.
    var isInSeconds: Bool
    var remarks: [String]

    /// - Throws: `ScheduleError` where the schedule is not valid.
    init(_ schedule: PipelineSchedule, costs: ScheduleCosts, isInSeconds: Bool = false, remarks: [String] = []) throws(ScheduleError) {
        try schedule.validate()
        (self.schedule, self.costs, self.isInSeconds, self.remarks) = (schedule, costs, isInSeconds, remarks)
        timing = try schedule.timing(costs)
    }

    /// The schedule as a picture (SVG).
    func picture() throws -> String { try schedule.svg(costs) }

    /// Share of the time in which ranks stand idle, on average.
    private var idle: Double {
        guard timing.makespan > 0, timing.ranks > 0 else { return 0 }
        return timing.bubble.reduce(0, +) / timing.makespan / Double(timing.ranks)
    }

    /// Most micro-batches in flight on each rank: chunks count for their part of a micro-batch, and B frees all that it needs.
    private var inFlight: [Double] { schedule.ranks.indices.map { schedule.peakInFlight(rank: $0) } }

    /// Instructions of all ranks beyond which a page shows no drawing.
    private static let drawn = 6000

    var text: String {
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
    var rows: [[String]] {
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

    var json: JSONValue {
        .object([
            ("name", .string(schedule.name)), ("ranks", .integer(schedule.ranks.count)), ("micro_batches", .integer(schedule.microBatches)),
            ("chunks", .integer(schedule.chunks)), ("parts_weight", .bool(schedule.splitsBackward)), ("valid", .bool(true)),
            ("length", .number(timing.makespan)), ("longest_span", .number(timing.period)), ("idle_share", .number(idle)),
            ("in_flight", .array(inFlight.map { .number($0) })), ("in_seconds", .bool(isInSeconds)),
            ("virtual_stages", .array(schedule.virtualStage.map { .array($0.map { .integer($0) }) })),
            (
                "instructions",
                .array(schedule.ranks.map { list in .array(list.map { .string($0.description + ($0.joinsNext ? "+" : "")) }) })
            ),
            ("remarks", .array(remarks.map { .string($0) })),
        ])
    }
}
