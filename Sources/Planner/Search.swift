import Calibration
import Plan
import Quantities
import Simulation
import Workload

/// How a search goes about its work.
public struct SearchSettings: Sendable {
    /// Layouts that are wanted; the search ends when none of the others can be better than the last of them.
    public var keep = 10
    /// Threads; the answer does not depend on them.
    public var jobs = 1
    /// How communication is played. As flows a step is never faster than in closed form, on which all bounds rest.
    public var network = NetworkModel.auto
    /// After so many seconds the best found so far is the answer; nil: until it is proven. An answer cut short depends on the machine's speed.
    /// Bounds take at most half of it, so that something is left to simulate in.
    public var seconds: Double?
    /// Asked now and then; true ends the search as the end of `seconds` does.
    public var isInterrupted: @Sendable () -> Bool = { false }
    /// Spaces of at most so many layouts are also simulated in full, to report how far the answer is from the true optimum.
    public var exhaustiveLimit = 0
    /// Of so many of the best layouts the layers are also dealt by time (`stage_layers: time`); a deal that is faster takes its layout's place.
    public var refined = 0
    /// Finished simulations are taken from it and entered into it; nil: a search that is killed starts anew.
    public var journal: Journal?
    /// Called now and then with the number of simulated layouts and how far the bounds are from ending the search: best bound left over worst kept.
    public var progress: (@Sendable (_ simulated: Int, _ closed: Double) -> Void)?
    public init() {}
}

/// Finds the best layouts: bounds all of them, simulates in the order of their bounds, and ends when no bound is left below the worst layout kept;
/// of a Pareto search, when no bound is left that a simulated layout does not cover.
///
/// Best-first branch and bound over a flat list (Land and Doig, Econometrica 28(3), 1960). Layouts whose memory does not fit are dropped when
/// their turn comes. Layouts are simulated in batches of a fixed size, so that the answer and the counts do not depend on the number of threads,
/// nor on what a journal already held.
/// - Throws: `Fault` where the space is empty, or the cluster's GPUs are of several kinds.
/// - Complexity: O(n log n + simulations) for n layouts; O(n x front) more for a front.
public func search(
    _ space: SearchSpace, objective: Objective, data: CalibrationData, settings: SearchSettings = SearchSettings()
) throws(Fault) -> SearchResult {
    guard space.job.cluster.pools.isEmpty else {
        throw Fault(
            keyPath: "cluster.pools", reason: "a search lays out GPUs of one kind; bounds for pools are not known",
            suggestion: "search one pool, or go through layouts with orrery sweep")
    }
    guard !space.choices.isEmpty else {
        throw Fault(
            keyPath: "training.global_batch", reason: "no layout of \(space.job.model.name) over \(space.job.cluster.gpus) GPUs is legal",
            suggestion: "choose a batch with more divisors, or loosen the constraints")
    }
    var run = SearchRun(space: space, objective: objective, data: data, settings: settings)
    run.bound()
    run.simulateNamed()
    run.simulate()
    run.account()
    run.exhaust()
    run.refine()
    return run.result
}

private struct SearchRun {
    private let space: SearchSpace
    private let objective: Objective
    private let data: CalibrationData
    private let settings: SearchSettings
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var outcomes: Outcomes
    private var bounds: [LayoutFigures?] = []
    /// Bounded layouts that can be planned, the best bound first.
    private var order: [Int] = []
    /// Of `order`, those whose turn has come.
    private var position = 0
    /// Layouts whose bound knows the layers that `recompute: auto` takes, and the links that flows share.
    private var raised: Set<Int> = []
    /// Costs by process groups, for bounds that are raised.
    private var shared: [LayoutChoice: SharedCosts] = [:]
    private let onLinks: Bool
    private var front = ParetoFront<RankedLayout>()
    var result = SearchResult()

    init(space: SearchSpace, objective: Objective, data: CalibrationData, settings: SearchSettings) {
        (self.space, self.objective, self.data, self.settings) = (space, objective, data, settings)
        start = clock.now
        outcomes = Outcomes(
            evaluator: Evaluator(space: space, objective: objective, data: data, network: settings.network), journal: settings.journal)
        var simulation = SimulationSettings()
        simulation.network = settings.network
        onLinks = simulation.usesFlows(on: space.job.cluster)
        result.space = space.choices.count
        result.recovered = settings.journal?.recovered ?? 0
    }

    private var elapsed: Double { start.duration(to: clock.now) / .seconds(1) }

    /// Asked from any thread: whether a share of the time is used up.
    private func isOver(_ share: Double) -> @Sendable () -> Bool {
        // An infinite share is that of the work without which there is no answer.
        guard share.isFinite else { return { false } }
        let (start, clock, seconds, isInterrupted) = (start, clock, settings.seconds ?? .infinity, settings.isInterrupted)
        return { isInterrupted() || start.duration(to: clock.now) / .seconds(1) >= seconds * share }
    }

