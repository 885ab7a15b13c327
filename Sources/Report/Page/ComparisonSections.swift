import Studies

/// The sections of a page that set several runs side by side.
struct ComparisonSections {
    let reports: [RunAnswer]
    init(_ reports: [RunAnswer]) { self.reports = reports }

    var markup: Markup {
        guard let first = reports.first else { return "" }
        let columns = ComparisonColumn.all(reports)
        let best = columns.map { $0.best(reports) }
        let rows: [[Markup]] = reports.enumerated().map { row, report in
            let name: Markup =
                report.result.memory.fits ? .text(report.scenario) : "\(report.scenario) <span class=\"pill bad\">does not fit</span>"
            return [name]
                + columns.enumerated().map { column, figure in
                    best[column] == row ? "<span class=\"best\">\(figure.text(report, first))</span>" : .text(figure.text(report, first))
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
            <p class="remark">Marked: best of the runs that fit.</p>
            <h3>Step time by activity</h3>
            <div class="chart" data-chart="stack"><canvas aria-label="Step time of each run by activity"></canvas></div>
            <div class="halves"><div><h3>Model FLOPs utilization</h3><div class="chart" data-chart="mfu"><canvas aria-label="MFU of each run"></canvas></div></div>
            <div><h3>Peak memory of a GPU</h3><div class="chart" data-chart="peaks"><canvas aria-label="Peak memory of each run"></canvas></div></div>\(cost)</div>
            </section>

            """
    }
}
