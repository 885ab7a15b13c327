/// Collects tasks and dependencies, then makes a `TaskGraph` of them. Mistakes are reported by `build`.
public struct TaskGraphBuilder {
    static let maximumStream = 1 << 28

    private var durations: [Int64] = []
    private var streams: [UInt32] = []
    private var streamPredecessor: [Int32] = []
    private var lastOnStream: [Int32] = []
    private var from: [Int32] = []
    private var to: [Int32] = []
    private var delays: [Int64] = []
    private var hasDelay = false
    private var firstError: TaskGraphError?

    public init() {}

    public var count: Int { durations.count }

    public mutating func reserveCapacity(tasks: Int, dependencies: Int) {
        durations.reserveCapacity(tasks)
        streams.reserveCapacity(tasks)
        streamPredecessor.reserveCapacity(tasks)
        from.reserveCapacity(dependencies)
        to.reserveCapacity(dependencies)
    }

    /// Appends a task to its stream. Streams are small numbers from 0 (memory grows with the largest); `duration` is in nanoseconds.
    public mutating func addTask(stream: Int, duration: Int64) -> TaskID {
        let task = TaskID(durations.count)
        var stream = stream
        if stream < 0 || stream > Self.maximumStream {
            note(.invalidStream(task, stream: stream))
            stream = 0
        }
        if duration < 0 { note(.negativeDuration(task, nanoseconds: duration)) }
        while lastOnStream.count <= stream { lastOnStream.append(-1) }
        durations.append(duration)
        streams.append(UInt32(stream))
        streamPredecessor.append(lastOnStream[stream])
        lastOnStream[stream] = Int32(truncatingIfNeeded: task.index)
        return task
    }

    /// `to` starts no earlier than `delay` nanoseconds after the finish of `from`. Either may be added to the graph later.
    public mutating func addDependency(from: TaskID, to: TaskID, delay: Int64 = 0) {
        if delay < 0 { note(.negativeDelay(from: from, to: to, nanoseconds: delay)) }
        if delay != 0, !hasDelay {
            hasDelay = true
            delays = Array(repeating: 0, count: self.from.count)
        }
        self.from.append(Int32(clamping: from.index))
        self.to.append(Int32(clamping: to.index))
        if hasDelay { delays.append(delay) }
    }

    private mutating func note(_ error: TaskGraphError) { firstError = firstError ?? error }

    /// - Throws: `TaskGraphError` for the first mistake, and `.deadlock` when some tasks wait for each other.
    /// - Complexity: O(tasks + dependencies).
    public func build() throws(TaskGraphError) -> TaskGraph {
        if let firstError { throw firstError }
        let count = durations.count
        guard count < Int(Int32.max), from.count < Int(Int32.max) else { throw .tooLarge(tasks: count, dependencies: from.count) }
        var offsets = [UInt32](repeating: 0, count: count + 1)
        var numberedInOrder = true
        for index in from.indices {
            guard from[index] >= 0, Int(from[index]) < count else { throw .unknownTask(TaskID(Int(from[index])), tasks: count) }
            guard to[index] >= 0, Int(to[index]) < count else { throw .unknownTask(TaskID(Int(to[index])), tasks: count) }
            offsets[Int(to[index]) + 1] += 1
            if from[index] >= to[index] { numberedInOrder = false }
        }
        for task in 0..<count { offsets[task + 1] += offsets[task] }
        var cursor = offsets
        var predecessors = [Int32](repeating: 0, count: from.count)
        var sortedDelays = [Int64](repeating: 0, count: delays.count)
        for index in from.indices {
            let place = Int(cursor[Int(to[index])])
            cursor[Int(to[index])] += 1
            predecessors[place] = from[index]
            if hasDelay { sortedDelays[place] = delays[index] }
        }
        let rows = PredecessorRows(stream: streamPredecessor, offsets: offsets, predecessors: predecessors)
        return TaskGraph(
            durations: durations, streams: streams, streamCount: lastOnStream.count, streamPredecessor: streamPredecessor, offsets: offsets,
            predecessors: predecessors, delays: sortedDelays, order: numberedInOrder ? [] : try rows.topologicalOrder())
    }
}

