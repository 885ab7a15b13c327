import Quantities
import Studies

extension AdviceAnswer {
    /// What to change, what it gains, and what was tried in vain.
    public var text: String {
        func times(_ gain: Double) -> String { "\(fixed((gain - 1) * 100, decimals: 1)) %" }
        var lines = [
            "\(scenario): \(taken.isEmpty ? "nothing that was tried gains" : "what gains \(objective.rawValue), each upon those before")"
        ]
        if !fitsBefore { lines.append("  the job as given does not fit: what makes it fit comes first") }
        for (index, trial) in taken.enumerated() {
            // What a job that does not fit would take is no measure of what makes it fit.
            let cures = index == 0 && !fitsBefore
            let interaction =
                cures
                ? "" : trial.alone.flatMap { alone in trial.gain.map { abs(alone - $0) > 0.01 ? " (alone \(times(alone)))" : "" } } ?? ""
            lines.append(
                "  \(index + 1). \(trial.rule.name): \(cures ? "makes it fit" : trial.gain.map(times) ?? "-")\(interaction); risk \(trial.rule.risk.rawValue)"
            )
            lines.append("     " + trial.settings.map { "--set '\($0)'" }.joined(separator: " "))
            lines.append("     \(trial.rule.rule); fails when \(trial.rule.failsWhen)")
        }
        let total = before / after
        lines.append(
            "  together: \(significant(before)) to \(significant(after)) \(unit)\(fitsBefore ? ", \(times(total))" : ""); a step is known to ± \(fixed(error * 100, decimals: 0)) %, which both share"
        )
        let promising = rejected.filter { ($0.gain ?? 0) > 1.002 }
        if !promising.isEmpty { lines.append("  would gain, at a risk (--risk takes them):") }
        for trial in promising {
            lines.append(
                "    \(trial.rule.name): \(trial.gain.map(times) ?? "-"), risk \(trial.rule.risk.rawValue)  --set '\(trial.settings.joined(separator: "' --set '"))'"
            )
        }
        lines.append("  tried, and no help:")
        for trial in rejected where (trial.gain ?? 0) <= 1.002 {
            lines.append(
                "    \(trial.rule.name) (\(trial.settings.joined(separator: ", "))): \(trial.gain.map(times) ?? trial.refusal ?? "-")")
        }
        lines.append("  not a matter of the schedule:")
        lines += AdviceRule.untried.map { "    \($0.rule): \($0.command)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// `{scenario, objective, before, after, unit, gain, error, settings, advice: [...], rejected: [...]}`.
    public var json: JSONValue {
        func entry(_ trial: Trial) -> JSONValue {
            .object([
                ("rule", .string(trial.rule.name)), ("text", .string(trial.rule.rule)), ("set", .array(trial.settings.map { .string($0) })),
                ("gain", .optional(trial.gain)), ("alone", .optional(trial.alone)), ("risk", .string(trial.rule.risk.rawValue)),
                ("fails_when", .string(trial.rule.failsWhen)), ("refusal", .optional(trial.refusal)),
            ])
        }
        return .object([
            ("scenario", .string(scenario)), ("objective", .string(objective.rawValue)), ("before", .number(before)),
            ("after", .number(after)),
            ("unit", .string(unit)), ("gain", .number(before / after)), ("error", .number(error)), ("fits_before", .bool(fitsBefore)),
            ("settings", .array(settings.map { .string($0) })), ("advice", .array(taken.map(entry))),
            ("rejected", .array(rejected.map(entry))),
        ])
    }
}
