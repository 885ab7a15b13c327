import Plan
import Quantities
import Scenario

/// A schedule with what it takes and holds, as text and as a document.
public struct ScheduleAnswer: Sendable {
    public let schedule: PipelineSchedule
    public let costs: ScheduleCosts
    public let timing: ScheduleTiming
    /// Times are seconds; otherwise in the unit of those that were given.
    public var isInSeconds: Bool
    public var remarks: [String]

    /// - Throws: `ScheduleError` where the schedule is not valid.
    public init(_ schedule: PipelineSchedule, costs: ScheduleCosts, isInSeconds: Bool = false, remarks: [String] = []) throws(ScheduleError)
    {
        try schedule.validate()
        (self.schedule, self.costs, self.isInSeconds, self.remarks) = (schedule, costs, isInSeconds, remarks)
        timing = try schedule.timing(costs)
    }

    /// The schedule as a picture (SVG).
    public func picture() throws -> String { try schedule.svg(costs) }

    /// Share of the time in which ranks stand idle, on average.
    public var idle: Double {
        guard timing.makespan > 0, timing.ranks > 0 else { return 0 }
        return timing.bubble.reduce(0, +) / timing.makespan / Double(timing.ranks)
    }

    /// Most micro-batches in flight on each rank: chunks count for their part of a micro-batch, and B frees all that it needs.
    public var inFlight: [Double] { schedule.ranks.indices.map { schedule.peakInFlight(rank: $0) } }

    public var json: JSONValue {
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

extension Study {
    /// In which order does the scenario's job run its passes, and how long do they take?
    /// - Throws: `ScenarioErrors` where the job cannot be planned, or its schedule is not valid.
    public func schedule(of scenario: Scenario) throws(ScenarioErrors) -> ScheduleAnswer {
        try scenario.locatingFaults {
            let plan = try scenario.job.plan(data)
            do {
                return try ScheduleAnswer(plan.schedule, costs: plan.costs.scheduleCosts, isInSeconds: true, remarks: plan.warnings)
            } catch let error as ScheduleError { throw Fault(keyPath: "layout.schedule", reason: error.message) }
        }
    }
}
