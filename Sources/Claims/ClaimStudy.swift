import Cluster
import Quantities
import Scenario
import Studies

/// Measures claims: each figure by running its scenario with and without the technique, now.
public struct ClaimStudy: Sendable {
    public var study: Study

    public init(study: Study) { self.study = study }

    /// - Throws: `ScenarioErrors` where a scenario of the claim cannot run, `Fault` where its entry is at fault.
    public func answer(_ claim: Claim) throws -> ClaimAnswer {
        ClaimAnswer(claim: claim, measures: try claim.measures.map { try answer($0) })
    }

    private func answer(_ measure: ClaimMeasure) throws -> MeasureAnswer {
        switch measure.question {
        case .product(let factors):
            return plain(measure, factors.reduce(1, *), source: "arithmetic")
        case .peak(let name, let format):
            guard let precision = Precision(rawValue: format) else { throw Fault(keyPath: "claims", reason: "no format \(format)") }
            return plain(measure, try Catalogue.accelerator(named: name).peak(precision) / 1e12, source: "orrery catalogue gpus")
        case .recorded(let row):
            let found = try NumericsRecord.shipped().row(row)
            return plain(measure, found.mean, half: found.half, source: "make claims")
        case .optimum(let file):
            return try optimum(measure, file)
        case .collective(let file, let ways, let bytes):
            return try collective(measure, file, ways, bytes)
        case .experiment(let experiment):
            return try answer(measure, experiment)
        }
    }

    private func optimum(_ measure: ClaimMeasure, _ file: String) throws -> MeasureAnswer {
        let scenario = try Scenario.load(yaml: ClaimScenarios.text(file), file: "scenarios/claims/\(file)")
        let own = try study.run(scenario)
        let found = try study.search(SearchQuestion(scenario))
        guard let best = found.ranked.first else { throw Fault(keyPath: "claims", reason: found.refusal ?? "\(file): nothing fits") }
        return plain(measure, best.result.step.timeS.mean / own.result.step.timeS.mean, source: "scenarios/claims/\(file)")
    }

    private func collective(_ measure: ClaimMeasure, _ file: String, _ ways: [String], _ sizes: [Double]) throws -> MeasureAnswer {
        let network = try FabricFile.network(yaml: ClaimScenarios.text(file), file: file)
        let ranks = network.hostCount
        /// `ring`, `hierarchical`; `ring 8`: over eight channels.
        func seconds(_ name: String, _ bytes: Double) throws -> Double {
            let words = name.split(separator: " ")
            guard let way = words.first.flatMap({ CollectiveWay(rawValue: String($0)) }) else {
                throw Fault(keyPath: "claims", reason: "no way of an all-reduce is called \(name)")
            }
            let form = PatternForm(group: 8, channels: words.count > 1 ? Int(words[1]) ?? 1 : 1)
            let pattern = try CommunicationPattern.collective(.allReduce, by: way, ranks: ranks, bytes: bytes, form: form)
            return try network.time(pattern, on: Array(0..<ranks)).seconds
        }
        guard ways.count == 2, !sizes.isEmpty else { throw Fault(keyPath: "claims", reason: "\(file): two ways and a size are needed") }
        let points = try sizes.map { bytes in
            let value = try seconds(ways[0], bytes) / seconds(ways[1], bytes)
            return MeasureAnswer.Point(conditions: "\(short(bytes / 1_048_576)) MiB", value: value, holds: measure.bound.holds(value))
        }
        let values = points.map(\.value)
        return MeasureAnswer(
            what: measure.what, unit: measure.unit, bound: measure.bound, isLimit: measure.isLimit, value: values[0],
            low: values.min() ?? values[0], high: values.max() ?? values[0], points: points, source: "scenarios/claims/\(file)")
    }

    private func plain(_ measure: ClaimMeasure, _ value: Double, half: Double = 0, source: String) -> MeasureAnswer {
        MeasureAnswer(
            what: measure.what, unit: measure.unit, bound: measure.bound, isLimit: measure.isLimit, value: value, low: value - half,
            high: value + half, points: [.init(conditions: "", value: value, holds: measure.bound.holds(value))], source: source)
    }

    private func answer(_ measure: ClaimMeasure, _ experiment: ClaimExperiment) throws -> MeasureAnswer {
        var points: [MeasureAnswer.Point] = []
        var first: Outcome?
        for condition in combinations(experiment.conditions) {
            let outcome = try measured(experiment, condition)
            if first == nil { first = outcome }
            let text = condition.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            points.append(.init(conditions: text, value: outcome.value, holds: measure.bound.holds(outcome.value)))
        }
        guard let first else { throw Fault(keyPath: "claims", reason: "\(experiment.scenario) has no conditions") }
        let values = points.map(\.value)
        let range = experiment.value == .after ? first.range : (values.min() ?? first.value, values.max() ?? first.value)
        return MeasureAnswer(
            what: measure.what, unit: measure.unit, bound: measure.bound, isLimit: measure.isLimit, value: first.value, low: range.0,
            high: range.1, points: points, change: first.change, breakEven: try breakEven(measure, experiment),
            source: "scenarios/claims/\(experiment.scenario)")
    }

