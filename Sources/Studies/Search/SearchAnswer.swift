import Plan
import Planner
import Quantities
import Scenario
import Simulation

/// What a search found, as a value and as a document.
public struct SearchAnswer: Sendable {
    public let result: SearchResult
    public let objective: Objective.Kind
    /// Best first.
    public let ranked: [RunAnswer]
    /// The file's own layout; nil where it cannot run.
    public let own: RunAnswer?
    /// Whether the answer tells how long it took; one that may have been taken up from a journal is the same however it came about.
    public let showsTime: Bool
    /// Why no layout is left; nil where one is.
    public let refusal: String?

    public var json: JSONValue {
        let entries = zip(ranked, result.ranked).map(entry)
        return .object([
            ("space", .integer(result.space)), ("bounded", .integer(result.bounded)), ("simulated", .integer(result.simulated)),
            ("unfit", .integer(result.unfit)), ("seconds", showsTime ? .number(result.seconds) : .null),
            ("bound_seconds", showsTime ? .number(result.boundSeconds) : .null), ("objective", .string(objective.rawValue)),
            ("proven", .bool(result.isProven)), ("unlooked", .integer(result.unlooked)), ("unexplored", .optional(result.unexplored)),
            (
                "removed",
                .object([
                    ("memory", .integer(result.removed.memory)), ("memory_limit", .integer(result.removed.memoryLimit)),
                    ("deadline", .integer(result.removed.deadline)), ("budget", .integer(result.removed.budget)),
                    ("impossible", .integer(result.removed.impossible)),
                ])
            ),
            ("exhaustive_gap", .optional(result.exhaustiveGap)), ("best", entries.first ?? .null), ("ranked", .array(entries)),
            ("own", own.map { .object(Self.members($0)) } ?? .null),
        ])
    }

    private func entry(_ report: RunAnswer, _ layout: RankedLayout) -> JSONValue {
        .object(
            [
                ("value", .number(layout.value)), ("bound", .number(layout.bound)),
                ("gap_to_best", .number(result.ranked.first.map { $0.value > 0 ? layout.value / $0.value - 1 : 0 } ?? 0)),
            ] + Self.members(report))
    }

    static func members(_ report: RunAnswer) -> [(key: String, value: JSONValue)] {
        let job = report.job
        let layout = job.layout
        let degrees: [(key: String, value: JSONValue)] = [
            ("tensor", .integer(layout.tensor)), ("pipeline", .integer(layout.pipeline)), ("virtual", .integer(layout.virtual)),
            ("context", .integer(layout.context)), ("expert", .integer(layout.expert)), ("expert_tensor", .integer(layout.expertTensor)),
            ("data", .integer(job.data)), ("sequence_parallel", .bool(layout.sequenceParallel)), ("zero", .integer(layout.zero)),
            ("schedule", .string(layout.schedule.rawValue)),
            ("stage_layers", layout.stageLayers.map { .array($0.map { .integer($0) }) } ?? .string(layout.stageDeal.rawValue)),
        ]
        let training: [(key: String, value: JSONValue)] = [
            ("global_batch", .integer(job.training.globalBatch)), ("micro_batch", .integer(job.training.microBatch)),
            ("sequence", .integer(job.training.sequence)), ("recompute", .string(job.training.recompute.name)),
        ]
        var result: [(key: String, value: JSONValue)] = [("layout", .object(degrees)), ("training", .object(training))]
        if case .object(let all) = report.jsonValue() {
            result += all.filter { ["step", "breakdown_s", "memory", "bill"].contains($0.key) }
        }
        return result
    }
}
