import Calibration
import Foundation
import Quantities
import Report
import Scenario
import Studies
import Synchronization

/// Answers questions about scenarios as they come over HTTP: who may ask (`Gate`), which question it is (`Route`), how much it may take (`Limits`).
/// Knows no sockets; whoever has them calls `answer`, from any thread.
public final class Workbench: Sendable {
    /// How much a question may take.
    public let limits: Limits
    private let settings: ServerSettings
    private let port: Atomic<Int>
    let study: Study
    let cache: AnswerCache
    let searches: SearchJobs
    let archive: String?

    /// - Parameter jobs: threads of one question.
    /// - Throws: `CalibrationError` where a data file of the program is damaged.
    public init(_ settings: ServerSettings, jobs: Int, limits: Limits = Limits()) throws(CalibrationError) {
        self.settings = settings
        port = Atomic(settings.port)
        study = try Study.shipped(jobs: jobs)
        cache = AnswerCache(bytes: limits.cached)
        searches = SearchJobs(limits: limits)
        archive = settings.archive
        self.limits = limits
    }

    private var gate: Gate { Gate(settings: settings, port: port.load(ordering: .relaxed)) }

    /// Told which port the server got, where it asked for any.
    public func listens(on port: Int) { self.port.store(port, ordering: .relaxed) }

    /// Whether the answer needs no computation, so that it need not wait for its turn.
    public func isQuick(_ ask: Ask) -> Bool {
        guard case .route(let route, _) = Route.find(ask), route.computes else { return true }
        return route.isKept && cache[route.question(ask)] != nil
    }

    /// Seconds after which whoever waits for an answer is told that there is none.
    public var patience: Double { max(limits.seconds, limits.searchSeconds) + 10 }

    /// The answer, whatever is asked; what is wrong with a question is said in it.
    public func answer(_ ask: Ask) -> Reply {
        var reply: Reply
        do { reply = try admitted(ask) } catch { reply = refusal(for: error).reply }
        for header in Gate.headers where !reply.headers.contains(where: { $0.name == header.name }) { reply.headers.append(header) }
        return reply
    }

    /// The answer to a question that cannot be taken: too long, too late, or one too many.
    public func refuse(_ status: Int, _ reason: String, suggestion: String = "") -> Reply {
        var reply = Refusal(status, reason, suggestion: suggestion).reply
        if status == 503 { reply = reply.with("retry-after", "1") }
        reply.headers += Gate.headers
        return reply
    }

    /// Ends what is at work, before the server goes.
    public func stop() { searches.stop() }

    private func admitted(_ ask: Ask) throws -> Reply {
        let gate = gate
        try gate.check(ask)
        guard ask.body.count <= limits.body else { throw Refusal(413, "the body has more than the \(limits.body) bytes that are read") }
        if gate.isLogin(ask), let token = gate.settings.token {
            return Reply(303, type: "text/plain; charset=utf-8", "").with("location", "/")
                .with("set-cookie", "\(Gate.cookie)=\(token); HttpOnly; SameSite=Strict; Path=/")
        }
        switch Route.find(ask) {
        case .none: throw Refusal(404, "there is nothing at \(ask.path.prefix(80))", suggestion: "see /api/openapi.json")
        case .otherMethods(let allowed):
            throw Refusal(405, "\(ask.path) is asked by \(allowed.joined(separator: ", "))").with("allow", allowed.joined(separator: ", "))
        case .route(let route, let parameters):
            guard route.isKept else { return try route.handle(self, ask, parameters) }
            let question = route.question(ask)
            if let kept = cache[question] { return Reply(type: route.type, bytes: kept) }
            let reply = try route.handle(self, ask, parameters)
            if reply.status == 200, case .bytes(let bytes) = reply.body { cache.keep(bytes, for: question) }
            return reply
        }
    }

    func refusal(for error: any Error) -> Refusal {
        switch error {
        case let refusal as Refusal: refusal
        case let errors as ScenarioErrors: Refusal(status: 422, errors: errors.list)
        case let fault as Fault: Refusal(422, fault.reason, suggestion: fault.suggestion, key: fault.keyPath)
        case let faults as Faults:
            Refusal(status: 422, errors: ScenarioErrors(faults.all.map { $0.atStart }).list)
        default: Refusal(500, "internal fault: \(error)")
        }
    }
}

extension ScenarioErrors {
    /// The faults without the object around them.
    var list: JSONValue {
        guard case .object(let members) = json, let first = members.first else { return .array([]) }
        return first.value
    }
}

extension Fault {
    fileprivate var atStart: ScenarioError {
        ScenarioError(file: "", line: 0, column: 0, keyPath: keyPath, reason: reason, suggestion: suggestion)
    }
}
