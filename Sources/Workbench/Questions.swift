import Planner
import Quantities
import Report
import Scenario
import Studies

extension Route {
    /// Questions that are computed while the caller waits.
    static let questions: [Route] = [
        Route(
            method: "POST", path: "/api/run", summary: "How long, how much, does it fit? The bytes of orrery run --json.",
            members: SentScenario.members + [.seed, samples],
            answer: "The result (docs/definitions.md); \"valid\": false where it does not fit.",
            failures: [422], computes: true, isKept: true, handle: { workbench, ask, _ in try workbench.run(ask) }),
        Route(
            method: "POST", path: "/api/view",
            summary:
                "What the page shows of a run: its result, the pictures' numbers, and the scenario's text with the settings written into it.",
            members: SentScenario.members + [.seed, removed], answer: "result, picture, yaml, values; or errors beside yaml and values.",
            failures: [422], computes: true, isKept: true, handle: { workbench, ask, _ in try workbench.view(ask) }),
        Route(
            method: "POST", path: "/api/explain", summary: "What does the prediction rest on? The bytes of orrery explain --json.",
            members: SentScenario.members, answer: "Constants by weight.", failures: [422], computes: true, isKept: true,
            handle: { workbench, ask, _ in try workbench.explain(ask) }),
        Route(
            method: "POST", path: "/api/report", summary: "The page of orrery run --report, complete in one file.",
            members: SentScenario.members + [.seed], answer: "HTML, to be saved.", type: "text/html; charset=utf-8", failures: [422],
            computes: true, handle: { workbench, ask, _ in try workbench.report(ask) }),
        Route(
            method: "POST", path: "/api/compare", summary: "How do scenarios differ? The bytes of orrery compare --json.",
            members: [
                Member(
                    name: "scenarios", kind: .texts, meaning: "Scenarios (YAML), or one with vary or zip.", example: "[\"model: ...\"]",
                    isRequired: true),
                .name, .set, .seed,
            ], answer: "A list of results.", failures: [422], computes: true, isKept: true,
            handle: { workbench, ask, _ in try workbench.compare(ask) }),
        Route(
            method: "POST", path: "/api/sweep", summary: "What do keys do to a run? The bytes of orrery sweep --json.",
            members: SentScenario.members + [
                .seed, Member(name: "vary", kind: .texts, meaning: "Keys with values, as --vary.", example: "[\"layout.tensor=1,2,4,8\"]"),
                Member(name: "zip", kind: .texts, meaning: "Keys whose values go together, as --zip.", example: "[\"layout.tensor=1,2\"]"),
                Member(
                    name: "scaling", kind: .choice(SweepScaling.allCases.map(\.rawValue)), meaning: "A scaling study over cluster.gpus.",
                    example: "strong"),
                Member(
                    name: "sample", kind: .choice(SampleDesign.Kind.allCases.map(\.rawValue)), meaning: "Points drawn from ranges.",
                    example: "sobol"), Member(name: "samples", kind: .whole, meaning: "Points of a sample.", example: "64"),
                Member(
                    name: "response", kind: .choice(SweepResponse.allCases.map(\.rawValue)), meaning: "What a sample explains.",
                    example: "step_time"),
            ], answer: "axes and runs.", failures: [422], computes: true, isKept: true,
            handle: { workbench, ask, _ in try workbench.sweep(ask) }),
    ]

    private static let samples = Member(
        name: "samples", kind: .whole, meaning: "Monte-Carlo runs of a scenario with failures and the like, as --samples.", example: "1000")
    private static let removed = Member(
        name: "remove", kind: .texts, meaning: "Key paths that are taken out of the scenario.", example: "[\"layout.virtual\"]")
}

extension Workbench {
    /// The members of a question that was found by its route.
    func members(_ ask: Ask) throws(Refusal) -> Members {
        guard case .route(let route, _) = Route.find(ask) else { throw Refusal(404, "no such question") }
        return try Members(ask.body, of: route.members ?? [])
    }

    /// A study that gives up when time is over, and the clock to see that it did.
    func timed() -> (study: Study, deadline: Deadline) {
        let deadline = Deadline(seconds: limits.seconds)
        var study = study
        study.isStopped = { deadline.isOver }
        return (study, deadline)
    }

    /// Asks; an answer of which time was up is none, as it holds less than it should.
    func ask<Answer>(_ body: (Study, Deadline) throws -> Answer) throws -> Answer {
        let (study, deadline) = timed()
        let answer: Answer
        do { answer = try body(study, deadline) } catch {
            if error is ScenarioErrors || error is Fault { try deadline.check() }
            throw error
        }
        try deadline.check()
        return answer
    }

