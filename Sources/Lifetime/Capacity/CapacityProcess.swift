import Engine

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// The number of nodes of one sample over time, event by event.
struct CapacityProcess {
    /// Nodes from `time` on, until the next event.
    private(set) var nodes: Int
    /// When the next event comes; infinite where none does.
    private(set) var time: Double
    private var nextNodes: Int
    private var draws: RandomStream
    private var source: CapacityPlan.Source
    private var offset = 0.0
    private var position = 0
    private var turns = 0.0
    /// Batches away: when each returns, and how many nodes.
    private var away: [(time: Double, nodes: Int)] = []

    init(_ plan: CapacityPlan, key: UInt64) {
        source = plan.source
        draws = RandomStream(seed: key, purpose: "capacity")
        time = .infinity
        nodes = 0
        nextNodes = 0
        switch plan.source {
        case .trace(let trace):
            if plan.startsAtRandom {
                offset = draws.uniform() * trace.end
                position = trace.times.lastIndex { $0 <= offset } ?? 0
            }
            nodes = trace.nodes[position]
            findNext(in: trace)
        case .market(let market):
            // A market starts full and has settled after several outages.
            nodes = market.nodes
            let warm = 5 * market.outage.mean
            time = -warm
            nextNodes = nodes
            drawLoss(market, after: -warm)
            while time <= 0 { advance() }
        case .fleet: nodes = plan.most
        }
    }

    private var nextLoss = Double.infinity
    private var now = 0.0

    private mutating func drawLoss(_ market: SpotMarket, after moment: Double) {
        now = moment
        nextLoss = nodes > 0 && market.batchRate > 0 ? moment + draws.exponential(mean: 1 / (market.batchRate * Double(nodes))) : .infinity
        schedule(market)
    }

    private mutating func schedule(_ market: SpotMarket) {
        let back = away.min { $0.time < $1.time }
        if let back, back.time < nextLoss {
            time = back.time
            nextNodes = nodes + back.nodes
        } else {
            time = nextLoss
            nextNodes = -1  // drawn when it comes
        }
    }

    /// Lets the next event happen.
    mutating func advance() {
        switch source {
        case .trace(let trace):
            nodes = nextNodes
            findNext(in: trace)
        case .market(let market):
            let at = time
            if nextNodes >= 0, let index = away.indices.min(by: { away[$0].time < away[$1].time }) {
                nodes += away.remove(at: index).nodes
            } else {
                let size: Int
                switch market.sizes {
                case .fixed(let count): size = count
                case .geometric(let mean): size = draws.geometric(mean: mean)
                case .observed(let all): size = all[min(all.count - 1, Int(draws.uniform() * Double(all.count)))]
                }
                let lost = min(nodes, size)
                nodes -= lost
                away.append((at + market.outage.draw(&draws), lost))
            }
            // The rate follows the number of nodes, so the next loss is drawn anew; memoryless, that changes nothing else.
            drawLoss(market, after: at)
        case .fleet: time = .infinity
        }
    }

    private mutating func findNext(in trace: CapacityTrace) {
        guard trace.times.count > 1, trace.end > 0 else {
            time = .infinity
            return
        }
        position += 1
        if position == trace.times.count {
            // A run longer than its trace meets it again from the start.
            position = trace.nodes[0] == nodes ? 1 : 0
            turns += 1
        }
        time = trace.times[position] + turns * trace.end - offset
        nextNodes = trace.nodes[position]
    }
}

extension RandomStream {
    /// 1, 2, ...: trials up to the first success of probability 1 / mean.
    mutating func geometric(mean: Double) -> Int {
        guard mean > 1 else { return 1 }
        return max(1, Int((exponential(mean: 1) / -log1p(-1 / mean)).rounded(.up)))
    }
}
