/// Links by level, lowest first (ties by number); levels may be too low, and are then raised.
struct LevelHeap: ~Copyable {
    // Not private: a type private to this file inside one that cannot be copied stops the compiler (6.3.1) where others destroy it.
    struct Entry: BitwiseCopyable {
        var level: Double
        var link: Int
        @inline(__always)
        static func < (a: Entry, b: Entry) -> Bool { a.level < b.level || (a.level == b.level && a.link < b.link) }
    }
    private var entries = Column<Entry>()

    mutating func removeAll() { entries.removeAll() }
    /// Without order; `establish` makes it.
    mutating func append(_ level: Double, _ link: Int) { entries.append(Entry(level: level, link: link)) }

    mutating func establish() {
        guard entries.count > 1 else { return }
        for index in stride(from: (entries.count - 2) / 2, through: 0, by: -1) { sift(entries[index], from: index) }
    }

    var first: (level: Double, link: Int)? { entries.isEmpty ? nil : (entries[0].level, entries[0].link) }

    mutating func removeFirst() {
        guard let last = entries.popLast(), !entries.isEmpty else { return }
        sift(last, from: 0)
    }

    /// The first link's level turns out to be higher. False when another is then lower.
    @inline(__always)
    mutating func raiseFirst(to level: Double) -> Bool {
        let entry = Entry(level: level, link: entries[0].link)
        if entries.count > 1, entries[1] < entry || (entries.count > 2 && entries[2] < entry) {
            sift(entry, from: 0)
            return false
        }
        return true
    }

    private mutating func sift(_ entry: Entry, from start: Int) {
        var hole = start
        while true {
            var child = 2 &* hole &+ 1
            guard child < entries.count else { break }
            if child &+ 1 < entries.count, entries[child &+ 1] < entries[child] { child &+= 1 }
            if !(entries[child] < entry) { break }
            entries[hole] = entries[child]
            hole = child
        }
        entries[hole] = entry
    }
}
