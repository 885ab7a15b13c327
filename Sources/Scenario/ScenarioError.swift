/// One fault of a scenario file or of a table of measured runs: where it stands, what is wrong there, and what would be right.
public struct ScenarioError: Error, Hashable, Sendable, CustomStringConvertible {
    public var file: String
    /// From 1.
    public var line: Int
    /// From 1, in Unicode scalars.
    public var column: Int
    /// Dotted path of the key, `training.global_batch`; the column's name in a table; empty when the file as a whole is at fault.
    public var keyPath: String
    public var reason: String
    public var suggestion: String
    public init(file: String, line: Int, column: Int, keyPath: String, reason: String, suggestion: String) {
        self.file = file
        self.line = line
        self.column = column
        self.keyPath = keyPath
        self.reason = reason
        self.suggestion = suggestion
    }
    public var description: String {
        let key = keyPath.isEmpty ? "" : "\(keyPath): "
        let advice = suggestion.isEmpty ? "" : "; \(suggestion)"
        return "\(file):\(line):\(column): \(key)\(reason)\(advice)"
    }
}

/// Every fault that was found, in the order of files and lines; never empty.
public struct ScenarioErrors: Error, Hashable, Sendable, CustomStringConvertible {
    public let errors: [ScenarioError]
    public init(_ errors: [ScenarioError]) {
        var seen = Set<ScenarioError>()
        self.errors = errors.filter { seen.insert($0).inserted }.enumerated().sorted { a, b in
            if a.element.file != b.element.file { return a.offset < b.offset }
            return (a.element.line, a.element.column, a.offset) < (b.element.line, b.element.column, b.offset)
        }.map(\.element)
    }
    public var description: String { errors.map(\.description).joined(separator: "\n") }
}
