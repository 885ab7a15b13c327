/// A growable array of plain values on one raw allocation, without bounds checks in release builds: the storage of the sharing solver, whose indices
/// are its own. All unsafe memory of the fabric is in this file.
struct Column<Element: BitwiseCopyable>: ~Copyable {
    private(set) var base: UnsafeMutablePointer<Element>
    private var capacity: Int
    private(set) var count: Int

    init(count: Int = 0, repeating value: Element) {
        self.count = count
        capacity = max(8, count)
        base = Self.allocate(capacity)
        base.initialize(repeating: value, count: count)
    }

    init() {
        count = 0
        capacity = 8
        base = Self.allocate(8)
    }

    deinit { base.deallocate() }

    /// Aligned to cache lines, so that elements of 32 and 64 bytes never lie across two.
    private static func allocate(_ capacity: Int) -> UnsafeMutablePointer<Element> {
        UnsafeMutableRawPointer.allocate(byteCount: capacity * MemoryLayout<Element>.stride, alignment: 64)
            .bindMemory(to: Element.self, capacity: capacity)
    }

    var isEmpty: Bool { count == 0 }

    subscript(_ index: Int) -> Element {
        @inline(__always) unsafeAddress {
            assert(index >= 0 && index < count)
            return UnsafePointer(base + index)
        }
        @inline(__always) unsafeMutableAddress {
            assert(index >= 0 && index < count)
            return base + index
        }
    }

    @inline(__always)
    mutating func append(_ element: Element) {
        if count == capacity { grow() }
        base[count] = element
        count &+= 1
    }

    @inline(__always)
    mutating func popLast() -> Element? {
        guard count > 0 else { return nil }
        count &-= 1
        return base[count]
    }

    @inline(__always)
    mutating func removeAll() { count = 0 }

    @inline(never)
    private mutating func grow() {
        let larger = Self.allocate(capacity * 2)
        larger.moveInitialize(from: base, count: count)
        base.deallocate()
        base = larger
        capacity *= 2
    }
}

/// Many growable lists (one a link) of plain values.
struct ListPool<Element: BitwiseCopyable>: ~Copyable {
    private struct List {
        var base: UnsafeMutablePointer<Element>?
        var count: Int32
        var capacity: Int32
    }
    private var lists: Column<List>

    init(lists count: Int) { lists = Column(count: count, repeating: List(base: nil, count: 0, capacity: 0)) }

    deinit {
        for index in 0..<lists.count { lists[index].base?.deallocate() }
    }

    mutating func addList() { lists.append(List(base: nil, count: 0, capacity: 0)) }

    @inline(__always) func count(_ list: Int) -> Int { Int(lists[list].count) }

    /// Valid until the list changes.
    @inline(__always)
    func elements(_ list: Int) -> UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(start: lists[list].base, count: Int(lists[list].count))
    }

    /// Returns the element's place.
    @inline(__always)
    mutating func append(_ element: Element, to list: Int) -> Int {
        if lists[list].count == lists[list].capacity { grow(list) }
        let place = Int(lists[list].count)
        lists[list].base?[place] = element
        lists[list].count &+= 1
        return place
    }

    /// Fills the place with the last element, which is returned when it moved.
    @inline(__always)
    mutating func remove(at place: Int, from list: Int) -> Element? {
        assert(place < Int(lists[list].count))
        lists[list].count &-= 1
        let last = Int(lists[list].count)
        guard place != last, let base = lists[list].base else { return nil }
        base[place] = base[last]
        return base[place]
    }

    mutating func removeAll(_ list: Int) { lists[list].count = 0 }

    mutating func removeFirst(_ count: Int, from list: Int) {
        assert(count <= Int(lists[list].count))
        lists[list].count &-= Int32(truncatingIfNeeded: count)
        guard let base = lists[list].base else { return }
        base.update(from: base + count, count: Int(lists[list].count))
    }

    @inline(never)
    private mutating func grow(_ list: Int) {
        let old = lists[list]
        let capacity = max(4, Int(old.capacity) * 2)
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
        if let base = old.base {
            larger.moveInitialize(from: base, count: Int(old.count))
            base.deallocate()
        }
        lists[list].base = larger
        lists[list].capacity = Int32(capacity)
    }
}
