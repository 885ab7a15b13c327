import Cluster
import Plan
import Quantities

/// Links that carry the same traffic at the same time: one stands for all.
struct LinkClass {
    /// The lowest of them.
    var link: Int
    var count: Int
    /// Bytes a second that one of them can reach (calibrated, slowed by faults), and by its nominal rate.
    var capacity: Double
    var nominal: Double
    var tier: LinkTier
}

/// The patterns of flows of a plan's step on the links of its cluster.
///
/// Folding: tasks of a step graph stand for all replicas of a lane and all model-parallel ranks of a stage, which do the same at the same time. All their
/// flows are routed, link by link; links with the same loads of all patterns form a class. The event loop then needs one pattern a task and one link a class,
/// and still sees every flow that shares a link.
///
/// Calibration: a pattern that is alone runs at the rate that gives its collective's calibrated time in closed form, latencies included, and no faster. Links
/// reach the calibrated share of their nominal rate (`reachedShares`), or what the fastest single pattern reaches, where that is more. Between switches the
/// closed form knows no limit: a pattern whose own flows overload a link there takes longer already alone.
struct StepFabric {
    let network: TrainingNetwork
    let keys: [PatternKey]
    let indexOf: [PatternKey: Int]
    /// [patterns] (class, bytes on one link of it) for a buffer of one byte.
    private(set) var loads: [[(link: Int32, bytes: Double)]]
    let raw: [RawPattern]
    private(set) var links: [LinkClass] = []
    /// [links of the network] its class, -1 without traffic.
    private(set) var classOf: [Int32]
    let lanes: Int
    let ranks: Int

    /// Patterns are numbered by `keys`; behind them stand the same once more for each detour round dead links.
    /// - Parameter disturbed: factors by which links are slower, by link, and links that change in the course of a step.
    init(
        plan: Plan, keys: [PatternKey], lanes: Int, disturbed: (slow: [Int: Double], faults: LinkFaultPlan)
    ) throws(Fault) {
        do { network = try TrainingNetwork(cluster: plan.job.cluster) } catch { throw error.fault }
        let groups: RankGroups
        do { groups = try RankGroups(plan) } catch { throw Fault(reason: "\(error)") }
        self.keys = Array(repeating: keys, count: 1 + disturbed.faults.detours.count).flatMap { $0 }
        self.lanes = lanes
        ranks = plan.schedule.ranks.count
        var builder = PatternBuilder(network: network, groups: groups, collectives: plan.model.collectives, lanes: lanes)
        var index: [PatternKey: Int] = [:]
        var built: [RawPattern] = []
        for (number, key) in keys.enumerated() {
            index[key] = number
            built.append(builder.build(key, ranks: ranks))
        }
        for avoided in disturbed.faults.detours {
            builder.avoided = avoided
            for key in keys { built.append(builder.build(key, ranks: ranks)) }
        }
        indexOf = index
        raw = built
        classOf = Array(repeating: -1, count: network.network.linkCount)
        loads = Array(repeating: [], count: built.count)
        classify(disturbed)
    }

    private struct Signature: Hashable {
        var tier: LinkTier
        var slow: Double
        var faults: [Int]
        var first: UInt64
        var second: UInt64
    }

    /// Sorts links into classes by all that crosses them. Two hashes of 64 bits each stand for the list of loads, rounded to 12 digits, because sums of equal
    /// parts in another order differ by rounding.
    private mutating func classify(_ disturbed: (slow: [Int: Double], faults: LinkFaultPlan)) {
        var first = [UInt64](repeating: 0, count: classOf.count)
        var second = first
        for (pattern, raw) in raw.enumerated() {
            for (link, bytes) in raw.loads {
                let rounded = (bytes.bitPattern &+ 0x800) & ~0xFFF
                let word = rounded &+ UInt64(pattern) &* 0x9e37_79b9_7f4a_7c15
                first[Int(link)] = (first[Int(link)] ^ word) &* 0xbf58_476d_1ce4_e5b9
                first[Int(link)] ^= first[Int(link)] >> 29
                second[Int(link)] = (second[Int(link)] &+ word &+ 1) &* 0x94d0_49bb_1331_11eb
                second[Int(link)] ^= second[Int(link)] >> 31
            }
        }
        var known: [Signature: Int32] = [:]
        for link in classOf.indices where first[link] != 0 || second[link] != 0 {
            let tier = network.tier(of: link)
            let factor = disturbed.slow[link] ?? 1
            let signature = Signature(tier: tier, slow: factor, faults: disturbed.faults.of(link), first: first[link], second: second[link])
            if let number = known[signature] {
                classOf[link] = number
                links[Int(number)].count += 1
            } else {
                known[signature] = Int32(links.count)
                classOf[link] = Int32(links.count)
                let nominal = network.network.properties(ofLink: link).bandwidth
                links.append(LinkClass(link: link, count: 1, capacity: nominal / factor, nominal: nominal, tier: tier))
            }
        }
        for (pattern, raw) in raw.enumerated() {
            for (link, bytes) in raw.loads {
                let number = classOf[Int(link)]
                if links[Int(number)].link == Int(link) { loads[pattern].append((number, bytes)) }
            }
        }
    }

    /// Lowers capacities from nominal to what is reached. `demands`: [patterns] the most bytes a second of its buffer that the closed form lets it move.
    mutating func calibrate(shares: (inside: Double, network: Double), demands: [Double]) {
        var reached = shares
        for (pattern, demand) in demands.enumerated() {
            for (link, bytes) in loads[pattern] {
                let share = min(1, demand * bytes / links[Int(link)].nominal)
                switch links[Int(link)].tier {
                case .inside: reached.inside = max(reached.inside, share)
                case .port: reached.network = max(reached.network, share)
                case .leaf, .core: break
                }
            }
        }
        for link in links.indices { links[link].capacity *= links[link].tier == .inside ? reached.inside : reached.network }
    }

    /// How many times as long as in closed form a pattern takes alone, at `demand` bytes a second of its buffer; 1 where its links bear that. A collective
    /// over several lanes is as slow as the slowest of them.
    func stretch(of pattern: Int, demand: Double, coupled: inout [Int: Double]) -> Double {
        if let known = coupled[pattern] { return known }
        let key = keys[pattern]
        var members = [pattern]
        if lanes > 1, case .collective = key.kind {
            members = (0..<lanes).compactMap { lane in
                var other = key
                other.place = lane * ranks + key.place % ranks
                return indexOf[other]
            }
        }
        var sums: [Int32: Double] = [:]
        for member in members { for (link, bytes) in loads[member] { sums[link, default: 0] += bytes } }
        var worst = 1.0
        // The greatest of a set does not depend on its order.
        for (link, bytes) in sums { worst = max(worst, demand * bytes / links[Int(link)].capacity) }
        if worst < 1 + 1e-9 { worst = 1 }
        if lanes > 1 { for member in members { coupled[member] = worst } }
        return worst
    }
}
