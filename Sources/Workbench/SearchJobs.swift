import Dispatch
import Foundation
import Planner
import Quantities
import Scenario
import Studies
import Synchronization

/// A search that goes on while the page shows how far it is.
final class SearchJob: Sendable {
    enum State: Sendable {
        case running
        /// The document, whether all of it or what was found until it was cancelled.
        case done(String)
        case failed(Refusal)
    }
    struct Progress: Sendable {
        var state = State.running
        /// Of the bounds, per cent.
        var closed = 0
        var isCancelled = false
        var started = ContinuousClock.now
    }
    let id: String
    let progress = Mutex(Progress())

    init(id: String) { self.id = id }

    var isRunning: Bool {
        progress.withLock { if case .running = $0.state { true } else { false } }
    }

    func cancel() { progress.withLock { $0.isCancelled = true } }

    var json: JSONValue {
        progress.withLock { progress in
            var members: [(key: String, value: JSONValue)] = [("id", .string(id))]
            switch progress.state {
            case .running: members.append(("state", .string("running")))
            case .done: members.append(("state", .string(progress.isCancelled ? "cancelled" : "done")))
            case .failed(let refusal): members += [("state", .string("failed")), ("errors", refusal.errors)]
            }
            return .object(
                members + [
                    ("closed_percent", .integer(progress.closed)), ("events", .string("/api/search/\(id)/events")),
                    ("result", .string("/api/search/\(id)/result")),
                ])
        }
    }
}

/// The events of one search for one listener: `progress` when something has changed, and the state by its name at the end.
private final class SearchEvents: EventSource {
    private let job: SearchJob
    private let last = Mutex<(text: String, isOver: Bool)>(("", false))
    init(_ job: SearchJob) { self.job = job }

    func next() -> String? {
        let isOver = !job.isRunning
        let text = job.json.text(.compact)
        return last.withLock { last in
            if last.isOver { return nil }
            guard text != last.text || isOver else { return "" }
            last = (text, isOver)
            return "event: \(isOver ? "end" : "progress")\ndata: \(text)\n\n"
        }
    }
}

/// The searches of a server, oldest first.
final class SearchJobs: Sendable {
    private let limits: Limits
    private let jobs = Mutex<[SearchJob]>([])
    init(limits: Limits) { self.limits = limits }

    /// - Throws: `Refusal` with 503 where enough are at work.
    func start(_ work: @escaping @Sendable (SearchJob) throws -> String, refusal: @escaping @Sendable (any Error) -> Refusal)
        throws(Refusal) -> SearchJob
    {
        let limits = limits
        let started = jobs.withLock { jobs -> SearchJob? in
            guard jobs.count(where: \.isRunning) < limits.searches else { return nil }
            while jobs.count >= limits.keptSearches, let old = jobs.firstIndex(where: { !$0.isRunning }) { jobs.remove(at: old) }
            let job = SearchJob(id: UUID().uuidString.lowercased())
            jobs.append(job)
            return job
        }
        guard let job = started else {
            throw Refusal(503, "\(limits.searches) searches are at work", suggestion: "wait for one to end, or cancel it").with(
                "retry-after", "5")
        }
        DispatchQueue.global().async {
            let state: SearchJob.State
            do { state = .done(try work(job)) } catch { state = .failed(refusal(error)) }
            job.progress.withLock { $0.state = state }
        }
        return job
    }

    /// - Throws: `Refusal` with 404.
    func find(_ id: String?) throws(Refusal) -> SearchJob {
        guard let job = jobs.withLock({ $0.first { $0.id == id } }) else {
            throw Refusal(404, "there is no such search", suggestion: "it may have been long ago: the last \(limits.keptSearches) are kept")
        }
        return job
    }

    func stop() { for job in jobs.withLock({ $0 }) { job.cancel() } }
}

extension Route {
    private static let searchMembers: [Member] =
        SentScenario.members + [
            Member(
                name: "objective", kind: .choice(Objective.Kind.allCases.map(\.rawValue)), meaning: "What is made small.", example: "time"),
            Member(name: "time_budget", kind: .number, meaning: "Seconds after which the best so far is the answer.", example: "10"),
            Member(name: "memory", kind: .number, meaning: "Most memory on a GPU, GB.", example: "72"),
            Member(name: "deadline", kind: .text, meaning: "Longest time for the whole run.", example: "30 days"),
            Member(name: "budget", kind: .text, meaning: "Most that the whole run may cost.", example: "2 MUSD"),
            Member(name: "batch", kind: .whole, meaning: "Global batch, in place of the scenario's.", example: "1024"),
            Member(name: "schedules", kind: .texts, meaning: "Schedules to try, or all.", example: "[\"1f1b\"]"),
            Member(name: "recompute", kind: .texts, meaning: "Recomputation to try, or all.", example: "[\"none\", \"selective\"]"),
            Member(
                name: "exhaustive", kind: .whole, meaning: "Also simulate everything in spaces of at most so many layouts.", example: "500"),
            Member(
                name: "wait", kind: .flag, meaning: "false: answer 202 at once with the address of the events and of the answer.",
                example: "false"),
        ]