    mutating func bound() {
        bounds = Bounds(space: space, objective: objective, data: data, jobs: settings.jobs, isOver: isOver(0.5)).figures
        for index in space.named where bounds[index] == nil {
            var shared = SharedCosts(space: space, first: space.choices[index], data: data)
            bounds[index] = shared?.bound(space.choices[index], objective) ?? LayoutFigures(seconds: .infinity)
        }
        result.bounded = bounds.count { $0 != nil }
        result.boundSeconds = elapsed
        let values = bounds.map { $0.map(objective.value) ?? .infinity }
        order = bounds.indices.filter { values[$0].isFinite }.sorted { (values[$0], $0) < (values[$1], $1) }
        for case let figures? in bounds {
            result.least.seconds = min(result.least.seconds, figures.seconds)
            result.least.dollars = min(result.least.dollars, figures.dollars)
        }
        result.removed.impossible = bounds.count { $0.map { !objective.value($0).isFinite } ?? false }
    }

    /// Whether a layout is worth a simulation by its bound; counts those that a constraint removes.
    private mutating func isWanted(_ index: Int, _ bound: LayoutFigures) -> Bool {
        if objective.missesDeadline(bound) {
            result.removed.deadline += 1
            return false
        }
        if objective.exceedsBudget(bound) {
            result.removed.budget += 1
            return false
        }
        if outcomes.evaluator.isRenamed(index) { return false }
        guard objective.kind == .pareto else { return true }
        guard !front.excludes(bound, index: index) else { return false }
        var figures = bound
        figures.bytes = outcomes.evaluator.memory(of: space.job(space.choices[index])).peak
        return !front.excludes(figures, index: index)
    }

    private var hasAnswer: Bool { !result.ranked.isEmpty || !front.members.isEmpty }

    /// Value that a layout has to undercut; infinite while there is room.
    private var worst: Double {
        let keep = max(1, settings.keep)
        return objective.kind != .pareto && result.ranked.count >= keep ? result.ranked[keep - 1].value : .infinity
    }

    /// The layouts that were asked for come first, so that the answer is never worse than they are, and their places are then skipped.
    mutating func simulateNamed() {
        let indices = space.named.filter { value($0).isFinite }
        for (index, outcome) in zip(indices, outcomes.of(indices, jobs: settings.jobs)) {
            if let outcome { enter(index, outcome) }
        }
        let done = Set(indices)
        order.removeAll { done.contains($0) }
    }

    mutating func simulate() {
        while position < order.count {
            let limit = worst
            guard value(order[position]) <= limit else { return }
            if hasAnswer, isOver(1)() {
                result.isProven = false
                return
            }
            var batch: [Int] = []
            while batch.count < Evaluator.batch, position < order.count, value(order[position]) <= limit {
                let index = order[position]
                position += 1
                if isRaised(index) { continue }
                if let bound = bounds[index], isWanted(index, bound) { batch.append(index) }
            }
            // An answer there must be, however little time there is.
            let mayStop = isOver(hasAnswer ? 1 : .infinity)
            let found = outcomes.of(batch, jobs: settings.jobs, isOver: mayStop)
            for (index, outcome) in zip(batch, found) {
                if let outcome { enter(index, outcome) } else { result.isProven = false }
            }
            let reached = position > 0 ? value(order[position - 1]) : 0
            settings.progress?(
                result.simulated, limit.isFinite && limit > 0 ? min(1, reached / limit) : Double(position) / Double(order.count))
            if !result.isProven {
                // Those of the batch that time left out were not looked at.
                result.unlooked = found.count { $0 == nil }
                result.unexplored = zip(batch, found).filter { $0.1 == nil }.map { value($0.0) }.min()
                return
            }
        }
    }

    /// Gives a layout whose turn has come the bound of the layers that `recompute: auto` takes and of the links that its flows take, and its place in
    /// the order by that.
    /// - Returns: whether its turn is later, or it is another layout by another name.
    private mutating func isRaised(_ index: Int) -> Bool {
        let choice = space.choices[index]
        guard onLinks || choice.recompute == .auto, raised.insert(index).inserted else { return false }
        if choice.recompute == .auto, outcomes.evaluator.isRenamed(index) { return true }
        guard let bound = raisedBound(choice), objective.value(bound) > value(index) else { return false }
        bounds[index] = bound
        guard objective.value(bound).isFinite else { return false }
        // The first place of those left that is not before it.
        var (low, high) = (position, order.count)
        while low < high {
            let middle = (low + high) / 2
            if (value(order[middle]), order[middle]) < (value(index), index) { low = middle + 1 } else { high = middle }
        }
        if low == position { return false }
        order.insert(index, at: low)
        return true
    }

