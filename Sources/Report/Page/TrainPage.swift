import CoSimulation
import Quantities
import Studies

/// Co-simulations as a page: their curves over an axis that the reader chooses, and what they cost.
public struct TrainPage: Sendable {
    let answers: [TrainAnswer]
    public init(_ answers: [TrainAnswer]) { self.answers = answers }

    /// The page as HTML.
    public func html(version: String, chart: ChartLibrary? = .installed()) -> String {
        let title = answers.count == 1 ? answers[0].name : "\(answers.count) co-simulations"
        return Page(
            title: title,
            subtitle:
                "<p class=\"lead\">Small models really trained; the clock is the target job's. Nothing here predicts a large model's loss.</p>",
            content: content, data: data,
            scripts: [PackageResources.report_js, PackageResources.train_js, PackageResources.finish_js], version: version
        ).html(chart: chart)
    }

    /// Writes `train.html` into `directory`, which is made if needed.
    /// - Returns: the file's path.
    /// - Throws: `ReportError` where the directory or the file cannot be written.
    @discardableResult
    public func write(to directory: String, version: String, chart: ChartLibrary? = .installed()) throws(ReportError) -> String {
        try writeFile(html(version: version, chart: chart), named: "train.html", in: directory)
    }

    private static let axes: [(key: String, title: String)] = [
        ("step", "steps"), ("tokens", "samples or tokens"), ("seconds", "simulated seconds"), ("usd", "USD"), ("joules", "joules"),
    ]

    private var content: Markup {
        let charts = Self.axes.indices.map { index -> Markup in
            """
            <details\(index == 2 ? " open" : "" as Markup)><summary>Loss over \(Self.axes[index].title)</summary><div class="chart" data-chart="loss" data-run="\(index)"><canvas aria-label="Loss over \(Self.axes[index].title)"></canvas></div></details>

            """
        }
        let rows = answers.map { answer -> [Markup] in
            let result = answer.result
            let cells = [
                significant(result.finalLoss), Duration.shown(result.seconds),
                result.secondsToTarget.map { Duration.shown($0.mean) } ?? "-",
                significant(result.seconds * result.usdPerSecond), percent(result.utilization), significant(result.meanStaleness),
                significant(result.bytesPerUpdate), result.stepsFactor.map { significant($0.mean) } ?? "-",
            ]
            return [.text(answer.name), .text(answer.title)] + cells.map { Markup.text($0) }
        }
        let table = Table(
            ["Scenario", "method", "loss", "time", "to target", "USD", "utilization", "staleness", "bytes an update", "samples factor"],
            numeric: Set(2...9), rows: rows)
        return "<section><h2>Loss</h2>\(charts)</section><section><h2>Figures</h2>\(table.markup)</section>"
    }

    private var data: JSONValue {
        let curves = answers.map { answer -> JSONValue in
            let points = answer.result.points
            func column(_ value: (CosimResult.Point) -> Double) -> JSONValue { .array(points.map { .number(value($0)) }) }
            return .object([
                ("name", .string(answer.name)), ("step", column { Double($0.step) }), ("tokens", column(\.tokens)),
                ("seconds", column(\.seconds)), ("usd", column(\.usd)), ("joules", column(\.joules)), ("loss", column(\.loss.mean)),
                ("low", column(\.loss.p5)), ("high", column(\.loss.p95)),
            ])
        }
        return .object([
            ("axes", .array(Self.axes.map { .object([("key", .string($0.key)), ("title", .string($0.title))]) })),
            ("curves", .array(curves)),
        ])
    }
}
