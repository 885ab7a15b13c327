import ArgumentParser
import Plan
import Quantities
import Report
import Scenario
import Studies

struct Schedule: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw, check, time, read and write a pipeline schedule.",
        discussion: """
            SOURCE is the name of a schedule (with --ranks and --micro-batches), a schedule file, or a scenario, whose order and times are then
            shown. A schedule file is checked: every pass once, inputs before what needs them, every send received, no deadlock; exit status 2
            says where it is wrong. A scenario takes such a file as layout.schedule: {file: my.schedule} (docs/layouts.md).
            """)
    @Argument(help: "Schedule's name, schedule file, or scenario (YAML).", completion: .file()) var source: String
    @Option(help: "Pipeline ranks, of a schedule by name.") var ranks: Int?
    @Option(help: "Micro-batches of a step, of a schedule by name.") var microBatches: Int?
    @Option(help: "Model chunks of a rank, of a schedule by name.") var chunks: Int?
    @Option(
        help: ArgumentHelp(
            "Times of F, B and W, and of a hop between ranks, in any one unit (default: 1,1,1,0; of a scenario its own).",
            valueName: "F,B,W[,hop]"))
    var times: String?
    @Option(help: ArgumentHelp("Write the schedule as a file.", valueName: "file"), completion: .file()) var write: String?
    @Option(help: ArgumentHelp("Write a picture (SVG).", valueName: "file"), completion: .file()) var svg: String?
    @OptionGroup var output: OutputOptions
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over a scenario, for instance layout.schedule=zb-v; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    private enum Origin {
        case scenario
        case kind(ScheduleKind)
        case file
    }

    private var origin: Origin {
        let name = source.lowercased()
        if name.hasSuffix(".yaml") || name.hasSuffix(".yml") { return .scenario }
        return ScheduleKind(rawValue: name).map { .kind($0) } ?? .file
    }

    func validate() throws {
        for (name, value) in [("--ranks", ranks), ("--micro-batches", microBatches), ("--chunks", chunks)] {
            if let value, value < 1 { throw ValidationError("\(name) is \(value); give a whole number above zero") }
        }
        switch origin {
        case .kind(let kind):
            guard ranks != nil, microBatches != nil else {
                throw ValidationError("\(kind.rawValue) needs its size; give for instance --ranks 4 --micro-batches 8")
            }
        case .scenario, .file:
            guard ranks == nil, microBatches == nil, chunks == nil else {
                throw ValidationError(
                    "\(source) has ranks, micro-batches and chunks of its own; leave out --ranks, --micro-batches and --chunks")
            }
        }
        if case .scenario = origin {
            if times != nil { throw ValidationError("a scenario has times of its own; leave out --times") }
        } else if !overrides.isEmpty {
            throw ValidationError("--set lays settings over a scenario; \(source) is none")
        }
        _ = try passTimes()
    }

    func run() throws {
        let outputs = try Outputs([("--write", write), ("--svg", svg)], inputs: [source])
        let answer = try answer()
        try Console.output(output.json ? answer.json.text() + "\n" : output.csv ? CSVRecords.text(answer.rows) : answer.text)
        if let write { outputs.write(("--write", write), Array(answer.schedule.text.utf8)) { output.note("schedule: \(write)") } }
        if let svg { outputs.write(("--svg", svg), Array(try answer.picture().utf8)) { output.note("picture: \(svg)") } }
        try outputs.finish()
    }

    /// Times of F, B, W and a hop.
    private func passTimes() throws -> [Double] {
        guard let times else { return [1, 1, 1, 0] }
        let values = times.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) ?? .nan }
        guard (3...4).contains(values.count), values.allSatisfy({ $0.isFinite && $0 >= 0 && $0 < 1e9 }), values[0] + values[1] > 0 else {
            throw ValidationError(
                "--times is \"\(times)\"; give three or four numbers, zero or more: F,B,W or F,B,W,hop, for instance 1,1,1,0.1")
        }
        return values.count == 3 ? values + [0] : values
    }

    private func answer() throws -> ScheduleAnswer {
        switch origin {
        case .scenario: return try ofScenario()
        case .kind(let kind):
            let (ranks, chunks) = (ranks ?? 1, chunks ?? kind.fixedChunks ?? (kind == .interleaved ? 2 : 1))
            let costs = try costs(virtualStages: ranks * (kind == .dualpipe ? 1 : chunks))
            return try refusing("") {
                guard kind != .auto else {
                    let found = try PipelineSchedule.automatic(
                        ranks: ranks, microBatches: microBatches ?? 1, chunks: chunks, costs: costs)
                    return try ScheduleAnswer(
                        found.schedule, costs: costs,
                        remarks: [
                            "layout.schedule auto: the longest span is \(rounded(found.distance * 100, 1)) % above what no order within the memory can undercut"
                        ])
                }
                let schedule = try PipelineSchedule.make(kind, ranks: ranks, microBatches: microBatches ?? 1, chunks: chunks, costs: costs)
                return try ScheduleAnswer(schedule, costs: costs)
            }
        case .file:
            let schedule = try refusing("") { try PipelineSchedule.read(from: source) }
            let costs = try costs(virtualStages: schedule.virtualStages)
            return try refusing("\(source): ") { try ScheduleAnswer(schedule, costs: costs) }
        }
    }

    private func costs(virtualStages: Int) throws -> ScheduleCosts {
        let times = try passTimes()
        return .uniform(virtualStages: virtualStages, forward: times[0], backward: times[1], weight: times[2], communication: times[3])
    }

    /// What is wrong with a schedule is bad input.
    private func refusing<Value>(_ place: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as ScheduleError { throw InputError(place + error.message) }
    }

    private func ofScenario() throws -> ScheduleAnswer {
        let scenario = try Scenario.load(path: source, overrides: overrides)
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        return try Study.shipped().schedule(of: scenario)
    }
}
