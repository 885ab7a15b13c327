import Planner
import Quantities
import Scenario

extension Study {
    /// How do these runs differ? All of them, in the order given.
    /// - Throws: `ScenarioErrors` with the faults of all scenarios at once.
    public func compare(_ scenarios: [Scenario]) throws(ScenarioErrors) -> [RunAnswer] {
        let (each, count) = (single, scenarios.count)
        let results = parallelMap(scenarios, jobs: jobs, finished: { progress($0, count) }) { scenario in
            Result { () throws(ScenarioErrors) in try each.run(scenario) }
        }
        var answers: [RunAnswer] = []
        var faults: [ScenarioError] = []
        for result in results {
            do throws(ScenarioErrors) { answers.append(try result.get()) } catch { faults += error.errors }
        }
        guard faults.isEmpty else { throw ScenarioErrors(faults) }
        return answers
    }

    /// Which of two runs is faster, when both meet the same random numbers? Each seed is one pair of steps.
    /// - Parameter samples: seeds, from `firstSeed` up.
    /// - Throws: `ScenarioErrors` as `compare`; `Fault` where nothing is random, or the step times are no numbers.
    public func comparePaired(_ a: Scenario, _ b: Scenario, samples: Int, firstSeed: UInt64) throws -> PairedAnswer {
        if a.weeks.isActive || b.weeks.isActive, a.job.hasLength, b.job.hasLength {
            return try compareWeeks(a, b, samples: samples, firstSeed: firstSeed)
        }
        guard !(a.conditions.isUniform && b.conditions.isUniform) else {
            throw Fault(
                keyPath: "conditions", reason: "nothing is random, so one run of each says all",
                suggestion: "add conditions: {jitter: {kernel: 2%}}, or leave out --samples")
        }
        let runs = (0..<2 * samples).map { index -> Scenario in
            var scenario = index % 2 == 0 ? a : b
            scenario.settings.seed = firstSeed &+ UInt64(index / 2)
            (scenario.settings.samples, scenario.settings.timeline) = (1, false)
            return scenario
        }
        let times = try compare(runs).map(\.result.step.timeS.mean)
        func column(_ side: Int) -> [Double] { stride(from: side, to: times.count, by: 2).map { times[$0] } }
        guard let paired = PairedDifference(column(0), column(1)) else { throw Fault(reason: "the step times are no numbers to compare") }
        return PairedAnswer(names: [a.name, b.name], paired: paired, firstSeed: firstSeed)
    }

    /// Which of two runs of weeks ends sooner and costs less? Sample by sample both meet the same failures.
    private func compareWeeks(_ a: Scenario, _ b: Scenario, samples: Int, firstSeed: UInt64) throws -> PairedAnswer {
        var columns: [(wall: [Double], dollars: [Double])] = []
        for var scenario in [a, b] {
            scenario.settings.seed = firstSeed
            scenario.settings.timeline = false
            scenario.runSamples = samples
            let answer = try run(scenario)
            if let reason = answer.neverEnds { throw Fault(keyPath: "conditions", reason: "\(scenario.name): \(reason)") }
            // An undisturbed run is the same in every sample.
            let wall = answer.outcome.map { $0.study.samples.map(\.wallClock) } ?? [answer.run.wallClockS]
            let dollars = answer.outcome.map { outcome in outcome.study.samples.map { outcome.dollars($0) } } ?? [answer.bill.totalUSD]
            func filled(_ values: [Double]) -> [Double] { values.count == 1 ? Array(repeating: values[0], count: samples) : values }
            columns.append((filled(wall), filled(dollars)))
        }
        guard let paired = PairedDifference(columns[0].wall, columns[1].wall) else {
            throw Fault(reason: "the runs are no numbers to compare")
        }
        var answer = PairedAnswer(names: [a.name, b.name], paired: paired, firstSeed: firstSeed)
        answer.dollars = PairedDifference(columns[0].dollars, columns[1].dollars)
        let cheaper = zip(columns[0].dollars, columns[1].dollars).count { $1 < $0 }
        answer.shareCheaper = Double(cheaper) / Double(max(1, columns[0].dollars.count))
        return answer
    }
}
