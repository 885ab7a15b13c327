/// Several runs beside their predictions: how far off, and whether they come in the right order.
public struct RunComparison: Sendable {
    public let reports: [ExecutionReport]
    public init(_ reports: [ExecutionReport]) { self.reports = reports }

    /// Against the measured step, or against the undisturbed one.
    public struct Score: Sendable, Hashable {
        public var medianError: Double
        public var worstError: Double
        /// Share of the pairs of runs whose predicted and real times are ordered alike.
        public var orderedPairs: Double
    }

    /// Nil where nothing was predicted.
    public func score(undisturbed: Bool) -> Score? {
        let pairs = reports.compactMap { report in
            report.predicted.map { (predicted: $0.step, real: undisturbed ? report.undisturbed : report.measured.step) }
        }
        guard !pairs.isEmpty else { return nil }
        let errors = pairs.map { abs($0.predicted / $0.real - 1) }
        var right = 0
        var all = 0
        for i in pairs.indices {
            for j in pairs.indices where j > i {
                all += 1
                if (pairs[i].predicted < pairs[j].predicted) == (pairs[i].real < pairs[j].real) { right += 1 }
            }
        }
        return Score(
            medianError: middleValue(errors), worstError: errors.max() ?? 0, orderedPairs: all > 0 ? Double(right) / Double(all) : 1)
    }

    /// A page with the table of all runs.
    /// - Parameter date: as it shall stand there.
    public func markdown(date: String) -> String {
        let disturbance = percent(reports.map(\.disturbance).max() ?? 0)
        let load = (least: fixed(reports.map(\.load.before).min() ?? 0), most: fixed(reports.map(\.load.after).max() ?? 0))
        var lines = [
            "# Predict, run, compare", "",
            "Made by `make predict-run` on \(date): each scenario of `scenarios/execute` is predicted from the times of its kernels, measured one",
            "by one, and really run; see [docs/execute.md](../../docs/execute.md).", "",
            "- Machine: \(reports.first?.backend ?? "none").",
            "- Load (processes ready to run, mean of a minute): \(load.least) to \(load.most). Other programs took up to \(disturbance) on top "
                + "of the time that the workers computed.",
        ]
        for (title, undisturbed) in [
            ("measured step (fastest quarter of the steps, wall clock)", false), ("undisturbed step (processor clock)", true),
        ] {
            guard let score = score(undisturbed: undisturbed) else { continue }
            lines.append(
                "- Against the \(title): median error \(percent(score.medianError)), worst \(percent(score.worstError)), "
                    + "\(percent(score.orderedPairs)) of the pairs in the right order.")
        }
        lines += [
            "",
            "| scenario | workers | predicted, ms | measured, ms | error | undisturbed, ms | error | median step, ms | other programs |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for report in reports {
            let cells = [
                report.spec.name, "\(report.spec.data) x \(report.spec.pipeline)", report.predicted.map { milliseconds($0.step) } ?? "-",
                milliseconds(report.measured.step), report.error.map(signed) ?? "-", milliseconds(report.undisturbed),
                report.undisturbedError.map(signed) ?? "-", milliseconds(report.median), percent(report.disturbance),
            ]
            lines.append("| " + cells.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension ExecutionReport {
    /// The run in words, for a terminal.
    public func summary() -> String {
        var lines = ["\(spec.name): \(spec.title)", "  machine      \(backend)", "  kernel times \(source)"]
        for remark in spec.remarks { lines.append("  remark       \(remark)") }
        if spec.workers > 1, spec.workers > usableCores {
            lines.append("  remark       \(spec.workers) workers share \(usableCores) cores; the prediction gives each a core")
        }
        lines += ["", "                 predicted    measured   undisturbed"]
        for (name, path) in ExecutionReport.rows
        where [predicted?[keyPath: path] ?? 0, measured[keyPath: path]].contains(where: { $0 > 5e-6 }) {
            let left = predicted.map { milliseconds($0[keyPath: path]) + " ms" } ?? "-"
            var line = "  " + name.padded(13) + left.padded(left: 11) + (milliseconds(measured[keyPath: path]) + " ms").padded(left: 12)
            line += (milliseconds(undisturbedTimes[keyPath: path]) + " ms").padded(left: 14)
            lines.append(line)
        }
        lines += [
            "",
            "  measured     wall clock, mean of the fastest quarter of \(steps.count) steps (median \(milliseconds(median)) ms)"
                + (error.map { "; prediction \(signed($0))" } ?? ""),
            "  undisturbed  processor clock, as if nothing else ran"
                + (undisturbedError.map { "; prediction \(signed($0))" } ?? ""),
            "  other programs took \(percent(disturbance)) on top; load \(fixed(load.after))",
        ]
        if let first = losses.first, let last = losses.last {
            lines.append("  loss \(fixed(first, 4)) to \(fixed(last, 4)) over \(losses.count) steps")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    public static var rows: [(name: String, path: KeyPath<StepTimes, Double>)] {
        [
            ("step", \.step), ("forward", \.forward), ("backward", \.backward), ("straggler", \.straggle),
            ("pipeline copy", \.pipelineComm),
            ("encode", \.encode), ("decode", \.decode), ("data copy", \.dataComm), ("optimizer", \.optimizer), ("waiting", \.bubble),
            ("other", \.other),
        ]
    }
}

func fixed(_ value: Double, _ decimals: Int = 1) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let whole = Int((abs(value) * scale).rounded())
    let digits = String(repeating: "0", count: max(0, decimals + 1 - "\(whole)".count)) + "\(whole)"
    let point = digits.index(digits.endIndex, offsetBy: -decimals)
    return (value < 0 && whole > 0 ? "-" : "") + (decimals == 0 ? digits : digits[..<point] + "." + digits[point...])
}
func milliseconds(_ seconds: Double) -> String { fixed(seconds * 1e3) }
func percent(_ share: Double) -> String { fixed(share * 100) + " %" }
func signed(_ share: Double) -> String { (share > 0 ? "+" : "") + percent(share) }

extension String {
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
    func padded(left width: Int) -> String { String(repeating: " ", count: max(1, width - count)) + self }
}
