/// One thing that is wrong with what was asked for: the key to change, why, and what would be right.
///
/// Every module reports in this form; whoever read the key from a file adds where it stands there.
public struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
    /// Dotted path of the scenario key at fault, `layout.tensor`; items of lists as `conditions.slow_gpus[0].gpu`. Empty where no single key is.
    public var keyPath: String
    public var reason: String
    /// What would be right; empty where nobody can say.
    public var suggestion: String

    public init(keyPath: String = "", reason: String, suggestion: String = "") {
        (self.keyPath, self.reason, self.suggestion) = (keyPath, reason, suggestion)
    }

    public var description: String {
        (keyPath.isEmpty ? "" : "\(keyPath): ") + reason + (suggestion.isEmpty ? "" : "; \(suggestion)")
    }
}

/// Everything that is wrong with what was asked for, in the order in which it was found; never empty.
public struct Faults: Error, Hashable, Sendable, CustomStringConvertible {
    public let all: [Fault]
    public init(_ all: [Fault]) { self.all = all }
    public var description: String { all.map(\.description).joined(separator: "\n") }
}
