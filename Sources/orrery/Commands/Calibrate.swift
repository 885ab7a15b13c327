import ArgumentParser
import Quantities
import Foundation
import Calibration
import Fidelity
import Plan
import Report
import Scenario
import Simulation
import Studies

/// Calibration: from measurements to the profiles that predictions rest on.
struct Calibrate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure machines, and fit calibration profiles to measurements.",
        subcommands: [CalibrateFit.self, CalibratePlan.self, CalibrateCPU.self, CalibrateCUDA.self, CalibrateLinkPeer.self])
}

struct CalibrateFit: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fit",
        abstract: "Fit all profiles to measured runs at once, and judge the fit by model sizes left out.",
        discussion: """
            Prints the score of predictions made with constants fitted without the rows of the same stack, width and number of experts.
            The fit starts from the priors (constants.yaml) and does not depend on the profiles that are installed.
            """)
    @Argument(help: "Tables of measured runs (CSV).", completion: .file(extensions: ["csv"])) var files: [String] = []
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Fit kernels in place of profiles: tables of measured kernels (docs/measurements.md, or one that `orrery import table` reads).",
            valueName: "files"), completion: .file(extensions: ["csv", "json"]))
    var kernels: [String] = []
    @Option(name: .shortAndLong, help: ArgumentHelp("Write the fitted profiles here (YAML).", valueName: "file"), completion: .file())
    var output: String?
    @Option(parsing: .unconditional, help: "Gauss-Newton steps of the fit to all rows.") var iterations = 15
    @Option(parsing: .unconditional, help: "Gauss-Newton steps of each fit with a group left out.") var refine = 2
    @OptionGroup var printed: OutputOptions
    @OptionGroup var report: ReportOption

    func validate() throws {
        guard (1...100).contains(iterations), (1...20).contains(refine) else {
            throw ValidationError("--iterations is 1 to 100 and --refine 1 to 20")
        }
        if files.isEmpty == kernels.isEmpty {
            throw ValidationError("give tables of measured runs, or tables of measured kernels behind --kernels")
        }
    }

    func run() throws {
        let outputs = try Outputs([report.page("validation.html"), ("--output", output)], inputs: files + kernels)
        if !kernels.isEmpty { return try fitKernels(outputs) }
        var data = try CalibrationData.shipped()
        data.profiles = ProfileTable(adjustments: [], residual: [:], provenance: "")
        var runs: [PreparedRun] = []
        var rows: [ValidationRow] = []
        for run in Self.thinned(try measuredRuns(files, printed)) {
            do throws(PreparationError) { runs.append(try PreparedRun(run, data: data)) } catch {
                rows.append(ValidationRow(run).failed("\(error)"))
            }
        }
        guard !runs.isEmpty else {
            throw InputError("\(files.joined(separator: ", ")): no row can be fitted to; give tables of measured runs")
        }
        let fit = ProfileFit(runs: runs, data: data)
        let judged = try CrossValidation(fit: fit, iterations: iterations, refine: refine) { printed.note($0) }
        for (index, run) in runs.enumerated() {
            let row = ValidationRow(run.run)
            guard let outcome = judged.leftOut[.size]?[index] else { continue }
            rows.append(
                row.predicted(
                    .init(
                        stepS: outcome.predicted, memoryGB: nil, fits: run.plan.memory.fits,
                        interval90: outcome.uncertainty.interval90(outcome.predicted),
                        evidence: Evidence(measured: 0, interpolated: 0, formula: 1, stepTimeError: outcome.uncertainty.error)
                    )))
        }
        let score = ValidationReport(rows: rows)
        try Console.output(
            printed.json ? score.json() : printed.csv ? score.csv() : score.table(style: Console.style) + "\n" + leftOutTable(judged))
        if let output {
            let provenance =
                "fitted by `orrery calibrate fit` to \(runs.count) published runs, all stacks at once; left-out errors: reports/calibration"
            var profile = judged.fit.profile(judged.solution, residual: judged.residual, provenance: provenance)
            profile.intervals = judged.intervals
            outputs.write(("--output", output), Array(profile.yaml.utf8)) { printed.note("profiles: \(output)") }
        }
        report.write(outputs, printed.note) { directory throws(ReportError) in try score.write(to: directory, version: programVersion) }
        try outputs.finish()
    }

    /// Rows of one file that take part at most: a scan of a thousand settings would outweigh all other sources and tells little more than its parts.
    static let most = 200

    /// The rows to fit: without those that their table excludes, and of long files an even selection.
    static func thinned(_ runs: [MeasuredRun]) -> [MeasuredRun] {
        let counts = runs.reduce(into: [String: Int]()) { $0[$1.file, default: 0] += $1.isExcluded ? 0 : 1 }
        var seen: [String: Int] = [:]
        return runs.filter { run in
            guard !run.isExcluded, run.job != nil else { return !run.isExcluded }
            let place = seen[run.file, default: 0]
            seen[run.file] = place + 1
            let stride = ((counts[run.file] ?? 0) + most - 1) / most
            return place % max(1, stride) == 0
        }
    }

    /// A line for each axis, the hardest first, and one for each stratum of the intervals.
    private func leftOutTable(_ judged: CrossValidation) -> String {
        func line(_ name: String, _ score: AxisScore) -> String {
            let cells =
                [score.median, score.p90, score.bias].map { "\(fixed($0 * 100, decimals: 1)) %" }
                + [
                    "\(fixed(score.coverage * 100, decimals: 0)) %", "\(fixed(score.halfWidth * 100, decimals: 1)) %",
                    fixed(score.intervalScore, decimals: 2),
                ]
            return "  " + name.padding(toLength: 34, withPad: " ", startingAt: 0)
                + (["\(score.rows)"] + cells).map { String(repeating: " ", count: max(1, 11 - $0.count)) + $0 }.joined()
        }
        var lines = [
            "  left out".padding(toLength: 36, withPad: " ", startingAt: 0)
                + ["rows", "median", "p90", "bias", "coverage", "half-width", "score"].map {
                    String(repeating: " ", count: max(1, 11 - $0.count)) + $0
                }.joined()
        ]
        let axes = LeftOutAxis.allCases.compactMap { axis in judged.score(axis).map { (axis, $0) } }.sorted { $0.1.median > $1.1.median }
        for (axis, score) in axes { lines.append(line(axis.title, score)) }
        for (axis, _) in axes {
            for stratum in ["known", "pair", "chip", "stack", "stack and chip"] {
                guard let score = judged.score(axis, where: { $1.stratum == stratum }) else { continue }
                lines.append(line("\(axis.rawValue), \(stratum)", score))
            }
        }
        if judged.leftOut[.source] != nil {
            for file in Set(judged.fit.runs.map(\.run.file)).sorted() {
                guard let score = judged.score(.source, where: { run, _ in run.run.file == file }) else { continue }
                lines.append(line("source " + (file.split(separator: "/").last.map(String.init) ?? file), score))
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
