import Quantities

/// A sweep as a page: its table, what each key does to speed, utilization and memory, and what matters most where it was sampled.
public struct SweepPage: Sendable {
    /// Share of the variance that a key explains.
    public struct Bar: Sendable {
        var key: String
        var first: Double
        var low: Double
        var high: Double
        var total: Double
        public init(key: String, first: Double, low: Double, high: Double, total: Double) {
            (self.key, self.first, self.low, self.high, self.total) = (key, first, low, high, total)
        }
    }
    let title: String
    /// Header and rows: [rows + 1][columns], the keys that vary first.
    let cells: [[String]]
    let keys: Int
    public var bars: [Bar] = []
    /// The figure that `bars` explain.
    public var response = ""

    /// - Parameter keys: columns of `cells` that hold keys; the others hold figures.
    public init(title: String, cells: [[String]], keys: Int) { (self.title, self.cells, self.keys) = (title, cells, keys) }

    /// Rows that the page's table shows; all are drawn.
    private static let shown = 1000

    /// The page as HTML.
    public func html(version: String, chart: ChartLibrary? = .installed()) -> String {
        Page(
            title: "Sweep of \(title)", subtitle: "<p class=\"lead\">\(grouped(max(0, cells.count - 1))) runs</p>", content: content,
            data: data,
            scripts: [PackageResources.report_js, PackageResources.sweep_js, PackageResources.finish_js], version: version
        ).html(chart: chart)
    }

    /// Writes `sweep.html` into `directory`, which is made if needed.
    /// - Returns: the file's path.
    /// - Throws: `ReportError` where the directory or the file cannot be written.
    @discardableResult
    public func write(to directory: String, version: String, chart: ChartLibrary? = .installed()) throws(ReportError) -> String {
        try writeFile(html(version: version, chart: chart), named: "sweep.html", in: directory)
    }

    private var content: Markup {
        let header = cells.first ?? []
        var content: Markup = ""
        if !bars.isEmpty {
            content =
                content + """
                    <section><h2>What matters most</h2>
                    <p class="remark">Share of the variance of \(response) that a key explains alone (95 % interval in the table) and with all its interactions.</p>
                    <div class="chart" data-chart="indices"><canvas aria-label="Sobol indices"></canvas></div>
                    \(Table(["Key", "alone", "from", "to", "with interactions"], numeric: [1, 2, 3, 4], rows: bars.map { bar in
                        [.text(bar.key)] + [bar.first, bar.low, bar.high, bar.total].map { Markup.text(percent($0)) }
                    }).markup)</section>

                    """
        }
        let charts = (0..<max(0, keys)).map { key -> Markup in
            """
            <h3>\(header[key])</h3><div class="halves"><div><div class="chart" data-chart="sweepTime" data-run="\(key)"><canvas aria-label="Step time over \(header[key])"></canvas></div></div>
            <div><div class="chart" data-chart="sweepMfu" data-run="\(key)"><canvas aria-label="MFU over \(header[key])"></canvas></div></div></div>

            """
        }
        return content + heatMap + "<section><h2>Figures by key</h2><p class=\"remark\">Hollow: does not fit.</p>\(charts)</section>" + runs
    }

    /// Of two keys with few values: tokens a second and GPU (or what was asked) for every pair, darker where better.
    private var heatMap: Markup {
        let header = cells.first ?? []
        let asked = [
            "memory": "memory_bytes", "cost": "total_usd", "mfu": "mfu", "step_time": "step_time_s", "samples_per_s": "samples_per_s",
        ]
        let name = asked[response] ?? "tokens_per_s_per_gpu"
        guard keys == 2, let column = header.firstIndex(of: name), let fits = header.firstIndex(of: "fits"), let figure = Self.figures[name]
        else { return "" }
        let body = cells.dropFirst().filter { $0.count == header.count }
        func values(_ key: Int) -> [String] {
            var seen: [String] = []
            for row in body where !seen.contains(row[key]) { seen.append(row[key]) }
            return seen
        }
        let (rows, columns) = (values(0), values(1))
        guard rows.count * columns.count == body.count, rows.count > 1, columns.count > 1, columns.count <= 24, rows.count <= 60 else {
            return ""
        }
        let numbers = body.compactMap { Double($0[column]) }
        guard let low = numbers.min(), let high = numbers.max() else { return "" }
        let isMoreBetter = !["memory_bytes", "total_usd", "step_time_s"].contains(name)
        let lines = rows.map { first -> Markup in
            let line = columns.map { second -> Markup in
                guard let row = body.first(where: { $0[0] == first && $0[1] == second }), let value = Double(row[column]) else {
                    return "<td class=\"none\">not possible</td>"
                }
                let share = high > low ? (value - low) / (high - low) : 1
                let shade = Int((7 * (isMoreBetter ? share : 1 - share)).rounded())
                let text = fixed(value * figure.factor, decimals: figure.decimals)
                return row[fits] == "true" ? "<td class=\"h\(shade)\">\(text)</td>" : "<td class=\"h\(shade) out\">\(text) ✗</td>"
            }
            return "<tr><th scope=\"row\">\(first)</th>\(line)</tr>\n"
        }
        let head = columns.map { "<th scope=\"col\">\($0)</th>" as Markup }
        return """
            <section><h2>\(figure.title) by \(header[0]) and \(header[1])</h2>
            <p class="remark">Darker is better; ✗ needs more memory than a GPU has.</p>
            <div class="scroll"><table class="heat"><thead><tr><th>\(header[0]) \\ \(header[1])</th>\(head)</tr></thead><tbody>\(lines)</tbody></table></div></section>

            """
    }

