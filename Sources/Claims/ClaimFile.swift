import Foundation
import Quantities
import Yams

extension Claim {
    /// All claims, in their order.
    /// - Throws: `Fault` naming the entry of claims.yaml at fault.
    public static func all() throws(Fault) -> [Claim] {
        try ClaimFile(text: String(decoding: PackageResources.claims_yaml, as: UTF8.self)).claims()
    }
}

/// Reads claims.yaml: a list of claims, each with its measures.
struct ClaimFile {
    var text: String

    func claims() throws(Fault) -> [Claim] {
        let root: Node?
        do { root = try Yams.compose(yaml: text, .basic) } catch { throw Fault(keyPath: "claims", reason: "\(error)") }
        guard let list = root?.sequence else { throw Fault(keyPath: "claims", reason: "claims.yaml holds no list") }
        var result: [Claim] = []
        for node in list {
            guard let id = node["id"]?.string else { throw Fault(keyPath: "claims[\(result.count)]", reason: "an id is missing") }
            let entry = Entry(node: node, path: "claims.\(id)")
            var measures: [ClaimMeasure] = []
            for (index, one) in (node["measures"]?.sequence ?? []).enumerated() {
                measures.append(try measure(Entry(node: one, path: "claims.\(id).measures[\(index)]")))
            }
            guard !measures.isEmpty else { throw Fault(keyPath: entry.path, reason: "nothing is measured") }
            result.append(
                Claim(
                    id: id, topic: try entry.word("topic"), claim: try entry.word("claim"), mechanism: try entry.word("mechanism"),
                    otherwise: try entry.word("otherwise"), measures: measures))
        }
        return result
    }

    private func measure(_ entry: Entry) throws(Fault) -> ClaimMeasure {
        var bound = ClaimBound(least: try entry.number("at_least"), most: try entry.number("at_most"))
        if let about = try entry.number("about") {
            let tolerance = try entry.number("tolerance") ?? 0.05
            bound = ClaimBound(least: about * (1 - tolerance), most: about * (1 + tolerance))
        }
        return ClaimMeasure(
            what: try entry.word("what"), unit: entry.node["unit"]?.string ?? "", bound: bound,
            isLimit: entry.node["limit"]?.string == "true",
            question: try question(entry))
    }

    private func question(_ entry: Entry) throws(Fault) -> ClaimMeasure.Question {
        if let row = entry.node["recorded"]?.string { return .recorded(row) }
        if let factors = entry.node["product"]?.sequence { return .product(factors.compactMap { $0.string.flatMap(Double.init) }) }
        if let peak = entry.node["peak"]?.sequence, peak.count == 2 {
            return .peak(accelerator: peak[0].string ?? "", format: peak[1].string ?? "")
        }
        if let file = entry.node["optimum"]?.string { return .optimum(scenario: file) }
        if let file = entry.node["collective"]?.string {
            return .collective(
                file: file, ways: entry.settings("ways"),
                bytes: (entry.node["bytes"]?.sequence ?? []).compactMap { $0.string.flatMap(Double.init) })
        }
        guard let value = ClaimExperiment.Value(rawValue: entry.node["value"]?.string ?? "after"),
            let program = ClaimExperiment.Program(rawValue: entry.node["program"]?.string ?? "run")
        else { throw Fault(keyPath: entry.path, reason: "value is after, ratio or gain; program is run or train") }
        let figure = try entry.word("figure").split(separator: "/").map { $0.trimmingCharacters(in: .whitespaces) }
        return .experiment(
            ClaimExperiment(
                program: program, scenario: try entry.word("scenario"), before: entry.settings("before"), after: entry.settings("after"),
                beforePoint: Int(try entry.number("before_point") ?? 0), afterPoint: Int(try entry.number("after_point") ?? 0),
                figure: figure[0], divisor: figure.count > 1 ? figure[1] : nil, scale: try entry.number("scale") ?? 1, value: value,
                conditions: entry.axes("over"), breakEven: entry.axes("break_even").first))
    }

    private struct Entry {
        var node: Node
        var path: String

        func word(_ key: String) throws(Fault) -> String {
            guard let text = node[key]?.string, !text.isEmpty else { throw Fault(keyPath: "\(path).\(key)", reason: "a text is missing") }
            return text
        }

        func number(_ key: String) throws(Fault) -> Double? {
            guard let text = node[key]?.string else { return nil }
            guard let number = Double(text) else { throw Fault(keyPath: "\(path).\(key)", reason: "\"\(text)\" is no number") }
            return number
        }

        /// A list of `key=value`.
        func settings(_ key: String) -> [String] { (node[key]?.sequence ?? []).compactMap(\.string) }

        func axes(_ key: String) -> [(key: String, values: [String])] {
            (node[key]?.mapping ?? [:]).compactMap { key, value in
                key.string.map { ($0, (value.sequence ?? []).compactMap(\.string)) }
            }
        }
    }
}
