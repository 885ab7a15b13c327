import Claims
import Quantities

/// What measuring claims found, as a page: a table of verdicts, and everything about each claim below it.
public struct ClaimsPage: Sendable {
    let answers: [ClaimAnswer]
    public init(_ answers: [ClaimAnswer]) { self.answers = answers }

    /// The page as HTML.
    public func html(version: String) -> String {
        Page(
            title: "\(answers.count) claims",
            subtitle:
                "<p class=\"lead\">\(counts). Each figure is measured: simulated with and without the technique, or the algorithm itself was run.</p>",
            content: content, data: .object([]), scripts: [PackageResources.finish_js], version: version
        ).html(chart: nil)
    }

    /// Writes `claims.html` into `directory`, which is made if needed.
    /// - Returns: the file's path.
    /// - Throws: `ReportError` where the directory or the file cannot be written.
    @discardableResult
    public func write(to directory: String, version: String) throws(ReportError) -> String {
        try writeFile(html(version: version), named: "claims.html", in: directory)
    }

    private var counts: String {
        ClaimAnswer.Verdict.allCases.map { verdict in "\(answers.count { $0.verdict == verdict }) \(verdict.rawValue)" }.joined(
            separator: ", ")
    }

    private var content: Markup {
        let rows = answers.map { answer -> [Markup] in
            let first = answer.measures[0]
            return [
                "<a href=\"#\(answer.claim.id)\">\(answer.claim.id)</a>", .text(answer.claim.topic), .text(answer.verdict.rawValue),
                .text(first.what), .text("\(significant(first.value)) \(first.unit)"), .text(first.bound.text(first.unit)),
            ]
        }
        let table = Table(["Claim", "topic", "verdict", "what decides", "measured", "claimed"], numeric: [4], rows: rows)
        return "<section><h2>Verdicts</h2>\(table.markup)</section>\(answers.map(section))"
    }

    private func section(_ answer: ClaimAnswer) -> Markup {
        let rows = answer.measures.map { measure -> [Markup] in
            [
                .text(measure.what), .text("\(significant(measure.value)) \(measure.unit)"),
                .text(measure.low == measure.high ? "-" : "\(significant(measure.low)) to \(significant(measure.high))"),
                .text(measure.bound.text(measure.unit)), .text(measure.conditions), .text(measure.breakEven ?? "-"), .text(measure.source),
            ]
        }
        let table = Table(
            ["Figure", "measured", "interval or range", "claimed", "conditions", "break-even", "source"], numeric: [1], rows: rows)
        let worth = answer.measures.compactMap(\.change).map { change -> Markup in
            "<p>Worth: \(significant(change.days.0)) days and \(significant(change.usd.0)) USD without, \(significant(change.days.1)) days and \(significant(change.usd.1)) USD with.</p>"
        }
        return """
            <section id="\(answer.claim.id)"><h2>\(answer.claim.id) \(answer.claim.topic): \(answer.verdict.rawValue)</h2>
            <p>\(answer.claim.claim).</p><p>Measured: \(answer.claim.mechanism).</p>\(table.markup)\(worth.prefix(1).map { $0 })
            <p>What would change it: \(answer.claim.otherwise).</p></section>

            """
    }
}
