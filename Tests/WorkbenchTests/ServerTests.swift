import Foundation
import Quantities
import Scenario
import Synchronization
import Testing

@testable import Workbench

@Suite("Searches, queue, document")
struct ServerTests {
    @Test("a search that is not waited for tells how far it is, ends, and has an answer")
    func search() throws {
        let bench = try Bench()
        let started = try bench.post(
            "/api/search", ["scenario": Bench.scenario, "time_budget": 20, "exhaustive": 0, "recompute": ["none"], "wait": false])
        #expect(started.status == 202)
        let id = try #require(started.object["id"] as? String)
        guard case .events(let events) = bench.get("/api/search/\(id)/events").body else {
            Issue.record("no events")
            return
        }
        var text = ""
        let end = Date(timeIntervalSinceNow: 60)
        while let part = events.next(), Date() < end {
            text += part
            usleep(10_000)
        }
        #expect(text.contains("event: end\n"))
        let found = bench.get("/api/search/\(id)/result")
        #expect(found.status == 200)
        #expect((found.object["ranked"] as? [Any])?.isEmpty == false)
        #expect(bench.get("/api/search/\(id)").object["state"] as? String == "done")
        #expect(bench.get("/api/search/nobody").status == 404)
        let waited = try bench.post("/api/search", ["scenario": Bench.scenario, "time_budget": 20, "exhaustive": 0, "recompute": ["none"]])
        #expect(waited.status == 200)
        #expect(waited.object["best"] is [String: Any])
    }

    @Test("a search can be cancelled, and too many are turned away")
    func cancel() throws {
        var limits = Limits()
        limits.searches = 1
        let bench = try Bench(limits: limits)
        let large = Bench.scenario.replacing("cluster: {preset: a100-node}", with: "cluster: {gpu: a100-sxm-80gb, gpus: 1024}").replacing(
            "global_batch: 16", with: "global_batch: 4096")
        let id = try #require(try bench.post("/api/search", ["scenario": large, "wait": false]).object["id"] as? String)
        #expect(try bench.post("/api/search", ["scenario": large, "wait": false]).status == 503)
        #expect(bench.ask("DELETE", "/api/search/\(id)").status == 200)
        let end = Date(timeIntervalSinceNow: 60)
        while bench.get("/api/search/\(id)").object["state"] as? String == "running", Date() < end { usleep(20_000) }
        #expect(bench.get("/api/search/\(id)").object["state"] as? String == "cancelled")
        bench.workbench.stop()
    }

    @Test("the queue runs everything it takes, on no more threads than it has, and turns the rest away")
    func queue() {
        let queue = WorkQueue(threads: 2, waiting: 3)
        let gate = DispatchSemaphore(value: 0)
        let now = Atomic(0)
        let most = Atomic(0)
        let done = Atomic(0)
        var taken = 0
        for _ in 0..<10 {
            if queue.submit({
                let running = now.add(1, ordering: .relaxed).newValue
                most.max(running, ordering: .relaxed)
                gate.wait()
                now.subtract(1, ordering: .relaxed)
                done.add(1, ordering: .relaxed)
            }) {
                taken += 1
            }
        }
        #expect(taken == 5)
        let end = Date(timeIntervalSinceNow: 60)
        while now.load(ordering: .relaxed) < 2, Date() < end { usleep(1000) }
        for _ in 0..<taken { gate.signal() }
        while done.load(ordering: .relaxed) < taken, Date() < end { usleep(1000) }
        #expect(done.load(ordering: .relaxed) == 5)
        // A busy machine may start the second thread late.
        #expect((1...2).contains(most.load(ordering: .relaxed)))
        #expect(queue.submit {})
    }

    @Test("the OpenAPI document has every route with its members, and nothing else")
    func openAPI() throws {
        let document = try Bench().get("/api/openapi.json").object
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        #expect(
            Set(paths.flatMap { path, methods in methods.keys.map { "\($0.uppercased()) \(path)" } })
                == Set(Route.all.map { "\($0.method) \($0.path)" }))
        for path in ["/", "/api/run", "/api/compare", "/api/sweep", "/api/search", "/api/catalogue", "/api/openapi.json"] {
            #expect(paths[path] != nil, "\(path)")
        }
        for route in Route.all where route.members != nil {
            let operation = try #require(paths[route.path]?[route.method.lowercased()] as? [String: Any])
            let content = (operation["requestBody"] as? [String: Any])?["content"] as? [String: [String: Any]]
            let schema = content?["application/json"]?["schema"] as? [String: Any]
            #expect(Set((schema?["properties"] as? [String: Any])?.keys.map(\.self) ?? []) == Set(route.members?.map(\.name) ?? []))
        }
    }

    @Test("settings and arguments of the server are the same thing twice")
    func arguments() throws {
        var settings = ServerSettings()
        (settings.host, settings.port, settings.opens, settings.token) = ("0.0.0.0", 0, false, "abcdefgh12")
        #expect(
            try ServerSettings(arguments: settings.arguments, environment: ["ORRERY_TOKEN": "abcdefgh12", "ORRERY_ARCHIVE": "off"])
                == settings)
        #expect(settings.address(port: 80) == "http://127.0.0.1:80/?token=abcdefgh12")
        #expect(throws: Fault.self) { try ServerSettings(arguments: ["--port", "x"], environment: [:]) }
        #expect(throws: Fault.self) { try ServerSettings(arguments: ["--port", "70000"], environment: [:]) }
        #expect(throws: Fault.self) { try ServerSettings(arguments: ["--what", "x"], environment: [:]) }
    }

    /// What is edited line by line must say what is edited as a tree.
    @Test(
        "an edited scenario says what was asked and keeps its comments where it can",
        arguments: [
            (["layout.zero=1"], [], true), (["layout.tensor=2"], [], true), (["model.preset=llama3-8b"], [], true),
            (["layout.overlap.tensor=true"], [], false), (["simulate.seed=3"], [], false), ([], ["layout.zero"], false),
            (["training.global_batch=32", "layout.pipeline=2"], [], true),
            (["training.precision={compute: bf16, gradients: fp32}"], [], false),
        ] as [([String], [String], Bool)])
    func edits(_ settings: [String], _ removed: [String], keepsComments: Bool) throws {
        let document = try ScenarioDocument(confined: Bench.scenario, name: "a")
        let text = try document.edited(Bench.scenario, settings, removing: removed)
        let again = try ScenarioDocument(confined: text, name: "a")
        #expect(
            again.values.map { "\($0.key)=\($0.value)" }.sorted()
                == (try document.laying(settings, removing: removed)).values.map { "\($0.key)=\($0.value)" }.sorted())
        #expect(text.contains("# of Meta") == keepsComments, "\(text)")
    }
}
