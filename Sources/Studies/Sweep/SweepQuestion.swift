import Planner
import Quantities
import Scenario

/// How a sweep over `cluster.gpus` treats the batch: strong keeps the global batch, weak keeps the batch of a GPU.
public enum SweepScaling: String, Sendable, CaseIterable { case strong, weak }

/// Points drawn from ranges, in place of combinations.
public struct SweepSample: Sendable {
    public var kind: SampleDesign.Kind
    /// Points; keys + 2 times as many are run.
    public var count: Int
    /// What the sample explains.
    public var response: SweepResponse
    public init(_ kind: SampleDesign.Kind, count: Int = 64, response: SweepResponse = .stepTime) {
        (self.kind, self.count, self.response) = (kind, count, response)
    }
}

/// What a sweep goes through: every combination of the values of keys, times what the file itself varies.
public struct SweepQuestion: Sendable {
    public var document: ScenarioDocument
    /// `key=value` each, laid over the document.
    public var overrides: [String] = []
    public var vary: [SweepAxis] = []
    /// Keys whose values go together, the first with the first.
    public var zip: [SweepAxis] = []
    public var sample: SweepSample?
    public var scaling: SweepScaling?
    /// In place of the document's seed.
    public var seed: UInt64?
    public init(_ document: ScenarioDocument) { self.document = document }

    private static let mostCombinations = 10_000
    private static let mostRuns = 100_000

    /// The runs that answer the question.
    /// - Throws: `Fault` for axes that do not go together, `ScenarioErrors` where the document itself is at fault.
    public func planned() throws -> PlannedSweep {
        let axes = try axes()
        let design = try design(axes)
        let runs = try design.map { try points(of: $0, axes) } ?? combinations(axes).flatMap(expanded)
        guard runs.contains(where: { $0.scenario != nil }) else { throw ScenarioErrors(runs.first?.faults ?? []) }
        return PlannedSweep(question: self, axes: axes, design: design, runs: runs)
    }

    private func base() throws(ScenarioErrors) -> Scenario { try Scenario.load(document, overrides: overrides) }

    // MARK: samples

    private func design(_ axes: [SweepAxis]) throws -> SampleDesign? {
        guard let sample else { return nil }
        if let variation = try base().variation { throw ScenarioErrors([variation]) }
        return try SampleDesign(sample.kind, inputs: axes.count, count: sample.count, seed: seed ?? 1)
    }

    private func points(of design: SampleDesign, _ axes: [SweepAxis]) throws -> [SweepRun] {
        guard design.count * (axes.count + 2) <= Self.mostRuns else {
            throw Fault(
                keyPath: "--samples", reason: "\(design.count) x (\(axes.count) + 2) are more than \(Self.mostRuns) runs",
                suggestion: "give fewer samples or keys")
        }
        return design.points.flatMap { point in expanded(Swift.zip(axes, point).map { (key: $0.key, value: $0.value(at: $1)) }) }
    }

    // MARK: axes

    private func axes() throws -> [SweepAxis] {
        var axes = vary
        for (index, axis) in (axes + zip).enumerated() where (axes + zip)[..<index].contains(where: { $0.key == axis.key }) {
            throw Fault(keyPath: "--vary", reason: "\(axis.key) is given twice", suggestion: "give all its values at once")
        }
        for axis in zip where axis.values.count != zip[0].values.count || axis.range != nil {
            throw Fault(
                keyPath: "--zip", reason: "\(axis.key) has \(axis.values.count) values, \(zip[0].key) has \(zip[0].values.count)",
                suggestion: "give equally many")
        }
        guard sample == nil else { return axes }
        if let axis = axes.first(where: { $0.range != nil }) {
            throw Fault(keyPath: "--vary", reason: "\(axis.key) is a range", suggestion: "add --sample sobol, or list its values")
        }
        let points = axes.reduce(zip.first?.values.count ?? 1) { $0.multipliedReportingOverflow(by: $1.values.count).partialValue }
        guard points <= Self.mostCombinations else {
            throw Fault(
                keyPath: "--vary", reason: "there are more than \(Self.mostCombinations) combinations",
                suggestion: "vary fewer keys, or use search")
        }
        guard scaling != nil, !(axes + zip).contains(where: { $0.key == "cluster.gpus" }) else { return axes }
        // Where no numbers are given: the file's machines, doubled three times.
        let scenario = try base()
        axes.insert(SweepAxis(key: "cluster.gpus", values: [1, 2, 4, 8].map { "\(scenario.job.cluster.gpus * $0)" }), at: 0)
        return axes
    }

