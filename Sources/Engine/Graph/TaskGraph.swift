/// A task of a `TaskGraph`; tasks are numbered in the order in which they were added.
public struct TaskID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let index: Int
    @inlinable public init(_ index: Int) { self.index = index }
    @inlinable public static func < (a: TaskID, b: TaskID) -> Bool { a.index < b.index }
    public var description: String { "task \(index)" }
}

/// Why a task graph cannot be built or timed.
public enum TaskGraphError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Each task of `cycle` waits for the next and the last for the first (through a dependency or its stream's order); `stuck` tasks in all can never run.
    case deadlock(cycle: [TaskID], stuck: Int)
    /// The finish of this task, or a delay after it, is beyond the 292 years that Int64 nanoseconds hold.
    case overflow(TaskID)
    case negativeDuration(TaskID, nanoseconds: Int64)
    case negativeDelay(from: TaskID, to: TaskID, nanoseconds: Int64)
    case unknownTask(TaskID, tasks: Int)
    case invalidStream(TaskID, stream: Int)
    case wrongDurationCount(given: Int, tasks: Int)
    case tooLarge(tasks: Int, dependencies: Int)

    public var description: String {
        switch self {
        case .deadlock(let cycle, let stuck):
            let named = cycle.prefix(12).map { String($0.index) }.joined(separator: " -> ")
            let rest = cycle.count > 12 ? " -> ... (\(cycle.count) tasks)" : " -> \(cycle.first?.index ?? 0)"
            return "deadlock: \(stuck) tasks can never run; these wait for each other: \(named)\(rest)"
        case .overflow(let task): return "the finish of \(task) is beyond the 292 years that the clock holds"
        case .negativeDuration(let task, let value): return "\(task) has the duration \(value) ns; it must be zero or more"
        case .negativeDelay(let from, let to, let value):
            return "the dependency of \(to) on \(from) has the delay \(value) ns; it must be zero or more"
        case .unknownTask(let task, let tasks): return "a dependency names \(task), but the graph has \(tasks) tasks, numbered from 0"
        case .invalidStream(let task, let stream):
            return "\(task) is on stream \(stream); streams are numbered from 0 to \(TaskGraphBuilder.maximumStream)"
        case .wrongDurationCount(let given, let tasks): return "\(given) durations were given for \(tasks) tasks"
        case .tooLarge(let tasks, let dependencies):
            return "\(tasks) tasks with \(dependencies) dependencies: each number must stay below 2^31"
        }
    }
}

/// Tasks with integer durations on in-order streams, joined by dependencies with optional delays; immutable once built.
///
/// A stream runs its tasks one at a time in the order in which they were added. A task starts when its predecessor on its stream has finished
/// and each task that it depends on has finished `delay` ago. All times are nanoseconds from the start.
///
/// Arrays are flat (predecessors in compressed rows), so that one graph is timed many times with other durations. Tasks numbered in the order of
/// steps rather than rank by rank run several times faster, because predecessors then lie close in memory.
public struct TaskGraph: Sendable {
    /// [tasks] nanoseconds, as given to the builder.
    public let durations: [Int64]
    /// [tasks] stream of each task.
    public let streams: [UInt32]
    public let streamCount: Int
    /// [tasks] the task before it on its stream, -1 for the first.
    let streamPredecessor: [Int32]
    /// [tasks + 1] where the task's dependencies start in `predecessors`.
    let offsets: [UInt32]
    /// [dependencies] grouped by dependent task, in the order in which they were added.
    let predecessors: [Int32]
    /// [dependencies] nanoseconds; empty when all are zero.
    let delays: [Int64]
    /// [tasks] an order in which every task follows what it waits for; empty when the numbering is one.
    let order: [Int32]

    public var count: Int { durations.count }
    public var dependencyCount: Int { predecessors.count }

    /// The tasks that `task` depends on with their delays in nanoseconds, without its stream's predecessor.
    public func dependencies(of task: TaskID) -> [(task: TaskID, delay: Int64)] {
        guard durations.indices.contains(task.index) else { return [] }
        return (Int(offsets[task.index])..<Int(offsets[task.index + 1])).map {
            (TaskID(Int(predecessors[$0])), delays.isEmpty ? 0 : delays[$0])
        }
    }
}

/// When each task runs.
public struct TaskTimes: Sendable, Equatable {
    /// [tasks] nanoseconds.
    public internal(set) var start: [Int64] = []
    /// [tasks] nanoseconds.
    public internal(set) var finish: [Int64] = []
    /// When the last task finishes, nanoseconds.
    public internal(set) var makespan: Int64 = 0
    public init() {}
}

/// When each task runs and what it waited for last.
public struct CriticalTimes: Sendable, Equatable {
    public internal(set) var times = TaskTimes()
    /// [tasks] the predecessor whose finish (plus delay) set the task's start, -1 for a task without predecessors. Of equals the stream's
    /// predecessor comes first, then the dependency added first.
    public internal(set) var binding: [Int32] = []
    public init() {}

    public var makespan: Int64 { times.makespan }

    /// The chain of tasks that sets the makespan, first to last: each one's start is the finish of the one before, plus its delay.
    /// - Complexity: O(tasks).
    public func criticalPath() -> [TaskID] {
        guard var task = times.finish.firstIndex(of: times.makespan) else { return [] }
        var path = [TaskID(task)]
        while binding[task] >= 0 {
            task = Int(binding[task])
            path.append(TaskID(task))
        }
        return path.reversed()
    }
}
