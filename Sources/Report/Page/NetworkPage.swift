import Cluster
import Quantities
import Simulation

/// A network under load as a page: the ten hottest links over time, what held flows back, and the topology coloured by load.
public struct NetworkPage: Sendable {
    /// A link with its load.
    private struct Row {
        var name: String
        var bytes: Double
        var utilization: Double
        var series: [Double]?
    }
    /// Spans that time is cut into where nothing else is said.
    public static let spans = 48

    private let title: String
    private let lead: String
    private let rows: [Row]
    private let picture: FabricPicture?
    private var end: Double
    /// Header and rows of a further table.
    private var table: (title: String, cells: [[String]])

    /// Flows and what became of them; over time where the report looked at that.
    public init(traffic: TrafficReport, title: String) {
        let (network, result) = (traffic.network, traffic.result)
        self.title = "Traffic of \(title)"
        lead = "\(grouped(traffic.flows.count)) flows between \(grouped(network.hostCount)) hosts, through after \(time(result.end))"
        rows = traffic.hottest.enumerated().map { place, link in
            Row(
                name: network.name(ofLink: link), bytes: result.carried[link], utilization: result.utilization[link],
                series: traffic.load?.utilization[place])
        }
        picture = network.drawing(limit: 24).map { FabricPicture($0) { result.utilization[$0] } }
        end = result.end
        table = Self.held(traffic)
    }

    /// One collective of the table: that of `row`.
    public init(collective report: CollectiveReport, row: CollectiveReport.Row, load: CollectiveReport.Load) {
        let network = report.network
        title = "\(report.op.rawValue) on \(report.ranks) ranks"
        end = row.microseconds * 1e-6
        lead = "\(bytes(row.size)) by \(row.algorithm), \(time(end)), bus bandwidth \(fixed(row.busbw, decimals: 2)) GB/s"
        let links =
            load.overTime?.links
            ?? load.utilization.indices.filter { load.carried[$0] > 0 }
            .sorted { (load.utilization[$1], $0) < (load.utilization[$0], $1) }.prefix(10).map { $0 }
        rows = links.enumerated().map { place, link in
            Row(
                name: network.name(ofLink: link), bytes: load.carried[link], utilization: load.utilization[link],
                series: load.overTime?.utilization[place])
        }
        picture = network.drawing(limit: 24).map { FabricPicture($0) { load.utilization[$0] } }
        table = (
            "All sizes",
            [["Size", "Algorithm", "Protocol", "Time", "algbw GB/s", "busbw GB/s"]]
                + report.rows.map {
                    [
                        bytes($0.size), $0.algorithm, $0.protocol, time($0.microseconds * 1e-6), fixed($0.algbw, decimals: 2),
                        fixed($0.busbw, decimals: 2),
                    ]
                }
        )
    }

    /// Links by the flows whose bottleneck they were; with faults by the time that they held flows back.
    private static func held(_ traffic: TrafficReport) -> (title: String, cells: [[String]]) {
        let (network, result) = (traffic.network, traffic.result)
        var flows: [Int: Int] = [:]
        for link in result.bottleneck { if let link { flows[link, default: 0] += 1 } }
        var seconds: [Int: Double] = [:]
        for wait in result.waits.joined() { seconds[wait.link, default: 0] += wait.seconds }
        let order = Set(flows.keys).union(seconds.keys).sorted {
            (flows[$1] ?? 0, seconds[$1] ?? 0, $0) < (flows[$0] ?? 0, seconds[$0] ?? 0, $1)
        }
        let isTimed = !seconds.isEmpty
        let header = ["Link", "Bottleneck of flows"] + (isTimed ? ["Held flows back, summed"] : [])
        return (
            "What held flows back",
            [header]
                + order.prefix(20).map {
                    [network.name(ofLink: $0), grouped(flows[$0] ?? 0)] + (isTimed ? [time(seconds[$0] ?? 0)] : [])
                }
        )
    }

    /// The page as HTML.
    public func html(version: String, chart: ChartLibrary? = .installed()) -> String {
        Page(
            title: title, subtitle: "<p class=\"lead\">\(lead)</p>", content: content, data: data,
            scripts: [PackageResources.report_js, PackageResources.finish_js], version: version
        ).html(chart: chart)
    }

    /// Writes `report.html` into `directory`, which is made if needed.
    /// - Returns: the file's path.
    /// - Throws: `ReportError` where the directory or the file cannot be written.
    @discardableResult
    public func write(to directory: String, version: String, chart: ChartLibrary? = .installed()) throws(ReportError) -> String {
        try writeFile(html(version: version, chart: chart), named: "report.html", in: directory)
    }

    private var content: Markup {
        let isOverTime = rows.contains { $0.series != nil }
        let cells: [[Markup]] = rows.map { row in
            [.text(row.name), .text(bytes(row.bytes)), .text(percent(row.utilization))]
                + (isOverTime ? [.text(percent(row.series?.max() ?? 0))] : [])
        }
        let chart: Markup =
            isOverTime
            ? "<div class=\"chart\" data-chart=\"links\" data-run=\"0\"><canvas aria-label=\"Utilization of the hottest links over time\"></canvas></div>"
            : ""
        let further = table.cells.dropFirst().map { $0.map { Markup.text($0) } }
        let more: Markup =
            further.isEmpty
            ? ""
            : "<section><h2>\(table.title)</h2>\(Table(table.cells[0], numeric: Set(1..<max(2, table.cells[0].count)), rows: further).markup)</section>\n"
        return """
            <section><h2>Hottest links</h2>
            <p class="remark">Utilization is of the nominal rate, over the whole time.</p>
            \(chart)\(Table(["Link", "Bytes", "Utilization"] + (isOverTime ? ["Peak"] : []), numeric: [1, 2, 3], rows: cells).markup)
            <h3>Topology by load</h3>\(FabricSection.picture(picture))</section>
            \(more)
            """
    }

    private var data: JSONValue {
        let drawn = rows.filter { $0.series != nil }
        let series: [JSONValue] = drawn.map { row in
            .object([
                ("name", .string(row.name)), ("series", .array((row.series ?? []).map { .number((min(1, $0) * 1e4).rounded() / 1e4) })),
            ])
        }
        let width = end / Double(max(1, drawn.first?.series?.count ?? 1))
        let links: JSONValue =
            drawn.isEmpty ? .null : .object([("width_s", .number(width)), ("axis", .string("time")), ("rows", .array(series))])
        return .object([("runs", .array([.object([("name", .string(title)), ("links", links)])]))])
    }
}
