import ArgumentParser
import Report
import Scenario
import Studies

struct Advise: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Try the field's rules of thumb on a scenario by simulation, and say which gain what.",
        discussion: """
            The best rule is taken, the others are tried upon it, and so on until none gains. Rules that change what training learns, or when machines
            are there, are tried and shown; --risk takes them. `orrery catalogue rules` lists all. See docs/advise.md.
            """)
    @Argument(help: "Scenario file (YAML).", completion: .file(extensions: ["yaml", "yml"])) var file: String
    @Option(help: "What is made small: time or cost.") var objective: AdviceAnswer.Objective = .time
    @Flag(help: "Take rules with a risk to quality or availability, too.") var risk = false
    @OptionGroup var anchors: RunsOption
    @OptionGroup var output: OutputOptions
    @OptionGroup var jobs: JobsOption
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over the file, for instance training.sequence=8192; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    func validate() throws {
        if output.csv { throw ValidationError("orrery advise has no --csv; use --json") }
    }

    func run() throws {
        let document = try ScenarioDocument(path: file)
        let answer = try output.study("trying rules", jobs: jobs.count, anchors: anchors) {
            var study = $0
            Interrupt.watch()
            study.isStopped = { Interrupt.pressed.load(ordering: .relaxed) }
            return try study.advise(document, overrides: overrides, objective: objective, takesRisk: risk)
        }
        try Console.output(output.json ? answer.json.text() + "\n" : answer.text)
    }
}

extension AdviceAnswer.Objective: ExpressibleByArgument {}
