/// Payloads by slot. A slot's generation counts up when its payload leaves, so that an old handle is never taken for a new one. Slots without a place in the
/// queue form a list, the last one freed first.
@usableFromInline
struct PayloadSlab<Payload> {
    @usableFromInline
    struct Slot {
        @usableFromInline var generation: UInt32 = 0
        @usableFromInline var nextFree: UInt32
        @usableFromInline var payload: Payload?
        init(nextFree: UInt32) { self.nextFree = nextFree }
    }

    /// The memory, all of it initialised. A class, so that who holds a queue need not know how to destroy its payloads.
    @usableFromInline
    final class Storage {
        let slots: UnsafeMutablePointer<Slot>
        let capacity: Int

        init(capacity: Int) {
            self.capacity = capacity
            slots = .allocate(capacity: capacity)
            for index in 0..<capacity { (slots + index).initialize(to: Slot(nextFree: UInt32(truncatingIfNeeded: index + 1))) }
        }

        deinit {
            slots.deinitialize(count: capacity)
            slots.deallocate()
        }
    }
    private var storage: Storage
    @usableFromInline private(set) var slots: UnsafeMutablePointer<Slot>
    /// The first free slot; `capacity` when there is none.
    @usableFromInline var free: UInt32 = 0
    @usableFromInline private(set) var capacity: UInt32

    init(capacity: Int) {
        storage = Storage(capacity: max(16, capacity))
        slots = storage.slots
        self.capacity = UInt32(truncatingIfNeeded: storage.capacity)
    }

    /// - Complexity: O(1) amortised.
    @inlinable @inline(__always)
    mutating func insert(_ payload: Payload) -> Int {
        if free == capacity { grow() }
        let slot = Int(free)
        free = slots[slot].nextFree
        slots[slot].payload = payload
        return slot
    }

    /// Takes the payload out; its slot stays taken until `release`. nil when it was taken out before.
    @inlinable @inline(__always)
    mutating func take(_ slot: Int) -> Payload? {
        slots[slot].generation &+= 1
        return slots[slot].payload.take()
    }

    /// The slot may hold another payload from now on.
    @inlinable @inline(__always)
    mutating func release(_ slot: Int) {
        slots[slot].nextFree = free
        free = UInt32(truncatingIfNeeded: slot)
    }

    @inlinable func isTaken(_ slot: Int) -> Bool { slots[slot].payload == nil }

    @usableFromInline
    mutating func grow() {
        let larger = Storage(capacity: storage.capacity * 2)
        for slot in 0..<storage.capacity {
            larger.slots[slot].generation = slots[slot].generation
            larger.slots[slot].payload = slots[slot].payload.take()
        }
        storage = larger
        slots = larger.slots
        free = capacity
        capacity *= 2
    }
}