    private mutating func raisedBound(_ choice: LayoutChoice) -> LayoutFigures? {
        let group = choice.groups
        guard var costs = shared[group] ?? SharedCosts(space: space, first: choice, data: data) else { return nil }
        let bound = costs.bound(choice, objective, findsLayers: true, onLinks: onLinks)
        // A few hundred groups are in use at a time; each holds the prices of its layouts.
        if shared.count >= 256 { shared.removeAll() }
        shared[group] = costs
        return bound
    }

    private func value(_ index: Int) -> Double { bounds[index].map(objective.value) ?? .infinity }

    private mutating func enter(_ index: Int, _ outcome: Evaluator.Outcome) {
        result.tested += 1
        switch outcome {
        case .unfit: result.removed.memory += 1
        case .overLimit: result.removed.memoryLimit += 1
        case .impossible:
            result.simulated += 1
            result.removed.impossible += 1
        case .figures(let figures):
            result.simulated += 1
            if objective.missesDeadline(figures) {
                result.removed.deadline += 1
            } else if objective.exceedsBudget(figures) {
                result.removed.budget += 1
            } else {
                let layout = RankedLayout(
                    choice: space.choices[index], index: index, value: objective.value(figures), bound: value(index), figures: figures)
                if objective.kind == .pareto {
                    front.insert(figures, index: index, layout)
                } else {
                    result.insert(layout, keep: max(1, settings.keep))
                }
            }
        }
    }

    /// What was left, and the front in order.
    mutating func account() {
        if objective.kind == .pareto {
            result.ranked = front.members.map(\.element).sorted { ($0.value, $0.index) < ($1.value, $1.index) }
        }
        let unbounded = bounds.count { $0 == nil }
        if unbounded > 0 { result.isProven = false }
        if !result.isProven { result.unlooked += unbounded + order[position...].count { value($0) <= worst } }
        if position < order.count { result.unexplored = min(result.unexplored ?? .infinity, value(order[position])) }
        if unbounded > 0 { result.unexplored = min(result.unexplored ?? .infinity, objective.value(floor)) }
        result.seconds = elapsed
    }

    /// What no layout at all can undercut: every GPU at its dense peak on the model's own FLOPs, attention counted causally, drawing the power of an
    /// idle one.
    private var floor: LayoutFigures {
        let job = space.job
        let flops = min(job.modelFLOPs(), job.modelFLOPs(causal: true))
        let rate = job.cluster.accelerator.peak(job.precision.compute) * Double(job.cluster.gpus)
        // Tokens that overfull experts drop cost nothing.
        let seconds = job.model.moe?.capacity == nil && rate > 0 ? flops / rate : 0
        return objective.figures(seconds: seconds, breakdown: [.bubble: seconds], hfu: 0, job: job)
    }

    /// Deals the layers of the best anew, so that the slowest stage is as fast as can be.
    mutating func refine() {
        let chosen = result.ranked.prefix(settings.refined).filter {
            $0.choice.pipeline > 1 && $0.choice.stageLayers == nil && $0.choice.stageDeal == .auto
        }
        guard objective.kind != .pareto, !chosen.isEmpty, !isOver(1)() else { return }
        let dealt = chosen.map { layout in
            var choice = layout.choice
            choice.stageDeal = .time
            return choice
        }
        let whole = space.extended(by: dealt)
        outcomes.extend(whole)
        let indices = Array(space.choices.count..<whole.choices.count)
        let found = outcomes.of(indices, jobs: settings.jobs, isOver: isOver(1))
        for (layout, (index, outcome)) in zip(chosen, zip(indices, found)) {
            guard case .figures(let figures)? = outcome, !objective.missesDeadline(figures), !objective.exceedsBudget(figures),
                objective.value(figures) < layout.value, let place = result.ranked.firstIndex(where: { $0.index == layout.index })
            else { continue }
            result.ranked[place] = RankedLayout(
                choice: whole.choices[index], index: index, value: objective.value(figures),
                bound: min(layout.bound, objective.value(figures)), figures: figures)
            result.refined += 1
        }
        result.simulated += found.count { $0 != nil }
        result.ranked.sort { ($0.value, $0.index) < ($1.value, $1.index) }
        result.seconds = elapsed
    }

    /// Small spaces are simulated in full, to say how far the winner is from the best.
    mutating func exhaust() {
        guard result.isProven, objective.kind != .pareto, space.choices.count <= settings.exhaustiveLimit, let best = result.ranked.first
        else { return }
        let bounded = space.named.filter { value($0).isFinite } + order
        let all = outcomes.of(bounded, jobs: settings.jobs).compactMap { outcome -> Double? in
            guard case .figures(let figures) = outcome, !objective.missesDeadline(figures), !objective.exceedsBudget(figures) else {
                return nil
            }
            return objective.value(figures)
        }
        if let optimum = all.min(), optimum > 0 { result.exhaustiveGap = best.value / optimum - 1 }
    }
}
