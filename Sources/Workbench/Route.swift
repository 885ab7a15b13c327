import Quantities

/// One thing that can be asked: where, with which members, and what answers it. The OpenAPI document is made from these, so that it cannot say
/// anything else than the code.
struct Route: Sendable {
    typealias Handler = @Sendable (Workbench, Ask, _ parameters: [String: String]) throws -> Reply
    var method: String
    /// Words in braces stand for anything: `/api/search/{id}`.
    var path: String
    var summary: String
    /// Of the JSON body; nil where there is none.
    var members: [Member]?
    /// What a good answer holds.
    var answer: String
    var type = "application/json; charset=utf-8"
    var status = 200
    /// Statuses beside that of a good answer and those that any question may have.
    var failures: [Int] = []
    /// Whether it has to wait for its turn.
    var computes = false
    /// Whether the same body always has the same answer.
    var isKept = false
    var handle: Handler

    enum Found {
        case none
        case otherMethods([String])
        case route(Route, [String: String])
    }

    /// HEAD is asked as GET is.
    static func find(_ ask: Ask) -> Found {
        let method = ask.method == "HEAD" ? "GET" : ask.method
        var allowed: [String] = []
        for route in all {
            guard let parameters = route.match(ask.path) else { continue }
            if route.method == method { return .route(route, parameters) }
            allowed.append(route.method)
        }
        return allowed.isEmpty ? .none : .otherMethods(allowed)
    }

    /// What an answer is kept under.
    func question(_ ask: Ask) -> [UInt8] { Array(path.utf8) + [0] + ask.body }

    private func match(_ path: String) -> [String: String]? {
        let (mine, theirs) = (self.path.split(separator: "/"), path.split(separator: "/", omittingEmptySubsequences: false).dropFirst())
        if self.path == "/" { return path == "/" ? [:] : nil }
        guard mine.count == theirs.count else { return nil }
        var parameters: [String: String] = [:]
        for (mine, theirs) in zip(mine, theirs) {
            if mine.hasPrefix("{"), mine.hasSuffix("}") {
                parameters[String(mine.dropFirst().dropLast())] = String(theirs)
            } else if mine != theirs {
                return nil
            }
        }
        return parameters
    }

    static let all: [Route] = pages + questions + searchRoutes + archiveRoutes + tables
}

extension Route {
    /// What is shown and listed without computation.
    fileprivate static let tables: [Route] = [
        Route(
            method: "GET", path: "/api/catalogue",
            summary: "Names that a scenario may use, with numbers and sources: orrery catalogue --json.",
            answer: "Tables by name.", handle: { _, _, _ in .json(try Catalogues.shared.get().all) }),
        Route(
            method: "GET", path: "/api/catalogue/{section}", summary: "One table of the catalogue: orrery catalogue SECTION --json.",
            answer: "Rows.", failures: [404],
            handle: { _, _, parameters in
                let section = parameters["section"] ?? ""
                guard let text = try Catalogues.shared.get().sections[section] else {
                    throw Refusal(404, "there is no table \"\(section.prefix(40))\"", suggestion: "known: \(Catalogues.names)")
                }
                return .json(text)
            }),
        Route(
            method: "GET", path: "/api/keys", summary: "Every key that a scenario may hold: orrery scenario-keys --json.",
            answer: "Keys with type, default and meaning.", handle: { _, _, _ in .json(Catalogues.keys) }),
        Route(
            method: "GET", path: "/api/presets", summary: "Scenarios to start from: published runs.",
            answer: "Name, title and YAML of each.",
            handle: { _, _, _ in .json(Presets.json) }),
        Route(
            method: "GET", path: "/api/version", summary: "The program's version, and what a question may take.",
            answer: "Version and limits.",
            handle: { workbench, _, _ in .json(workbench.about) }),
        Route(
            method: "GET", path: "/api/openapi.json", summary: "This document (OpenAPI 3.1).", answer: "The document.",
            handle: { _, _, _ in .json(OpenAPI.document) }),
    ]

    fileprivate static let pages: [Route] = PageFile.all.map { file in
        Route(
            method: "GET", path: file.path, summary: "Part of the page.", answer: "The file.", type: file.type,
            handle: { _, _, _ in Reply(type: file.type, bytes: file.bytes()) })
    }
}
