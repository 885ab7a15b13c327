import Quantities

/// A question as it came over the network, free of any HTTP library.
public struct Ask: Sendable {
    /// In capitals, `GET`.
    public var method: String
    /// Without query, as it came: `/api/run`.
    public var path: String
    /// What stands behind `?`, still escaped.
    public var query: String
    /// Names in lower case; `host` holds the authority.
    public var headers: [String: String]
    public var body: [UInt8]

    public init(_ method: String, _ path: String, query: String = "", headers: [String: String] = [:], body: [UInt8] = []) {
        (self.method, self.path, self.query, self.headers, self.body) = (method, path, query, headers, body)
    }
}

/// The answer to an `Ask`.
public struct Reply: Sendable {
    /// What is sent.
    public enum Body: Sendable {
        case bytes([UInt8])
        /// Server-sent events (WHATWG HTML, section 9.2), as long as there are any.
        case events(any EventSource)
    }
    public var status: Int
    /// Names in lower case.
    public var headers: [(name: String, value: String)]
    public var body: Body

    init(_ status: Int = 200, type: String, _ text: String) { self.init(status, type: type, bytes: Array(text.utf8)) }

    init(_ status: Int = 200, type: String, bytes: [UInt8]) {
        (self.status, headers, body) = (status, [("content-type", type)], .bytes(bytes))
    }

    init(events: any EventSource) {
        (status, headers, body) = (200, [("content-type", "text/event-stream; charset=utf-8")], .events(events))
    }

    static func json(_ text: String, status: Int = 200) -> Reply { Reply(status, type: "application/json; charset=utf-8", text) }
    static func json(_ value: JSONValue, status: Int = 200) -> Reply { json(value.text() + "\n", status: status) }

    /// The text of a body that is no stream of events.
    public var text: String {
        guard case .bytes(let bytes) = body else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    func with(_ name: String, _ value: String) -> Reply {
        var reply = self
        reply.headers.append((name, value))
        return reply
    }
}

/// Events that come one after another.
public protocol EventSource: Sendable {
    /// What has happened since the last call; nil where there is nothing more to come.
    func next() -> String?
}

/// Why a question has no answer: an HTTP status and every fault with its place.
struct Refusal: Error, Sendable {
    var status: Int
    var errors: JSONValue
    var headers: [(name: String, value: String)] = []

    init(_ status: Int, _ reason: String, suggestion: String = "", key: String = "") {
        self.status = status
        errors = .array([
            .object([
                ("file", .string("")), ("line", .integer(0)), ("column", .integer(0)), ("key", .string(key)), ("reason", .string(reason)),
                ("suggestion", .string(suggestion)),
            ])
        ])
    }

    init(status: Int, errors: JSONValue) { (self.status, self.errors) = (status, errors) }

    var reply: Reply {
        var reply = Reply.json(.object([("errors", errors)]), status: status)
        reply.headers += headers
        return reply
    }

    func with(_ name: String, _ value: String) -> Refusal {
        var refusal = self
        refusal.headers.append((name, value))
        return refusal
    }
}
