import Quantities
import Studies

/// The OpenAPI document (3.1.0), made from the routes.
enum OpenAPI {
    static let document: JSONValue = .object([
        ("openapi", .string("3.1.0")),
        (
            "info",
            .object([
                ("title", .string("Orrery")), ("version", .string(programVersion)),
                (
                    "description",
                    .string("Predicts what a training job does on a cluster. Answers are those of the command line, byte for byte.")
                ),
            ])
        ), ("paths", .object(paths)),
        (
            "components",
            .object([
                ("schemas", .object([("Errors", errors)])),
                ("securitySchemes", .object([("token", .object([("type", .string("http")), ("scheme", .string("bearer"))]))])),
            ])
        ), ("security", .array([.object([]), .object([("token", .array([]))])])),
    ])

    private static var paths: [(key: String, value: JSONValue)] {
        var keys: [String] = []
        for route in Route.all where !keys.contains(route.path) { keys.append(route.path) }
        return keys.map { path in
            (path, .object(Route.all.filter { $0.path == path }.map { ($0.method.lowercased(), operation($0)) }))
        }
    }

    /// Of any question: who may not ask, and what is not understood.
    private static func failures(_ route: Route) -> [Int] {
        var all = Set(route.failures + [400, 401, 403, 413, 421])
        if route.computes { all.insert(503) }
        return all.sorted()
    }

    private static func operation(_ route: Route) -> JSONValue {
        var fields: [(key: String, value: JSONValue)] = [("summary", .string(route.summary))]
        let words = route.path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
        if !words.isEmpty {
            fields.append(
                (
                    "parameters",
                    .array(
                        words.map {
                            .object([
                                ("name", .string($0)), ("in", .string("path")), ("required", .bool(true)),
                                ("schema", .object([("type", .string("string"))])),
                            ])
                        })
                ))
        }
        if let members = route.members { fields.append(("requestBody", body(members))) }
        var responses: [(key: String, value: JSONValue)] = [
            (
                "\(route.status)",
                .object([("description", .string(route.answer)), ("content", .object([(mediaType(route.type), .object([]))]))])
            )
        ]
        for status in failures(route) {
            let content: JSONValue =
                status < 300 ? .object([]) : .object([("schema", .object([("$ref", .string("#/components/schemas/Errors"))]))])
            responses.append(
                (
                    "\(status)",
                    .object([("description", .string(explanation(of: status))), ("content", .object([("application/json", content)]))])
                ))
        }
        fields.append(("responses", .object(responses)))
        return .object(fields)
    }

    private static func mediaType(_ type: String) -> String { String(type.prefix { $0 != ";" }) }

    private static func body(_ members: [Member]) -> JSONValue {
        .object([
            ("required", .bool(true)),
            (
                "content",
                .object([
                    (
                        "application/json",
                        .object([
                            (
                                "schema",
                                .object([
                                    ("type", .string("object")), ("additionalProperties", .bool(false)),
                                    ("required", .array(members.filter(\.isRequired).map { .string($0.name) })),
                                    ("properties", .object(members.map { ($0.name, schema($0)) })),
                                ])
                            )
                        ])
                    )
                ])
            ),
        ])
    }

    private static func schema(_ member: Member) -> JSONValue {
        let type: [(key: String, value: JSONValue)] =
            switch member.kind {
            case .text: [("type", .string("string"))]
            case .whole: [("type", .string("integer"))]
            case .number: [("type", .string("number"))]
            case .flag: [("type", .string("boolean"))]
            case .texts: [("type", .string("array")), ("items", .object([("type", .string("string"))]))]
            case .choice(let names): [("type", .string("string")), ("enum", .array(names.map { .string($0) }))]
            }
        return .object(type + [("description", .string(member.meaning))])
    }

    private static func explanation(of status: Int) -> String {
        switch status {
        case 202: "Accepted: the state of the search."
        case 400: "The body or one of its members is not what is expected."
        case 401: "The token is missing or wrong."
        case 403: "The request comes from a page of another site."
        case 404: "There is no such thing."
        case 409: "Not done yet."
        case 413: "The body is too long."
        case 421: "The server has another name."
        case 422: "The scenario is at fault: each fault with line, column, key, reason and suggestion."
        case 503: "Too much at once, or the answer takes too long."
        default: "The request was refused."
        }
    }

    private static let errors: JSONValue = .object([
        ("type", .string("object")), ("required", .array([.string("errors")])),
        (
            "properties",
            .object([
                (
                    "errors",
                    .object([
                        ("type", .string("array")),
                        (
                            "items",
                            .object([
                                ("type", .string("object")),
                                (
                                    "properties",
                                    .object(
                                        ["file", "line", "column", "key", "reason", "suggestion"].map { name in
                                            (
                                                name,
                                                .object([("type", .string(name == "line" || name == "column" ? "integer" : "string"))])
                                            )
                                        })
                                ),
                            ])
                        ),
                    ])
                )
            ])
        ),
    ])
}
