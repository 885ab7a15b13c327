/// A length of simulated time in whole nanoseconds (292 years at most). Sums are associative, so a folded simulation equals an unfolded one.
public struct Duration: Quantity {
    public let nanoseconds: Int64

    public static let zero = Duration(nanoseconds: 0)
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Rounds up to the next nanosecond, once, here.
    /// - Throws: `QuantityError` for a negative, infinite or undefined time and beyond 292 years.
    public init(seconds: Double) throws(QuantityError) {
        guard seconds >= 0 else { throw QuantityError("\(seconds) s is not a duration: it must be zero or more") }
        let value = (seconds * 1e9).rounded(.up)
        guard value < 9.2e18 else { throw QuantityError("\(seconds) s is longer than the 292 years that the clock holds") }
        // Products of decimal fractions land a hair above the whole number that they mean: 2.5 us is 2500 ns, not 2501.
        let nearest = (seconds * 1e9).rounded()
        nanoseconds = Int64(abs(nearest - seconds * 1e9) <= 1e-6 * max(1, nearest * 1e-9) ? nearest : value)
    }

    public init(baseValue: Double) throws(QuantityError) { try self.init(seconds: baseValue) }
    public var baseValue: Double { seconds }
    public var seconds: Double { Double(nanoseconds) * 1e-9 }

    /// - Throws: `QuantityError` on overflow.
    public static func + (a: Duration, b: Duration) throws(QuantityError) -> Duration {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
        guard !overflow else { throw QuantityError("the sum of \(a) and \(b) is longer than the clock holds") }
        return Duration(nanoseconds: sum)
    }

    /// - Throws: `QuantityError` on overflow.
    public static func * (a: Duration, factor: Int64) throws(QuantityError) -> Duration {
        let (product, overflow) = a.nanoseconds.multipliedReportingOverflow(by: factor)
        guard !overflow else { throw QuantityError("\(factor) times \(a) is longer than the clock holds") }
        return Duration(nanoseconds: product)
    }

    public static func < (a: Duration, b: Duration) -> Bool { a.nanoseconds < b.nanoseconds }
    public static let noun = "a duration"
    public static let example = "2.5 us"
    public static let units = [
        Unit("ns", 1e-9), Unit("us", 1e-6), Unit("µs", 1e-6), Unit("ms", 1e-3), Unit("s", 1), Unit("min", 60), Unit("h", 3600),
        Unit("d", 86400), Unit("days", 86400), Unit("day", 86400), Unit("hours", 3600), Unit("years", 31_557_600),
    ]
    public static let printed = [
        Unit("ns", 1e-9), Unit("us", 1e-6), Unit("ms", 1e-3), Unit("s", 1), Unit("min", 60), Unit("h", 3600), Unit("days", 86400),
    ]
}

/// A point of simulated time, in whole nanoseconds since the start.
public struct Instant: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let nanoseconds: Int64
    public static let start = Instant(nanoseconds: 0)
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    public var seconds: Double { Double(nanoseconds) * 1e-9 }
    public var description: String { "at \(Duration(nanoseconds: nanoseconds))" }
    public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// - Throws: `QuantityError` on overflow.
    public func advanced(by duration: Duration) throws(QuantityError) -> Instant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.nanoseconds)
        guard !overflow else { throw QuantityError("\(duration) after \(self) is beyond the end of the clock") }
        return Instant(nanoseconds: sum)
    }

    /// The time from `earlier` to this instant.
    /// - Throws: `QuantityError` when `earlier` is later.
    public func since(_ earlier: Instant) throws(QuantityError) -> Duration {
        let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        guard !overflow, difference >= 0 else { throw QuantityError("\(earlier) is later than \(self)") }
        return Duration(nanoseconds: difference)
    }
}
