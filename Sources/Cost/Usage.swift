import Quantities

/// What a run used up: the input of a bill.
public struct Usage: Sendable, Hashable {
    public var gpus: Int
    public var wallClock: Duration
    /// Energy of the machines, before the facility's overhead (PUE).
    public var energy: Energy
    /// Tokens (samples of a CNN) that were trained on.
    public var tokens: Double
    /// Bytes kept in storage, and for how many months.
    public var stored: Bytes
    public var storedMonths: Double

    public init(gpus: Int, wallClock: Duration, energy: Energy, tokens: Double = 0, stored: Bytes = .zero, storedMonths: Double = 0) {
        self.gpus = gpus
        self.wallClock = wallClock
        self.energy = energy
        self.tokens = tokens
        self.stored = stored
        self.storedMonths = storedMonths
    }
    /// A twelfth of a Julian year, in seconds.
    public static let secondsPerMonth = 31_557_600.0 / 12

    public var gpuHours: Double { Double(gpus) * (Double(wallClock.nanoseconds) / 3.6e12) }
}
