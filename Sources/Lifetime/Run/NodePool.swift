import Engine

/// Nodes that stand by, and those in repair.
struct NodePool {
    private let plan: Spares
    private var warm: Int
    private var cold: Int
    /// Cold nodes under way come at this time.
    private var coldReady = 0.0
    /// When nodes come back from repair, a binary heap.
    private var returns: [Double] = []
    /// When each repair crew is free.
    private var crews: [Double]

    init(_ plan: Spares) {
        self.plan = plan
        warm = plan.warm
        cold = plan.cold
        crews = Array(repeating: 0, count: plan.crews ?? 0)
    }

    /// Nodes that the run lacks.
    var missing: Int { max(0, -warm) }
    var nextReturn: Double { returns.first ?? .infinity }

    /// Nodes leave for repair and spares take their places.
    mutating func take(_ count: Int, at now: Double, repair: DurationLaw, _ draws: inout RandomStream) {
        settle(now)
        for _ in 0..<count {
            let length = repair.draw(&draws)
            var start = now
            if let free = crews.indices.min(by: { crews[$0] < crews[$1] }) {
                start = max(now, crews[free])
                crews[free] = start + length
            }
            push(start + length)
        }
        warm -= count
        let started = min(cold, max(0, -warm))
        if started > 0 {
            cold -= started
            warm += started
            coldReady = now + plan.start
        }
    }

    /// Nodes whose repair has ended by `now` stand by again.
    mutating func settle(_ now: Double) {
        while let first = returns.first, first <= now {
            pop()
            warm += 1
        }
    }

    /// When the run has all its nodes: at once, or when enough are repaired or started.
    mutating func readyAt(_ now: Double) -> Double {
        settle(now)
        var ready = coldReady > now ? coldReady : now
        if warm < 0 {
            // The earliest of all repairs fill the gap; one return at a time, since a failure may come between.
            ready = max(ready, returns.first ?? .infinity)
        }
        return ready
    }

    /// Spares in use.
    mutating func inUse(_ now: Double) -> Int {
        settle(now)
        return plan.warm + plan.cold - warm - cold
    }

    private mutating func push(_ value: Double) {
        returns.append(value)
        var index = returns.count - 1
        while index > 0, returns[(index - 1) / 2] > value {
            returns[index] = returns[(index - 1) / 2]
            index = (index - 1) / 2
        }
        returns[index] = value
    }

    private mutating func pop() {
        let value = returns.removeLast()
        guard !returns.isEmpty else { return }
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < returns.count else { break }
            if child + 1 < returns.count, returns[child + 1] < returns[child] { child += 1 }
            guard returns[child] < value else { break }
            returns[index] = returns[child]
            index = child
        }
        returns[index] = value
    }
}
