import ArgumentParser
import Cost
import Plan
import Report
import Scenario
import Simulation

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict one scenario.",
        discussion: "Exit status 1 where the job needs more memory than a GPU has. `orrery scenario-keys` lists what a scenario may hold.")
    @Argument(help: "Scenario file (YAML).", completion: .file(extensions: ["yaml", "yml"])) var file: String
    @OptionGroup var options: SimulationOptions

    func run() throws {
        let scenario = try Scenario.load(path: file, overrides: options.overrides)
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        try options.report.prepare()
        let (data, anchored) = try options.anchors.data(options.output)
        let progress = Progress("steps", of: scenario.settings.samples, quiet: options.output.quiet)
        var report = try project(options.applied(to: scenario, jobs: options.jobs.count), from: file, data) { progress.show($0, of: $1) }
        progress.finish()
        report.anchored = anchored
        try options.writeFiles([report])
        try Console.output(
            options.output.json ? report.json() : options.output.csv ? RunReport.csv(of: [report]) : report.summary(style: Console.style))
        guard let message = report.unfitMessage() else { return }
        if options.output.json || options.output.csv { Console.error(message) }
        throw ExitCode.doesNotHold
    }
}

/// The way of the data: scenario, plan, result, bill, report.
func project(_ scenario: Scenario, from file: String, _ data: CalibrationData, onStep: StepObserver? = nil) throws -> RunReport {
    do {
        let plan = try scenario.job.plan(data)
        var result = try simulate(plan, conditions: scenario.conditions, settings: scenario.settings, onStep: onStep)
        let uncertainty = plan.uncertainty(data.profiles, priors: data.priors)
        let range = uncertainty.interval90(result.step.timeS.mean)
        result.evidence.stepTimeError = uncertainty.error
        result.evidence.interval90 = [range.lowerBound, range.upperBound]
        result.warnings.insert(contentsOf: uncertainty.remarks, at: 0)
        let bill = try scenario.prices.bill(for: result, job: plan.job)
        var report = RunReport(scenario: scenario, version: Orrery.version, result: result, bill: bill)
        report.suggestions = MemoryEstimate.suggestions(plan.job)
        return report
    } catch let error as PlanError {
        throw ScenarioErrors(error.problems.map { fault(file, $0.keyPath, $0.reason, $0.suggestion) })
    } catch let error as PriceError {
        throw ScenarioErrors([fault(file, "prices", error.message, "")])
    } catch let error as SimulationError {
        // Messages of single keys say what would be right behind a semicolon.
        let parts = error.message.split(separator: "; ", maxSplits: 1).map(String.init)
        throw ScenarioErrors([
            fault(
                file, "", parts.first ?? "the step cannot be played",
                parts.count > 1 ? parts[1] : "check the sizes in model, training and cluster")
        ])
    }
}

/// A fault that shows only when the whole scenario is put together.
private func fault(_ file: String, _ keyPath: String, _ reason: String, _ suggestion: String) -> ScenarioError {
    ScenarioError(file: file, line: 1, column: 1, keyPath: keyPath, reason: reason, suggestion: suggestion)
}
