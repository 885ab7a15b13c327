import Engine
import Plan

/// Reads a replayed step from one rank's point of view.
struct RankTimeline {
    let graph: StepGraph
    let result: CriticalTimes
    let times: TaskTimes
    private(set) var overlapped = 0.0
    private(set) var interpolated = 0.0
    private(set) var measured = 0.0
    let costs: [PassCost]
    /// [tasks] nanoseconds without contention; what a pass takes longer is its communication.
    private let closed: [Int64]?

    init(graph: StepGraph, result: CriticalTimes, times: TaskTimes, closed: [Int64]? = nil) {
        self.closed = closed
        self.graph = graph
        self.result = result
        self.times = times
        costs = graph.kinds.map(times.cost)
    }

    /// Nanoseconds by activity of the compute stream of `place` from its first task (or the start) to `end`; they sum to that length exactly.
    /// An idle gap is explained by the chain of tasks that the next one waited for: a transfer in it is communication, work of another replica
    /// is waiting for a straggler, work of another stage of the own replica is the bubble.
    mutating func breakdown(place: Int, until end: Int64) -> [Activity: Int64] {
        var sums: [Activity: Int64] = [:]
        var cursor: Int64 = -1
        var lastTask = -1
        for task in graph.kindOf.indices where graph.place[task] == Int32(place) && graph.stream(task) == .compute {
            let start = result.times.start[task]
            if cursor < 0 { cursor = times.plan.behaviour.optimizerSynchronises ? 0 : start }
            explain(gapBefore: task, from: cursor, to: start, place: place, into: &sums)
            share(task, into: &sums)
            cursor = result.times.finish[task]
            lastTask = task
        }
        if cursor < end, lastTask >= 0 {
            // What ended the step after this rank's last task.
            let final = result.times.finish.firstIndex(of: end) ?? lastTask
            var chain = final
            var upTo = end
            while upTo > cursor {
                let from = max(cursor, result.times.start[chain])
                if upTo > from { sums[cause(chain, place: place), default: 0] += upTo - from }
                upTo = from
                guard result.binding[chain] >= 0, upTo > cursor else { break }
                chain = Int(result.binding[chain])
            }
            if upTo > cursor { sums[.bubble, default: 0] += upTo - cursor }
        }
        return sums
    }

    /// Splits a task's own time over its activities, by running sums so that the parts add up.
    private mutating func share(_ task: Int, into sums: inout [Activity: Int64]) {
        var duration = result.times.finish[task] - result.times.start[task]
        let cost = costs[Int(graph.kindOf[task])]
        if let closed, duration > closed[task] {
            let waiting: [Activity] = [.tensorComm, .sequenceComm, .contextComm, .expertComm]
            let most = waiting.max { cost.seconds[$0] < cost.seconds[$1] } ?? .other
            sums[most, default: 0] += duration - closed[task]
            duration = closed[task]
        }
        let total = cost.total
        guard duration > 0, total > 0 else { return }
        overlapped += cost.overlapped
        interpolated += cost.interpolated
        measured += cost.measured
        var running = 0.0
        var given: Int64 = 0
        for activity in Activity.allCases {
            let part = cost.seconds[activity]
            guard part != 0 else { continue }
            running += part
            let upTo = Int64((Double(duration) * min(1, running / total)).rounded())
            sums[activity, default: 0] += upTo - given
            given = upTo
        }
        if given != duration { sums[.other, default: 0] += duration - given }
    }

    private func explain(gapBefore task: Int, from: Int64, to: Int64, place: Int, into sums: inout [Activity: Int64]) {
        var end = to
        var current = task
        while end > from {
            let previous = Int(result.binding[current])
            guard previous >= 0 else { break }
            let start = max(from, result.times.start[previous])
            if end > start { sums[cause(previous, place: place), default: 0] += end - start }
            end = min(end, start)
            current = previous
        }
        if end > from { sums[.bubble, default: 0] += end - from }
    }

    /// Why a rank that waits for `task` waits.
    func cause(_ task: Int, place: Int) -> Activity {
        let (stream, activity) = graph.kinds[Int(graph.kindOf[task])].row
        if stream != .compute { return activity }
        // A meeting lasts where it waits for replicas that are not simulated.
        if graph.place[task] < 0 { return .stragglerWait }
        if activity == .optimizer { return activity }
        let isOwnReplica = Int(graph.place[task]) / graph.ranks == place / graph.ranks
        return isOwnReplica ? .bubble : .stragglerWait
    }

    /// Busy nanoseconds of the compute streams, mean over ranks.
    func meanBusy() -> Double {
        var busy = 0.0
        for task in graph.kindOf.indices where graph.place[task] >= 0 && graph.stream(task) == .compute {
            busy += Double(result.times.finish[task] - result.times.start[task])
        }
        return busy / Double(max(1, graph.lanes * graph.ranks))
    }
}
