import ArgumentParser
import Calibration
import Execution
import Glibc
import Kernels
import Quantities
import Report

/// `orrery calibrate cpu`: this machine's kernels, copies, codecs and links into a measurement file.
struct CalibrateCPU: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cpu",
        abstract: "Time this machine's kernels, codecs and links into a measurement file.",
        discussion: """
            Shapes that training uses, those of real models first; each until the 95% confidence interval is within 1% or its share of the
            budget is used. What the budget leaves out, --resume adds. Format: docs/measurements.md; how it is timed: docs/calibrate.md.
            """)
    @Option(
        name: .shortAndLong, help: ArgumentHelp("The measurement file (CSV).", valueName: "file"), completion: .file(extensions: ["csv"]))
    var output: String?
    @Option(parsing: .unconditional, help: ArgumentHelp("Wall-clock time: 90s, 4min, 1h.", valueName: "time")) var budget = "4min"
    @Option(parsing: .unconditional, help: "Threads of the matrix library.") var threads = 1
    @Flag(help: "Go on with a file: shapes that it holds are not timed again.") var resume = false
    @Flag(help: "Predict a fifth of the shapes from the others and print the errors.") var check = false
    @Option(help: ArgumentHelp("Check this file in place of measuring.", valueName: "file")) var checkFile: String?
    @Flag(help: "With a check: print every held-out shape, as CSV.") var shapes = false
    @Option(
        parsing: .unconditional, help: "Quantile of the repeats that counts, up to 0.5 (the median). Default: 0.5, on a busy machine 0.1.")
    var quantile: Double?
    @Flag(help: "Leave out messages between processes.") var noLinks = false
    @Option(
        help: ArgumentHelp(
            "Only calls of these kernels (gemm_nt,relu), without codecs, links and contention.", valueName: "names"))
    var only: String?
    @OptionGroup var printed: OutputOptions

    func validate() throws {
        if let checkFile, output != nil || resume {
            throw ValidationError("--check-file \(checkFile) measures nothing: leave out --output and --resume")
        }
        if checkFile == nil, output == nil { throw ValidationError("give --output FILE, or --check-file FILE") }
    }

    func run() throws {
        if let checkFile { return try printCheck(of: checkFile) }
        guard let output else { return }
        guard let seconds = Self.seconds(budget) else {
            throw InputError("--budget \(budget): write a number with s, min or h, for instance 4min")
        }
        do throws(FileError) { try checkWritable(output) } catch { throw InputError("--output \(error)") }
        var settings = CPUCalibration.Settings(output: output)
        settings.budget = seconds
        settings.threads = threads
        settings.resumes = resume
        settings.quantile = quantile
        settings.only = try Self.kernels(only)
        if !noLinks { settings.peer = ["/proc/self/exe", "calibrate", "link-peer"] }
        let calibration: CPUCalibration
        do throws(CalibrationError) { calibration = try CPUCalibration(settings) } catch { throw InputError(error.message) }
        var bar = ProgressLine(isQuiet: printed.quiet)
        let outcome = try calibration.run { bar.show($0) }
        bar.end()
        for remark in outcome.remarks { printed.note("left out: \(remark)") }
        try Console.output(Self.summary(outcome, output))
        if check { try printCheck(of: output) }
    }

    /// "relu,gemm_nt" as kernels; none for nil.
    static func kernels(_ text: String?) throws -> Set<KernelName> {
        guard let text else { return [] }
        var names: Set<KernelName> = []
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let name = KernelName(rawValue: String(word)) else {
                let known = KernelName.allCases.map(\.rawValue).joined(separator: ", ")
                throw InputError("--only: \"\(word)\" is no kernel; one or several of \(known)")
            }
            names.insert(name)
        }
        return names
    }

    private static func summary(_ outcome: CPUCalibration.Outcome, _ output: String) -> String {
        func share(_ part: Int, _ whole: Int) -> String { "\(whole == 0 ? 0 : 100 * part / whole)%" }
        var lines = [
            "\(outcome.device), \(outcome.library)",
            "\(outcome.written) timings written to \(output)"
                + (outcome.found > 0 ? ", \(outcome.found) were there before" : "")
                + (outcome.left > 0 ? ", \(outcome.left) left for --resume" : ""),
            "\(share(outcome.unsettled, outcome.written)) of them with a wider confidence interval than 1%, "
                + "\(share(outcome.disturbed, outcome.repeats + outcome.disturbed)) of the repeats disturbed by other work",
        ]
        if outcome.isBusy { lines.append("The machine is busy: low percentiles stand for the timings. Measure again when it is quiet.") }
        return lines.joined(separator: "\n") + "\n"
    }

    private func printCheck(of path: String) throws {
        let file = try MeasurementFile.read(path: path)
        let held = HeldOut(file.measurements)
        for remark in held.remarks { printed.note("not fitted: \(remark)") }
        if shapes {
            let header = [["kernel", "shape", "measured_s", "predicted_s", "error"]]
            return try Console.output(
                CSVRecords.text(header + held.predictions.map { [$0.name, $0.shape, "\($0.measured)", "\($0.predicted)", "\($0.error)"] }))
        }
        func per(_ value: Double?) -> String { value.map { "\(Double(($0 * 1000).rounded()) / 10)" } ?? "-" }
        var rows = [["kernel", "shapes", "held out", "median %", "p90 %", "noise %"]]
        // One device and one library are the rule, and need no mention in every line.
        let devices = Set(file.measurements.map(\.key.device)), libraries = Set(file.measurements.map(\.conditions.library))
        func short(_ name: String) -> String {
            var name = Substring(name)
            if devices.count == 1, let device = devices.first, name.hasPrefix(device + " ") { name = name.dropFirst(device.count + 1) }
            if libraries.count == 1, let library = libraries.first, name.hasSuffix(" (\(library))") {
                name = name.dropLast(library.count + 3)
            }
            return String(name)
        }
        for row in held.rows {
            rows.append([
                short(row.name), "\(row.points)", "\(row.errors?.count ?? 0)", per(row.errors?.median), per(row.errors?.p90),
                per(row.noise),
            ])
        }
        for (name, errors) in [("all shapes", held.all), ("shapes of 20 us and more", held.long)] {
            rows.append([
                name, "\(file.measurements.count)", "\(errors?.count ?? 0)", per(errors?.median), per(errors?.p90), per(held.noise),
            ])
        }
        if printed.csv { return try Console.output(CSVRecords.text(rows)) }
        if printed.json {
            let header = rows[0]
            return try Console.output(
                JSONValue.array(rows.dropFirst().map { row in .object(zip(header, row).map { (key: $0, value: .string($1)) }) }).text()
                    + "\n")
        }
        try Console.output(Self.aligned(rows))
    }

    /// The first column to the left, numbers to the right.
    private static func aligned(_ rows: [[String]]) -> String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).enumerated().map { index, cell in
                let space = String(repeating: " ", count: cell.1 - cell.0.count)
                return index == 0 ? cell.0 + space : space + cell.0
            }.joined(separator: "  ") + "\n"
        }.joined()
    }

    /// "90", "90s", "4min", "1h".
    static func seconds(_ text: String) -> Double? {
        for (unit, factor) in [("min", 60.0), ("h", 3600.0), ("s", 1.0), ("", 1.0)] where text.hasSuffix(unit) {
            guard let number = decimalNumber(text.dropLast(unit.count)), number > 0 else { continue }
            return number * factor
        }
        return nil
    }
}

