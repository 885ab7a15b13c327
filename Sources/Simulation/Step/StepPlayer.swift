import Engine
import Plan
import Quantities

/// One step as it was played.
struct PlayedStep {
    /// Nanoseconds from start to start of the next step.
    var nanoseconds: Int64
    /// The stream's idle and busy time on the bottleneck rank, nanoseconds, with what is added after the replay.
    var breakdown: [Activity: Int64]
    /// Hidden communication on that rank, seconds.
    var overlapped: Double
    /// Seconds of that rank's kernels whose constants measured kernels determine.
    var interpolated: Double
    /// Seconds of that rank's kernels that were timed at their shape.
    var measured: Double
    /// Mean share of the step in which compute streams are busy.
    var utilization: Double
}

/// Plays the step of a plan: nominally, or disturbed. Holds the graph, so that a further step costs one sweep.
struct StepPlayer {
    let plan: Plan
    let graph: StepGraph
    let times: TaskTimes
    /// [tasks] undisturbed nanoseconds.
    let nominal: [Int64]
    private var result = CriticalTimes()

    init(plan: Plan, lanes: Int) throws(Fault) {
        try self.init(plan: plan, graph: StepGraph(plan: plan, lanes: lanes), costs: plan.costs)
    }

    init(plan: Plan, graph: StepGraph, costs: StageCosts) throws(Fault) {
        self.plan = plan
        self.graph = graph
        times = TaskTimes(plan: plan, costs: costs, pieces: plan.pieces)
        nominal = try graph.durations(times)
    }

    /// Seconds of the undisturbed step, for searches and fits.
    mutating func seconds() throws(Fault) -> Double {
        try sweep(nominal)
        return Double(try total(of: core().nanoseconds)) * 1e-9
    }

    /// - Parameters:
    ///   - durations: [tasks] nanoseconds.
    ///   - closed: [tasks] nanoseconds that tasks would take if their communication met none; nil: the same.
    mutating func play(_ durations: [Int64], closed: [Int64]? = nil) throws(Fault) -> PlayedStep {
        try sweep(durations)
        let core = core()
        let total = try total(of: core.nanoseconds)
        var timeline = RankTimeline(graph: graph, result: result, times: times, closed: closed)
        var breakdown = timeline.breakdown(place: core.place, until: core.end)
        let exposed = try Simulation.nanoseconds(exposedData)
        let fixed = try Simulation.nanoseconds(times.costs.fixed)
        if exposed > 0 { breakdown[.dataComm, default: 0] += exposed }
        breakdown[.other, default: 0] += fixed
        let rest = total - core.nanoseconds - exposed - fixed
        if rest > 0 { breakdown[.stragglerWait, default: 0] += rest }
        return PlayedStep(
            nanoseconds: total, breakdown: breakdown, overlapped: timeline.overlapped, interpolated: timeline.interpolated,
            measured: timeline.measured,
            utilization: total > 0 ? timeline.meanBusy() / Double(total) : 0)
    }

    /// Spans of the first lane for pictures, from the latest sweep.
    /// - Parameters:
    ///   - stall: nanoseconds that a step then waits for its data.
    func spans(limit: Int, stall: Int64 = 0) throws(Fault) -> [Span] {
        let core = core()
        let exposed = try Simulation.nanoseconds(exposedData)
        let fixed = try Simulation.nanoseconds(times.costs.fixed)
        let rest = try total(of: core.nanoseconds) - core.nanoseconds - exposed - fixed
        let tail: [(activity: Activity, nanoseconds: Int64)] = [
            (.dataComm, exposed), (.other, fixed), (.stragglerWait, rest), (.inputStall, stall),
        ]
        return RankTimeline(graph: graph, result: result, times: times).spans(limit: limit, end: StepEnd(core: core.end, tail: tail))
    }

    private mutating func sweep(_ durations: [Int64]) throws(Fault) {
        do throws(TaskGraphError) { try graph.graph.longestPath(durations: durations, into: &result) } catch {
            throw Fault(reason: "the step cannot be timed: \(error)")
        }
    }

    /// What overlapped collectives leave on the path beyond the simulated overlap.
    private var exposedData: Double {
        guard plan.flow.overlaps else { return 0 }
        var most = 0.0
        for rank in 0..<graph.ranks {
            var sum = 0.0
            for stage in plan.ownStages(of: rank) { sum += times.overlap(stage).exposed }
            most = max(most, sum)
        }
        return most
    }

    private func total(of core: Int64) throws(Fault) -> Int64 {
        let exposed = try Simulation.nanoseconds(exposedData)
        let fixed = try Simulation.nanoseconds(times.costs.fixed)
        let sum = core + exposed + fixed
        return sum + (try Simulation.nanoseconds(Double(sum) * 1e-9 * times.costs.slowest))
    }

    /// Length of the simulated part, the place whose timeline explains it, and where that timeline ends. Where the optimizer does not
    /// synchronise the stages, steps follow each other at the pace of the busiest stage: the longest span of one.
    private func core() -> (nanoseconds: Int64, place: Int, end: Int64) {
        let places = graph.lanes * graph.ranks
        var first = [Int64](repeating: .max, count: places)
        var last = [Int64](repeating: 0, count: places)
        var busy = [Int64](repeating: 0, count: places)
        for task in graph.kindOf.indices where graph.place[task] >= 0 && graph.stream(task) == .compute {
            let at = Int(graph.place[task])
            first[at] = min(first[at], result.times.start[task])
            last[at] = max(last[at], result.times.finish[task])
            busy[at] += result.times.finish[task] - result.times.start[task]
        }
        guard plan.behaviour.optimizerSynchronises else {
            var best = 0
            for at in 0..<places where last[at] - min(first[at], last[at]) > last[best] - min(first[best], last[best]) { best = at }
            return (last[best] - min(first[best], last[best]), best, last[best])
        }
        var best = 0
        for at in 0..<places where busy[at] > busy[best] { best = at }
        return (result.makespan, best, result.makespan)
    }
}
