/// Why a training component cannot do what it was asked; the text says what was wrong and what would be right.
public struct TrainingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong, and what would be right.
    public let message: String
    public init(_ message: String) { self.message = message }
    public var description: String { message }
}
