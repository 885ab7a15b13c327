import Studies

/// The sections of a page that set several runs side by side.
struct ComparisonSections {
    let reports: [RunAnswer]
    init(_ reports: [RunAnswer]) { self.reports = reports }

    /// Against the run that the others are measured by; nothing where there is none to speak of.
    private func change(_ figure: ComparisonColumn, _ report: RunAnswer, _ first: RunAnswer) -> Markup {
        let ratio = figure.value(report) / figure.value(first) - 1
        guard !figure.isRatio, figure.better != .neither, ratio.isFinite, abs(ratio) >= 5e-4 else { return "" }
        let isBetter = (ratio < 0) == (figure.better == .less)
        return isBetter
            ? "<small class=\"delta good\">\(signedPercent(ratio))</small>" : "<small class=\"delta poor\">\(signedPercent(ratio))</small>"
    }

    var markup: Markup {
        // A run that cannot be is no measure for the others.
        guard let first = reports.first(where: { $0.result.memory.fits }) ?? reports.first else { return "" }
        let columns = ComparisonColumn.all(reports)
        let best = columns.map { $0.best(reports) }
        let rows: [[Markup]] = reports.enumerated().map { row, report in
            let name: Markup =
                report.result.memory.fits ? .text(report.scenario) : "\(report.scenario) <span class=\"pill bad\">does not fit</span>"
            return [name]
                + columns.enumerated().map { column, figure in
                    let text: Markup =
                        best[column] == row
                        ? "<span class=\"best\">\(figure.text(report, first))</span>" : .text(figure.text(report, first))
                    return text + change(figure, report, first)
                }
        }
        let titles = columns.map { $0.isRatio ? "× first" : $0.title.prefix(1).uppercased() + $0.title.dropFirst() }
        let priced = reports.contains { $0.bill.totalUSD > 0 }
        let cost: Markup =
            priced
            ? "<div><h3>Cost</h3><div class=\"chart\" data-chart=\"costs\"><canvas aria-label=\"Cost of each run\"></canvas></div></div>"
            : ""
        return """
            <section><h2>Comparison</h2>
            \(Table(["Run"] + titles, numeric: Set(1...columns.count), rows: rows).markup)
            <p class="remark">Marked: best of the runs that fit. Small: change against \(first.scenario).</p>
            <h3>Step time by activity</h3>
            <div class="chart" data-chart="stack"><canvas aria-label="Step time of each run by activity"></canvas></div>
            <div class="halves"><div><h3>Model FLOPs utilization</h3><div class="chart" data-chart="mfu"><canvas aria-label="MFU of each run"></canvas></div></div>
            <div><h3>Peak memory of a GPU</h3><div class="chart" data-chart="peaks"><canvas aria-label="Peak memory of each run"></canvas></div></div>\(cost)</div>
            </section>

            """
    }
}
