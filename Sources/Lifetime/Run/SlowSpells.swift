import Engine

/// Slow machines of one sample: when they turn slow, for how long, and when somebody notices.
struct SlowSpells {
    private struct Spell {
        var ends: Double
        var found: Double
        var kind: Int
    }
    private var plans: [SlowPlan] = []
    private var draws: [RandomStream] = []
    private var onsets: [Double] = []
    private var active: [Spell] = []
    private var discovered: Int?
    /// When something changes next.
    private(set) var time = Double.infinity
    /// Wall time over healthy time: that of the slowest, since a synchronous step waits for it.
    private(set) var pace = 1.0

    init() {}

    init(_ plan: RunPlan, key: UInt64) {
        guard !plan.slow.isEmpty else { return }
        plans = plan.slow
        for (kind, slow) in plans.enumerated() {
            var stream = RandomStream(seed: key, purpose: "slow", entity: UInt64(kind))
            for _ in 0..<stream.binomial(plan.fleet.nodes, slow.share) { active.append(Self.spell(slow, kind, at: 0, &stream)) }
            onsets.append(slow.rate > 0 ? stream.exponential(mean: 1 / slow.rate) : .infinity)
            draws.append(stream)
        }
        settle()
    }

    private static func spell(_ plan: SlowPlan, _ kind: Int, at now: Double, _ draws: inout RandomStream) -> Spell {
        let length = plan.lasts.draw(&draws)
        return Spell(ends: now + length, found: plan.evictAfter.map { now + $0.draw(&draws) } ?? .infinity, kind: kind)
    }

    private mutating func settle() {
        time = onsets.min() ?? .infinity
        pace = 1
        for spell in active {
            time = min(time, spell.ends, spell.found)
            pace = max(pace, plans[spell.kind].pace)
        }
    }

    /// Lets what is due at `now` happen.
    /// - Returns: whether a slow machine was found.
    mutating func advance(at now: Double) -> Bool {
        active.removeAll { $0.ends <= now }
        discovered = active.firstIndex { $0.found <= now }
        if let discovered { active[discovered].found = .infinity }
        for kind in plans.indices where onsets[kind] <= now {
            active.append(Self.spell(plans[kind], kind, at: onsets[kind], &draws[kind]))
            onsets[kind] += draws[kind].exponential(mean: 1 / plans[kind].rate)
        }
        settle()
        return discovered != nil
    }

    /// Whether the found machine would cost more than its replacement.
    func evictionPays(left: Double, cost: Double) -> Bool {
        guard let discovered, discovered < active.count else { return false }
        let plan = plans[active[discovered].kind]
        return (plan.pace - 1) * min(left, plan.lasts.mean) > cost
    }

    /// The found machine goes.
    /// - Returns: how long its repair takes.
    mutating func evict() -> DurationLaw {
        guard let index = discovered, index < active.count else { return .none }
        let kind = active[index].kind
        active.remove(at: index)
        discovered = nil
        settle()
        return plans[kind].repair
    }
}
