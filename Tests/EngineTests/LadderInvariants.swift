@testable import Engine

extension Ladder {
    /// What is wrong with the structure; nil when nothing is.
    func brokenInvariant() -> String? {
        let keys = allKeys()
        if keys.count != count { return "\(keys.count) keys, but a count of \(count)" }
        if let first, first != keys.min() { return "\(first) in front, but \(keys.min() ?? 0) is less" }
        if first == nil, !keys.isEmpty { return "nothing in front of \(count) keys" }
        for index in 0..<topCount where EventKey.ticks(top[index]) <= boundary { return "a key of the top within the boundary" }
        for index in head..<tail where index > head && bottom[index - 1] >= bottom[index] { return "the bottom is not ascending" }
        var above = boundary
        for index in 0..<rungCount {
            let rung = rungs[index]
            var found = 0
            for bucket in rung.current..<rung.buckets {
                var misplaced = false
                chunks.forEachChunk(rung.bags[bucket]) { keys in
                    found += keys.count
                    for ticks in keys.map(EventKey.ticks) {
                        if (ticks - rung.start) >> rung.shift != bucket || ticks <= rung.consumed || ticks > above { misplaced = true }
                    }
                }
                if misplaced { return "a misplaced key in bucket \(bucket) of rung \(index)" }
            }
            if found != rung.count { return "rung \(index) has \(found) keys, but a count of \(rung.count)" }
            above = rung.consumed
        }
        for index in head..<tail where EventKey.ticks(bottom[index]) > above { return "a key of the bottom belongs above" }
        for index in 0..<late.count where EventKey.ticks(late.keys[index]) > above { return "a key of the heap belongs above" }
        return nil
    }
}
