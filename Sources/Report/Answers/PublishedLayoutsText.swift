import Quantities
import Studies

extension PublishedLayouts {
    public static let header = [
        "id", "hardware", "gpus", "published", "predicted_s", "measured_s", "planner", "planner_s", "gain_percent", "listed", "fits",
        "holds", "layouts",
        "proven", "search_s",
    ]

    public static func cells(_ row: Row) -> [String] {
        let gain = row.own.flatMap { own in row.best.map { (1 - $0.value / own) * 100 } }
        return [
            row.published.run.id, row.published.run.hardware, "\(row.published.job.cluster.gpus)", SearchAnswer.layout(row.published.job),
            row.own.map { rounded($0, 4) } ?? "-", rounded(row.published.run.stepTimeS, 4), row.bestJob.map(SearchAnswer.layout) ?? "-",
            row.best.map { rounded($0.value, 4) } ?? "-", gain.map { rounded($0, 1) } ?? "-", row.isListed ? "yes" : "no",
            row.fits ? "yes" : "no", row.holds ? "yes" : "NO", "\(row.space)", row.isProven ? "yes" : "no", rounded(row.seconds, 2),
        ]
    }

    /// A row of a Markdown table.
    public static func line(_ cells: [String]) -> String {
        "| " + cells.map { $0.replacing("|", with: "/") }.joined(separator: " | ") + " |\n"
    }

    /// What stands below the table.
    public var summary: String {
        let gains = rows.compactMap { row in row.own.flatMap { own in row.best.map { (1 - $0.value / own) * 100 } } }.sorted()
        func count(_ isMet: (Row) -> Bool) -> String { "\(rows.count(where: isMet)) of \(rows.count)" }
        var lines = [
            "",
            "\(rows.count) published layouts of \(jobs) jobs (model, hardware, GPUs, batch, software), which \(rows.reduce(0) { $0 + $1.published.rows }) rows of the tables share, each job searched anew:",
            "",
            "- the published layout is in the planner's list: \(count(\.isListed)), \(count(\.isEnumerated)) without being told of it",
            "- it is predicted to fit: \(count(\.fits))",
            "- the planner's choice is predicted to be at least as fast: \(count(\.isBeaten))",
            "- no layout of the space is better than the planner's choice (the rest was cut short by --time-budget): \(count(\.isProven))",
        ]
        if !gains.isEmpty {
            lines.append(
                "- predicted gain of the planner's choice: median \(rounded(gains[gains.count / 2], 1)) %, most \(rounded(gains[gains.count - 1], 1)) %"
            )
        }
        if !skipped.isEmpty {
            lines.append("- rows that cannot be modelled and are left out: \(skipped.count)")
            lines += skipped.map { "  - \($0)" }
        }
        let lost = rows.filter { !$0.holds }.map(\.published.run.id)
        if !lost.isEmpty { lines.append("- where one of these does not hold: \(lost.joined(separator: ", "))") }
        return lines.joined(separator: "\n") + "\n"
    }
}
