import Cost
import Plan
import Planner
import Quantities
import Simulation
import Studies

extension SearchAnswer {
    private static let columns = [
        "layout", "schedule", "micro-batch", "recompute", "ZeRO", "step s", "MFU %", "memory GB", "USD/step", "kWh/step", "tokens/s/GPU",
        "TFLOP/s/GPU", "USD/M tokens",
    ]
    /// Of the same, what a table shows whose rows a terminal of 120 columns holds.
    private static let shownColumns = [
        "layout", "schedule", "mb", "recompute", "Z", "step s", "MFU %", "GB", "tok/s/GPU", "TF/s/GPU", "USD/M tok",
    ]
    /// Rows of a front that a page of text shows.
    private static let shown = 40

    public var rows: [[String]] { [Self.columns] + ranked.map(row) }

    private func row(_ report: RunAnswer) -> [String] {
        let job = report.job
        let layout = job.layout
        let schedule = layout.pipeline == 1 ? "-" : Self.schedule(layout)
        return [
            Self.degrees(job), schedule, "\(job.training.microBatch)", job.training.recompute.name, "\(layout.zero)",
            rounded(report.result.step.timeS.mean, 4), rounded(report.result.step.mfu * 100, 1),
            rounded(report.result.memory.peak / 1e9, 1),
            report.bill.totalUSD > 0 && report.run.steps > 0
                ? rounded(report.bill.totalUSD / Double(report.run.steps), 4) : "-",
            report.run.steps > 0 ? rounded(report.bill.energyKWh / Double(report.run.steps), 4) : "-",
            rounded(report.result.step.tokensPerSPerGPU, 1), rounded(report.result.step.modelTFLOPsPerGPU, 1),
            report.bill.totalUSD > 0 ? significant(report.bill.usdPerMillionTokens) : "-",
        ]
    }

    private func shownRow(_ report: RunAnswer) -> [String] {
        let cells = row(report)
        let rate = report.result.step.tokensPerSPerGPU
        return Array(cells[0..<8]) + [rounded(rate, rate < 100 ? 1 : 0), cells[11], cells[12]]
    }

    /// A layout in one cell.
    static func layout(_ job: Job) -> String {
        let layout = job.layout
        let schedule = layout.pipeline == 1 ? "" : " " + Self.schedule(layout)
        return "\(degrees(job))\(schedule) mb\(job.training.microBatch) z\(layout.zero) recompute \(job.training.recompute.name)"
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

    public var text: String {
        var lines: [String] = []
        let listed = ranked.prefix(Self.shown)
        var cells = [Self.shownColumns] + listed.map(shownRow)
        if let own { cells.append(shownRow(own)) }
        let widths = Self.shownColumns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
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
    private func why(_ best: RunAnswer, over other: RunAnswer, name: String) -> String {
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
}
