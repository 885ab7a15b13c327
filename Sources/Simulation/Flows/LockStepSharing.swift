/// Weighted max-min fair speeds of patterns of flows, each of which runs in lock step.
///
/// A pattern at speed 1 puts the share u_l of link l's capacity on it, and each of its flows runs at w bytes a second. A common level x of the flows' rates rises
/// from 0; a pattern goes at min(1, x / w) until a link of it is full, sum of u_l min(1, x / w) = its room, which fixes all patterns on the link ("progressive
/// filling", Bertsekas and Gallager, Data Networks, 1992, section 6.5.2). Where each flow of a pattern meets the same links this is the max-min share of every
/// single flow; a pattern whose flows meet different links goes at the pace of the slowest.
struct LockStepSharing {
    struct Pattern {
        /// (link, share of its capacity at speed 1)
        var loads: [(link: Int32, usage: Double)]
        /// Bytes a second of one flow at speed 1.
        var rate: Double
    }
    struct Share: Equatable {
        var speed = 1.0
        /// The full link that holds it back; -1 at speed 1.
        var bottleneck: Int32 = -1
    }

    /// [links] share of its capacity that a link has; 1 but where it is down or slow for a while.
    var room: [Double]
    // [links] state of a filling; all zero between two.
    private var left: [Double]
    private var slope: [Double]
    private var full: [Double]
    private var open: [Int32]
    private var links: [Int32] = []

    init(links count: Int) {
        room = Array(repeating: 1, count: count)
        left = Array(repeating: 0, count: count)
        slope = left
        full = left
        open = Array(repeating: 0, count: count)
    }

    /// - Complexity: O(patterns log patterns + full links x (links + patterns)).
    mutating func solve(_ patterns: [Pattern]) -> [Share] {
        var shares = [Share](repeating: Share(), count: patterns.count)
        links.removeAll(keepingCapacity: true)
        for pattern in patterns {
            for (link, usage) in pattern.loads {
                if full[Int(link)] == 0 { links.append(link) }
                full[Int(link)] += usage
            }
        }
        // Links that hold everybody at speed 1 constrain nobody.
        links.removeAll { link in
            guard full[Int(link)] <= room[Int(link)] + 1e-9 else { return false }
            full[Int(link)] = 0
            return true
        }
        guard !links.isEmpty else { return shares }
        for link in links { left[Int(link)] = room[Int(link)] }
        var waiting: [Int] = []
        for (index, pattern) in patterns.enumerated() where pattern.loads.contains(where: { full[Int($0.link)] > 0 }) {
            waiting.append(index)
            for (link, usage) in pattern.loads {
                slope[Int(link)] += usage / pattern.rate
                open[Int(link)] += 1
            }
        }
        waiting.sort { (patterns[$0].rate, $0) < (patterns[$1].rate, $1) }
        while let slowest = waiting.first {
            var level = patterns[slowest].rate
            var bottleneck: Int32 = -1
            for link in links where open[Int(link)] > 0 {
                let reached = max(0, left[Int(link)]) / slope[Int(link)]
                if reached < level * (1 - 1e-12) {
                    level = reached
                    bottleneck = link
                }
            }
            var rest: [Int] = []
            for index in waiting {
                let pattern = patterns[index]
                let isFixed =
                    bottleneck < 0 ? pattern.rate <= level * (1 + 1e-12) : pattern.loads.contains { $0.link == bottleneck }
                guard isFixed else {
                    rest.append(index)
                    continue
                }
                let speed = min(1, level / pattern.rate)
                shares[index] = Share(speed: speed, bottleneck: speed < 1 ? bottleneck : -1)
                for (link, usage) in pattern.loads {
                    left[Int(link)] -= usage * speed
                    slope[Int(link)] -= usage / pattern.rate
                    open[Int(link)] -= 1
                }
            }
            waiting = rest
        }
        for pattern in patterns {
            for (link, _) in pattern.loads {
                left[Int(link)] = 0
                slope[Int(link)] = 0
                full[Int(link)] = 0
                open[Int(link)] = 0
            }
        }
        return shares
    }
}
