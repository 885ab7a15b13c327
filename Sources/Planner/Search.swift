import Calibration
import Dispatch
import Plan
import Simulation
import Synchronization
import Workload

/// How a search goes about its work.
public struct SearchSettings: Sendable {
    /// Layouts that are wanted; the search ends when none of the others can be better than the last of them.
    public var keep = 10
    /// Threads; the answer does not depend on them.
    public var jobs = 1
    /// After so many seconds the best found so far is the answer; nil: until it is proven. An answer cut short depends on the machine's speed.
    public var seconds: Double?
    /// Spaces of at most so many layouts are also simulated in full, to report how far the answer is from the true optimum.
    public var exhaustiveLimit = 0
    /// Called now and then with the number of simulated layouts and how far the bounds are from ending the search: best bound left over worst kept.
    public var progress: (@Sendable (_ simulated: Int, _ closed: Double) -> Void)?
    public init() {}
}

/// A layout with what it is worth.
public struct RankedLayout: Sendable {
    public let choice: LayoutChoice
    /// Place in the space's list of choices; breaks ties. -1: a layout from outside.
    public let index: Int
    /// Value of the objective: seconds, dollars or joules a step.
    public let value: Double
    /// What it cannot undercut.
    public let bound: Double
}

extension RankedLayout {
    /// As good, and different in recomputation only.
    func isTwin(of other: RankedLayout) -> Bool {
        var same = choice
        same.recompute = other.choice.recompute
        return value == other.value && same == other.choice
    }
}

/// The answer of a search.
public struct SearchResult: Sendable {
    /// Best first.
    public var ranked: [RankedLayout] = []
    /// Legal layouts, lower bounds, layouts tested for memory, those that do not fit, simulations.
    public var space = 0
    public var bounded = 0
    public var tested = 0
    public var unfit = 0
    public var simulated = 0
    public var seconds = 0.0
    /// Of `seconds`, those in which bounds were computed.
    public var boundSeconds = 0.0
    /// No layout of the space is better than the ranked ones; false where time ran out.
    public var isProven = true
    /// Value that no layout which was not looked at can undercut; nil where all were.
    public var unexplored: Double?
    /// Winner over the optimum of all layouts, less one; nil where the space was too large to simulate in full.
    public var exhaustiveGap: Double?
}

/// Finds the best layouts: bounds all of them, simulates in the order of their bounds, and ends when no bound is left below the worst layout kept.
///
/// Best-first branch and bound over a flat list (Land and Doig, Econometrica 28(3), 1960). Layouts whose memory does not fit are dropped when
/// their turn comes. Layouts are simulated in batches of a fixed size, so that the answer and the counts do not depend on the number of threads.
/// - Throws: `PlannerError` where the space is empty.
/// - Complexity: O(n log n + simulations) for n layouts.
public func search(
    _ space: SearchSpace, objective: Objective, data: CalibrationData, settings: SearchSettings = SearchSettings()
) throws(PlannerError) -> SearchResult {
    guard !space.choices.isEmpty else {
        throw PlannerError(
            keyPath: "training.global_batch", reason: "no layout of \(space.job.model.name) over \(space.job.cluster.gpus) GPUs is legal",
            suggestion: "choose a batch with more divisors, or loosen the constraints")
    }
    let clock = ContinuousClock()
    let start = clock.now
    func elapsed() -> Double { start.duration(to: clock.now) / .seconds(1) }
    var result = SearchResult()
    result.space = space.choices.count
    let bounds = Bounds(space: space, objective: objective, data: data, jobs: settings.jobs).values
    result.bounded = bounds.count
    result.boundSeconds = elapsed()
    let evaluator = Evaluator(space: space, objective: objective, data: data)
    let order = bounds.indices.filter { bounds[$0].isFinite }.sorted { (bounds[$0], $0) < (bounds[$1], $1) }
    let keep = max(1, settings.keep)
    var position = 0
    while position < order.count {
        let worst = result.ranked.count == keep ? result.ranked[keep - 1].value : .infinity
        guard bounds[order[position]] <= worst else { break }
        if let limit = settings.seconds, elapsed() >= limit, !result.ranked.isEmpty {
            result.isProven = false
            break
        }
        let batch = order[position..<min(position + Evaluator.batch, order.count)].filter { bounds[$0] <= worst }
        position += batch.count
        for (index, outcome) in zip(batch, evaluator.outcomes(batch, jobs: settings.jobs)) {
            result.tested += 1
            switch outcome {
            case .unfit: result.unfit += 1
            case .impossible: result.simulated += 1
            case .value(let value):
                result.simulated += 1
                result.insert(
                    RankedLayout(choice: space.choices[index], index: index, value: value, bound: bounds[index]), keep: keep)
            }
        }
        settings.progress?(result.simulated, worst.isFinite && worst > 0 ? min(1, bounds[order[position - 1]] / worst) : 0)
    }
    result.unexplored = position < order.count ? bounds[order[position]] : nil
    result.seconds = elapsed()
    if result.isProven, space.choices.count <= settings.exhaustiveLimit, let best = result.ranked.first {
        let all = evaluator.outcomes(order, jobs: settings.jobs).compactMap { outcome in
            if case .value(let value) = outcome { value } else { nil }
        }
        if let optimum = all.min(), optimum > 0 { result.exhaustiveGap = best.value / optimum - 1 }
    }
    return result
}

