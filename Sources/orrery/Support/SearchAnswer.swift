import Cost
import Plan
import Planner
import Report
import Scenario
import Simulation

/// What a search found, as text and as a document.
struct SearchAnswer {
    let result: SearchResult
    let objective: Objective.Kind
    /// Best first.
    let ranked: [RunReport]
    /// The file's own layout; nil where it cannot run.
    let own: RunReport?
    /// Whether the answer tells how long it took; one that may have been taken up from a journal is the same however it came about.
    let showsTime: Bool

    private static let columns = [
        "layout", "schedule", "micro-batch", "recompute", "ZeRO", "step s", "MFU %", "memory GB", "USD/step", "kWh/step",
    ]
    /// Rows of a front that a page of text shows.
    private static let shown = 40

    var rows: [[String]] { [Self.columns] + ranked.map(row) }

    private func row(_ report: RunReport) -> [String] {
        let job = report.job
        let layout = job.layout
        let schedule = layout.pipeline == 1 ? "-" : Self.schedule(layout)
        return [
            Self.degrees(job), schedule, "\(job.training.microBatch)", Self.name(job.training.recompute), "\(layout.zero)",
            rounded(report.result.step.timeS.mean, 4), rounded(report.result.step.mfu * 100, 1),
            rounded(report.result.memory.peak / 1e9, 1),
            report.bill.totalUSD > 0 && report.result.run.steps > 0
                ? rounded(report.bill.totalUSD / Double(report.result.run.steps), 4) : "-",
            report.result.run.steps > 0 ? rounded(report.bill.energyKWh / Double(report.result.run.steps), 4) : "-",
        ]
    }

    /// A layout in one cell.
    static func layout(_ job: Job) -> String {
        let layout = job.layout
        let schedule = layout.pipeline == 1 ? "" : " " + Self.schedule(layout)
        return "\(degrees(job))\(schedule) mb\(job.training.microBatch) z\(layout.zero) recompute \(name(job.training.recompute))"
    }

    private static func schedule(_ layout: Layout) -> String {
        layout.schedule.rawValue + (layout.virtual > 1 ? " x\(layout.virtual)" : "") + (layout.stageDeal == .time ? " by time" : "")
    }

    private static func degrees(_ job: Job) -> String {
        let layout = job.layout
        var text = "t\(layout.tensor)\(layout.sequenceParallel ? "+sp" : "") p\(layout.pipeline) d\(job.data)"
        if layout.context > 1 { text += " c\(layout.context)" }
        if layout.expert > 1 { text += " e\(layout.expert)" }
        if layout.expertTensor > 1 { text += " et\(layout.expertTensor)" }
        return text
    }

    static func name(_ recompute: Recompute) -> String {
        switch recompute {
        case .none: "none"
        case .selective: "selective"
        case .full: "full"
        case .layers(let count): "\(count) layers"
        case .modules(let chosen): chosen.description
        case .auto: "auto"
        case .perRank(let counts): counts.map(String.init).joined(separator: "/")
        }
    }

    var text: String {
        var lines: [String] = []
        let listed = ranked.prefix(Self.shown)
        var cells = [Self.columns] + listed.map(row)
        if let own { cells.append(row(own)) }
        let widths = Self.columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        for (index, row) in cells.enumerated() {
            let place = index == 0 ? "  #" : index <= listed.count ? String(repeating: " ", count: index < 10 ? 2 : 1) + "\(index)" : "own"
            var line = place
            for (cell, width) in zip(row, widths) { line += "  " + cell + String(repeating: " ", count: width - cell.count) }
            while line.last == " " { line.removeLast() }
            if index > listed.count, own?.result.memory.fits == false { line += "  (does not fit)" }
            lines.append(line)
        }
        if ranked.count > listed.count { lines.append("     ... \(ranked.count - listed.count) more, which --json and --csv list") }
        if objective == .pareto {
            lines += extremes
        } else if let best = ranked.first {
            if ranked.count > 1 { lines.append(why(best, over: ranked[1], name: "the runner-up")) }
            if let own { lines.append(why(best, over: own, name: "the file's layout")) }
        }
        lines.append(statistics)
        return lines.joined(separator: "\n") + "\n"
    }

