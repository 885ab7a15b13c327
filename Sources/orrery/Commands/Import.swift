import ArgumentParser
import Calibration
import Cluster
import Report

/// Other tools' files, made into scenarios and tables of measurements.
struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a scenario of another program's launch file, or a table of measurements of another tool's.",
        discussion: "Launch files: docs/import.md; nothing of them is run. The table's format: docs/measurements.md.",
        subcommands: [
            ImportMegatron.self, ImportDeepSpeed.self, ImportTorchTitan.self, ImportNemo.self, ImportHuggingFace.self, ImportMLPerf.self,
            ImportNCCLTests.self, ImportKineto.self, ImportNsys.self, ImportTable.self, ImportChakra.self,
        ])
}

struct ImportOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: ArgumentHelp("Write the table here; left out, it is printed.", valueName: "file"), completion: .file())
    var output: String?
    @Flag(help: "Add to the file in place of replacing it.") var append = false
    @Option(help: "Name of the device, in place of the file's.") var device: String?
    @Option(help: "Library and version, where the file does not tell.") var library: String?
    @Option(help: "Day of the measurement, YYYY-MM-DD.") var date: String?
    @Flag(name: .shortAndLong, help: "No remarks; errors are still shown.") var quiet = false

    func validate() throws {
        if append, output == nil { throw ValidationError("--append needs --output") }
        if let date {
            let parts = date.split(separator: "-", omittingEmptySubsequences: false)
            guard parts.map(\.count) == [4, 2, 2], parts.allSatisfy({ Int($0) != nil }) else {
                throw ValidationError("--date is \(date); write YYYY-MM-DD")
            }
        }
    }

    func settings(_ dtype: Precision? = nil) -> ImportSettings {
        var settings = ImportSettings(date: date ?? "")
        (settings.device, settings.library, settings.dtype) = (device, library, dtype)
        return settings
    }

    /// Writes what was read from `file`, or prints it.
    func write(_ imported: PublishedTables.Imported, from file: String) throws {
        for remark in imported.remarks where !quiet { Console.error(remark) }
        if imported.skipped > 0, !quiet { Console.error("\(imported.skipped) entries have no place among the kernels and are left out") }
        guard let output else { return try Console.output(MeasurementFile(imported.measurements).csv, isData: true) }
        let outputs = try Outputs([("--output", output)], inputs: [file])
        if append {
            outputs.attempt("--output") { try MeasurementFile.append(imported.measurements, to: output) }
        } else {
            outputs.write(("--output", output), Array(MeasurementFile(imported.measurements).csv.utf8)) {}
        }
        try outputs.finish()
        if !quiet { Console.error("\(imported.measurements.count) measurements: \(output)") }
    }
}

struct ImportNCCLTests: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nccl-tests", abstract: "What all_reduce_perf and the other programs of nccl-tests print.")
    @Argument(help: "Output of the program.", completion: .file()) var file: String
    @Option(help: "all_reduce, all_gather, reduce_scatter, all_to_all, broadcast or send_receive, where the file does not tell.")
    var operation: String?
    @Option(parsing: .unconditional, help: "Number of ranks, where the file does not tell.") var ranks: Int?
    @Option(parsing: .unconditional, help: "Ranks of a node, where the file does not tell.") var perNode: Int?
    @OptionGroup var options: ImportOptions

    func validate() throws {
        if let operation, Kernel(rawValue: operation)?.family != .collective {
            throw ValidationError(
                "--operation is \(operation); give all_reduce, all_gather, reduce_scatter, all_to_all, broadcast or send_receive")
        }
        if let ranks, !(2...10_000_000).contains(ranks) { throw ValidationError("--ranks is \(ranks); give 2 or more") }
        if let perNode, !(1...10_000_000).contains(perNode) { throw ValidationError("--per-node is \(perNode); give 1 or more") }
    }

    func run() throws {
        var settings = options.settings()
        settings.operation = operation.flatMap(Kernel.init(rawValue:))
        (settings.ranks, settings.perNode) = (ranks, perNode)
        try options.write(try NCCLTests.read(path: file, settings), from: file)
    }
}

/// The format of numbers, where a trace does not tell it.
struct DtypeOption: ParsableArguments {
    @Option(help: "Format of the numbers (bf16, fp16, fp32, ...), where the file does not tell.") var dtype: String?

    func validate() throws {
        if let dtype, Precision(rawValue: dtype) == nil {
            throw ValidationError("--dtype is \(dtype); give one of \(Precision.allCases.map(\.rawValue).joined(separator: ", "))")
        }
    }
    var precision: Precision? { dtype.flatMap(Precision.init(rawValue:)) }
}

struct ImportKineto: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kineto", abstract: "A trace of PyTorch's profiler, recorded with record_shapes=True (Chrome trace JSON).")
    @Argument(help: "Trace (JSON).", completion: .file(extensions: ["json"])) var file: String
    @OptionGroup var dtype: DtypeOption
    @OptionGroup var options: ImportOptions

    func run() throws { try options.write(try KinetoTrace.read(path: file, options.settings(dtype.precision)), from: file) }
}

struct ImportNsys: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nsys", abstract: "A trace of Nsight Systems exported to SQLite, with NVTX ranges that tell shapes.")
    @Argument(help: "Database (nsys export --type sqlite).", completion: .file(extensions: ["sqlite"])) var file: String
    @OptionGroup var dtype: DtypeOption
    @OptionGroup var options: ImportOptions

    func run() throws { try options.write(try NsightTrace.read(path: file, options.settings(dtype.precision)), from: file) }
}

struct ImportTable: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "table", abstract: "A published table of kernels: aiconfigurator, NeuSight, Vidur (CSV), SimuMax (JSON).")
    @Argument(help: "Table.", completion: .file(extensions: ["csv", "json"])) var file: String
    @OptionGroup var options: ImportOptions

    func run() throws {
        var table = try PublishedTables.read(path: file, device: options.device)
        for index in table.measurements.indices {
            if table.measurements[index].conditions.library.isEmpty { table.measurements[index].conditions.library = options.library ?? "" }
            if table.measurements[index].date.isEmpty { table.measurements[index].date = options.date ?? "" }
        }
        try options.write(table, from: file)
    }
}

/// Kinds of files that are agreed upon and not read yet.
protocol LaterImport: ParsableCommand {
    static var tool: String { get }
    static var instead: String { get }
    var files: [String] { get }
}

extension LaterImport {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: tool, abstract: "Not available: \(instead).", shouldDisplay: false)
    }
    func run() throws { throw InputError("orrery import \(Self.tool): not available; \(Self.instead)") }
}

struct ImportChakra: LaterImport {
    static let tool = "chakra"
    static let instead = "execution traces are not read; describe the job as a scenario"
    @Argument var files: [String] = []
}
