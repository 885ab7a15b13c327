import ArgumentParser
import Quantities
import Report
import Scenario
import Studies

struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what the predicted step time of a scenario rests on.",
        discussion: """
            Where the seconds go, which constants they depend on and why these have their values, and which five of them matter most.
            The weight of a constant is how far the step time moves when the constant moves by one of its standard deviations.
            """)
    @Argument(help: "Scenario file (YAML).", completion: .file(extensions: ["yaml", "yml"])) var file: String
    @OptionGroup var output: OutputOptions
    @OptionGroup var anchors: RunsOption
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over the file, for instance layout.tensor=8; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    func run() throws {
        let scenario = try Scenario.load(path: file, overrides: overrides)
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        let explanation = try output.study("explaining", jobs: 1, anchors: anchors) { try $0.explain(scenario) }
        try Console.output(
            output.json ? explanation.json.text() + "\n" : output.csv ? CSVRecords.text(explanation.table) : explanation.text(Console.style)
        )
    }
}