/// What each task waits for, without times.
private struct PredecessorRows {
    let stream: [Int32]
    let offsets: [UInt32]
    let predecessors: [Int32]

    private func dependencies(_ task: Int) -> ArraySlice<Int32> { predecessors[Int(offsets[task])..<Int(offsets[task + 1])] }

    /// Kahn's algorithm (1962, doi:10.1145/368996.369025). [tasks]
    func topologicalOrder() throws(TaskGraphError) -> [Int32] {
        let count = stream.count
        let successors = SuccessorRows(offsets: offsets, predecessors: predecessors)
        var streamSuccessor = [Int32](repeating: -1, count: count)
        var waiting = [UInt32](repeating: 0, count: count)
        var order: [Int32] = []
        order.reserveCapacity(count)
        for task in 0..<count {
            waiting[task] = offsets[task + 1] - offsets[task] + (stream[task] >= 0 ? 1 : 0)
            if stream[task] >= 0 { streamSuccessor[Int(stream[task])] = Int32(task) }
            if waiting[task] == 0 { order.append(Int32(task)) }
        }
        var next = 0
        while next < order.count {
            let task = Int(order[next])
            next += 1
            let follower = streamSuccessor[task]
            if follower >= 0 {
                waiting[Int(follower)] -= 1
                if waiting[Int(follower)] == 0 { order.append(follower) }
            }
            for place in Int(successors.offsets[task])..<Int(successors.offsets[task + 1]) {
                let dependent = Int(successors.tasks[place])
                waiting[dependent] -= 1
                if waiting[dependent] == 0 { order.append(Int32(dependent)) }
            }
        }
        guard order.count == count else { throw .deadlock(cycle: cycle(waiting), stuck: count - order.count) }
        return order
    }

    /// A cycle among the stuck tasks. Every stuck task waits for a stuck task, so walking along such edges must come back to a task seen before.
    private func cycle(_ waiting: [UInt32]) -> [TaskID] {
        guard let first = waiting.firstIndex(where: { $0 > 0 }) else { return [] }
        var visitedAt = [Int: Int]()
        var path: [Int] = []
        var task = first
        while visitedAt[task] == nil {
            visitedAt[task] = path.count
            path.append(task)
            let candidates = dependencies(task).map(Int.init) + (stream[task] >= 0 ? [Int(stream[task])] : [])
            guard let blocker = candidates.first(where: { waiting[$0] > 0 }) else { break }
            task = blocker
        }
        return path[(visitedAt[task] ?? 0)...].map { TaskID($0) }
    }
}

/// The transposed rows: who waits for each task.
struct SuccessorRows {
    /// [tasks + 1]
    var offsets: [UInt32]
    /// [dependencies] the dependent task.
    var tasks: [Int32]
    /// [dependencies] its place in the predecessor rows, where the delay is.
    var places: [UInt32]

    init(offsets rows: [UInt32], predecessors: [Int32]) {
        let count = rows.count - 1
        offsets = [UInt32](repeating: 0, count: count + 1)
        for predecessor in predecessors { offsets[Int(predecessor) + 1] += 1 }
        for task in 0..<max(0, count) { offsets[task + 1] += offsets[task] }
        var cursor = offsets
        tasks = [Int32](repeating: 0, count: predecessors.count)
        places = [UInt32](repeating: 0, count: predecessors.count)
        for task in 0..<max(0, count) {
            for place in Int(rows[task])..<Int(rows[task + 1]) {
                let predecessor = Int(predecessors[place])
                tasks[Int(cursor[predecessor])] = Int32(truncatingIfNeeded: task)
                places[Int(cursor[predecessor])] = UInt32(truncatingIfNeeded: place)
                cursor[predecessor] += 1
            }
        }
    }
}