    /// Every combination of the conditions' values, the first values first.
    private func combinations(_ axes: [(key: String, values: [String])]) -> [[(key: String, value: String)]] {
        axes.reduce([[]]) { all, axis in all.flatMap { one in axis.values.map { one + [(axis.key, $0)] } } }
    }

    private struct Outcome {
        var value: Double
        var range: (Double, Double)
        var change: (days: (Double, Double), usd: (Double, Double))?
    }

    private func measured(_ experiment: ClaimExperiment, _ condition: [(key: String, value: String)]) throws -> Outcome {
        let settings = condition.map { "\($0.key)=\($0.value)" }
        let after = try result(experiment, experiment.after + settings, experiment.afterPoint)
        let with = try after.figure(experiment)
        guard experiment.value != .after else { return Outcome(value: with, range: after.range(experiment, with)) }
        let before = try result(experiment, experiment.before + settings, experiment.beforePoint)
        let without = try before.figure(experiment)
        let value = experiment.value == .ratio ? with / without : without / with
        var change: (days: (Double, Double), usd: (Double, Double))?
        // A scenario without a length is one step, and worth nothing.
        if let a = before["run.wall_clock_s"], let b = after["run.wall_clock_s"], let c = before["bill.total_usd"],
            let d = after["bill.total_usd"],
            a > 3600
        {
            change = ((a / 86_400, b / 86_400), (c, d))
        }
        return Outcome(value: value, range: (value, value), change: change)
    }

    private func result(_ experiment: ClaimExperiment, _ settings: [String], _ point: Int) throws -> ResultFigures {
        let text = try ClaimScenarios.text(experiment.scenario)
        let file = "scenarios/claims/\(experiment.scenario)"
        switch experiment.program {
        case .run:
            let all = try Scenario.expand(yaml: text, file: file, overrides: settings)
            guard all.indices.contains(point) else { throw Fault(keyPath: "claims", reason: "\(file) has no point \(point)") }
            return ResultFigures(try study.run(all[point].scenario).jsonValue())
        case .train:
            return ResultFigures(try study.train(CosimRequest.load(yaml: text, file: file, overrides: settings)).json)
        }
    }

    /// Between which values of the axis the figure crosses what is claimed, and crosses one, where the technique starts to pay.
    private func breakEven(_ measure: ClaimMeasure, _ experiment: ClaimExperiment) throws -> String? {
        guard let axis = experiment.breakEven else { return nil }
        let own = experiment.conditions.compactMap { axis in axis.values.first.map { (key: axis.key, value: $0) } }.filter {
            $0.key != axis.key
        }
        let values = try axis.values.map { try measured(experiment, own + [(axis.key, $0)]).value }
        func crossing(_ edge: Double) -> String? {
            for index in values.indices.dropLast() where (values[index] >= edge) != (values[index + 1] >= edge) {
                return "between \(axis.values[index]) and \(axis.values[index + 1])"
            }
            return nil
        }
        var parts: [String] = []
        if let edge = measure.bound.edge {
            parts.append("claimed figure " + (crossing(edge) ?? (values.allSatisfy(measure.bound.holds) ? "everywhere" : "nowhere")))
        }
        if experiment.value != .after, measure.bound.edge != 1 {
            let pays = experiment.value == .gain ? values.allSatisfy { $0 > 1 } : values.allSatisfy { $0 < 1 }
            parts.append("pays " + (crossing(1).map { "on one side of a value \($0)" } ?? (pays ? "everywhere" : "nowhere")))
        }
        let list = zip(axis.values, values).map { "\($0): \(short($1))" }.joined(separator: ", ")
        return "\(axis.key): \(parts.joined(separator: ", ")) (\(list))"
    }
}

extension ResultFigures {
    func figure(_ experiment: ClaimExperiment) throws(Fault) -> Double {
        func number(_ path: String) throws(Fault) -> Double {
            guard let value = self[path] else {
                throw Fault(keyPath: path, reason: "the result of \(experiment.scenario) has no such figure")
            }
            return value
        }
        let figure = try number(experiment.figure) * experiment.scale
        guard let divisor = experiment.divisor else { return figure }
        return figure / (try number(divisor))
    }

    /// A figure of time or money may be off as the step is; others, such as memory, are taken as they are.
    func range(_ experiment: ClaimExperiment, _ value: Double) -> (Double, Double) {
        guard case .object(let members) = json, case .object(let evidence)? = members.first(where: { $0.key == "evidence" })?.value,
            case .array(let ends)? = evidence.first(where: { $0.key == "interval90" })?.value, ends.count == 2,
            case .number(let low) = ends[0], case .number(let high) = ends[1], let step = self["step.time_s"], step > 0,
            experiment.divisor == nil
        else { return (value, value) }
        guard ["step.", "run.wall_clock_s", "bill."].contains(where: experiment.figure.hasPrefix) else { return (value, value) }
        let isRate = experiment.figure.hasPrefix("step.") && experiment.figure != "step.time_s"
        return isRate ? (value * step / high, value * step / low) : (value * low / step, value * high / step)
    }
}
