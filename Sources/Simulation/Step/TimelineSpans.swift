import Engine
import Plan

/// What a timeline shows of a step beyond its tasks.
struct StepEnd {
    /// Where the tasks end, nanoseconds.
    var core: Int64
    /// What the step takes beyond that, in order.
    var tail: [(activity: Activity, nanoseconds: Int64)]
}

extension RankTimeline {
    /// Exchanges within a pass, which the device waits for.
    private static let exchanges: [Activity] = [.tensorComm, .sequenceComm, .contextComm, .expertComm]

    /// The first lane as spans in order of start: its tasks, the exchanges within its passes on a stream of their own, its waiting for other replicas,
    /// and what comes between its last task and the end of the step. A pass is many layers, each with its exchanges; they are drawn together behind
    /// the pass's computation, so that every colour has the length that the breakdown gives it.
    /// - Parameter limit: spans that are kept, the longest.
    func spans(limit: Int, end: StepEnd) -> [Span] {
        var spans: [Span] = []
        // [ranks] where the compute stream is.
        var cursors = [Int64](repeating: 0, count: graph.ranks)
        var tasks = graph.kindOf.indices.filter {
            graph.place[$0] >= 0 && Int(graph.place[$0]) < graph.ranks && result.times.finish[$0] > result.times.start[$0]
        }
        tasks.sort { (result.times.start[$0], $0) < (result.times.start[$1], $1) }
        for task in tasks {
            let rank = Int(graph.place[task])
            let kind = graph.kinds[Int(graph.kindOf[task])]
            let (start, finish) = (result.times.start[task], result.times.finish[task])
            func span(_ stream: String, _ activity: Activity, _ from: Int64, _ upTo: Int64) {
                guard upTo > from else { return }
                spans.append(
                    Span(rank: rank, stream: stream, activity: activity, label: label(kind, task), startNS: from, durationNS: upTo - from))
            }
            guard kind.row.stream == .compute else {
                span(kind.row.stream.name, kind.row.activity, start, finish)
                continue
            }
            if graph.lanes > 1 { spans += waiting(before: task, rank: rank, from: cursors[rank]) }
            cursors[rank] = finish
            let cost = costs[Int(graph.kindOf[task])]
            let perSecond = cost.total > 0 ? Double(finish - start) / cost.total : 0
            var exchanged = finish
            for activity in Self.exchanges.reversed() {
                let from = max(start, exchanged - Int64((cost.seconds[activity] * perSecond).rounded()))
                span("exchange", activity, from, exchanged)
                exchanged = from
            }
            // Activations are computed again before their gradients.
            let again = kind.row.activity == .recompute ? 0 : Int64((cost.seconds[.recompute] * perSecond).rounded())
            let middle = min(exchanged, start + again)
            span(kind.row.stream.name, .recompute, start, middle)
            span(kind.row.stream.name, kind.row.activity, middle, exchanged)
        }
        for rank in 0..<graph.ranks { spans += tail(of: rank, from: cursors[rank], end) }
        return Self.longest(spans, limit)
    }

    /// The part of a gap in which other replicas are waited for.
    private func waiting(before task: Int, rank: Int, from: Int64) -> [Span] {
        var spans: [Span] = []
        var end = result.times.start[task]
        var current = task
        while end > from {
            let previous = Int(result.binding[current])
            guard previous >= 0 else { break }
            let start = max(from, result.times.start[previous])
            if end > start, cause(previous, place: rank) == .stragglerWait { spans.append(wait(rank, start, end)) }
            end = min(end, start)
            current = previous
        }
        return spans
    }

    private func wait(_ rank: Int, _ from: Int64, _ upTo: Int64) -> Span {
        Span(
            rank: rank, stream: "compute", activity: .stragglerWait, label: "waits for the slowest", startNS: from, durationNS: upTo - from)
    }

    private func tail(of rank: Int, from last: Int64, _ end: StepEnd) -> [Span] {
        // Without a common end a rank goes on by itself.
        var at = times.plan.behaviour.optimizerSynchronises ? max(last, end.core) : last
        return end.tail.filter { $0.nanoseconds > 0 }.map { part in
            defer { at += part.nanoseconds }
            return Span(
                rank: rank, stream: "compute", activity: part.activity, label: part.activity.rawValue.replacing("_", with: " "),
                startNS: at, durationNS: part.nanoseconds)
        }
    }

    /// Leaving out the shortest keeps the picture as long as the step is.
    private static func longest(_ spans: [Span], _ limit: Int) -> [Span] {
        var kept = spans
        if spans.count > limit {
            let least = spans.map(\.durationNS).sorted(by: >)[max(0, limit - 1)]
            // Of those that are equally long, some from everywhere.
            let equal = spans.indices.filter { spans[$0].durationNS == least }
            let room = max(0, limit - spans.count { $0.durationNS > least })
            let chosen = Set((0..<room).map { equal[$0 * equal.count / room] })
            kept = spans.indices.filter { spans[$0].durationNS > least || chosen.contains($0) }.map { spans[$0] }
        }
        return kept.enumerated().sorted { ($0.element.startNS, $0.offset) < ($1.element.startNS, $1.offset) }.map(\.element)
    }

    private func label(_ kind: StepTask, _ task: Int) -> String {
        let micro = graph.microBatch[task]
        switch kind {
        case .forward(let stage), .firstPiece(let stage): return chunked("F\(micro)", stage)
        case .backward(let stage): return chunked("B\(micro)", stage)
        case .weight(let stage): return chunked("W\(micro)", stage)
        case .fullBackward(let stage): return chunked("BW\(micro)", stage)
        case .pair(let forward, let backward): return "F\(micro) stage \(forward) + BW stage \(backward)"
        case .lastPiece(let stage): return chunked("\(times.plan.schedule.splitsBackward ? "W" : "B")\(micro)", stage)
        case .hop: return "send \(micro)"
        case .gather(let stage): return chunked("gather parameters", stage)
        case .reduce(let stage), .reduceAll(let stage): return chunked("reduce gradients", stage)
        case .offload(let stage), .offloadAll(let stage): return chunked("gradients to host", stage)
        case .unitFetch(let unit): return "fetch \(name(unit))"
        case .unitOffload(let unit): return "gradients of \(name(unit)) to host"
        case .unitForward(let unit, _): return "F\(micro) \(name(unit))"
        case .unitBackward(let unit, _): return "B\(micro) \(name(unit))"
        case .unitGather(let unit): return "gather \(name(unit))"
        case .unitReduce(let unit): return "reduce \(name(unit))"
        case .optimizer: return "optimizer"
        case .join: return ""
        }
    }

    private func chunked(_ text: String, _ stage: Int) -> String {
        graph.ranks > 0 && times.plan.schedule.chunks > 1 ? "\(text) stage \(stage)" : text
    }

    private func name(_ unit: Int) -> String {
        switch times.plan.work.units[unit] {
        case .embedding: "embedding"
        case .layer: "layer"
        case .prediction: "prediction"
        case .head: "head"
        }
    }
}
