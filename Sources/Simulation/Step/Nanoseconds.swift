import Quantities

/// Whole nanoseconds of a predicted time, rounded up once.
/// - Throws: `Fault` where a cost is negative, undefined or beyond 292 years.
func nanoseconds(_ seconds: Double) throws(Fault) -> Int64 {
    do { return try Duration(seconds: seconds).nanoseconds } catch { throw Fault(reason: "\(error)") }
}
