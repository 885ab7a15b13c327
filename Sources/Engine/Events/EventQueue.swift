import Quantities

/// Names one scheduled event, so that it can be cancelled. A handle whose event has happened is never confused with a later event.
public struct EventHandle: Hashable, Sendable {
    @usableFromInline let slot: UInt32
    @usableFromInline let generation: UInt32
    @inlinable
    init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}

/// Events in the order (time, priority, sequence): of simultaneous events the lower priority number comes first, and among equals the one scheduled first.
///
/// A key packs, from its highest bit, time (64), priority (8), sequence (28) and the payload's slot (28); payloads lie in a slab beside the heap.
/// When the 2^28 sequence numbers are used up the pending events are renumbered, which keeps their order.
/// Cancelled events leave the heap when they reach its top, or all at once when they are more than half of it.
public struct EventQueue<Payload>: ~Copyable {
    @usableFromInline var heap: PackedHeap
    @usableFromInline var slots: ContiguousArray<Slot> = []
    @usableFromInline var freeSlots: ContiguousArray<UInt32> = []
    @usableFromInline var nextSequence: UInt64 = 0
    @usableFromInline var cancelled = 0
    @usableFromInline let sequenceLimit: UInt64

    /// Where a payload waits; empty between events and after a cancellation.
    @usableFromInline
    struct Slot {
        @usableFromInline var payload: Payload?
        @usableFromInline var generation: UInt32
        @inlinable
        init(_ payload: Payload) {
            self.payload = payload
            generation = 0
        }
    }

    @inlinable static var slotBits: UInt64 { 28 }
    @inlinable static var slotMask: UInt64 { 1 << slotBits - 1 }
    /// Priorities that a key can hold; others are clamped into this range.
    public static var priorities: ClosedRange<Int> { -128...127 }

    public init(capacity: Int = 16) { self.init(capacity: capacity, sequenceLimit: 1 << 28) }

    /// A small `sequenceLimit` lets tests see the renumbering.
    init(capacity: Int, sequenceLimit: UInt64) {
        heap = PackedHeap(capacity: capacity)
        self.sequenceLimit = sequenceLimit
        slots.reserveCapacity(capacity)
    }

    /// Events that are scheduled and not cancelled.
    @inlinable public var count: Int { heap.count - cancelled }
    @inlinable public var isEmpty: Bool { heap.isEmpty }
    /// When the next event happens; nil when there is none.
    @inlinable public var nextTime: Instant? { heap.first.map(Self.time) }

    /// - Complexity: O(log count).
    @inlinable @discardableResult
    public mutating func schedule(at time: Instant, priority: Int = 0, _ payload: Payload) -> EventHandle {
        if nextSequence == sequenceLimit { renumber() }
        let slot: UInt32
        if let free = freeSlots.popLast() {
            slot = free
            slots[Int(slot)].payload = payload
        } else {
            slot = UInt32(truncatingIfNeeded: slots.count)
            slots.append(Slot(payload))
        }
        let rank = UInt64(min(max(priority, -128), 127) + 128)
        let low = rank << 56 | nextSequence << Self.slotBits | UInt64(slot)
        nextSequence += 1
        // Flipping the sign bit makes the unsigned order of keys the signed order of times.
        let high = UInt64(bitPattern: time.nanoseconds) ^ (1 << 63)
        heap.push(UInt128(high) << 64 | UInt128(low))
        return EventHandle(slot: slot, generation: slots[Int(slot)].generation)
    }

    /// Takes the next event out; nil when there is none.
    /// - Complexity: O(log count).
    @inlinable
    public mutating func pop() -> (time: Instant, payload: Payload)? {
        guard let key = heap.pop() else { return nil }
        let slot = Self.slot(key)
        guard let payload = slots[slot].payload else { return nil }  // never: a cancelled event does not stay on top
        release(slot)
        if cancelled > 0 { dropCancelledTop() }
        return (Self.time(key), payload)
    }

    /// Takes an event back. False when it has happened or was cancelled before.
    @discardableResult
    public mutating func cancel(_ handle: EventHandle) -> Bool {
        let slot = Int(handle.slot)
        guard slot < slots.count, slots[slot].generation == handle.generation, slots[slot].payload != nil else { return false }
        slots[slot].payload = nil
        slots[slot].generation &+= 1
        cancelled += 1
        dropCancelledTop()
        if cancelled > 64, cancelled > heap.count / 2 { dropAllCancelled() }
        return true
    }

    @inlinable static func slot(_ key: UInt128) -> Int { Int(UInt64(truncatingIfNeeded: key) & slotMask) }
    @inlinable static func time(_ key: UInt128) -> Instant {
        Instant(nanoseconds: Int64(bitPattern: UInt64(truncatingIfNeeded: key >> 64) ^ (1 << 63)))
    }

    @inlinable
    mutating func release(_ slot: Int) {
        slots[slot].payload = nil
        slots[slot].generation &+= 1
        freeSlots.append(UInt32(truncatingIfNeeded: slot))
    }

    @usableFromInline
    mutating func dropCancelledTop() {
        while let key = heap.first, slots[Self.slot(key)].payload == nil {
            _ = heap.pop()
            cancelled -= 1
            freeSlots.append(UInt32(truncatingIfNeeded: Self.slot(key)))
        }
    }

    private mutating func dropAllCancelled() {
        var freed: ContiguousArray<UInt32> = []
        let slots = self.slots
        heap.removeAll { key in
            let slot = Self.slot(key)
            guard slots[slot].payload == nil else { return false }
            freed.append(UInt32(truncatingIfNeeded: slot))
            return true
        }
        freeSlots.append(contentsOf: freed)
        cancelled = 0
    }

    @usableFromInline
    mutating func renumber() {
        var sequence: UInt64 = 0
        let sequenceMask = UInt128((1 << 28 - 1) as UInt64) << UInt128(Self.slotBits)
        heap.renewInOrder { key in
            defer { sequence += 1 }
            return key & ~sequenceMask | UInt128(sequence) << UInt128(Self.slotBits)
        }
        nextSequence = sequence
    }
}
