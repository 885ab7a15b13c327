import Calibration
import Quantities
import Scenario

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

    /// Which of a run's two predictions.
    public enum Basis: String, Sendable, CaseIterable {
        case calibration = "the calibration"
        case ownKernels = "the run's own kernels"

        func prediction(_ report: ExecutionReport) -> StepPrediction? { self == .calibration ? report.calibrated : report.own }
    }

    /// Nil where nothing was predicted so.
    public func score(_ basis: Basis, undisturbed: Bool) -> Score? {
        let pairs = reports.compactMap { report in
            basis.prediction(report).map {
                (predicted: $0.times.step, real: undisturbed ? report.undisturbed : report.measured.step)
            }
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
            "Made by `make predict-run` on \(date): each scenario of `scenarios/execute` is predicted, before it runs from a calibration of the",
            "machine and beside it from its own kernels, timed one by one, and really run; see [docs/execute.md](../../docs/execute.md).",
            "",
            "- Machine: \(reports.first?.backend ?? "none").",
            "- Load (processes ready to run, mean of a minute): \(load.least) to \(load.most). Other programs took up to \(disturbance) on top "
                + "of the time that the workers computed.",
        ]
        let bases = Basis.allCases.filter { basis in reports.contains { basis.prediction($0) != nil } }
        for basis in bases {
            if basis == .calibration, let source = reports.lazy.compactMap(\.calibrated).first?.source {
                lines.append("- Calibration: \(source).")
            }
            for (title, undisturbed) in [
                ("measured step (fastest quarter of the steps, wall clock)", false), ("undisturbed step (processor clock)", true),
            ] {
                guard let score = score(basis, undisturbed: undisturbed) else { continue }
                lines.append(
                    "- Predicted from \(basis.rawValue), against the \(title): median error \(percent(score.medianError)), "
                        + "worst \(percent(score.worstError)), \(percent(score.orderedPairs)) of the pairs in the right order.")
            }
        }
        let heads = bases.flatMap { $0 == .calibration ? ["calibration, ms", "stated error", "error"] : ["own kernels, ms", "error"] }
        let titles = ["scenario", "workers", "measured, ms"] + heads + ["undisturbed, ms", "median step, ms", "other programs"]
        lines += ["", "| " + titles.joined(separator: " | ") + " |", "|" + String(repeating: "---|", count: titles.count)]
        for report in reports {
            var cells = [report.spec.name, "\(report.spec.data) x \(report.spec.pipeline)", milliseconds(report.measured.step)]
            for basis in bases {
                let prediction = basis.prediction(report)
                cells.append(prediction.map { milliseconds($0.times.step) } ?? "-")
                if basis == .calibration { cells.append(prediction.map { percent($0.error) } ?? "-") }
                cells.append(prediction.map { signed($0.times.step / report.measured.step - 1) } ?? "-")
            }
            cells += [milliseconds(report.undisturbed), milliseconds(report.median), percent(report.disturbance)]
            lines.append("| " + cells.joined(separator: " | ") + " |")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension ExecutionReport {
    /// The run in words, for a terminal.
    public func summary() -> String {
        var lines = ["\(spec.name): \(spec.title)", "  machine      \(backend)"] + spec.remarkLines
        let predictions = [(calibrated, "calibration"), (own, "own kernels")].compactMap { prediction, name in
            prediction.map { (name: name, prediction: $0) }
        }
        for (name, prediction) in predictions { lines.append("  " + name.padded(13) + prediction.source + prediction.certainty) }
        var columns = predictions.map { (name: $0.name, times: $0.prediction.times) }
        columns += [("measured", measured), ("undisturbed", undisturbedTimes)]
        lines += [""] + StepTimes.table(columns) + [""]
        func errors(_ real: Double) -> String {
            predictions.map { "; \($0.name) \(signed($0.prediction.times.step / real - 1))" }.joined()
        }
        lines += [
            "  measured     wall clock, mean of the fastest quarter of \(steps.count) steps (median \(milliseconds(median)) ms)"
                + errors(measured.step),
            "  undisturbed  processor clock, as if nothing else ran" + errors(undisturbed),
            "  other programs took \(percent(disturbance)) on top; load \(fixed(load.after))",
        ]
        if let first = losses.first, let last = losses.last {
            lines.append("  loss \(fixed(first, 4)) to \(fixed(last, 4)) over \(losses.count) steps")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension StepPrediction {
    /// The prediction in words, for a terminal.
    public func summary(_ spec: ExecutionSpec) -> String {
        let lines = ["\(spec.name): \(spec.title)", "  predicted from \(source)\(certainty)"] + spec.remarkLines + [""]
        return (lines + StepTimes.table([("predicted", times)])).joined(separator: "\n") + "\n"
    }

    /// "; +- 3.1 %, 4 % measured, 96 % interpolated"
    fileprivate var certainty: String {
        let names: [(EvidenceKind, String)] = [(.measured, "measured"), (.interpolated, "interpolated"), (.formula, "formula")]
        let shares = names.compactMap { kind, name in
            evidence[kind].flatMap { $0 >= 0.005 ? "\(fixed($0 * 100, 0)) % \(name)" : nil }
        }
        return "; +- \(percent(error))" + (evidence[.measured] == 1 ? "" : shares.map { ", \($0)" }.joined())
    }
}

extension ExecutionSpec {
    fileprivate var remarkLines: [String] {
        var lines = remarks
        if workers > 1, workers > usableCores {
            lines.append("\(workers) workers share \(usableCores) cores; the prediction gives each a core")
        }
        return lines.map { "  remark       " + $0 }
    }
}

extension StepTimes {
    /// Lines of which at least one value is worth showing.
    fileprivate static func table(_ columns: [(name: String, times: StepTimes)]) -> [String] {
        var lines = [String(repeating: " ", count: 15) + columns.map { $0.name.padded(left: 14) }.joined()]
        for (name, path) in ExecutionReport.rows where columns.contains(where: { $0.times[keyPath: path] > 5e-6 }) {
            let cells = columns.map { (milliseconds($0.times[keyPath: path]) + " ms").padded(left: 14) }
            lines.append("  " + name.padded(13) + cells.joined())
        }
        return lines
    }
}

extension ExecutionReport {
    public static var rows: [(name: String, path: KeyPath<StepTimes, Double>)] {
        [
            ("step", \.step), ("forward", \.forward), ("backward", \.backward), ("straggler", \.straggle),
            ("pipeline copy", \.pipelineComm),
            ("encode", \.encode), ("decode", \.decode), ("data copy", \.dataComm), ("optimizer", \.optimizer), ("waiting", \.bubble),
            ("other", \.other),
        ]
    }
}

func fixed(_ value: Double, _ decimals: Int = 1) -> String { fixed(value, decimals: decimals) }
func milliseconds(_ seconds: Double) -> String { fixed(seconds * 1e3) }
func percent(_ share: Double) -> String { fixed(share * 100) + " %" }
func signed(_ share: Double) -> String { (share > 0 ? "+" : "") + percent(share) }

extension String {
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
    func padded(left width: Int) -> String { String(repeating: " ", count: max(1, width - count)) + self }
}
