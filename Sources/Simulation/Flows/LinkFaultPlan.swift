import Quantities

/// Links that change in the course of a run, resolved to links of the network.
struct LinkFaultPlan: Sendable {
    struct Outage: Sendable {
        var links: [Int]
        /// Share of the link's capacity that is left.
        var rate: Double
        var from: Duration
        var until: Duration?
        var reroutes: Bool

        func isActive(at time: Duration) -> Bool { from <= time && until.map { time < $0 } ?? true }
    }
    struct Phase {
        /// Nanoseconds from the start of the step.
        var from: Int64
        /// By link, where it is less than 1. Of several faults of one link the worst counts.
        var room: [Int: Double]
        /// Index of the detour, -1 for none.
        var detour: Int
    }
    private let faults: [Outage]
    /// Sets of links that flows go round at some time.
    let detours: [Set<Int>]
    /// [links] the faults that it has.
    private let faultsOf: [Int: [Int]]

    init(_ faults: [Outage] = []) {
        self.faults = faults
        var faultsOf: [Int: [Int]] = [:]
        for (index, fault) in faults.enumerated() { for link in fault.links { faultsOf[link, default: []].append(index) } }
        self.faultsOf = faultsOf
        var detours: [Set<Int>] = []
        for time in Self.changes(faults) {
            let avoided = Self.avoided(faults, at: time)
            if !avoided.isEmpty, !detours.contains(avoided) { detours.append(avoided) }
        }
        self.detours = detours
    }

    var isEmpty: Bool { faults.isEmpty }
    func of(_ link: Int) -> [Int] { faultsOf[link] ?? [] }
    func least(of link: Int) -> Double { of(link).reduce(1) { min($0, faults[$1].rate) } }

    private static func changes(_ faults: [Outage]) -> [Duration] {
        Set(faults.flatMap { [$0.from] + ($0.until.map { [$0] } ?? []) }).sorted()
    }

    private static func avoided(_ faults: [Outage], at time: Duration) -> Set<Int> {
        Set(faults.filter { $0.rate == 0 && $0.reroutes && $0.isActive(at: time) }.flatMap(\.links))
    }

    /// The states of the links from `start` on, first that at the start.
    func phases(from start: Duration) -> [Phase] {
        guard !faults.isEmpty else { return [] }
        return ([start] + Self.changes(faults).filter { $0 > start }).map { time in
            var room: [Int: Double] = [:]
            for fault in faults where fault.rate < 1 && fault.isActive(at: time) {
                for link in fault.links { room[link] = min(room[link] ?? 1, fault.rate) }
            }
            let avoided = Self.avoided(faults, at: time)
            return Phase(from: time.nanoseconds - start.nanoseconds, room: room, detour: detours.firstIndex(of: avoided) ?? -1)
        }
    }
}
