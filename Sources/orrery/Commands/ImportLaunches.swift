import ArgumentParser
import Import
import Quantities
import Scenario

/// What a launch file cannot say.
struct LaunchOptions: ParsableArguments {
    @Argument(help: "Launch file.", completion: .file()) var file: String
    @Option(
        name: .shortAndLong, help: ArgumentHelp("Write the scenario here; left out, it is printed.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var output: String?
    @Option(help: ArgumentHelp("Device of the job, by its name in the catalogue.", valueName: "name")) var gpu: String?
    @Option(parsing: .unconditional, help: ArgumentHelp("GPUs of the job, in place of the launch's.", valueName: "number")) var gpus: Int?
    @Option(help: ArgumentHelp("The model: a config.json, or a name of the catalogue.", valueName: "model"), completion: .file()) var model:
        String?
    @Option(parsing: .unconditional, help: ArgumentHelp("Tokens of a sequence, where the file does not say.", valueName: "tokens"))
    var sequence: Int?
    @Option(parsing: .unconditional, help: ArgumentHelp("Sequences of a step, in place of the file's.", valueName: "sequences")) var batch:
        Int?
    @Option(
        name: [.customLong("define"), .customShort("D", allowingJoined: true)], parsing: .singleValue,
        help: ArgumentHelp("A variable that the script's environment gives; may be repeated.", valueName: "name=value"))
    var variables: [String] = []
    @Flag(help: "Print JSON: what became of each setting, what was assumed, and the scenario.") var json = false
    @Flag(name: .shortAndLong, help: "No remarks; errors are still shown.") var quiet = false

    func validate() throws {
        for (name, value) in [("--gpus", gpus), ("--sequence", sequence), ("--batch", batch)] {
            if let value, !(1...1_000_000_000).contains(value) { throw ValidationError("\(name) is \(value); give a number above zero") }
        }
        if let strange = variables.first(where: { $0.wholeMatch(of: /(?s)\w+=.*/) == nil }) {
            throw ValidationError("--define is \(strange); write NAME=VALUE")
        }
    }

    func request(_ format: LaunchFormat) -> ImportRequest {
        var request = ImportRequest(format, path: file)
        (request.gpu, request.gpus, request.model, request.sequence, request.batch) = (gpu, gpus, model, sequence, batch)
        for variable in variables {
            let parts = variable.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            request.variables[String(parts[0])] = String(parts[1])
        }
        if let output, let slash = output.lastIndex(of: "/") { request.folder = String(output[..<slash]) }
        return request
    }

    func run(_ format: LaunchFormat) throws {
        let outputs = try Outputs([("--output", output)], inputs: [file])
        let made = try importLaunch(request(format))
        if !quiet {
            for line in made.assumed { Console.error("\(line.path) is \(line.value), \(line.comment)") }
            for (setting, verdict) in made.settings where verdict.kind == .refused {
                Console.error("\(setting.place): \(setting.shown) has no counterpart: \(verdict.reason)")
            }
            for remark in made.remarks { Console.error(remark) }
        }
        if let output {
            outputs.write(("--output", output), Array(made.yaml.utf8)) {}
            if json { try Console.output(made.json.text() + "\n") }
        } else {
            try Console.output(json ? made.json.text() + "\n" : made.yaml, isData: true)
        }
        try outputs.finish()
    }
}

protocol LaunchImport: ParsableCommand {
    static var format: LaunchFormat { get }
    static var about: String { get }
    var options: LaunchOptions { get }
}

extension LaunchImport {
    static var configuration: CommandConfiguration { CommandConfiguration(commandName: format.rawValue, abstract: about) }
    func run() throws { try options.run(Self.format) }
}

struct ImportMegatron: LaunchImport {
    static let format = LaunchFormat.megatron
    static let about = "A launch script of Megatron-LM, its YAML, or a log with its table of arguments, as a scenario."
    @OptionGroup var options: LaunchOptions
}
struct ImportDeepSpeed: LaunchImport {
    static let format = LaunchFormat.deepspeed
    static let about = "A DeepSpeed configuration (JSON, with --model), or the script that names it, as a scenario."
    @OptionGroup var options: LaunchOptions
}
struct ImportTorchTitan: LaunchImport {
    static let format = LaunchFormat.torchtitan
    static let about = "A torchtitan configuration (TOML), or the script that names it, as a scenario."
    @OptionGroup var options: LaunchOptions
}
struct ImportNemo: LaunchImport {
    static let format = LaunchFormat.nemo
    static let about = "A NeMo configuration (YAML) or recipe (Python, read and never run) as a scenario."
    @OptionGroup var options: LaunchOptions
}
struct ImportHuggingFace: LaunchImport {
    static let format = LaunchFormat.huggingface
    static let about = "A published config.json as a scenario to start from."
    @OptionGroup var options: LaunchOptions
}
struct ImportMLPerf: LaunchImport {
    static let format = LaunchFormat.mlperf
    static let about = "A configuration script of an MLPerf Training submission as a scenario."
    @OptionGroup var options: LaunchOptions
}
