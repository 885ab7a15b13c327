import Foundation
import Quantities
import Report
import Scenario
import Studies
import Testing

@testable import Workbench

@Suite("Questions over HTTP are those of the command line")
struct QuestionTests {
    private func study() throws -> Study { try .shipped(jobs: 2) }
    private func scenario(_ overrides: [String] = []) throws -> Scenario {
        var scenario = try Scenario.load(yaml: Bench.scenario, file: "scenario.yaml", overrides: overrides)
        scenario.settings.timeline = false
        return scenario
    }

    @Test("run answers the bytes of orrery run --json, again from what is kept")
    func run() throws {
        let bench = try Bench()
        let expected = try study().run(scenario(["layout.zero=2"])).json()
        for _ in 0..<2 {
            let reply = try bench.post("/api/run", ["scenario": Bench.scenario, "set": ["layout.zero=2"]])
            #expect(reply.status == 200)
            #expect(reply.text == expected)
        }
        #expect(expected.contains("\"scenario\": \"scenario\""))
        let named = try bench.post("/api/run", ["scenario": Bench.scenario, "name": "job", "seed": 7])
        #expect(named.object["scenario"] as? String == "job")
        #expect(named.object["seed"] as? Int == 7)
    }

    @Test("a job that does not fit is an answer, not a fault")
    func unfit() throws {
        let reply = try Bench().post("/api/run", ["scenario": Bench.scenario, "set": ["layout.zero=0"]])
        #expect(reply.status == 200)
        #expect(reply.object["valid"] as? Bool == false)
    }

    @Test("compare and sweep answer the bytes of the command line")
    func several() throws {
        let bench = try Bench()
        let varied = Bench.scenario + "vary: {training.micro_batch: [1, 2]}\n"
        var points = try Scenario.points(of: ScenarioDocument(yaml: varied, file: "scenario.yaml"))
        for index in points.indices { points[index].settings.timeline = false }
        #expect(try bench.post("/api/compare", ["scenarios": [varied]]).text == RunAnswer.json(of: study().compare(points)))
        #expect(try bench.post("/api/compare", ["scenarios": [Bench.scenario]]).status == 422)

        var question = SweepQuestion(try ScenarioDocument(yaml: Bench.scenario, file: "scenario.yaml"))
        question.vary = [try SweepAxis("layout.zero=1,3")]
        let expected = try study().sweep(question.planned()).json.text() + "\n"
        #expect(try bench.post("/api/sweep", ["scenario": Bench.scenario, "vary": ["layout.zero=1,3"]]).text == expected)
    }

    @Test("a view has the result, the text with the setting in its line, and what the text says key by key")
    func view() throws {
        let bench = try Bench()
        let reply = try bench.post("/api/view", ["scenario": Bench.scenario, "set": ["layout.zero=2", "layout.tensor=2"]])
        #expect(reply.status == 200)
        let yaml = try #require(reply.object["yaml"] as? String)
        #expect(yaml == Bench.scenario.replacing("  zero: 3", with: "  tensor: 2\n  zero: 2"))
        let values = try #require(reply.object["values"] as? [String: String])
        #expect(values["layout.zero"] == "2" && values["model.preset"] == "llama2-7b")
        #expect((reply.object["picture"] as? [String: Any])?["timeline"] is [String: Any])
        let wrong = try bench.post("/api/view", ["scenario": Bench.scenario, "set": ["layout.tensor=3"]])
        #expect(wrong.status == 422)
        #expect((wrong.object["values"] as? [String: String])?["layout.tensor"] == "3")
        #expect(wrong.errors.first?["key"] as? String == "layout.tensor")
    }

    @Test("faults come with their place, and are never internal")
    func faults() throws {
        let bench = try Bench()
        let reply = try bench.post("/api/run", ["scenario": Bench.scenario.replacing("zero: 3", with: "zeroo: 3")])
        #expect(reply.status == 422)
        #expect(reply.errors.first?["line"] as? Int == 5)
        #expect(reply.errors.first?["column"] as? Int == 3)
        #expect((reply.errors.first?["suggestion"] as? String)?.contains("zero") == true)
        for (body, status) in [
            ("", 400), ("[]", 400), ("{\"scenario\": 1}", 400), ("{}", 400), ("{\"scenarioo\": \"\"}", 400), ("{\"scenario\": \"\"}", 422),
            ("{\"scenario\": \"[[[[[\"}", 422), ("{\"scenario\": \"a: 1\", \"name\": \"../x\"}", 400),
            ("{\"scenario\": \"a: 1\", \"set\": [3]}", 400),
        ] {
            let reply = try bench.post("/api/run", body)
            #expect(reply.status == status, "\(body): \(reply.text)")
            #expect(!reply.errors.isEmpty)
        }
        #expect(bench.get("/api/nothing").status == 404)
        #expect(bench.get("/../../etc/passwd").status == 404)
        #expect(bench.get("/api/run").status == 405)
        #expect(bench.get("/api/run")["allow"] == "POST")
    }

    @Test("more than a question may take is refused before it is computed")
    func limits() throws {
        var limits = Limits()
        limits.body = 2000
        limits.swept = 3
        limits.compared = 2
        let bench = try Bench(limits: limits)
        #expect(try bench.post("/api/run", ["scenario": String(repeating: "#", count: 3000)]).status == 413)
        #expect(try bench.post("/api/sweep", ["scenario": Bench.scenario, "vary": ["layout.zero=0,1,2,3"]]).status == 422)
        #expect(try bench.post("/api/compare", ["scenarios": ["a: 1", "a: 1", "a: 1"]]).status == 400)
        limits.seconds = 0
        let slow = try Bench(limits: limits)
        #expect(try slow.post("/api/run", ["scenario": Bench.scenario]).status == 503)
    }

    @Test("the catalogue, the keys and the presets are those of the program")
    func tables() throws {
        let bench = try Bench()
        #expect(bench.get("/api/catalogue").text == (try CatalogueSection.json(nil)) + "\n")
        #expect(bench.get("/api/catalogue/gpus").text == (try CatalogueSection.json(.gpus)) + "\n")
        #expect(bench.get("/api/catalogue/nothing").status == 404)
        #expect(bench.get("/api/keys").text == SchemaEntry.json(Scenario.schema) + "\n")
        for preset in Presets.all {
            let text = String(decoding: preset.text, as: UTF8.self)
            #expect(throws: Never.self, "\(preset.name)") {
                _ = try Scenario.load(ScenarioDocument(confined: text, name: preset.name))
            }
        }
    }
}
