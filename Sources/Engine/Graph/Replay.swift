import Quantities

/// Timing by events: the independent second way, and the one to extend where durations depend on what else runs.
extension TaskGraph {
    /// Plays the graph with its own durations.
    /// - Throws: `TaskGraphError.overflow`.
    public func replay() throws(TaskGraphError) -> TaskTimes {
        var nothing = NoTimeline()
        return try replay(recorder: &nothing)
    }

    /// Plays the graph; every task is recorded when it finishes, on its stream's track under its own number.
    /// - Throws: `TaskGraphError.overflow`.
    /// - Complexity: O((tasks + dependencies) log streams).
    public func replay(recorder: inout some TimelineRecorder) throws(TaskGraphError) -> TaskTimes {
        var player = Player(graph: self)
        return try player.run(&recorder)
    }
}

/// The state of one replay. An event is a finished task, or the end of a dependency's delay.
private struct Player: ~Copyable {
    let graph: TaskGraph
    let successors: SuccessorRows
    /// [tasks] how many dependencies are still open.
    var open: [UInt32]
    /// [tasks] the task behind it on its stream, -1 for the last.
    var streamSuccessor: [Int32]
    /// [tasks] whether the stream has come to it.
    var atHead: [Bool]
    var times = TaskTimes()
    /// Keys: time (64 bits), sequence (32), whether a delay ends (1), the task (31).
    var events = PackedHeap(capacity: 1024)
    var sequence: UInt64 = 0

    init(graph: TaskGraph) {
        self.graph = graph
        successors = SuccessorRows(offsets: graph.offsets, predecessors: graph.predecessors)
        open = (0..<graph.count).map { graph.offsets[$0 + 1] - graph.offsets[$0] }
        streamSuccessor = Array(repeating: -1, count: graph.count)
        atHead = Array(repeating: false, count: graph.count)
        for task in 0..<graph.count {
            let predecessor = graph.streamPredecessor[task]
            if predecessor >= 0 { streamSuccessor[Int(predecessor)] = Int32(task) } else { atHead[task] = true }
        }
        times.start = Array(repeating: 0, count: graph.count)
        times.finish = Array(repeating: 0, count: graph.count)
    }

    mutating func run(_ recorder: inout some TimelineRecorder) throws(TaskGraphError) -> TaskTimes {
        for task in 0..<graph.count where atHead[task] && open[task] == 0 { try start(task, at: 0) }
        while let key = events.pop() {
            let now = Int64(truncatingIfNeeded: key >> 64)
            let low = UInt32(truncatingIfNeeded: key)
            let task = Int(low & ~Self.delayMark)
            if low & Self.delayMark != 0 {
                try close(dependencyOf: task, at: now)
            } else {
                try finish(task, at: now, &recorder)
            }
        }
        return times
    }

    private static var delayMark: UInt32 { 1 << 31 }

    private mutating func push(_ time: Int64, _ low: UInt32) {
        events.push(UInt128(UInt64(bitPattern: time)) << 64 | UInt128(sequence << 32 | UInt64(low)))
        sequence &+= 1
    }

    private mutating func start(_ task: Int, at now: Int64) throws(TaskGraphError) {
        let (end, wrapped) = now.addingReportingOverflow(graph.durations[task])
        guard !wrapped else { throw .overflow(TaskID(task)) }
        times.start[task] = now
        times.finish[task] = end
        push(end, UInt32(truncatingIfNeeded: task))
    }

    private mutating func finish(_ task: Int, at now: Int64, _ recorder: inout some TimelineRecorder) throws(TaskGraphError) {
        times.makespan = now
        recorder.record(
            TimelineSpan(
                track: Int32(bitPattern: graph.streams[task]), label: Int32(task), start: Instant(nanoseconds: times.start[task]),
                end: Instant(nanoseconds: now)))
        let follower = Int(streamSuccessor[task])
        if follower >= 0 {
            atHead[follower] = true
            if open[follower] == 0 { try start(follower, at: now) }
        }
        for index in Int(successors.offsets[task])..<Int(successors.offsets[task + 1]) {
            let delay = graph.delays.isEmpty ? 0 : graph.delays[Int(successors.places[index])]
            let dependent = Int(successors.tasks[index])
            if delay == 0 {
                try close(dependencyOf: dependent, at: now)
            } else {
                let (end, wrapped) = now.addingReportingOverflow(delay)
                guard !wrapped else { throw .overflow(TaskID(task)) }
                push(end, UInt32(truncatingIfNeeded: dependent) | Self.delayMark)
            }
        }
    }

    private mutating func close(dependencyOf task: Int, at now: Int64) throws(TaskGraphError) {
        open[task] -= 1
        if open[task] == 0, atHead[task] { try start(task, at: now) }
    }
}