    /// Figures that a reader can read: title, factor and decimals of a column.
    private static let figures: [String: (title: String, factor: Double, decimals: Int)] = [
        "step_time_s": ("step s", 1, 4), "tokens_per_s": ("tokens/s", 1, 0), "samples_per_s": ("samples/s", 1, 2), "mfu": ("MFU %", 100, 1),
        "memory_bytes": ("memory GB", 1e-9, 1), "total_usd": ("USD", 1, 2), "speedup": ("speedup", 1, 2),
        "efficiency": ("efficiency %", 100, 1), "tokens_per_s_per_gpu": ("tokens/s/GPU", 1, 0),
        "model_tflops_per_gpu": ("TFLOP/s/GPU", 1, 1), "usd_per_million_tokens": ("USD/M tokens", 1, 3),
    ]

    /// What could run with its figures, and below it what could not with the reason.
    private var runs: Markup {
        let header = cells.first ?? []
        let figures = Array(max(0, keys)..<max(keys, header.count - 1))
        func cell(_ row: [String], _ column: Int) -> Markup {
            guard let figure = Self.figures[header[column]], let value = Double(row[column]) else { return .text(row[column]) }
            return .text(fixed(value * figure.factor, decimals: figure.decimals))
        }
        let body = cells.dropFirst().filter { $0.count == header.count }
        let possible = body.filter { row in figures.contains { !row[$0].isEmpty } }
        let refused = body.filter { row in figures.allSatisfy { row[$0].isEmpty } }
        func more(_ rows: [[String]]) -> Markup {
            rows.count > Self.shown ? "<p class=\"remark\">The first \(Self.shown) of \(rows.count); --csv lists all.</p>" : ""
        }
        let names = Array(header.prefix(max(0, keys)))
        let table = Table(
            names + figures.map { Self.figures[header[$0]]?.title ?? header[$0] }, numeric: Set(figures),
            rows: possible.prefix(Self.shown).map { row in row.prefix(max(0, keys)).map { Markup.text($0) } + figures.map { cell(row, $0) }
            })
        let runs: Markup = "<section><h2>Runs</h2>\(table.markup)\(more(possible))</section>"
        guard !refused.isEmpty else { return runs }
        let reasons = Table(
            names + ["reason"],
            rows: refused.prefix(Self.shown).map { row in (row.prefix(max(0, keys)) + row.suffix(1)).map { Markup.text($0) } })
        return runs + "<section><h2>Not possible</h2>\(reasons.markup)\(more(refused))</section>"
    }

    /// Figures by name of column; what is empty is null.
    private var data: JSONValue {
        let header = cells.first ?? []
        func column(_ name: String) -> JSONValue {
            guard let at = header.firstIndex(of: name) else { return .array([]) }
            return .array(cells.dropFirst().map { .optional(at < $0.count ? Double($0[at]) : nil) })
        }
        let keyColumns = (0..<max(0, keys)).map { key in
            JSONValue.object([("name", .string(header[key])), ("values", .array(cells.dropFirst().map { .string($0[key]) }))])
        }
        return .object([
            ("keys", .array(keyColumns)), ("time", column("step_time_s")), ("mfu", column("mfu")),
            (
                "fits",
                .array(
                    cells.dropFirst().map { row in
                        header.firstIndex(of: "fits").map { .bool($0 < row.count && row[$0] != "false") } ?? .bool(true)
                    })
            ), ("response", .string(response)),
            (
                "bars",
                .array(bars.map { .object([("key", .string($0.key)), ("first", .number($0.first)), ("total", .number($0.total))]) })
            ),
        ])
    }
}
