import ArgumentParser
import Glibc
import Quantities
import Report
import Scenario
import Studies
import Synchronization

/// What the weeks of a run need from the command line.
struct RunOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Monte-Carlo runs of a scenario with failures and the like, in place of 1,000; Ctrl-C gives those done.", valueName: "runs"))
    var samples: Int?
    @Option(
        help: ArgumentHelp("Write what happens in the first of them, a JSON object a line.", valueName: "file"), completion: .file())
    var events: String?
    @Option(
        help: ArgumentHelp("Write every metric of the run in Prometheus' text format.", valueName: "file"), completion: .file())
    var metrics: String?

    func validate() throws {
        if let samples, !(1...10_000_000).contains(samples) { throw ValidationError("--samples is \(samples); give 1 to 10000000 runs") }
    }

    func applied(to scenario: Scenario) -> Scenario {
        var scenario = scenario
        scenario.runSamples = samples
        return scenario
    }

    func write(_ answer: RunAnswer, _ output: OutputOptions) throws {
        if let metrics {
            try uninterrupted { () throws(FileError) in try writeFile(Array(answer.metricsText().utf8), to: metrics) }
            output.note("metrics: \(metrics)")
        }
        guard let events else { return }
        guard let outcome = answer.outcome else {
            throw InputError("--events: nothing happens in this run; give it a length and conditions: {failures: llama3-2024}")
        }
        try uninterrupted { () throws(FileError) in try writeFile(Array(outcome.eventLines().utf8), to: events) }
        output.note("events: \(events)")
    }
}

/// Whether somebody pressed Ctrl-C while samples were drawn.
enum Interrupt {
    static let pressed = Atomic(false)

    /// The first Ctrl-C ends the drawing of samples, the second the program.
    static func watch() {
        signal(SIGINT) { _ in
            Interrupt.pressed.store(true, ordering: .relaxed)
            signal(SIGINT, SIG_DFL)
        }
    }
}