    /// Where the ends of the front are.
    private var extremes: [String] {
        func least(_ name: String, _ value: (LayoutFigures) -> Double) -> String? {
            result.ranked.indices.min { value(result.ranked[$0].figures) < value(result.ranked[$1].figures) }.map { "\(name) #\($0 + 1)" }
        }
        let ends = [
            least("fastest", \.seconds), result.ranked.contains { $0.figures.dollars > 0 } ? least("cheapest", \.dollars) : nil,
            least("least energy", \.joules), least("least memory", \.bytes),
        ].compactMap(\.self)
        return ends.isEmpty
            ? [] : ["nothing beats these \(result.ranked.count) in time, cost, energy and memory together: " + ends.joined(separator: ", ")]
    }

    /// The step's parts that differ most, in seconds of the critical path.
    private func why(_ best: RunReport, over other: RunReport, name: String) -> String {
        let (mine, theirs) = (best.result.breakdownS, other.result.breakdownS)
        let gain = other.result.step.timeS.mean - best.result.step.timeS.mean
        let parts = Activity.allCases.map { (activity: $0, seconds: (theirs[$0] ?? 0) - (mine[$0] ?? 0)) }
            .filter { abs($0.seconds) > max(1e-6, 0.02 * abs(gain)) }
            .enumerated().sorted { (-abs($0.element.seconds), $0.offset) < (-abs($1.element.seconds), $1.offset) }.prefix(5)
            .map { "\($0.element.activity.rawValue) \($0.element.seconds > 0 ? "-" : "+")\(rounded(abs($0.element.seconds), 4)) s" }
        let share = other.result.step.timeS.mean > 0 ? gain / other.result.step.timeS.mean * 100 : 0
        let verdict =
            gain == 0 ? "as fast as \(name)" : "\(rounded(abs(share), 2)) % \(gain > 0 ? "faster" : "slower") a step than \(name)"
        return "#1 is \(verdict)" + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", "))
    }

    private var statistics: String {
        var text =
            "\(result.space) legal layouts, \(result.bounded) bounded, \(result.simulated) simulated, \(result.unfit) of those looked at do not fit"
        if result.removed.deadline > 0 { text += ", \(result.removed.deadline) are beyond the deadline" }
        if result.removed.budget > 0 { text += ", \(result.removed.budget) beyond the budget" }
        if result.refined > 0 { text += ", \(result.refined) of the best are faster with layers dealt by time" }
        if showsTime { text += "; \(rounded(result.seconds, 2)) s" }
        if let gap = result.exhaustiveGap {
            text += "; all were simulated to check: \(rounded(gap * 100, 3)) % from the optimum"
        } else if result.isProven {
            text += "; no layout of the space is better"
        } else {
            text += "; cut short: \(result.unlooked) layouts were not looked at"
            if let left = result.unexplored, let best = result.ranked.first, best.value > 0 {
                text += ", which can be better by at most \(rounded(max(0, 1 - left / best.value) * 100, 2)) %"
            }
        }
        return text
    }

    // MARK: JSON

    var json: JSONValue {
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
            ("own", own.map { .object(members($0)) } ?? .null),
        ])
    }

    private func entry(_ report: RunReport, _ layout: RankedLayout) -> JSONValue {
        .object(
            [
                ("value", .number(layout.value)), ("bound", .number(layout.bound)),
                ("gap_to_best", .number(result.ranked.first.map { $0.value > 0 ? layout.value / $0.value - 1 : 0 } ?? 0)),
            ] + members(report))
    }

    private func members(_ report: RunReport) -> [(key: String, value: JSONValue)] {
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
            ("sequence", .integer(job.training.sequence)), ("recompute", .string(Self.name(job.training.recompute))),
        ]
        var result: [(key: String, value: JSONValue)] = [("layout", .object(degrees)), ("training", .object(training))]
        if case .object(let all) = report.jsonValue() {
            result += all.filter { ["step", "breakdown_s", "memory", "bill"].contains($0.key) }
        }
        return result
    }
}

/// `value` with at most `decimals` digits behind the point.
func rounded(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite else { return "-" }
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let number = (abs(value) * scale).rounded()
    guard number < 1e15 else { return "\(value)" }
    let digits = String(Int(number))
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let text = decimals == 0 ? padded : padded.dropLast(decimals) + "." + padded.suffix(decimals)
    return value < 0 && number > 0 ? "-" + text : String(text)
}
