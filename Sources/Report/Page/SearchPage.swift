import Quantities
import Studies

/// A search as a page: the layouts that were found, drawn by time and memory, and the winner as a scenario.
public struct SearchPage: Sendable {
    let title: String
    let answer: SearchAnswer
    /// The scenario with the best layout in it, as YAML; nil where none was found.
    let winner: String?

    /// - Parameter winner: the scenario with the best layout in it, as YAML.
    public init(title: String, answer: SearchAnswer, winner: String?) { (self.title, self.answer, self.winner) = (title, answer, winner) }

    /// The page as HTML.
    public func html(version: String, chart: ChartLibrary? = .installed()) -> String {
        Page(
            title: "Layouts for \(title)",
            subtitle: "<p class=\"lead\">\(grouped(answer.result.space)) legal layouts, \(grouped(answer.result.simulated)) simulated</p>",
            content: content, data: data, scripts: [PackageResources.report_js, PackageResources.search_js, PackageResources.finish_js],
            version: version
        ).html(chart: chart)
    }

    /// Writes `search.html` into `directory`, which is made if needed.
    /// - Returns: the file's path.
    /// - Throws: `ReportError` where the directory or the file cannot be written.
    @discardableResult
    public func write(to directory: String, version: String, chart: ChartLibrary? = .installed()) throws(ReportError) -> String {
        try writeFile(html(version: version, chart: chart), named: "search.html", in: directory)
    }

    private var content: Markup {
        let verdict: Markup = .text(answer.refusal ?? answer.text.split(separator: "\n").suffix(1).joined())
        let picture: Markup =
            answer.ranked.isEmpty
            ? ""
            : """
            <section><h2>Time against memory</h2><p class="remark">Filled: nothing that was found is better in both.</p>
            <div class="chart taller" data-chart="pareto"><canvas aria-label="Step time and memory of the layouts found"></canvas></div></section>

            """
        let scenario: Markup =
            winner.map { "<section><h2>The best layout as a scenario</h2><pre class=\"code\">\($0)</pre></section>\n" } ?? ""
        return "<section><h2>Found</h2><p class=\"remark\">\(verdict)</p>\(table)</section>\n" + picture + scenario
    }

    private var table: Markup {
        guard let header = answer.rows.first else { return "" }
        let rows = answer.rows.dropFirst().enumerated().map { index, cells in
            [Markup.text("\(index + 1)")] + cells.map { Markup.text($0) }
        }
        return Table(["#"] + header, numeric: Set(6...header.count), rows: Array(rows)).markup
    }

    private var data: JSONValue {
        .object([
            (
                "points",
                .array(
                    answer.ranked.enumerated().map { index, run in
                        .object([
                            ("name", .string("#\(index + 1) \(SearchAnswer.layout(run.job))")), ("s", .number(run.result.step.timeS.mean)),
                            ("gb", .number(run.result.memory.peak / 1e9)),
                        ])
                    })
            )
        ])
    }
}
