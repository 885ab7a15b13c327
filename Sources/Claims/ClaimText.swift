import Quantities

extension ClaimAnswer {
    /// A table of claims, verdicts and what decides, a line each.
    public static func table(_ answers: [ClaimAnswer]) -> String {
        let topic = answers.map(\.claim.topic.count).max() ?? 0
        func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
        var lines = ["  claim  \(padded("topic", topic))  verdict        what decides"]
        for answer in answers {
            let first = answer.measures[0]
            let figure =
                "\(first.what): \(short(first.value))\(first.unit.isEmpty ? "" : " " + first.unit), claimed \(first.bound.text(first.unit))"
            lines.append("  \(answer.claim.id)    \(padded(answer.claim.topic, topic))  \(padded(answer.verdict.rawValue, 13))  \(figure)")
        }
        let counts = Verdict.allCases.map { verdict in "\(answers.count { $0.verdict == verdict }) \(verdict.rawValue)" }
        return (lines + ["  " + counts.joined(separator: ", ")]).joined(separator: "\n") + "\n"
    }

    /// The table for a report of the repository.
    public static func markdown(_ answers: [ClaimAnswer]) -> String {
        let rows = answers.map { answer in
            let first = answer.measures[0]
            let unit = first.unit.isEmpty ? "" : " " + first.unit
            let interval = first.low == first.high ? "" : " (\(short(first.low)) to \(short(first.high)))"
            return
                "| \(answer.claim.id) | \(answer.claim.topic) | \(answer.verdict.rawValue) | \(first.what) | \(short(first.value))\(unit)\(interval) | \(first.bound.text(first.unit)) |"
        }
        return (["| claim | topic | verdict | what decides | measured | claimed |", "|---|---|---|---|---|---|"] + rows).joined(
            separator: "\n") + "\n"
    }

    /// Everything about one claim.
    public var text: String {
        var lines = [
            "\(claim.id) \(claim.topic): \(verdict.rawValue)", "  claim      \(claim.claim)", "  mechanism  \(claim.mechanism)",
        ]
        for measure in measures {
            let unit = measure.unit.isEmpty ? "" : " " + measure.unit
            let interval = measure.low == measure.high ? "" : " [\(short(measure.low)), \(short(measure.high))]"
            lines.append(
                "  measured   \(measure.what): \(short(measure.value))\(interval)\(unit); claimed \(measure.bound.text(measure.unit))")
            lines.append("             \(measure.conditions)\(measure.isLimit ? " (a limit of arithmetic or physics)" : "")")
            if measure.points.count > 1 {
                lines.append("             " + measure.points.map { "\($0.conditions): \(short($0.value))" }.joined(separator: "; "))
            }
            if let text = measure.breakEven { lines.append("  break-even \(text)") }
            if let change = measure.change {
                lines.append(
                    "  worth      \(short(change.days.0)) days and \(short(change.usd.0)) USD without, \(short(change.days.1)) days and \(short(change.usd.1)) USD with"
                )
            }
            lines.append("  source     \(measure.source)")
        }
        lines.append("  otherwise  \(claim.otherwise)")
        return lines.joined(separator: "\n") + "\n"
    }
}