    func run(_ ask: Ask) throws -> Reply {
        let members = try members(ask)
        var scenario = try SentScenario(members).one()
        scenario.settings.seed = try members.whole("seed", 0...Int.max).map(UInt64.init) ?? scenario.settings.seed
        scenario.settings.timeline = false
        scenario.runSamples = try members.whole("samples", 1...20_000)
        let given = scenario
        return .json(try self.ask { study, _ in try study.run(given).json() })
    }

    func explain(_ ask: Ask) throws -> Reply {
        let scenario = try SentScenario(members(ask)).one()
        return .json(try self.ask { study, _ in try study.explain(scenario).json.text() + "\n" })
    }

    func report(_ ask: Ask) throws -> Reply {
        let members = try members(ask)
        var scenario = try SentScenario(members).one()
        scenario.settings.seed = try members.whole("seed", 0...Int.max).map(UInt64.init) ?? scenario.settings.seed
        let given = scenario
        let page = try self.ask { study, _ in RunAnswer.html(of: [try study.run(given)]) }
        // The page's code stands in it, which is right for a file and not here: it is saved, never shown.
        return Reply(type: "text/html; charset=utf-8", page).with("content-disposition", "attachment; filename=\"report.html\"")
    }

    func compare(_ ask: Ask) throws -> Reply {
        let members = try members(ask)
        let texts = try members.texts("scenarios", atMost: limits.compared)
        let seed = try members.whole("seed", 0...Int.max).map(UInt64.init)
        var scenarios: [Scenario] = []
        for text in texts {
            let sent = try SentScenario(members, text: text)
            scenarios += try Scenario.points(of: sent.document, overrides: sent.settings)
            try atMost(limits.compared, scenarios.count, "scenarios of a comparison")
        }
        guard scenarios.count > 1 else {
            throw Refusal(422, "there is one run and nothing to compare it with", suggestion: "send another scenario, or vary a key in it")
        }
        for index in scenarios.indices {
            scenarios[index].settings.seed = seed ?? scenarios[index].settings.seed
            scenarios[index].settings.timeline = false
        }
        let given = scenarios
        return .json(try self.ask { study, _ in RunAnswer.json(of: try study.compare(given)) })
    }

    func sweep(_ ask: Ask) throws -> Reply {
        let members = try members(ask)
        let sent = try SentScenario(members)
        var question = SweepQuestion(sent.document)
        question.overrides = sent.settings
        question.vary = try members.texts("vary", atMost: 20).map { try SweepAxis($0, option: "vary") }
        question.zip = try members.texts("zip", atMost: 20).map { try SweepAxis($0, option: "zip") }
        question.scaling = try members.choice("scaling", SweepScaling.self)
        question.seed = try members.whole("seed", 0...Int.max).map(UInt64.init)
        let count = try members.whole("samples", 1...100_000) ?? 64
        let response = try members.choice("response", SweepResponse.self) ?? .stepTime
        question.sample = try members.choice("sample", SampleDesign.Kind.self).map { SweepSample($0, count: count, response: response) }
        // Before the runs are made, which takes time of its own.
        let points = (question.vary + question.zip.prefix(1)).reduce(1.0) { $0 * Double(max(1, $1.values.count)) }
        let drawn = question.sample.map { Double($0.count * (question.vary.count + 2)) }
        try atMost(limits.swept, Int(min(1e9, drawn ?? points)), "runs of a sweep")
        let planned = try question.planned()
        try atMost(limits.swept, planned.runs.count, "runs of a sweep")
        guard planned.runs.count > 1 else {
            throw Refusal(422, "nothing varies", suggestion: "send \"vary\": [\"layout.tensor=1,2,4\"]", key: "vary")
        }
        return .json(try self.ask { study, deadline in study.sweep(planned, until: { deadline.isOver }).json.text() + "\n" })
    }

    private func atMost(_ limit: Int, _ count: Int, _ what: String) throws(Refusal) {
        guard count <= limit else {
            throw Refusal(422, "there are \(count) \(what), more than the \(limit) that are taken here", suggestion: "use the command line")
        }
    }

    var about: JSONValue {
        .object([
            ("version", .string(programVersion)), ("archive", .bool(archive != nil)),
            (
                "limits",
                .object([
                    ("body_bytes", .integer(limits.body)), ("seconds", .number(limits.seconds)),
                    ("search_seconds", .number(limits.searchSeconds)), ("compared", .integer(limits.compared)),
                    ("swept", .integer(limits.swept)),
                    ("searches", .integer(limits.searches)),
                ])
            ),
        ])
    }
}
