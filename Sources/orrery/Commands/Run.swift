import Archive
import ArgumentParser
import Report
import Scenario
import Studies

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict one scenario.",
        discussion:
            "Exit status 1 where the job needs more memory than a GPU has, or its run never finishes. `orrery scenario-keys` lists what a scenario may hold."
    )
    @Argument(help: "Scenario file (YAML).", completion: .file(extensions: ["yaml", "yml"])) var file: String
    @OptionGroup var options: SimulationOptions
    @OptionGroup var weeks: RunOptions
    @OptionGroup var archive: ArchiveOption

    func run() throws {
        let start = ContinuousClock.now
        let scenario = try Scenario.load(path: file, overrides: options.overrides)
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        let outputs = try options.outputs(runs: 1, inputs: scenario.files)
        let answer = try options.output.study("simulating", jobs: options.jobs.count, anchors: options.anchors) {
            var study = $0
            if scenario.weeks.isActive {
                Interrupt.watch()
                study.isStopped = { Interrupt.pressed.load(ordering: .relaxed) }
            }
            return try study.run(weeks.applied(to: options.applied(to: scenario)))
        }
        try Console.output(
            options.output.json ? answer.json() : options.output.csv ? RunAnswer.csv(of: [answer]) : answer.summary(style: Console.style))
        let message = answer.neverEnds ?? answer.unfitMessage()
        if let message, answer.neverEnds != nil || options.output.json || options.output.csv { Console.error(message) }
        options.write([answer], outputs)
        try weeks.write(answer, options.output)
        archive.keep(options.output, since: start) {
            var entry = ArchiveEntry("run", scenario, result: answer.json())
            (entry.hash, entry.seed) = (answer.hash, answer.seed)
            entry.take(answer)
            return entry
        }
        try outputs.finish()
        if message != nil { throw ExitCode.doesNotHold }
    }
}
