import ArgumentParser
import Cost
import Plan
import Planner
import Report
import Scenario
import Simulation
import Synchronization

struct Search: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find the best layout for a model on a cluster.",
        discussion: """
            Keeps the file's model, cluster, global batch, sequence, precision and software, and goes through every legal layout, schedule,
            micro-batch, recomputation and ZeRO stage. Lower bounds leave out what cannot win; the rest is simulated without conditions.
            Exit status 1 where no layout fits.
            """)
    @Argument(help: "Scenario file (YAML).", completion: .file(extensions: ["yaml", "yml"])) var file: String
    @Option(help: "What is made small: time, cost or energy.") var objective = Objective.Kind.time
    @Option(help: ArgumentHelp("Answer with the best so far after this many seconds.", valueName: "seconds")) var timeBudget: Double?
    @Option(help: ArgumentHelp("Most memory on a GPU, below what it has.", valueName: "GB")) var memory: Double?
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Schedules to try (default: 1f1b interleaved zb-1p).", valueName: "schedule")) var schedules: [String] = []
    @Option(help: ArgumentHelp("Also simulate everything in spaces of at most this many layouts.", valueName: "layouts"))
    var exhaustive = 500
    @OptionGroup var output: OutputOptions
    @OptionGroup var jobs: JobsOption
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over the file, for instance training.sequence=8192; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    func validate() throws {
        if let timeBudget, !(timeBudget >= 0) { throw ValidationError("--time-budget is \(timeBudget); give seconds, zero or more") }
        if let memory, !(memory > 0) { throw ValidationError("--memory is \(memory); give gigabytes above zero") }
        if exhaustive < 0 { throw ValidationError("--exhaustive is \(exhaustive); give a number of layouts, zero or more") }
    }

    func run() throws {
        let scenario = try Scenario.load(path: file, overrides: overrides)
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        let data = try CalibrationData.shipped()
        let constraints = try constraints()
        if !scenario.conditions.isUniform { output.note("search: conditions are left out; orrery run shows the winner under them") }
        let result: SearchResult
        let space = SearchSpace(job: scenario.job, constraints: constraints)
        do throws(PlannerError) {
            let goal = try Objective(objective, job: scenario.job, prices: scenario.prices)
            result = try search(space, objective: goal, data: data, settings: settings())
        } catch {
            throw ScenarioErrors([
                ScenarioError(
                    file: file, line: 1, column: 1, keyPath: error.keyPath, reason: error.reason, suggestion: error.suggestion)
            ])
        }
        let answer = SearchAnswer(
            result: result, objective: objective,
            ranked: try result.ranked.map { try report(space.job($0.choice), scenario, data) },
            own: try? report(scenario.job, scenario, data))
        try Console.output(output.json ? answer.json.text() + "\n" : output.csv ? csvText(answer.rows) : answer.text)
        if result.ranked.isEmpty {
            Console.error(
                "\(file): none of the \(result.space) legal layouts fits into the memory; use more GPUs, or GPUs with more memory")
            throw ExitCode.doesNotHold
        }
    }

    private func constraints() throws -> SearchConstraints {
        var constraints = SearchConstraints()
        constraints.memory = memory.map { $0 * 1e9 }
        if !schedules.isEmpty {
            constraints.schedules = try schedules.map { name in
                guard let kind = ScheduleKind(rawValue: name), SearchSpace.schedules.contains(kind) else {
                    let known = SearchSpace.schedules.map(\.rawValue).joined(separator: ", ")
                    throw InputError("--schedules: \"\(name)\" cannot be searched; choose from \(known)")
                }
                return kind
            }
        }
        return constraints
    }

    private func settings() -> SearchSettings {
        var settings = SearchSettings()
        settings.jobs = jobs.count
        settings.seconds = timeBudget
        settings.exhaustiveLimit = exhaustive
        let progress = Progress("searching (bounds closed, %)", of: 100, quiet: output.quiet)
        settings.progress = { _, closed in progress.show(Int(closed * 100)) }
        return settings
    }

    /// The undisturbed run of a layout.
    private func report(_ job: Job, _ scenario: Scenario, _ data: CalibrationData) throws -> RunReport {
        var own = scenario
        own.job = job
        own.conditions = Conditions()
        own.settings.timeline = false
        return try project(own, from: file, data)
    }
}

