/// Why a schedule cannot be built, timed or read. `message` says where, what is wrong and what would be right.
public struct ScheduleError: Error, Hashable, Sendable, CustomStringConvertible {
    public let message: String
    public init(_ message: String) { self.message = message }
    public var description: String { message }
}