/// One line that renews itself on a terminal; in a log one line every half minute.
struct ProgressLine {
    private let isQuiet: Bool
    private var last = -1e9
    private var isOpen = false
    init(isQuiet: Bool) { self.isQuiet = isQuiet }

    mutating func show(_ progress: CPUCalibration.Progress) {
        let isTerminal = Console.errorIsTerminal
        guard !isQuiet, progress.elapsed - last >= (isTerminal ? 0.2 : 30) else { return }
        last = progress.elapsed
        let share = min(1, max(progress.elapsed / progress.budget, Double(progress.done) / Double(max(1, progress.planned))))
        let width = 24
        let filled = Int(share * Double(width))
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        let text =
            "[\(bar)] \(Int(progress.elapsed)) of at most \(Int(progress.budget)) s, \(progress.done)/\(progress.planned) \(progress.item)"
        guard isTerminal else { return Console.error(text) }
        isOpen = true
        try? writeAll(Array("\r\u{1B}[K\(text.prefix(110))".utf8), to: STDERR_FILENO, name: "standard error")
    }

    mutating func end() {
        if isOpen { try? writeAll(Array("\r\u{1B}[K".utf8), to: STDERR_FILENO, name: "standard error") }
        isOpen = false
    }
}

/// The other end of the links that `calibrate cpu` times. Started by it, and of no use alone.
struct CalibrateLinkPeer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "link-peer", abstract: "Answer the messages of `calibrate cpu`.", shouldDisplay: false)
    @Option var port: Int
    @Option var memory = ""

    func run() throws {
        do throws(CalibrationError) { try LinkPeer.serve(port: port, memory: memory) } catch { throw InputError(error.message) }
    }
}
