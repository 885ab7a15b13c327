import ArgumentParser
import Calibration
import Fidelity
import Foundation
import Plan
import Quantities
import Report
import Studies
import Scenario

/// What to measure next.
struct CalibratePlan: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Say which small runs to measure so that predictions of the given jobs become narrow.",
        discussion: """
            Candidates are the given jobs on at most --nodes nodes under other tensor and pipeline sizes and micro-batches. Chosen is, run by run, what
            takes most variance from the predictions of the given jobs. Give the measured runs back by --runs.
            """)
    @Argument(help: "Scenario files of the jobs that are wanted (YAML).", completion: .file(extensions: ["yaml", "yml"])) var files:
        [String]
    @Option(parsing: .unconditional, help: "Runs to choose.") var count = 3
    @Option(parsing: .unconditional, help: "Nodes that a run to measure may take.") var nodes = 1
    @OptionGroup var anchors: RunsOption
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...50).contains(count), (1...4096).contains(nodes) else {
            throw ValidationError("--count is 1 to 50 and --nodes 1 to 4096")
        }
    }

    func run() throws {
        let scenarios = try files.map { try Scenario.load(path: $0, overrides: []) }
        var study = Study(data: try anchors.data(output).data)
        let own = scenarios.flatMap(\.runs)
        if anchors.file == nil, !own.isEmpty { study = try study.anchored(by: own) }
        let data = study.data
        var targets: [PreparedRun] = []
        var candidates: [PreparedRun] = []
        var names: [String] = []
        for (file, scenario) in zip(files, scenarios) {
            if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
            do throws(PreparationError) { targets.append(try PreparedRun(job: scenario.job, named: scenario.name, data: data)) } catch {
                throw InputError("\(file): \(error)")
            }
            for job in Self.small(scenario.job, nodes: nodes) {
                guard let run = try? PreparedRun(job: job, named: scenario.name, data: data), run.plan.memory.fits else { continue }
                candidates.append(run)
                names.append(file)
            }
        }
        guard !candidates.isEmpty else {
            throw InputError("no smaller layout of \(files.joined(separator: ", ")) fits on \(nodes) nodes; give more --nodes")
        }
        let design = try MeasurementDesign(candidates: candidates, targets: targets, count: count, data: data)
        if output.json {
            let runs = design.chosen.map { index in
                JSONValue.object([
                    ("file", .string(names[index])), ("set", .array(Self.settings(candidates[index].plan.job).map { .string($0) })),
                ])
            }
            let jobs = targets.indices.map { index in
                JSONValue.object([
                    ("scenario", .string(targets[index].run.id)), ("error_before", .number(design.before[index])),
                    ("error_after", .number(design.after[index])),
                ])
            }
            return try Console.output(JSONValue.object([("runs", .array(runs)), ("jobs", .array(jobs))]).text() + "\n")
        }
        var lines = ["Measure these runs, in this order:"]
        for (place, index) in design.chosen.enumerated() {
            let settings = Self.settings(candidates[index].plan.job).map { "--set \($0)" }.joined(separator: " ")
            lines.append("  \(place + 1). orrery run \(names[index]) \(settings)")
        }
        lines += ["", "What the constants leave of the step time (one standard deviation), before and after:"]
        for index in targets.indices {
            let stack = targets[index].plan.behaviour.stack
            let residual = data.profiles.residual[stack] ?? data.profiles.residual["generic"] ?? 0.2
            // Half of a 90 % interval, with what single runs scatter by beside the constants.
            func half(_ spread: Double) -> String { percent(1.645 * (spread * spread + residual * residual).squareRoot()) }
            lines.append(
                "  \(targets[index].run.id): \(percent(design.before[index])) -> \(percent(design.after[index])); "
                    + "90 in 100 within some ±\(half(design.before[index])) -> ±\(half(design.after[index]))")
        }
        lines.append("Write the measured seconds into a table (docs/validation.md) and give it by --runs.")
        try Console.output(lines.joined(separator: "\n") + "\n")
    }

    private func percent(_ share: Double) -> String { "\(fixed(share * 100, decimals: 1)) %" }

    /// The job on fewer machines: every legal cut of the tensor group, the pipeline and the micro-batch.
    private static func small(_ job: Job, nodes: Int) -> [Job] {
        var list: [Job] = []
        let perNode = job.cluster.gpusPerNode
        for count in [1, 2, 4, 8, 16, 32, 64].filter({ $0 <= nodes }) {
            for tensor in [1, 2, 4, 8, 16, 32] where tensor <= count * perNode {
                for pipeline in [1, 2, 4, 8] where tensor * pipeline <= count * perNode {
                    for micro in [1, 2, 4, 8] {
                        var own = job
                        own.cluster.gpus = count * perNode
                        own.cluster.domain = min(job.cluster.domain, own.cluster.gpus)
                        own.layout.tensor = tensor
                        own.layout.pipeline = pipeline
                        own.layout.virtual = 1
                        own.layout.data = nil
                        own.layout.context = 1
                        own.layout.stageLayers = nil
                        if own.layout.schedule == .interleaved { own.layout.schedule = .oneForwardOneBackward }
                        own.training.microBatch = micro
                        own.training.globalBatch = own.data * micro * max(4, 2 * pipeline)
                        if own.problems().isEmpty { list.append(own) }
                    }
                }
            }
        }
        return list
    }

    private static func settings(_ job: Job) -> [String] {
        [
            "cluster.gpus=\(job.cluster.gpus)", "layout.tensor=\(job.layout.tensor)", "layout.pipeline=\(job.layout.pipeline)",
            "layout.virtual=1", "training.micro_batch=\(job.training.microBatch)", "training.global_batch=\(job.training.globalBatch)",
        ]
    }
}
