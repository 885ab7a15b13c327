import Quantities

/// An event's place in the order, and where its payload lies, in 128 bits that compare as one number. From the highest bit:
/// time (64), priority (8), sequence (28), slot (28).
@usableFromInline
enum EventKey {
    @inlinable static var slotMask: UInt64 { 1 << 28 - 1 }
    @inlinable static var sequenceShift: UInt64 { 28 }
    /// Sequence numbers that a key can hold.
    @inlinable static var sequences: UInt64 { 1 << 28 }

    @inlinable
    static func make(time: Instant, priority: Int, sequence: UInt64, slot: Int) -> UInt128 {
        let rank = UInt64(min(max(priority, -128), 127) + 128)
        return UInt128(ticks(time)) << 64 | UInt128(rank << 56 | sequence << sequenceShift | UInt64(slot))
    }

    /// Flipping the sign bit makes the unsigned order of ticks the signed order of times.
    @inlinable static func ticks(_ time: Instant) -> UInt64 { UInt64(bitPattern: time.nanoseconds) ^ (1 << 63) }
    @inlinable static func ticks(_ key: UInt128) -> UInt64 { UInt64(truncatingIfNeeded: key >> 64) }
    @inlinable static func slot(_ key: UInt128) -> Int { Int(UInt64(truncatingIfNeeded: key) & slotMask) }
    @inlinable static func time(_ key: UInt128) -> Instant { Instant(nanoseconds: Int64(bitPattern: ticks(key) ^ (1 << 63))) }
    /// The same event with another sequence number.
    static func renumbered(_ key: UInt128, _ sequence: UInt64) -> UInt128 {
        let mask = UInt128(sequences - 1) << UInt128(sequenceShift)
        return key & ~mask | UInt128(sequence) << UInt128(sequenceShift)
    }
}
