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

    /// [flows] the link that held each flow back for the longest time (of equals the later), -1 where none did.
    func longest(flows count: Int) -> [Int] {
        var result = [Int](repeating: -1, count: count)
        let sorted = entries.enumerated().sorted {
            ($0.element.owner, $0.element.link, $0.offset) < ($1.element.owner, $1.element.link, $1.offset)
        }
        var best = [Double](repeating: -1, count: count)
        var index = 0
        while index < sorted.count {
            let (owner, link) = (sorted[index].element.owner, sorted[index].element.link)
            var total = 0.0
            while index < sorted.count, sorted[index].element.owner == owner, sorted[index].element.link == link {
                total += sorted[index].element.seconds
                index += 1
            }
            if total >= best[Int(owner)] {
                best[Int(owner)] = total
                result[Int(owner)] = Int(link)
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
