/// Where the checkpoints of a sample lie in its work: runs of equal distances, so that a jump over a thousand of them is one entry.
struct CheckpointLedger {
    private struct Stretch {
        var first: Double
        var distance: Double
        var count: Int
        var last: Double { first + Double(count - 1) * distance }
    }
    private var stretches: [Stretch] = []

    mutating func add(_ position: Double) {
        if let last = stretches.last, last.distance == 0 || position == last.last + last.distance {
            if last.last >= position { return }
            stretches[stretches.count - 1].distance = last.count == 1 ? position - last.first : last.distance
            stretches[stretches.count - 1].count += 1
        } else {
            stretches.append(Stretch(first: position, distance: 0, count: 1))
        }
    }

    /// `count` checkpoints, the first one `distance` behind `start`.
    mutating func add(_ count: Int, every distance: Double, from start: Double) {
        if let last = stretches.last, last.distance == distance, last.last == start {
            stretches[stretches.count - 1].count += count
        } else {
            stretches.append(Stretch(first: start + distance, distance: distance, count: count))
        }
    }

    /// The newest one at or before `position`, and how many are newer; 0, the start of the run, where there is none.
    func newest(before position: Double) -> (position: Double, newer: Int) {
        var newer = 0
        for stretch in stretches.reversed() {
            if stretch.first <= position {
                guard stretch.distance > 0 else { return (stretch.first, newer) }
                let index = min(stretch.count - 1, Int(((position - stretch.first) / stretch.distance + 1e-9).rounded(.down)))
                return (stretch.first + Double(index) * stretch.distance, newer + stretch.count - 1 - index)
            }
            newer += stretch.count
        }
        return (0, newer)
    }

    /// Drops those behind `position`.
    mutating func truncate(to position: Double) {
        while let last = stretches.last {
            if last.first > position {
                stretches.removeLast()
                continue
            }
            guard last.distance > 0, last.last > position else { return }
            let kept = Int(((position - last.first) / last.distance + 1e-9).rounded(.down)) + 1
            stretches[stretches.count - 1].count = min(last.count, kept)
            return
        }
    }
}
