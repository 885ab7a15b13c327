/// A name that the catalogue does not hold, or an entry that cannot be read.
public enum CatalogueError: Error, Hashable, Sendable, CustomStringConvertible {
    /// `kind` says what was looked for; `suggestion` is the nearest known name.
    case unknown(kind: String, name: String, suggestion: String?, known: [String])
    /// An entry of a data file: file, path of keys, and what is wrong there.
    case malformed(file: String, path: String, reason: String)
    /// A combination that no machine has: gpus, nodes and networks that contradict each other.
    case impossible(String)

    public var description: String {
        switch self {
        case .unknown(let kind, let name, let suggestion, let known):
            let hint = suggestion.map { "did you mean \"\($0)\"? " } ?? ""
            return "unknown \(kind) \"\(name)\"; \(hint)known: \(known.joined(separator: ", "))"
        case .malformed(let file, let path, let reason): return "\(file): \(path): \(reason)"
        case .impossible(let reason): return reason
        }
    }
}
