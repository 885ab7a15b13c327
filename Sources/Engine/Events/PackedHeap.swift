/// A priority queue of 128-bit keys, smallest first: a 4-ary implicit heap on one raw allocation.
///
/// Four children of a node are 64 bytes, about one cache line, so a pop touches one line a level over half as many levels as a binary heap.
/// Indices stay below `count`, which stays below `capacity`.
@usableFromInline
struct PackedHeap: ~Copyable {
    @usableFromInline private(set) var keys: UnsafeMutablePointer<UInt128>
    @usableFromInline private(set) var capacity: Int
    @usableFromInline private(set) var count = 0

    init(capacity: Int = 16) {
        self.capacity = max(16, capacity)
        keys = .allocate(capacity: self.capacity)
    }

    @inlinable deinit { keys.deallocate() }

    @inlinable var isEmpty: Bool { count == 0 }
    @inlinable var first: UInt128? { count == 0 ? nil : keys[0] }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<UInt128>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: keys, count: count)
        keys.deallocate()
        keys = larger
        capacity *= 2
    }

    /// - Complexity: O(log count), O(1) on average for random keys.
    mutating func push(_ key: UInt128) {
        if count == capacity { grow() }
        let keys = self.keys
        var hole = count
        count &+= 1
        while hole > 0 {
            let parent = (hole &- 1) >> 2
            let above = keys[parent]
            if above <= key { break }
            keys[hole] = above
            hole = parent
        }
        keys[hole] = key
    }

    /// - Complexity: O(log count).
    @usableFromInline
    mutating func pop() -> UInt128? {
        guard count > 0 else { return nil }
        let smallest = keys[0]
        count &-= 1
        if count > 0 { siftDown(keys[count], from: 0) }
        return smallest
    }

    mutating func removeAll() { count = 0 }

    /// Puts `key` into the hole at `start` or below it.
    private mutating func siftDown(_ key: UInt128, from start: Int) {
        let keys = self.keys
        let count = self.count
        var hole = start
        while true {
            let child = hole &* 4 &+ 1
            guard child < count else { break }
            var best = child
            var bestKey = keys[child]
            var sibling = child &+ 1
            let end = min(child &+ 4, count)
            while sibling < end {
                let candidate = keys[sibling]
                if candidate < bestKey {
                    best = sibling
                    bestKey = candidate
                }
                sibling &+= 1
            }
            if key <= bestKey { break }
            keys[hole] = bestKey
            hole = best
        }
        keys[hole] = key
    }
}