extension Objective.Kind: ExpressibleByArgument {}

/// What a search found, as text and as a document.
private struct SearchAnswer {
    let result: SearchResult
    let objective: Objective.Kind
    /// Best first.
    let ranked: [RunReport]
    /// The file's own layout; nil where it cannot run.
    let own: RunReport?

    private static let columns = ["layout", "schedule", "micro-batch", "recompute", "ZeRO", "step s", "MFU %", "memory GB", "USD/step"]

    var rows: [[String]] { [Self.columns] + ranked.map(row) }

    private func row(_ report: RunReport) -> [String] {
        let job = report.job
        let layout = job.layout
        let schedule = layout.pipeline == 1 ? "-" : layout.schedule.rawValue + (layout.virtual > 1 ? " x\(layout.virtual)" : "")
        return [
            Self.degrees(job), schedule, "\(job.training.microBatch)", Self.name(job.training.recompute), "\(layout.zero)",
            rounded(report.result.step.timeS.mean, 4), rounded(report.result.step.mfu * 100, 1),
            rounded(report.result.memory.peak / 1e9, 1),
            report.bill.totalUSD > 0 && report.result.run.steps > 0
                ? rounded(report.bill.totalUSD / Double(report.result.run.steps), 4) : "-",
        ]
    }

    private static func degrees(_ job: Job) -> String {
        let layout = job.layout
        var text = "t\(layout.tensor)\(layout.sequenceParallel ? "+sp" : "") p\(layout.pipeline) d\(job.data)"
        if layout.context > 1 { text += " c\(layout.context)" }
        if layout.expert > 1 { text += " e\(layout.expert)" }
        if layout.expertTensor > 1 { text += " et\(layout.expertTensor)" }
        return text
    }

    static func name(_ recompute: Recompute) -> String {
        switch recompute {
        case .none: "none"
        case .selective: "selective"
        case .full: "full"
        case .layers(let count): "\(count) layers"
        case .modules(let chosen): chosen.description
        case .auto: "auto"
        case .perRank(let counts): counts.map(String.init).joined(separator: "/")
        }
    }

    var text: String {
        var lines: [String] = []
        var cells = rows
        if let own { cells.append(row(own)) }
        let widths = Self.columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        for (index, row) in cells.enumerated() {
            let place = index == 0 ? "  #" : index <= ranked.count ? String(repeating: " ", count: index < 10 ? 2 : 1) + "\(index)" : "own"
            var line = place
            for (cell, width) in zip(row, widths) { line += "  " + cell + String(repeating: " ", count: width - cell.count) }
            while line.last == " " { line.removeLast() }
            if index > ranked.count, own?.result.memory.fits == false { line += "  (does not fit)" }
            lines.append(line)
        }
        if let best = ranked.first {
            if ranked.count > 1 { lines.append(why(best, over: ranked[1], name: "the runner-up")) }
            if let own { lines.append(why(best, over: own, name: "the file's layout")) }
        }
        lines.append(statistics)
        return lines.joined(separator: "\n") + "\n"
    }

