import Quantities
import Scenario

/// The layout of a row of what `orrery search --json` printed, as settings to lay over its scenario.
/// - Parameter rank: from 1.
/// - Throws: `Fault` where the text is no such document, or has no such row.
public func searchedLayout(_ text: String, file: String, rank: Int) throws(Fault) -> [String] {
    let document: JSON
    do { document = try JSON(parsing: Array(text.utf8)) } catch {
        throw Fault(
            keyPath: "\(file):\(error.line):\(error.column)", reason: "this is not JSON: \(error.reason)",
            suggestion: "give what orrery search --json printed")
    }
    guard case .array(let rows)? = document["ranked"], rows.indices.contains(rank - 1) else {
        throw Fault(
            keyPath: file, reason: "there is no row \(rank) under \"ranked\"",
            suggestion: "give what orrery search --json printed, and a row that it has")
    }
    var settings: [String] = []
    for section in ["layout", "training"] {
        guard case .object(let members)? = rows[rank - 1][section] else { continue }
        for member in members {
            switch member.value {
            case .number(let value): settings.append("\(section).\(member.key)=\(Int(value))")
            case .bool(let value): settings.append("\(section).\(member.key)=\(value)")
            case .string(let value): settings.append("\(section).\(member.key)=\(member.key == "recompute" ? recomputation(value) : value)")
            case .array(let items):
                let numbers = items.compactMap { item -> String? in if case .number(let value) = item { "\(Int(value))" } else { nil } }
                settings.append("\(section).\(member.key)=[\(numbers.joined(separator: ", "))]")
            default: break
            }
        }
    }
    return settings
}

/// "3 layers" as `{layers: 3}`, "norms, activation" as `{modules: [norms, activation]}`.
private func recomputation(_ name: String) -> String {
    if ["none", "selective", "full", "auto"].contains(name) { return name }
    if name.hasSuffix(" layers"), let count = Int(name.dropLast(7)) { return "{layers: \(count)}" }
    return name.contains("/") ? "auto" : "{modules: [\(name)]}"
}
