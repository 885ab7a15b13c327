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
/// Keys are ordered by a `Ladder`; payloads lie in a slab beside it.
/// When the 2^28 sequence numbers are used up the pending events are renumbered, which keeps their order.
/// Cancelled events leave when they come to the front, or all at once when they are more than half.
public struct EventQueue<Payload>: ~Copyable {
    @usableFromInline var ladder: Ladder
    @usableFromInline var slab: PayloadSlab<Payload>
    @usableFromInline var cancelled = 0
    @usableFromInline var nextSequence: UInt64 = 0
    @usableFromInline let sequenceLimit: UInt64

    /// Priorities that a key can hold; others are clamped into this range.
    public static var priorities: ClosedRange<Int> { -128...127 }

    public init(capacity: Int = 16) { self.init(capacity: capacity, sequenceLimit: EventKey.sequences) }

    /// A small `sequenceLimit` lets tests see the renumbering.
    init(capacity: Int, sequenceLimit: UInt64) {
        ladder = Ladder(capacity: capacity)
        slab = PayloadSlab(capacity: capacity)
        self.sequenceLimit = sequenceLimit
    }

    /// Events that are scheduled and not cancelled.
    @inlinable public var count: Int { ladder.count - cancelled }
    @inlinable public var isEmpty: Bool { ladder.count == 0 }
    /// When the next event happens; nil when there is none.
    @inlinable public var nextTime: Instant? { ladder.first.map(EventKey.time) }

    /// - Complexity: O(1) on average, O(log count) amortised for any sequence of times.
    @inlinable @discardableResult
    public mutating func schedule(at time: Instant, priority: Int = 0, _ payload: Payload) -> EventHandle {
        if nextSequence == sequenceLimit { rebuild(renumbering: true) }
        let slot = slab.insert(payload)
        ladder.push(EventKey.make(time: time, priority: priority, sequence: nextSequence, slot: slot))
        nextSequence &+= 1
        return EventHandle(slot: UInt32(truncatingIfNeeded: slot), generation: slab.slots[slot].generation)
    }

    /// Takes the next event out; nil when there is none.
    /// - Complexity: O(1) on average, O(log count) amortised.
    @inlinable
    public mutating func pop() -> (time: Instant, payload: Payload)? {
        guard let key = ladder.pop() else { return nil }
        let slot = EventKey.slot(key)
        guard let payload = slab.take(slot) else { return nil }  // never: a cancelled event does not stay in front
        slab.release(slot)
        if cancelled > 0 { dropCancelledFront() }
        return (EventKey.time(key), payload)
    }

    /// Takes an event back. False when it has happened or was cancelled before.
    @discardableResult
    public mutating func cancel(_ handle: EventHandle) -> Bool {
        let slot = Int(handle.slot)
        guard slot < slab.capacity, slab.slots[slot].generation == handle.generation, slab.take(slot) != nil else { return false }
        cancelled += 1
        dropCancelledFront()
        if cancelled > 64, cancelled > ladder.count / 2 { rebuild(renumbering: false) }
        return true
    }

    @usableFromInline
    mutating func dropCancelledFront() {
        while cancelled > 0, let key = ladder.first, slab.isTaken(EventKey.slot(key)) {
            _ = ladder.pop()
            slab.release(EventKey.slot(key))
            cancelled -= 1
        }
    }

    /// Lets go of the cancelled events and, with `renumbering`, gives the others the sequence numbers 0, 1, ... in their order.
    /// - Complexity: O(count), and O(count log count) when renumbering.
    @usableFromInline
    mutating func rebuild(renumbering: Bool) {
        var pending: [UInt128] = []
        for key in ladder.allKeys() {
            if slab.isTaken(EventKey.slot(key)) { slab.release(EventKey.slot(key)) } else { pending.append(key) }
        }
        cancelled = 0
        if renumbering {
            pending.sort()
            for index in pending.indices { pending[index] = EventKey.renumbered(pending[index], UInt64(index)) }
            nextSequence = UInt64(pending.count)
        }
        ladder.replaceAll(with: pending)
    }
}
