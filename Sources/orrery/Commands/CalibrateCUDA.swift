import ArgumentParser
import Calibration
import Execution
import Kernels
import Report

/// `orrery calibrate cuda`: a GPU's kernels into a measurement file, through the plug-in that `make cuda` compiles.
struct CalibrateCUDA: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cuda",
        abstract: "Time a GPU's kernels into a measurement file.",
        discussion: """
            Needs the CUDA plug-in (`make cuda`) and a GPU. Measures what removes most error of predictions first; what the budget leaves out,
            --resume adds. Format: docs/measurements.md; what is timed: docs/calibrate.md.
            """)
    @Option(
        name: .shortAndLong, help: ArgumentHelp("The measurement file (CSV).", valueName: "file"), completion: .file(extensions: ["csv"]))
    var output: String?
    @Option(parsing: .unconditional, help: ArgumentHelp("Wall-clock time: 90s, 25min, 1h.", valueName: "time")) var budget = "25min"
    @Option(parsing: .unconditional, help: "Number of the GPU.") var device = 0
    @Option(help: ArgumentHelp("What the file calls the GPU. Default: its name in `orrery catalogue gpus`.", valueName: "name")) var name:
        String?
    @Option(help: ArgumentHelp("The plug-in. Default: ORRERY_CUDA, or .build/liborrery_cuda.so.", valueName: "file")) var plugin: String?
    @Flag(help: "Go on with a file: shapes that it holds are not timed again.") var resume = false
    @Flag(help: "Only list what would be timed.") var plan = false
    @OptionGroup var printed: OutputOptions

    func validate() throws {
        if !plan, output == nil { throw ValidationError("give --output FILE, or --plan") }
        if let name, name.isEmpty { throw ValidationError("--name is empty: leave it out, or write a name of `orrery catalogue gpus`") }
    }

    func run() throws {
        if plan { return try Console.output(CUDAShapes.plan().map { "\($0.call)\n" }.joined()) }
        guard let output else { return }
        guard let seconds = CalibrateCPU.seconds(budget) else {
            throw InputError("--budget \(budget): write a number with s, min or h, for instance 25min")
        }
        do throws(FileError) { try checkWritable(output) } catch { throw InputError("--output \(error)") }
        do {
            let plugin = try CUDAPlugin(path: plugin)
            var settings = CUDACalibration.Settings(output: output)
            settings.budget = seconds
            settings.resumes = resume
            settings.device = device
            settings.name = name
            let calibration = try CUDACalibration(plugin, settings)
            var bar = ProgressLine(isQuiet: printed.quiet)
            defer { bar.end() }
            let outcome = try calibration.run { bar.show($0) }
            bar.end()
            for remark in outcome.remarks { printed.note("left out: \(remark)") }
            try Console.output(
                "\(outcome.device), \(outcome.library)\n\(outcome.written) timings written to \(output)"
                    + (outcome.found > 0 ? ", \(outcome.found) were there before" : "")
                    + (outcome.left > 0 ? ", \(outcome.left) left for --resume" : "")
                    + (outcome.unsupported > 0 ? ", \(outcome.unsupported) that this GPU cannot do" : "") + "\n")
        } catch let error as CUDAError {
            throw InputError(error.description)
        } catch let error as CalibrationError {
            throw InputError(error.message)
        }
    }
}
