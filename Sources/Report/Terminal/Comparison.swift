import Quantities
import Studies

extension RunAnswer {
    /// A row per run with the best of each column marked by a star; the second column is the step time over that of the first run that fits.
    public static func comparison(of reports: [RunAnswer], style: TextStyle) -> String {
        guard let top = reports.first else { return "no runs to compare\n" }
        // A run that cannot be is no measure for the others.
        let first = reports.first { $0.result.memory.fits } ?? top
        let isTop = top.result.memory.fits || first.scenario == top.scenario
        func width(_ column: ComparisonColumn) -> Int {
            max(column.title.count, reports.map { column.text($0, first).count }.max() ?? 0) + column.margin.count
        }
        var columns = ComparisonColumn.all(reports)
        // Where names would have no room, what can be worked out from the rest goes, the last first.
        let wanted = min(30, reports.map { printable($0.scenario).count }.max() ?? 12)
        while columns.reduce(2 + wanted, { $0 + width($1) + 2 }) > style.width, let least = columns.lastIndex(where: \.isDerived) {
            columns.remove(at: least)
        }
        let widths = columns.map(width)
        let name = min(
            max(12, reports.map { printable($0.scenario).count }.max() ?? 12), max(12, style.width - widths.reduce(0) { $0 + $1 + 2 } - 2))
        let header = "  " + padded("run", name) + zip(columns, widths).map { "  " + rightAligned($0.title + $0.margin, $1) }.joined()
        var lines = [style.heading(header.trimmingEnd), style.rule]
        let best = columns.map { $0.best(reports) }
        for (row, report) in reports.enumerated() {
            var line = (report.result.memory.fits ? "  " : style.paint("✗ ", .red)) + padded(printable(report.scenario), name)
            for (index, column) in columns.enumerated() {
                let marked = best[index] == row
                let cell = rightAligned(column.text(report, first) + (marked ? " *" : column.margin), widths[index])
                line += "  " + (marked ? style.paint(cell, .green) : cell)
            }
            lines.append(line.trimmingEnd)
        }
        lines.append(style.rule)
        let unfit = reports.contains { !$0.result.memory.fits }
        lines.append(
            style.paint(
                "  * best of the runs\(unfit ? " that fit; ✗ needs more memory than a GPU has" : ""); x is the step time over \(isTop ? "the first run's" : "that of the first that fits")",
                .dim))
        return lines.joined(separator: "\n") + "\n"
    }
}

/// A figure that runs are compared by.
struct ComparisonColumn: Sendable {
    enum Better: Sendable { case less, more, neither }
    var title: String
    var better: Better
    var value: @Sendable (RunAnswer) -> Double
    var print: @Sendable (Double) -> String
    /// Whether the figure is printed over the first run's.
    var isRatio = false
    /// Whether it follows from the other columns and the number of GPUs.
    var isDerived = false

    /// Room for the star.
    var margin: String { better == .neither ? "" : "  " }

    func text(_ report: RunAnswer, _ first: RunAnswer) -> String {
        isRatio ? finite(value(report) / value(first)) { fixed($0, decimals: 2) + "x" } : print(value(report))
    }

    /// Row of the best run that fits; nil with fewer than two runs, or where all are equal.
    func best(_ reports: [RunAnswer]) -> Int? {
        guard better != .neither else { return nil }
        let rows = reports.indices.filter { reports[$0].result.memory.fits && value(reports[$0]).isFinite }
        guard rows.count > 1 else { return nil }
        let values = rows.map { value(reports[$0]) * (better == .less ? 1 : -1) }
        guard let least = values.min(), values.contains(where: { $0 > least }) else { return nil }
        return zip(rows, values).first { $0.1 == least }?.0
    }

    /// The columns that mean something for these runs.
    static func all(_ reports: [RunAnswer]) -> [ComparisonColumn] {
        var columns = [
            ComparisonColumn(title: "step time", better: .less, value: { $0.result.step.timeS.mean }, print: { time($0) }),
            ComparisonColumn(title: "x", better: .neither, value: { $0.result.step.timeS.mean }, print: { _ in "" }, isRatio: true),
            ComparisonColumn(title: "MFU", better: .more, value: { $0.result.step.mfu }, print: { percent($0) }),
        ]
        if reports.allSatisfy({ $0.job.training.sequence > 1 }) {
            columns.append(ComparisonColumn(title: "tokens/s", better: .more, value: { $0.result.step.tokensPerS }, print: { counted($0) }))
        } else {
            columns.append(
                ComparisonColumn(title: "samples/s", better: .more, value: { $0.result.step.samplesPerS }, print: { counted($0) }))
        }
        if reports.allSatisfy({ $0.job.training.sequence > 1 }) {
            columns.append(
                ComparisonColumn(
                    title: "tok/s/GPU", better: .more, value: { $0.result.step.tokensPerSPerGPU }, print: { counted($0) }, isDerived: true))
        }
        columns.append(
            ComparisonColumn(
                title: "TF/s/GPU", better: .more, value: { $0.result.step.modelTFLOPsPerGPU }, print: { significant($0) }, isDerived: true))
        columns.append(ComparisonColumn(title: "memory", better: .less, value: { $0.result.memory.peak }, print: { gigabytes($0) }))
        if reports.contains(where: \.job.hasLength) {
            columns.append(ComparisonColumn(title: "wall clock", better: .less, value: { $0.run.wallClockS }, print: { time($0) }))
        }
        if reports.contains(where: { $0.bill.totalUSD > 0 }) {
            columns.append(ComparisonColumn(title: "cost", better: .less, value: { $0.bill.totalUSD }, print: { dollars($0) }))
            columns.append(
                ComparisonColumn(
                    title: "USD/M tok", better: .less, value: { $0.bill.usdPerMillionTokens }, print: { significant($0, digits: 3) },
                    isDerived: true))
        }
        return columns
    }
}

extension String {
    var trimmingEnd: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
