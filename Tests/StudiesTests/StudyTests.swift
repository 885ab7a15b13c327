import Foundation
import Planner
import Quantities
import Scenario
import Testing

@testable import Studies

/// A job of one node that is planned and played in milliseconds; `rest` is laid below it.
func scenarioText(_ rest: String = "") -> String {
    """
    model: {preset: llama2-7b}
    cluster: {gpu: h100-sxm-80gb, gpus: 8}
    layout: {tensor: 8, sequence_parallel: true}
    training: {global_batch: 8, micro_batch: 1, sequence: 2048}
    software: {framework: megatron-lm}
    \(rest)
    """
}

func scenario(_ rest: String = "") throws -> Scenario { try Scenario.load(yaml: scenarioText(rest), file: "small.yaml") }

@Suite("A study answers with values")
struct StudyTests {
    @Test("A comparison is the runs of its scenarios, in order, however many threads work on it")
    func comparison() throws {
        let scenarios = try Scenario.expand(yaml: scenarioText("vary: {training.global_batch: [8, 16, 24]}"), file: "small.yaml")
            .map(\.scenario)
        let one = try Study.shipped().compare(scenarios)
        let four = try Study.shipped(jobs: 4).compare(scenarios)
        #expect(one.map { $0.job.training.globalBatch } == [8, 16, 24])
        #expect(one.map { $0.json() } == four.map { $0.json() })
        #expect(try Study.shipped().run(scenarios[1]).json() == one[1].json())
    }

    /// Two conditions name links that no fabric of these machines has; the second shows only when the step is played.
    @Test("A fault that shows late stands at its key's place in the file")
    func lateFault() throws {
        var job = try scenario("prices: {gpu_hour: 2 USD/h, purchase: on-demand}")
        job.prices.purchase = .spot
        let error = #expect(throws: ScenarioErrors.self) { try Study.shipped().run(job) }
        let fault = try #require(error?.errors.first)
        #expect(fault.keyPath == "prices.spot_gpu_hour")
        // The key is missing, so the section that would hold it: the sixth line.
        #expect((fault.file, fault.line, fault.column) == ("small.yaml", 6, 1))
        #expect(!fault.suggestion.isEmpty)
    }

    @Test("Faults of all scenarios of a comparison come at once")
    func allFaults() throws {
        var (a, b) = (try scenario(), try scenario("prices: {gpu_hour: 2 USD/h}"))
        (a.prices.purchase, b.prices.purchase) = (.spot, .spot)
        let error = #expect(throws: ScenarioErrors.self) { try Study.shipped().compare([a, b]) }
        #expect(error?.errors.count == 2)
    }

    /// The same scenario twice, under the same draws: no difference, and none to be expected.
    @Test("A scenario compared with itself under common random numbers differs by nothing")
    func paired() throws {
        let one = try scenario("conditions: {jitter: {kernel: 5%}}")
        let answer = try Study.shipped().comparePaired(one, one, samples: 3, firstSeed: 7)
        #expect(answer.paired.difference == 0 && answer.paired.halfWidth == 0)
        #expect(answer.paired.count == 3)
        #expect(throws: Fault.self) { try Study.shipped().comparePaired(scenario(), scenario(), samples: 3, firstSeed: 7) }
    }

    @Test("A search answers with the file's own layout beside the best")
    func search() throws {
        var constraints = SearchConstraints()
        (constraints.zero, constraints.recompute, constraints.maxMicroBatch) = ([1], [.none], 1)
        let answer = try Study.shipped(jobs: 2).search(SearchQuestion(scenario(), constraints: constraints))
        let own = try #require(answer.own)
        let best = try #require(answer.ranked.first)
        #expect(best.result.step.timeS.mean <= own.result.step.timeS.mean)
        #expect(try own.json() == Study.shipped().run(scenario()).json())
        #expect(answer.refusal == nil)
        var question = SearchQuestion(try scenario())
        question.deadline = try Quantities.Duration(seconds: 1)
        let error = #expect(throws: ScenarioErrors.self) { try Study.shipped().search(question) }
        // Nothing says how long the run is; the section training stands in line 4.
        #expect(error?.errors.first.map { "\($0.keyPath) \($0.line)" } == "training.tokens 4")
    }

