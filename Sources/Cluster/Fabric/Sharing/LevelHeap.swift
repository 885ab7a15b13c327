/// Links by level, lowest first (ties by number); levels may be out of date, and are then put back.
struct LevelHeap: ~Copyable {
    // Not private: a type private to this file inside one that cannot be copied stops the compiler (6.3.1) where others destroy it.
    struct Entry: BitwiseCopyable {
        var level: Double
        var link: Int
        @inline(__always)
        static func < (a: Entry, b: Entry) -> Bool { a.level < b.level || (a.level == b.level && a.link < b.link) }
    }
    private var entries = Column<Entry>()

    var firstLevel: Double { entries.isEmpty ? .infinity : entries[0].level }

    mutating func removeAll() { entries.removeAll() }
    /// Without order; `establish` makes it.
    mutating func append(_ level: Double, _ link: Int) { entries.append(Entry(level: level, link: link)) }

    mutating func establish() {
        guard entries.count > 1 else { return }
        for index in stride(from: (entries.count - 2) / 2, through: 0, by: -1) { sift(entries[index], from: index) }
    }

    mutating func push(_ level: Double, _ link: Int) {
        let entry = Entry(level: level, link: link)
        entries.append(entry)
        var hole = entries.count - 1
        while hole > 0 {
            let parent = (hole - 1) >> 1
            if !(entry < entries[parent]) { break }
            entries[hole] = entries[parent]
            hole = parent
        }
        entries[hole] = entry
    }

    mutating func pop() -> (level: Double, link: Int)? {
        guard !entries.isEmpty, let last = entries.popLast() else { return nil }
        guard !entries.isEmpty else { return (last.level, last.link) }
        let first = entries[0]
        sift(last, from: 0)
        return (first.level, first.link)
    }

    private mutating func sift(_ entry: Entry, from start: Int) {
        var hole = start
        while true {
            var child = 2 * hole + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
            if !(entries[child] < entry) { break }
            entries[hole] = entries[child]
            hole = child
        }
        entries[hole] = entry
    }
}
