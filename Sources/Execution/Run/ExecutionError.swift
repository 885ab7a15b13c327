/// Why a run on this machine did not end well. The text says where, what, and what would be right.
public struct ExecutionError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// What was asked for cannot be run here.
        case refused
        /// A worker ended, or stood still, before its time.
        case worker
        /// Another worker's failure ended this one.
        case aborted
    }
    public let kind: Kind
    public let message: String
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
    public var description: String { message }
}
