/// How long each flow was held back by which link.
struct BottleneckAccount {
    struct Entry {
        var owner: Int32
        var link: Int32
        var seconds: Double
    }
    private(set) var entries: [Entry] = []
    /// [slots] since when the present bottleneck holds.
    private var since: [Double] = []

    mutating func begin(_ slot: Int, now: Double) {
        while since.count <= slot { since.append(0) }
        since[slot] = now
    }

    mutating func note(_ sharing: borrowing FairSharing, now: Double) {
        for index in 0..<sharing.bottleneckChanges.count {
            let (slot, before) = sharing.bottleneckChanges[index]
            if before >= 0 {
                entries.append(Entry(owner: sharing.flows[Int(slot)].owner, link: before, seconds: now - since[Int(slot)]))
            }
            since[Int(slot)] = now
        }
    }

    mutating func end(_ slot: Int, _ sharing: borrowing FairSharing, at time: Double) {
        entries.append(Entry(owner: sharing.flows[slot].owner, link: sharing.flows[slot].bottleneck, seconds: time - since[slot]))
    }

    /// [flows] the link that held each flow back for the longest time (of equals the one with the higher number), -1 where none did.
    func longest(flows count: Int) -> [Int] {
        // Entries by flow (a counting sort), then the few of each flow by link.
        var ends = [Int32](repeating: 0, count: count + 1)
        for entry in entries { ends[Int(entry.owner) + 1] += 1 }
        for owner in 0..<count { ends[owner + 1] += ends[owner] }
        var order = [Int32](repeating: 0, count: entries.count)
        for (index, entry) in entries.enumerated() {
            order[Int(ends[Int(entry.owner)])] = Int32(truncatingIfNeeded: index)
            ends[Int(entry.owner)] += 1
        }
        var result = [Int](repeating: -1, count: count)
        var start = 0
        for owner in 0..<count {
            let end = Int(ends[owner])
            defer { start = end }
            var best = -1.0
            for place in start..<end {
                let link = entries[Int(order[place])].link
                // The first entry of a link adds up all of them.
                if (start..<place).contains(where: { entries[Int(order[$0])].link == link }) { continue }
                var total = 0.0
                for other in place..<end where entries[Int(order[other])].link == link { total += entries[Int(order[other])].seconds }
                if total > best || (total == best && Int(link) > result[owner]) {
                    best = total
                    result[owner] = Int(link)
                }
            }
        }
        return result
    }

    /// [flows] every link that held the flow back, the longest first.
    func waits(flows count: Int, links: Int) -> [[LinkWait]] {
        var result = [[LinkWait]](repeating: [], count: count)
        for entry in entries where (0..<links).contains(Int(entry.link)) && entry.seconds > 0 {
            let owner = Int(entry.owner)
            if let known = result[owner].firstIndex(where: { $0.link == Int(entry.link) }) {
                result[owner][known].seconds += entry.seconds
            } else {
                result[owner].append(LinkWait(link: Int(entry.link), seconds: entry.seconds))
            }
        }
        for index in result.indices { result[index].sort { ($1.seconds, $0.link) < ($0.seconds, $1.link) } }
        return result
    }
}
