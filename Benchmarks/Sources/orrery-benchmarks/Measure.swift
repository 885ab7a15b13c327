import Glibc

/// Seconds of the fastest of several runs: what the work costs when nothing else disturbs it.
func fastest(of runs: Int = 7, _ body: () throws -> Void) rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<runs {
        let clock = ContinuousClock()
        let seconds = try clock.measure(body) / .seconds(1)
        best = min(best, seconds)
    }
    return best
}

/// Where results go, so that the work behind them is done.
nonisolated(unsafe) private var sink: UInt64 = 88_172_645_463_325_252
@inline(never) func use(_ value: Int) { sink = sink &+ UInt64(truncatingIfNeeded: value) }

/// Seconds of one step of a multiply-add recurrence, as the compiler makes it: the unit in which a fast machine and a slow one agree.
func multiplyAdd() -> Double {
    let count = 50_000_000
    return fastest {
        var x = sink
        for _ in 0..<count { x = x &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407 }
        use(Int(truncatingIfNeeded: x))
    } / Double(count)
}

/// Highest resident size so far, bytes (getrusage counts KiB on Linux).
func peakMemory() -> Double {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_maxrss) * 1024
}

/// The yardstick of the event queue: a binary heap as anybody would write it.
struct PlainHeap {
    private var items: [(time: Int64, sequence: Int)] = []
    var count: Int { items.count }

    mutating func push(_ item: (time: Int64, sequence: Int)) {
        items.append(item)
        var child = items.count - 1
        while child > 0, items[child] < items[(child - 1) / 2] {
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> (time: Int64, sequence: Int)? {
        guard let last = items.popLast() else { return nil }
        guard let top = items.first else { return last }
        items[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && items[child] < items[least] { least = child }
            if least == parent { return top }
            items.swapAt(parent, least)
            parent = least
        }
    }
}

/// xorshift64* (Vigna, arXiv:1402.6246): the same times on every machine.
struct Draws {
    private var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    mutating func next(below limit: UInt64) -> Int64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Int64((state &* 2_685_821_657_736_338_717) >> 33) % Int64(limit)
    }
}
