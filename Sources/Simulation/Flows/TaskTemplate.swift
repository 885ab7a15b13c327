import Cluster
import Engine
import Plan

/// What a task of the step does on the fabric, as shares of its time: compute, then one collective after the other, repeated layer by layer.
struct TaskTemplate {
    struct Segment {
        /// -1 for computation.
        var pattern: Int
        /// Share of one repetition.
        var share: Double
        /// Where it ends in the repetition.
        var end = 0.0
        /// Bytes of the buffer that the whole task moves in such segments.
        var bytes: Double
        /// Links where it may meet others, with the share of their capacity that it takes.
        var loads: [(link: Int32, usage: Double)] = []
        /// Bytes a second of one flow at full speed.
        var rate = 0.0
    }
    var repeats: Int
    var segments: [Segment]
    /// Time alone on the fabric over the time in closed form.
    var stretch = 1.0
    /// The link that its own flows overload most, with the pattern; -1 where none.
    var overloaded: (pattern: Int, link: Int32) = (-1, -1)
    /// Greatest share that any segment takes, by link.
    var footprint: [(link: Int32, usage: Double)] = []
    var place: Int
    var stream: Int
    /// What the closed form takes, seconds.
    var seconds: Double
}

/// The collectives of a task before they are flows: key, bytes of the buffer, seconds in closed form.
struct TaskTraffic {
    var key: PatternKey
    var bytes: Double
    var seconds: Double
}

/// Finds what each task of a step moves, and makes templates of it, one for each (kind, place, destination).
struct TemplateBuilder {
    let plan: Plan
    let graph: StepGraph
    let times: TaskTimes
    /// [tasks] index of its template, -1 for tasks that move nothing.
    private(set) var templateOf: [Int32]
    private(set) var templates: [TaskTemplate] = []
    private(set) var keys: [PatternKey] = []
    private var keyIndex: [PatternKey: Int] = [:]

    private struct Identity: Hashable {
        var kind: Int32
        var place: Int32
        var target: Int32
    }

    init(plan: Plan, graph: StepGraph, times: TaskTimes) {
        self.plan = plan
        self.graph = graph
        self.times = times
        templateOf = Array(repeating: -1, count: graph.kindOf.count)
        var targets = [Int32](repeating: -1, count: graph.kindOf.count)
        for task in graph.kindOf.indices {
            for dependency in graph.graph.dependencies(of: TaskID(task)) where graph.kinds[Int(graph.kindOf[dependency.task.index])].isHop {
                targets[dependency.task.index] = graph.place[task] % Int32(graph.ranks)
            }
        }
        var known: [Identity: Int32] = [:]
        for task in graph.kindOf.indices where graph.place[task] >= 0 {
            let identity = Identity(kind: graph.kindOf[task], place: graph.place[task], target: targets[task])
            if let index = known[identity] {
                templateOf[task] = index
                continue
            }
            let kind = graph.kinds[Int(graph.kindOf[task])]
            let (traffic, repeats) = traffic(of: kind, place: Int(graph.place[task]), target: Int(targets[task]))
            var index: Int32 = -1
            if !traffic.isEmpty {
                index = Int32(templates.count)
                templates.append(template(traffic, repeats: repeats, kind: kind, task: task))
            }
            known[identity] = index
            templateOf[task] = index
        }
    }

    private mutating func template(_ traffic: [TaskTraffic], repeats: Int, kind: StepTask, task: Int) -> TaskTemplate {
        let total = times.cost(kind).total
        var seconds = traffic.map(\.seconds)
        if case .pair = kind, let exchange = traffic.firstIndex(where: { $0.key.group == .expert }) {
            // Beside the computation of the other direction it has all the time that nothing else travels in.
            seconds[exchange] = 0
            seconds[exchange] = max(total - seconds.reduce(0, +), traffic[exchange].seconds)
        }
        let moving = seconds.reduce(0, +)
        // Hidden communication can be more than there is to hide behind; the closed form's total stands.
        let scale = moving > total ? total / moving : 1
        var segments: [TaskTemplate.Segment] = []
        let computing = max(0, total - moving * scale)
        if computing > 1e-12 * total { segments.append(.init(pattern: -1, share: computing / total, bytes: 0)) }
        for (one, seconds) in zip(traffic, seconds) {
            segments.append(.init(pattern: index(of: one.key), share: seconds * scale / total, bytes: one.bytes))
        }
        return TaskTemplate(
            repeats: repeats, segments: segments, place: Int(graph.place[task]), stream: graph.stream(task).rawValue, seconds: total)
    }

    private mutating func index(of key: PatternKey) -> Int {
        if let known = keyIndex[key] { return known }
        keyIndex[key] = keys.count
        keys.append(key)
        return keys.count - 1
    }