extension SearchResult {
    fileprivate mutating func insert(_ layout: RankedLayout, keep: Int) {
        // Recomputing what costs nothing gives the same step again; the list has room for other layouts.
        guard !ranked.contains(where: { $0.isTwin(of: layout) }) else { return }
        let place = ranked.firstIndex { (layout.value, layout.index) < ($0.value, $0.index) } ?? ranked.count
        guard place < keep else { return }
        ranked.insert(layout, at: place)
        if ranked.count > keep { ranked.removeLast() }
    }
}

/// Simulates layouts.
struct Evaluator {
    enum Outcome: Sendable {
        case value(Double)
        /// Needs more memory than there is.
        case unfit
        /// No schedule or no step time exists.
        case impossible
    }
    let space: SearchSpace
    let objective: Objective
    let data: CalibrationData
    private let behaviour: StackBehaviour

    init(space: SearchSpace, objective: Objective, data: CalibrationData) {
        let job = space.job
        (self.space, self.objective, self.data) = (space, objective, data)
        behaviour = data.stacks.behaviour(
            of: job.software, on: job.cluster.accelerator, isMoE: job.model.moe != nil, precision: job.training.precision.compute)
    }

    /// Layouts whose turn comes together, whatever the number of threads.
    static let batch = 16

    func outcomes(_ indices: [Int], jobs: Int) -> [Outcome] {
        let next = Atomic(0)
        let outcomes = Mutex([Outcome](repeating: .impossible, count: indices.count))
        DispatchQueue.concurrentPerform(iterations: max(1, min(jobs, indices.count))) { _ in
            while true {
                let at = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard at < indices.count else { return }
                let outcome = outcome(space.choices[indices[at]])
                outcomes.withLock { $0[at] = outcome }
            }
        }
        return outcomes.withLock { $0 }
    }

    func outcome(_ choice: LayoutChoice) -> Outcome {
        let job = space.job(choice)
        let memory = MemoryEstimate(job: job.filled(with: behaviour))
        guard memory.peak <= min(memory.capacity, space.constraints.memory ?? .infinity) else { return .unfit }
        guard let plan = try? job.plan(data), let value = try? value(of: plan) else { return .impossible }
        return .value(value)
    }

    /// The objective of the undisturbed step.
    func value(of plan: Plan) throws(SimulationError) -> Double {
        if objective.needsTimeOnly, plan.job.training.dataLoading == nil {
            let seconds = try StepReplay(plan: plan).seconds(costs: plan.costs)
            return objective.value(seconds: seconds, breakdown: [:], hfu: 0, job: plan.job)
        }
        var settings = SimulationSettings()
        settings.timeline = false
        let result = try simulate(plan, settings: settings)
        return objective.value(seconds: result.step.timeS.mean, breakdown: result.breakdownS, hfu: result.step.hfu, job: plan.job)
    }
}
