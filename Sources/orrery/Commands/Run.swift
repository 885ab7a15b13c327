import ArgumentParser
import Report
import Scenario
import Studies

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict one scenario.",
        discussion: "Exit status 1 where the job needs more memory than a GPU has. `orrery scenario-keys` lists what a scenario may hold.")
    @Argument(help: "Scenario file (YAML).", completion: .file(extensions: ["yaml", "yml"])) var file: String
    @OptionGroup var options: SimulationOptions

    func run() throws {
        let scenario = try Scenario.load(path: file, overrides: options.overrides)
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        let outputs = try options.outputs(runs: 1, inputs: scenario.files)
        let answer = try options.output.study("steps", jobs: options.jobs.count) { try $0.run(options.applied(to: scenario)) }
        try Console.output(
            options.output.json ? answer.json() : options.output.csv ? RunAnswer.csv(of: [answer]) : answer.summary(style: Console.style))
        let message = answer.unfitMessage()
        if let message, options.output.json || options.output.csv { Console.error(message) }
        options.write([answer], outputs)
        try outputs.finish()
        if message != nil { throw ExitCode.doesNotHold }
    }
}