    private func traffic(of kind: StepTask, place: Int, target: Int) -> (list: [TaskTraffic], repeats: Int) {
        let work = plan.work
        switch kind {
        case .forward(let stage): return pass(kind, of: stage, forward: true, place: place)
        case .backward(let stage), .fullBackward(let stage): return pass(kind, of: stage, forward: false, place: place)
        case .firstPiece(let stage): return pass(kind, of: stage, forward: true, place: place, pieces: times.pieces[stage])
        case .lastPiece(let stage) where !plan.schedule.splitsBackward:
            return pass(kind, of: stage, forward: false, place: place, pieces: times.pieces[stage])
        case .pair(let forward, let backward):
            let first = pass(.forward(stage: forward), of: forward, forward: true, place: place)
            let second = pass(.fullBackward(stage: backward), of: backward, forward: false, place: place)
            return (Self.merged(first.list + second.list), max(1, min(first.repeats, second.repeats)))
        case .unitForward(let unit, _): return (traffic(plan.collectives(ofUnit: unit, forward: true), kind, place), 1)
        case .unitBackward(let unit, _): return (traffic(plan.collectives(ofUnit: unit, forward: false), kind, place), 1)
        case .hop:
            guard target >= 0, target != place % graph.ranks, times.costs.hop > 0 else { return ([], 1) }
            let key = PatternKey(place: place, kind: .hop(to: target), group: .pipeline)
            return ([TaskTraffic(key: key, bytes: plan.hopBytes, seconds: times.costs.hop)], 1)
        case .gather(let stage):
            return data(kind, plan.dataCollectives(of: work.parameters[stage]).gather, place, pieces: times.pieces[stage])
        case .reduce(let stage):
            return data(kind, plan.dataCollectives(of: work.parameters[stage]).reduce, place, pieces: times.pieces[stage])
        case .reduceAll(let stage): return data(kind, plan.dataCollectives(of: work.parameters[stage]).reduce, place)
        case .unitGather(let unit): return data(kind, plan.dataCollectives(of: work.unitParameters[unit]).gather, place)
        case .unitReduce(let unit): return data(kind, plan.dataCollectives(of: work.unitParameters[unit]).reduce, place)
        default: return ([], 1)
        }
    }

    private func data(
        _ kind: StepTask, _ collectives: [GroupTraffic], _ place: Int, pieces: Int = 1
    ) -> (list: [TaskTraffic], repeats: Int) {
        let closed = collectives.reduce(0) { $0 + $1.seconds }
        let total = times.cost(kind).total
        guard closed > 0, total > 0 else { return ([], 1) }
        return (
            collectives.map {
                TaskTraffic(
                    key: PatternKey(place: place, kind: .collective($0.operation, $0.members), group: .data),
                    bytes: $0.bytes / Double(max(1, pieces)), seconds: $0.seconds / closed * total)
            }, 1
        )
    }

    /// The collectives inside a pass of a virtual stage, or in one of its pieces.
    private func pass(
        _ kind: StepTask, of stage: Int, forward: Bool, place: Int, pieces: Int = 1
    ) -> (list: [TaskTraffic], repeats: Int) {
        let list = traffic(plan.collectives(of: stage, forward: forward), kind, place, share: 1 / Double(max(1, pieces)))
        return (list, max(1, plan.work.stages[stage].count / max(1, pieces)))
    }

    private func traffic(_ collectives: [GroupTraffic], _ kind: StepTask, _ place: Int, share: Double = 1) -> [TaskTraffic] {
        guard !collectives.isEmpty else { return [] }
        // A slowdown beside other collectives and degraded machines stretch time, not bytes.
        let slowed = times.cost(kind).total / max(1e-300, unslowed(kind)) * plan.model.constants[.degradation]
        return collectives.map {
            TaskTraffic(
                key: PatternKey(place: place, kind: .collective($0.operation, $0.members), group: $0.group), bytes: $0.bytes * share,
                seconds: $0.seconds * share * slowed)
        }
    }

    private func unslowed(_ kind: StepTask) -> Double {
        let costs = times.costs
        switch kind {
        case .forward(let stage): return costs.stages[stage].forward.total
        case .firstPiece(let stage): return costs.stages[stage].forward.total / Double(times.pieces[stage])
        case .backward(let stage):
            return costs.stages[stage].backward.total + (plan.schedule.splitsBackward ? 0 : costs.stages[stage].weight.total)
        case .fullBackward(let stage): return costs.stages[stage].backward.total + costs.stages[stage].weight.total
        case .lastPiece(let stage):
            return (costs.stages[stage].backward.total + costs.stages[stage].weight.total) / Double(times.pieces[stage])
        case .unitForward(let unit, _): return costs.units[unit].forward.total
        case .unitBackward(let unit, _): return costs.units[unit].backward.total + costs.units[unit].weight.total
        default: return times.cost(kind).total
        }
    }

    private static func merged(_ list: [TaskTraffic]) -> [TaskTraffic] {
        var result: [TaskTraffic] = []
        for one in list {
            if let known = result.firstIndex(where: { $0.key == one.key }) {
                result[known].bytes += one.bytes
                result[known].seconds += one.seconds
            } else {
                result.append(one)
            }
        }
        return result
    }
}
