import ArgumentParser
import Import
import Quantities
import Scenario
import Studies

/// A job as the launch file of the program that will run it.
struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a scenario, or what a search found for it, as flags or configuration of a training program.",
        discussion: """
            What the program does not offer, or has no setting for, is refused with its key. Reading the file back gives the same layout (docs/import.md).
            --row takes a layout of a search: of --search (what orrery search --json printed), else of a search that is made now.
            """)

    enum Target: String, CaseIterable, ExpressibleByArgument {
        case megatron, deepspeed, torchtitan, nemo
        var format: LaunchFormat? { LaunchFormat(rawValue: rawValue) }
    }

    @Argument(help: "megatron, deepspeed, torchtitan or nemo.") var program: Target
    @Argument(help: "Scenario file (YAML).", completion: .file(extensions: ["yaml", "yml"])) var file: String
    @Option(
        name: .shortAndLong, help: ArgumentHelp("Write the launch file here; left out, it is printed.", valueName: "file"),
        completion: .file())
    var output: String?
    @Option(
        help: ArgumentHelp("What orrery search --json printed for the scenario.", valueName: "file"),
        completion: .file(extensions: ["json"]))
    var search: String?
    @Option(parsing: .unconditional, help: ArgumentHelp("Rank of the layout among the search's, 1 for the winner.", valueName: "rank"))
    var row: Int?
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over the file, for instance layout.tensor=8; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []
    @OptionGroup var jobs: JobsOption
    @Flag(name: .shortAndLong, help: "No remarks; errors are still shown.") var quiet = false

    func validate() throws {
        if let row, row < 1 { throw ValidationError("--row is \(row); give 1 or more") }
    }

    func run() throws {
        let outputs = try Outputs([("--output", output)], inputs: [file] + (search.map { [$0] } ?? []))
        let scenario = try scenario()
        guard let format = program.format else { return }
        do {
            let launch = try exportLaunch(scenario, format)
            if !quiet { for remark in launch.remarks { Console.error(remark) } }
            if output == nil {
                try Console.output(launch.text, isData: true)
            } else {
                outputs.write(("--output", output ?? ""), Array(launch.text.utf8)) {}
            }
        } catch let faults as Faults {
            throw InputError(faults.all.map { "\(file): \($0)" }.joined(separator: "\n"))
        }
        try outputs.finish()
    }

    private func scenario() throws -> Scenario {
        guard search != nil || row != nil else {
            let scenario = try Scenario.load(path: file, overrides: overrides)
            if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
            return scenario
        }
        let rank = row ?? 1
        if let search {
            guard let text = readTextFile(search) else { throw InputError("--search \(search): the file cannot be read") }
            return try Scenario.load(path: file, overrides: overrides + (try searchedLayout(text, file: search, rank: rank)))
        }
        let start = try Scenario.loadAnyLayout(path: file, overrides: overrides)
        let answer = try OutputOptions.quietly(quiet).study("searching (bounds closed, %)", jobs: jobs.count) {
            try $0.search(SearchQuestion(start))
        }
        guard answer.ranked.indices.contains(rank - 1) else {
            throw InputError("\(file): \(answer.refusal ?? "the search has \(answer.ranked.count) layouts; --row is \(rank)")")
        }
        var found = start
        found.job = answer.ranked[rank - 1].job
        return found
    }
}

extension OutputOptions {
    /// Options of a command that has none of its own.
    static func quietly(_ quiet: Bool) -> OutputOptions {
        var options = OutputOptions()
        (options.json, options.csv, options.quiet) = (false, false, quiet)
        return options
    }
}
