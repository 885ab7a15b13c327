/// A layout with what it is worth.
public struct RankedLayout: Sendable {
    public let choice: LayoutChoice
    /// Place in the space's list of choices; breaks ties.
    public let index: Int
    /// Value of the objective: seconds, dollars or joules a step; of a Pareto search seconds.
    public let value: Double
    /// What it cannot undercut; of a layout whose layers were dealt anew, what it could not before, or `value` where that is less.
    public let bound: Double
    public let figures: LayoutFigures
}

extension RankedLayout {
    /// As good, and different in recomputation only.
    func isTwin(of other: RankedLayout) -> Bool {
        var same = choice
        same.recompute = other.choice.recompute
        return value == other.value && same == other.choice
    }
}

/// Layouts that a constraint took out, each counted once, by the first that it breaks.
public struct Removed: Sendable, Hashable {
    /// More memory than a GPU has.
    public var memory = 0
    /// More than the limit that was asked for.
    public var memoryLimit = 0
    /// The lower bound of the step, or the step, is beyond the deadline.
    public var deadline = 0
    public var budget = 0
    /// No schedule or no step time exists.
    public var impossible = 0
    public init() {}
    public var all: Int { memory + memoryLimit + deadline + budget + impossible }
}

/// The answer of a search.
public struct SearchResult: Sendable {
    /// Best first; of a Pareto search the whole front, fastest first.
    public internal(set) var ranked: [RankedLayout] = []
    /// Legal layouts, lower bounds, layouts whose turn came, simulations. Layouts that a journal held count as if done now.
    public internal(set) var space = 0
    public internal(set) var bounded = 0
    public internal(set) var tested = 0
    public internal(set) var simulated = 0
    public internal(set) var removed = Removed()
    /// Ranked layouts whose layers, dealt by time, make them faster than the stack's rule does.
    public internal(set) var refined = 0
    /// Of those that the journal held.
    public internal(set) var recovered = 0
    public internal(set) var seconds = 0.0
    /// Of `seconds`, those in which bounds were computed.
    public internal(set) var boundSeconds = 0.0
    /// No layout of the space is better than the ranked ones; false where time ran out.
    public internal(set) var isProven = true
    /// Layouts that time left without a look: neither bounded out nor tested. 0 where the answer is proven.
    public internal(set) var unlooked = 0
    /// Value that no layout which was not looked at can undercut; nil where all were.
    public internal(set) var unexplored: Double?
    /// Least seconds and dollars of a step by all bounds, whatever the memory says.
    public internal(set) var least = LayoutFigures(seconds: .infinity, dollars: .infinity)
    /// Winner over the optimum of all layouts, less one; nil where the space was too large to simulate in full, and for a front.
    public internal(set) var exhaustiveGap: Double?

    /// Layouts of those looked at that need too much memory.
    public var unfit: Int { removed.memory + removed.memoryLimit }

    mutating func insert(_ layout: RankedLayout, keep: Int) {
        // Recomputing what costs nothing gives the same step again; the list has room for other layouts.
        guard !ranked.contains(where: { $0.isTwin(of: layout) }) else { return }
        let place = ranked.firstIndex { (layout.value, layout.index) < ($0.value, $0.index) } ?? ranked.count
        guard place < keep else { return }
        ranked.insert(layout, at: place)
        if ranked.count > keep { ranked.removeLast() }
    }
}
