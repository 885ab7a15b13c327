/// 128-bit event keys in an order that is made only as far as it is needed: a ladder queue (Tang, Goh and Thng 2005, "Ladder queue: an O(1) priority queue
/// structure for large-scale discrete event simulation", ACM TOMACS 15(3)), with a heap below it for what would degenerate.
///
/// From late to early:
/// - **top**: keys later than `boundary`, in the order of coming;
/// - **rungs**: buckets of equal width. Rung 0 was made of the nearer part of the top; each further rung splits a bucket of the one above that held too many.
///   The buckets up to `consumed` are gone. There are at most `mostBuckets`, so that the places where keys are added stay in the cache;
/// - **bottom**: a sorted run of what comes next. A key that falls into it is put in its place if that is near either end;
/// - **late**: a heap of the keys that fell into the bottom's range, but too far from its ends. When it outgrows the bottom, both become a rung.
///
/// So an operation costs O(1) on average, and O(log count) amortised for any sequence of times: a full bucket of one time is sorted once, and the heap takes
/// what neither spreads nor stays near an end. The least key is in the bottom or the heap whenever there is one.
@usableFromInline
struct Ladder: ~Copyable {
    /// Buckets of 2^shift ticks from `start` on.
    struct Rung {
        var start: UInt64 = 0
        /// The last tick whose bucket has been taken out.
        var consumed: UInt64 = 0
        var shift: UInt64 = 0
        /// Keys in all buckets.
        var count = 0
        var current = 0
        var buckets = 0
        let bags: UnsafeMutablePointer<KeyChunks.Bag>
    }

    static var mostRungs: Int { 8 }
    static var mostBuckets: Int { 4096 }
    /// Keys a bucket is made for, where they lie evenly.
    static var load: Int { 4 }
    /// Above so many keys a bucket becomes a rung of its own.
    static var crowd: Int { 48 }
    /// Up to so many keys the top is sorted at once; and neighbouring buckets are taken together until so many are in the bottom.
    static var batch: Int { 16 }
    /// Room before the bottom's first key, for what comes before it.
    @usableFromInline static var slack: Int { 64 }

    @usableFromInline var top: UnsafeMutablePointer<UInt128>
    @usableFromInline var topCapacity: Int
    @usableFromInline var topCount = 0
    @usableFromInline var boundary: UInt64 = 0

    let rungs: UnsafeMutablePointer<Rung>
    var rungCount = 0
    var chunks = KeyChunks()

    // The bottom is bottom[head..<tail], ascending.
    @usableFromInline var bottom: UnsafeMutablePointer<UInt128>
    var bottomCapacity = 256
    @usableFromInline var head = Ladder.slack
    @usableFromInline var tail = Ladder.slack
    @usableFromInline var late = PackedHeap()

    @usableFromInline var count = 0
    /// How many keys the steps down the ladder have looked at so far: the work beyond that of pushes and pops themselves.
    var moved = 0

    init(capacity: Int) {
        topCapacity = max(16, capacity)
        top = .allocate(capacity: topCapacity)
        rungs = .allocate(capacity: Self.mostRungs)
        for index in 0..<Self.mostRungs {
            (rungs + index).initialize(to: Rung(bags: .allocate(capacity: Self.mostBuckets + 1)))
        }
        bottom = .allocate(capacity: bottomCapacity)
    }

    @usableFromInline
    deinit {
        for index in 0..<Self.mostRungs { rungs[index].bags.deallocate() }
        rungs.deallocate()
        top.deallocate()
        bottom.deallocate()
    }

    /// - Complexity: O(1) on average, O(log count) amortised.
    @inlinable @inline(__always)
    mutating func push(_ key: UInt128) {
        count &+= 1
        guard EventKey.ticks(key) > boundary, count > 1, topCount < topCapacity else { return pushBelow(key) }
        top[topCount] = key
        topCount &+= 1
    }

    /// The least key; nil when there is none.
    @inlinable var first: UInt128? {
        if head == tail { return late.first }
        let key = bottom[head]
        if let other = late.first, other < key { return other }
        return key
    }

    /// Takes the least key out.
    @inlinable @inline(__always)
    mutating func pop() -> UInt128? {
        guard head < tail, late.isEmpty else { return popLate() }
        let key = bottom[head]
        head &+= 1
        count &-= 1
        if head == tail { refill() }
        return key
    }

    @usableFromInline
    mutating func popLate() -> UInt128? {
        guard let other = late.first else { return nil }
        count -= 1
        if head < tail, bottom[head] < other {
            defer { head += 1 }
            return bottom[head]
        }
        let key = late.pop()
        if head == tail, late.isEmpty { refill() }
        return key
    }
}