    /// All combinations, the last axis fastest, with the batch that goes with weak scaling.
    private func combinations(_ axes: [SweepAxis]) throws -> [[(key: String, value: String)]] {
        var points: [[(key: String, value: String)]] = [[]]
        for axis in axes { points = points.flatMap { point in axis.values.map { point + [(axis.key, $0)] } } }
        if let first = zip.first {
            points = points.flatMap { point in first.values.indices.map { row in point + zip.map { ($0.key, $0.values[row]) } } }
        }
        guard scaling == .weak else { return points }
        let job = try base().job
        return try points.map { point in
            guard let text = point.first(where: { $0.key == "cluster.gpus" })?.value, let gpus = Int(text), gpus > 0,
                gpus <= 1 << 30
            else { throw Fault(keyPath: "--scaling weak", reason: "cluster.gpus is not a number of GPUs") }
            return point + [("training.global_batch", "\(max(1, job.training.globalBatch * gpus / job.cluster.gpus))")]
        }
    }

    /// The scenarios of one combination: one, or as many as the document varies.
    private func expanded(_ point: [(key: String, value: String)]) -> [SweepRun] {
        // A scaling study keeps the model's cut and lets the replicas follow.
        let settings = overrides + (scaling == nil ? [] : ["layout.data=auto"]) + point.map { "\($0.key)=\($0.value)" }
        do throws(ScenarioErrors) {
            return try Scenario.expand(document, overrides: settings).map { own in
                var scenario = own.scenario
                scenario.settings.seed = seed ?? scenario.settings.seed
                scenario.settings.timeline = false
                return SweepRun(point: point + own.point, scenario: scenario)
            }
        } catch { return [SweepRun(point: point, faults: error.errors)] }
    }
}

/// The runs of a sweep, ready to be computed.
public struct PlannedSweep: Sendable {
    public let question: SweepQuestion
    let axes: [SweepAxis]
    let design: SampleDesign?
    public let runs: [SweepRun]

    /// Everything that the rows depend on, for a journal.
    public var identity: String {
        runs.map { run in
            let point = run.point.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            return "\(run.scenario?.hash ?? "-") \(run.scenario?.settings.seed ?? 0) \(point)"
        }.joined(separator: "\n")
    }
}

extension Study {
    /// What do these keys do to a run?
    /// - Parameters:
    ///   - journal: rows that it holds are not computed again, and new ones are entered into it.
    ///   - isOver: where true, no further run is begun; the answer holds those that are done.
    public func sweep(
        _ sweep: PlannedSweep, journal: Journal? = nil, until isOver: @escaping @Sendable () -> Bool = { false }
    ) -> SweepAnswer {
        let (runs, count, each) = (sweep.runs, sweep.runs.count, single)
        let rows = parallelMap(Array(runs.indices), jobs: jobs, finished: { progress($0, count) }) { index -> SweepRow? in
            let run = runs[index]
            if let line = journal?[index], let row = SweepRecord(line: line)?.row(of: run) { return row }
            if isOver() { return nil }
            let row = SweepRow(run, each)
            if let line = SweepRecord(row).line { journal?.append(index, line) }
            return row
        }.compactMap(\.self)
        var answer = SweepAnswer(rows: rows, scaling: sweep.question.scaling)
        if let design = sweep.design, let sample = sweep.question.sample, rows.count == runs.count {
            answer.sensitivity = SweepSensitivity(
                rows, axes: sweep.axes.map(\.key), design: design, response: sample.response, seed: sweep.question.seed ?? 1)
        }
        return answer
    }
}
