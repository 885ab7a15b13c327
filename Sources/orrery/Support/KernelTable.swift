import Calibration
import Quantities
import Report

/// How the held-out errors of fitted kernels are shown.
struct KernelTable {
    let report: KernelReport

    /// Figures of an earlier analysis of the same public tables by other programs (held out; train-size shapes: m at least 512, n and k at
    /// least 1,024; attention: large kernels of head width 128): median and 90th percentile, per cent.
    private static let references: [(device: String, kernel: Kernel, dtype: String, library: String, figure: String)] = [
        ("h100-sxm-80gb", .gemm, "bf16", "TRTLLM 1.3.0rc20", "4.0/9.5"), ("h100-sxm-80gb", .gemm, "bf16", "VLLM 0.24.0", "4.6/11.8"),
        ("h100-sxm-80gb", .gemm, "bf16", "SGLang 0.5.14", "5.2/10.9"), ("h100-sxm-80gb", .gemm, "fp8", "TRTLLM 1.3.0rc20", "3.7/9.6"),
        ("a100-sxm-80gb", .gemm, "bf16", "SGLang 0.5.10", "4.4/15.8 (waves 3.6/9.9)"),
        ("a100-sxm-80gb", .gemm, "bf16", "TRTLLM 1.0.0", "4.9/14.8 (waves 2.8/9.7)"),
        ("h200-sxm-141gb", .gemm, "bf16", "TRTLLM 1.3.0rc20", "3.8/9.7"), ("b200-sxm-180gb", .gemm, "bf16", "TRTLLM 1.3.0rc20", "5.2/12.3"),
        ("gb200-186gb", .gemm, "bf16", "TRTLLM 1.3.0rc20", "5.0/12.8"), ("l40s-48gb", .gemm, "bf16", "TRTLLM 1.3.0rc20", "7.6/20"),
        ("h100-sxm-80gb", .attention, "bf16", "VLLM 0.24.0", "3.5/9.0"),
        ("h100-sxm-80gb", .attention, "bf16", "TRTLLM 1.3.0rc20", "3.1/8.5"),
        ("a100-sxm-80gb", .attention, "bf16", "VLLM 0.14.0", "2.2/8.0"),
        ("b200-sxm-180gb", .attention, "bf16", "TRTLLM 1.3.0rc20", "3.8/8.8"),
    ]

    private static func reference(_ key: CurveKey) -> String {
        references.first {
            $0.device == key.device && $0.kernel == key.kernel && $0.dtype == key.dtype.rawValue && $0.library == key.library
                && key.variant.isEmpty
        }?.figure ?? ""
    }

    private static func percent(_ share: Double) -> String {
        let tenths = Int((share * 1000).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
    private static func errors(_ errors: KernelScore.Errors?) -> String {
        errors.map { "\(percent($0.median))/\(percent($0.p90))" } ?? ""
    }

    private static let header = [
        "device", "kernel", "points", "held out", "formula", "formula all", "table all", "formula train", "table train", "noise",
        "reference",
        "interpolation",
    ]

    /// A header and a row for each kernel.
    var rows: [[String]] {
        [Self.header]
            + report.scores.map { score in
                let name = score.key.description
                return [
                    score.key.device, String(name.dropFirst(score.key.device.count + 1)), "\(score.curve.points)",
                    "\(score.formula?.count ?? 0)", score.curve.formula.rawValue, Self.errors(score.formula), Self.errors(score.table),
                    Self.errors(score.formulaTraining), Self.errors(score.tableTraining), score.noise.map(Self.percent) ?? "",
                    Self.reference(score.key), score.curve.interpolation.name,
                ]
            }
    }

    var markdown: String {
        let rows = rows
        var lines = ["| \(rows[0].joined(separator: " | ")) |", "|\(String(repeating: "---|", count: rows[0].count))"]
        for row in rows.dropFirst() { lines.append("| \(row.map { $0.replacing("|", with: "/") }.joined(separator: " | ")) |") }
        if !report.remarks.isEmpty {
            lines += ["", "Not fitted:", ""] + report.remarks.map { "- \($0)" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    var json: JSONValue {
        func pair(_ errors: KernelScore.Errors?) -> JSONValue {
            errors.map { .object([("median", .number($0.median)), ("p90", .number($0.p90)), ("n", .number(Double($0.count)))]) } ?? .null
        }
        return .object([
            (
                "kernels",
                .array(
                    report.scores.map { score in
                        .object([
                            ("device", .string(score.key.device)), ("kernel", .string(score.key.description)),
                            ("points", .number(Double(score.curve.points))), ("formula", .string(score.curve.formula.rawValue)),
                            (
                                "parameters",
                                .object(
                                    score.curve.formula.names.enumerated().map { index, name in
                                        (name.name, .array([.number(score.curve.values[index]), .number(score.curve.errors[index])]))
                                    })
                            ),
                            ("held_out_formula", pair(score.formula)), ("held_out_table", pair(score.table)),
                            ("held_out_formula_train", pair(score.formulaTraining)), ("held_out_table_train", pair(score.tableTraining)),
                            ("noise", score.noise.map { .number($0) } ?? .null),
                        ])
                    })
            ), ("not_fitted", .array(report.remarks.map { .string($0) })),
        ])
    }
}
