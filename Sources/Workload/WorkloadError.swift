import Quantities

/// Why a model is no model. `description` says where, what is wrong and what would be right.
public enum WorkloadError: Error, Sendable, Hashable, CustomStringConvertible {
    case unknownPreset(name: String, suggestion: String?)
    /// Everything that is wrong with a shape.
    case invalidArchitecture(name: String, problems: [Fault])
    /// A data file or `config.json` that cannot be read. `path` is the key's path, empty for the whole file.
    case malformed(file: String, path: String, reason: String)
    case unknownModelType(String, known: [String])

    public var description: String {
        switch self {
        case .unknownPreset(let name, let suggestion):
            let hint = suggestion.map { "; did you mean \"\($0)\"?" } ?? ""
            return "unknown model preset \"\(name)\"\(hint) (`orrery catalogue models` lists them)"
        case .invalidArchitecture(let name, let problems):
            return "model \"\(name)\": " + problems.map(\.description).joined(separator: "; ")
        case .malformed(let file, let path, let reason):
            return path.isEmpty ? "\(file): \(reason)" : "\(file): \(path): \(reason)"
        case .unknownModelType(let type, let known):
            let hint = nearest(type, in: known).map { "; did you mean \"\($0)\"?" } ?? ""
            return "model_type \"\(type)\" is not known\(hint) (known: \(known.joined(separator: ", ")))"
        }
    }
}

/// a x b, held at Int.max instead of overflowing: shapes come from people's files.
func clampedProduct(_ a: Int, _ b: Int) -> Int {
    let (value, overflow) = a.multipliedReportingOverflow(by: b)
    return overflow ? Int.max : value
}

/// a / b rounded up; a divisor below one counts as one.
func ceilDivide(_ a: Int, _ b: Int) -> Int {
    let divisor = max(1, b)
    return a / divisor + (a % divisor > 0 ? 1 : 0)
}
