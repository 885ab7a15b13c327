import Quantities
import Scenario

/// The members of a question's JSON object, checked as they are read.
struct Members {
    private let object: JSON

    /// - Throws: `Refusal` with 400 where the body is no JSON object, or holds members that the question has not.
    init(_ body: [UInt8], of members: [Member]) throws(Refusal) {
        do throws(JSONError) { object = try JSON(parsing: body) } catch {
            throw Refusal(
                400, "the body is no JSON: \(error)",
                suggestion: "send an object, for instance {\"scenario\": \"model: {preset: llama3-8b} ...\"}")
        }
        guard case .object(let given) = object else {
            throw Refusal(400, "the body is no JSON object", suggestion: "send {\"scenario\": \"...\"}")
        }
        for member in given where !members.contains(where: { $0.name == member.key }) {
            let known = members.map(\.name)
            let advice = nearest(member.key, in: known).map { "did you mean \"\($0)\"?" } ?? "known: \(known.joined(separator: ", "))"
            throw Refusal(400, "unknown member \"\(member.key)\"", suggestion: advice, key: member.key)
        }
        for member in members where member.isRequired && object[member.name] == nil {
            throw Refusal(400, "the member \"\(member.name)\" is missing", suggestion: "send \(member.example)", key: member.name)
        }
    }

    private func wrong(_ key: String, _ expected: String) -> Refusal {
        Refusal(400, "\(expected) is expected", suggestion: "", key: key)
    }

    func text(_ key: String) throws(Refusal) -> String? {
        switch object[key] {
        case nil, .null?: return nil
        case .string(let text)?: return text
        default: throw wrong(key, "a text")
        }
    }

    func flag(_ key: String) throws(Refusal) -> Bool? {
        switch object[key] {
        case nil, .null?: return nil
        case .bool(let flag)?: return flag
        default: throw wrong(key, "true or false")
        }
    }

    func number(_ key: String) throws(Refusal) -> Double? {
        switch object[key] {
        case nil, .null?: return nil
        case .number(let value)? where value.isFinite: return value
        default: throw wrong(key, "a number")
        }
    }

    func whole(_ key: String, _ range: ClosedRange<Int>) throws(Refusal) -> Int? {
        guard let value = try number(key) else { return nil }
        guard value == value.rounded(), value >= Double(range.lowerBound), value <= Double(range.upperBound) else {
            throw wrong(key, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return Int(value)
    }

    func texts(_ key: String, atMost most: Int) throws(Refusal) -> [String] {
        switch object[key] {
        case nil, .null?: return []
        case .array(let items)?:
            guard items.count <= most else { throw wrong(key, "a list of at most \(most) texts") }
            return try items.map { (item) throws(Refusal) in
                guard case .string(let text) = item else { throw wrong(key, "a list of texts") }
                return text
            }
        default: throw wrong(key, "a list of texts")
        }
    }

    /// One of the cases of a choice by its name.
    func choice<Choice: RawRepresentable & CaseIterable>(_ key: String, _: Choice.Type) throws(Refusal) -> Choice?
    where Choice.RawValue == String {
        guard let name = try text(key) else { return nil }
        guard let choice = Choice(rawValue: name) else {
            throw wrong(key, "one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }
}

/// A member of a question's JSON object: what the reader takes and what the OpenAPI document says.
struct Member: Sendable {
    enum Kind: Sendable {
        case text, texts, whole, number, flag
        case choice([String])
    }
    var name: String
    var kind: Kind
    var meaning: String
    var example: String
    var isRequired = false

    static let scenario = Member(
        name: "scenario", kind: .text, meaning: "A scenario (YAML), as `orrery run` takes in a file. It may name no files.",
        example:
            "{\"scenario\": \"model: {preset: llama3-8b}\\ncluster: {gpu: h100-sxm-80gb, gpus: 8}\\ntraining: {global_batch: 64, sequence: 8192}\\n\"}",
        isRequired: true)
    static let name = Member(
        name: "name", kind: .text, meaning: "What the scenario is called where it does not say: a file's name without ending.",
        example: "job")
    static let set = Member(
        name: "set", kind: .texts, meaning: "Settings laid over the scenario, as --set: key=value.", example: "[\"layout.tensor=8\"]")
    static let seed = Member(name: "seed", kind: .whole, meaning: "Seed of everything random, as --seed.", example: "1")
}

/// A scenario as it was sent, and what is laid over it.
struct SentScenario {
    let text: String
    let document: ScenarioDocument
    let settings: [String]
    static let members: [Member] = [.scenario, .name, .set]

    init(_ members: Members, text: String? = nil) throws {
        self.text = try text ?? members.text("scenario") ?? ""
        let name = try members.text("name") ?? "scenario"
        guard !name.isEmpty, name.utf8.count <= 200, !name.contains("/"), name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw Refusal(400, "a name of at most 200 characters without / is expected", key: "name")
        }
        document = try ScenarioDocument(confined: self.text, name: name)
        settings = try members.texts("set", atMost: 200)
    }

    /// The one scenario that it is.
    func one() throws(ScenarioErrors) -> Scenario { try Self.single(Scenario.load(document, overrides: settings)) }

    static func single(_ scenario: Scenario) throws(ScenarioErrors) -> Scenario {
        if let refusal = scenario.variation { throw ScenarioErrors([refusal]) }
        return scenario
    }
}