    @Test("An explanation weighs the constants of the run that it explains")
    func explanation() throws {
        let answer = try Study.shipped().explain(scenario())
        #expect(answer.stepS == (try Study.shipped().run(scenario()).result.step.timeS.mean))
        #expect(abs(answer.breakdown.reduce(0) { $0 + $1.seconds } / answer.stepS - 1) < 1e-9)
        #expect(answer.acting.first.map { $0.weight > 0.01 } == true)
    }
}

@Suite("A sweep is a question whose rows can be taken up again")
struct SweepStudyTests {
    @Test("Combinations, the last axis fastest; what cannot run says why")
    func rows() throws {
        var question = SweepQuestion(try ScenarioDocument(yaml: scenarioText(), file: "small.yaml"))
        question.vary = [try SweepAxis("training.global_batch=8,16"), try SweepAxis("layout.tensor=8,3")]
        let answer = try Study.shipped(jobs: 2).sweep(question.planned())
        #expect(answer.rows.map { $0.point.map(\.value).joined(separator: " ") } == ["8 8", "8 3", "16 8", "16 3"])
        #expect(answer.rows.map { $0.report == nil } == [false, true, false, true])
        #expect(answer.rows[1].reason?.contains("layout.tensor") == true)
    }

    @Test("A range needs a sample, a key stands once, zipped lists are of one length")
    func faults() throws {
        let document = try ScenarioDocument(yaml: scenarioText(), file: "small.yaml")
        func fault(_ edit: (inout SweepQuestion) throws -> Void) throws -> Fault? {
            var question = SweepQuestion(document)
            try edit(&question)
            return #expect(throws: Fault.self) { try question.planned() }
        }
        #expect(try fault { $0.vary = [try SweepAxis("training.global_batch=8..16")] }?.keyPath == "--vary")
        #expect(try fault { $0.vary = [try SweepAxis("layout.zero=1"), try SweepAxis("layout.zero=2")] }?.keyPath == "--vary")
        #expect(try fault { $0.zip = [try SweepAxis("layout.zero=1"), try SweepAxis("layout.tensor=1,2")] }?.keyPath == "--zip")
    }

    /// With flows, so that links and waits are part of what is kept.
    @Test("A journalled row gives back the whole result")
    func record() throws {
        var question = SweepQuestion(
            try ScenarioDocument(
                yaml: scenarioText("simulate: {network: flow}").replacing(
                    "gpus: 8}", with: "gpus: 16, inter_node: {link: ib-ndr-400g, nics_per_node: 8}}"),
                file: "small.yaml"))
        question.vary = [try SweepAxis("training.global_batch=16,17")]
        let sweep = try question.planned()
        let answer = try Study.shipped().sweep(sweep)
        #expect(answer.rows[0].report?.result.fabric != nil)
        for (run, row) in zip(sweep.runs, answer.rows) {
            let line = try #require(SweepRecord(row).line)
            let again = try #require(SweepRecord(line: line)?.row(of: run))
            #expect(again.report?.json() == row.report?.json())
            #expect(again.reason == row.reason)
        }
    }
}

@Suite("The C entry")
struct CEntryTests {
    @Test("A text gives what the run's JSON is, a wrong text gives its faults")
    func answers() throws {
        let text = scenarioText()
        #expect(try runToJSON(yaml: text) == Study.shipped().run(Scenario.load(yaml: text, file: "scenario.yaml")).json())
        let pointer = text.withCString { orreryRun($0) }
        let answer = try #require(pointer)
        #expect(String(cString: answer) == runToJSON(yaml: text))
        orreryFree(answer)
        let wrong = runToJSON(yaml: text.replacing("tensor: 8", with: "tensr: 8"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(wrong.utf8)) as? [String: Any])
        let errors = try #require(object["errors"] as? [[String: Any]])
        #expect(errors.first?["key"] as? String == "layout.tensr")
        #expect(errors.first?["line"] as? Int == 3)
        #expect(runToJSON(yaml: "").contains("\"errors\""))
        #expect(runToJSON(yaml: scenarioText("vary: {layout.zero: [1, 2]}")).contains("\"errors\""))
    }
}
