import Quantities
import Studies

extension LossAnswer {
    private static let columns = [
        "parameters", "layers", "hidden", "tokens", "per parameter", "loss", "days", "USD", "limit", "step s", "MFU %", "layout",
    ]

    public var rows: [[String]] {
        [Self.columns]
            + ranked.map { one in
                let model = one.answer.job.model
                let step = one.answer.result.step
                return [
                    "\(significant(one.parameters / 1e9, digits: 3)) B", "\(model.layers)", "\(model.hidden)",
                    "\(significant(one.tokens / 1e9, digits: 3)) B", significant(one.tokens / one.parameters, digits: 3),
                    fixed(one.loss, decimals: 4), significant(one.seconds / 86_400, digits: 3),
                    one.dollars > 0 ? significant(one.dollars, digits: 4) : "-", one.limit, significant(step.timeS.mean, digits: 4),
                    fixed(step.mfu * 100, decimals: 1), SearchAnswer.layout(one.answer.job),
                ]
            }
    }

    public var text: String {
        let cells = rows
        let widths = Self.columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        var lines = cells.map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
        }
        if let best = ranked.first {
            let range =
                best.interval.map { " (\(fixed($0.low, decimals: 3)) to \(fixed($0.high, decimals: 3)) with E at its standard error)" }
                ?? ""
            lines.append(
                "Best: \(significant(best.parameters / 1e9, digits: 3)) B parameters on \(significant(best.tokens / 1e9, digits: 3)) B tokens, loss \(fixed(best.loss, decimals: 4))\(range)"
            )
        }
        return (lines + warnings.map { "Note: \($0)" }).joined(separator: "\n") + "\n"
    }
}