    /// The step's parts that differ most, in seconds of the critical path.
    private func why(_ best: RunReport, over other: RunReport, name: String) -> String {
        let (mine, theirs) = (best.result.breakdownS, other.result.breakdownS)
        let gain = other.result.step.timeS.mean - best.result.step.timeS.mean
        let parts = Activity.allCases.map { (activity: $0, seconds: (theirs[$0] ?? 0) - (mine[$0] ?? 0)) }
            .filter { abs($0.seconds) > max(1e-6, 0.02 * abs(gain)) }
            .enumerated().sorted { (-abs($0.element.seconds), $0.offset) < (-abs($1.element.seconds), $1.offset) }.prefix(5)
            .map { "\($0.element.activity.rawValue) \($0.element.seconds > 0 ? "-" : "+")\(rounded(abs($0.element.seconds), 4)) s" }
        let share = other.result.step.timeS.mean > 0 ? gain / other.result.step.timeS.mean * 100 : 0
        let verdict =
            gain == 0 ? "as fast as \(name)" : "\(rounded(abs(share), 2)) % \(gain > 0 ? "faster" : "slower") a step than \(name)"
        return "#1 is \(verdict)" + (parts.isEmpty ? "" : ": " + parts.joined(separator: ", "))
    }

    private var statistics: String {
        var text =
            "\(result.space) legal layouts, \(result.bounded) bounded, \(result.simulated) simulated, \(result.unfit) of those looked at do not fit; "
            + "\(rounded(result.seconds, 2)) s"
        if let gap = result.exhaustiveGap {
            text += "; all were simulated to check: \(rounded(gap * 100, 3)) % from the optimum"
        } else if result.isProven {
            text += "; no layout of the space is better"
        } else if let left = result.unexplored, let best = result.ranked.first, best.value > 0 {
            text += "; cut short: what was not looked at can be better by at most \(rounded(max(0, 1 - left / best.value) * 100, 2)) %"
        }
        return text
    }

    // MARK: JSON

    var json: JSONValue {
        let entries = zip(ranked, result.ranked).map(entry)
        return .object([
            ("space", .integer(result.space)), ("bounded", .integer(result.bounded)), ("simulated", .integer(result.simulated)),
            ("unfit", .integer(result.unfit)), ("seconds", .number(result.seconds)), ("bound_seconds", .number(result.boundSeconds)),
            ("objective", .string(objective.rawValue)), ("proven", .bool(result.isProven)), ("unexplored", .optional(result.unexplored)),
            ("exhaustive_gap", .optional(result.exhaustiveGap)), ("best", entries.first ?? .null), ("ranked", .array(entries)),
            ("own", own.map { .object(members($0)) } ?? .null),
        ])
    }

    private func entry(_ report: RunReport, _ layout: RankedLayout) -> JSONValue {
        .object([("value", .number(layout.value)), ("bound", .number(layout.bound))] + members(report))
    }

    private func members(_ report: RunReport) -> [(key: String, value: JSONValue)] {
        let job = report.job
        let layout = job.layout
        let degrees: [(key: String, value: JSONValue)] = [
            ("tensor", .integer(layout.tensor)), ("pipeline", .integer(layout.pipeline)), ("virtual", .integer(layout.virtual)),
            ("context", .integer(layout.context)), ("expert", .integer(layout.expert)), ("expert_tensor", .integer(layout.expertTensor)),
            ("data", .integer(job.data)), ("sequence_parallel", .bool(layout.sequenceParallel)), ("zero", .integer(layout.zero)),
            ("schedule", .string(layout.schedule.rawValue)),
        ]
        let training: [(key: String, value: JSONValue)] = [
            ("global_batch", .integer(job.training.globalBatch)), ("micro_batch", .integer(job.training.microBatch)),
            ("sequence", .integer(job.training.sequence)), ("recompute", .string(Self.name(job.training.recompute))),
        ]
        var result: [(key: String, value: JSONValue)] = [("layout", .object(degrees)), ("training", .object(training))]
        if case .object(let all) = report.jsonValue() {
            result += all.filter { ["step", "breakdown_s", "memory", "bill"].contains($0.key) }
        }
        return result
    }
}

/// `value` with at most `decimals` digits behind the point.
func rounded(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite else { return "-" }
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let number = (abs(value) * scale).rounded()
    guard number < 1e15 else { return "\(value)" }
    let digits = String(Int(number))
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let text = decimals == 0 ? padded : padded.dropLast(decimals) + "." + padded.suffix(decimals)
    return value < 0 && number > 0 ? "-" + text : String(text)
}
