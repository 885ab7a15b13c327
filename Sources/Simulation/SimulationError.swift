import Quantities

/// A plan that cannot be played, or a time beyond what the clock holds.
public struct SimulationError: Error, Hashable, Sendable, CustomStringConvertible {
    public let message: String
    public init(_ message: String) { self.message = message }
    public var description: String { message }
}

/// Whole nanoseconds of a predicted time, rounded up once.
/// - Throws: `SimulationError` where a cost is negative, undefined or beyond 292 years.
func nanoseconds(_ seconds: Double) throws(SimulationError) -> Int64 {
    do { return try Duration(seconds: seconds).nanoseconds } catch { throw SimulationError("\(error)") }
}
