import Cluster
import Quantities

extension KernelReport {
    /// The fitted formulas as YAML: constants with their relative errors, the number of points, the ranges of the shapes, the held-out errors.
    /// - Parameter provenance: how the fit was made, and from what
    public func profile(provenance: String) -> String {
        func quoted(_ text: String) -> String {
            "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: " "))\""
        }
        func pair(_ errors: KernelScore.Errors?) -> String {
            errors.map { "[\(significant($0.median)), \(significant($0.p90))]" } ?? "null"
        }
        var lines = [
            "# Formulas of Sources/Calibration/Fit/KernelFormula.swift fitted to measured kernels; parameters are [value, relative standard error].",
            "provenance: \(quoted(provenance))", "kernels:",
        ]
        for score in scores {
            let key = score.key
            lines.append("  - device: \(quoted(key.device))")
            lines.append("    kernel: \(key.kernel.rawValue)")
            if !key.variant.isEmpty { lines.append("    variant: \(quoted(key.variant))") }
            lines.append("    pass: \(key.pass.word)")
            lines.append("    dtype: \(key.dtype.rawValue)")
            if key.layout != .unknown { lines.append("    layout: \(key.layout.rawValue)") }
            if key.ranks > 0 { lines.append("    ranks: \(key.ranks)\n    per_node: \(key.perNode)") }
            if !key.library.isEmpty { lines.append("    library: \(quoted(key.library))") }
            lines.append("    points: \(score.curve.points)")
            lines.append("    formula: \(score.curve.formula.rawValue)")
            lines.append("    parameters:")
            for (index, name) in score.curve.formula.names.enumerated() {
                let unit = name.unit.isEmpty ? "" : "  # \(name.unit)"
                lines.append(
                    "      \(name.name): [\(significant(score.curve.values[index])), \(significant(score.curve.errors[index], digits: 2))]\(unit)"
                )
            }
            lines.append("    held_out_formula: \(pair(score.formula))")
            lines.append("    held_out_table: \(pair(score.table))")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