    static let searchRoutes: [Route] = [
        Route(
            method: "POST", path: "/api/search",
            summary: "Which layout is best? The bytes of orrery search --json, but for the seconds it took.",
            members: searchMembers, answer: "The ranked layouts; with \"wait\": false the search's state.", failures: [202, 422],
            computes: true,
            handle: { workbench, ask, _ in try workbench.search(ask) }),
        Route(
            method: "GET", path: "/api/search/{id}", summary: "How far is a search?", answer: "Its state.", failures: [404],
            handle: { workbench, _, parameters in .json(try workbench.searches.find(parameters["id"]).json) }),
        Route(
            method: "GET", path: "/api/search/{id}/events", summary: "Events of a search: progress, and end with its state.",
            answer: "A stream of events.", type: "text/event-stream; charset=utf-8", failures: [404],
            handle: { workbench, _, parameters in Reply(events: SearchEvents(try workbench.searches.find(parameters["id"]))) }),
        Route(
            method: "GET", path: "/api/search/{id}/result", summary: "What a search found.", answer: "As POST /api/search.",
            failures: [404, 409],
            handle: { workbench, _, parameters in
                switch try workbench.searches.find(parameters["id"]).progress.withLock({ $0.state }) {
                case .running: throw Refusal(409, "the search is still at work")
                case .done(let text): return .json(text)
                case .failed(let refusal): throw refusal
                }
            }),
        Route(
            method: "DELETE", path: "/api/search/{id}", summary: "Ends a search; what it found so far is its result.", answer: "Its state.",
            failures: [404],
            handle: { workbench, _, parameters in
                let job = try workbench.searches.find(parameters["id"])
                job.cancel()
                return .json(job.json)
            }),
    ]
}

extension Workbench {
    func search(_ ask: Ask) throws -> Reply {
        let members = try members(ask)
        let batch = try members.whole("batch", 1...1_000_000_000)
        let sent = try SentScenario(members)
        let settings = sent.settings + (batch.map { ["training.global_batch=\($0)"] } ?? [])
        let scenario = try SentScenario.single(Scenario.loadAnyLayout(sent.document, overrides: settings))
        let question = try question(scenario, members)
        var search = SearchSettings()
        search.exhaustiveLimit = try members.whole("exhaustive", 0...2_000) ?? 500
        search.refined = search.keep
        if let seconds = try members.number("time_budget") {
            guard seconds >= 0 else { throw Refusal(400, "seconds, zero or more, are expected", key: "time_budget") }
            search.seconds = min(seconds, limits.searchSeconds)
        }
        let (given, limit, base) = (search, limits.searchSeconds, study)
        let job = try searches.start(
            { job in
                let deadline = Deadline(seconds: limit)
                var settings = given
                settings.isInterrupted = { deadline.isOver || job.progress.withLock { $0.isCancelled } }
                let study = Study(data: base.data, jobs: base.jobs) { closed, _ in job.progress.withLock { $0.closed = closed } }
                return try study.search(question, settings: settings).json.text() + "\n"
            }, refusal: { self.refusal(for: $0) })
        if try members.flag("wait") == false { return .json(job.json, status: 202).with("location", "/api/search/\(job.id)") }
        while job.isRunning { usleep(2_000) }
        switch job.progress.withLock({ $0.state }) {
        case .done(let text): return .json(text)
        case .failed(let refusal): throw refusal
        case .running: throw Refusal(500, "the search ended without an answer")
        }
    }

    private func question(_ scenario: Scenario, _ members: Members) throws -> SearchQuestion {
        let memory = try members.number("memory")
        if let memory, memory <= 0 { throw Refusal(400, "gigabytes above zero are expected", key: "memory") }
        let constraints = try SearchConstraints(
            memory: memory, schedules: members.texts("schedules", atMost: 40), recompute: members.texts("recompute", atMost: 40))
        var question = SearchQuestion(
            scenario, objective: try members.choice("objective", Objective.Kind.self) ?? .time, constraints: constraints)
        question.deadline = try quantity("deadline", members)
        question.budget = try quantity("budget", members)
        if let deadline = question.deadline, deadline.seconds <= 0 { throw Refusal(400, "a time above zero is expected", key: "deadline") }
        if let budget = question.budget, budget.dollars <= 0 { throw Refusal(400, "an amount above zero is expected", key: "budget") }
        return question
    }

    private func quantity<Value: Quantity>(_ key: String, _ members: Members) throws -> Value? {
        guard let text = try members.text(key) else { return nil }
        do { return try Value(parsing: text) } catch { throw Refusal(400, "\(error)", key: key) }
    }
}
