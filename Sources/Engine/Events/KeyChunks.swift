/// Unordered bags of 128-bit keys that grow by chunks of `size`, from one pool. Keys that come together lie together, whichever other bags grow meanwhile.
struct KeyChunks: ~Copyable {
    static var size: Int { 16 }
    static var none: UInt32 { .max }

    /// A bag: its newest chunk, which holds `used` keys; the chunks behind it are full.
    struct Bag {
        var chunk: UInt32 = KeyChunks.none
        var used = UInt32(KeyChunks.size)
        var isEmpty: Bool { chunk == KeyChunks.none }
    }

    private var keys: UnsafeMutablePointer<UInt128>
    /// [chunks] the chunk behind each, or the next free one.
    private var next: UnsafeMutablePointer<UInt32>
    private var capacity = 64
    private var made = 0
    private var free = KeyChunks.none

    init() {
        keys = .allocate(capacity: capacity * Self.size)
        next = .allocate(capacity: capacity)
    }

    deinit {
        keys.deallocate()
        next.deallocate()
    }

    /// - Complexity: O(1) amortised.
    @inline(__always)
    mutating func add(_ key: UInt128, to bag: UnsafeMutablePointer<Bag>) {
        if bag.pointee.used == Self.size { addChunk(to: bag) }
        keys[Int(bag.pointee.chunk) &* Self.size &+ Int(bag.pointee.used)] = key
        bag.pointee.used &+= 1
    }

    private mutating func addChunk(to bag: UnsafeMutablePointer<Bag>) {
        if free == Self.none {
            if made == capacity { grow() }
            next[made] = Self.none
            free = UInt32(truncatingIfNeeded: made)
            made += 1
        }
        let chunk = free
        free = next[Int(chunk)]
        next[Int(chunk)] = bag.pointee.chunk
        bag.pointee = Bag(chunk: chunk, used: 0)
    }

    private mutating func grow() {
        let more = UnsafeMutablePointer<UInt128>.allocate(capacity: capacity * 2 * Self.size)
        more.moveInitialize(from: keys, count: made * Self.size)
        keys.deallocate()
        keys = more
        let links = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity * 2)
        links.moveInitialize(from: next, count: made)
        next.deallocate()
        next = links
        capacity *= 2
    }

    /// Keys in a bag.
    /// - Complexity: O(chunks).
    func count(_ bag: Bag) -> Int {
        guard !bag.isEmpty else { return 0 }
        var total = Int(bag.used)
        var chunk = next[Int(bag.chunk)]
        while chunk != Self.none {
            total += Self.size
            chunk = next[Int(chunk)]
        }
        return total
    }

    /// Calls `body` with the keys of each chunk.
    @inline(__always)
    func forEachChunk(_ bag: Bag, _ body: (UnsafeBufferPointer<UInt128>) -> Void) {
        var (chunk, used) = (bag.chunk, Int(bag.used))
        while chunk != Self.none {
            body(UnsafeBufferPointer(start: keys + Int(chunk) * Self.size, count: used))
            (chunk, used) = (next[Int(chunk)], Self.size)
        }
    }

    /// Gives the chunks of a bag back.
    mutating func release(_ bag: Bag) {
        guard !bag.isEmpty else { return }
        var last = bag.chunk
        while next[Int(last)] != Self.none { last = next[Int(last)] }
        next[Int(last)] = free
        free = bag.chunk
    }

    /// Takes a chunk's keys out of a bag, newest chunk first, without giving their chunk back before `body` has seen them. nil when the bag is empty.
    mutating func removeChunk(from bag: inout Bag, into buffer: UnsafeMutablePointer<UInt128>) -> Int? {
        guard !bag.isEmpty else { return nil }
        let chunk = Int(bag.chunk)
        let used = Int(bag.used)
        buffer.update(from: keys + chunk * Self.size, count: used)
        bag = Bag(chunk: next[chunk], used: UInt32(Self.size))
        next[chunk] = free
        free = UInt32(truncatingIfNeeded: chunk)
        return used
    }

    /// Every bag is empty from now on.
    mutating func removeAll() {
        made = 0
        free = Self.none
    }
}
