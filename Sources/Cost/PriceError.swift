/// Why something cannot be billed; says what is wrong and what would be right.
public struct PriceError: Error, Hashable, Sendable, CustomStringConvertible {
    public let message: String
    public init(_ message: String) { self.message = message }
    public var description: String { message }
}
