import Quantities
import Testing

@testable import Engine

@Suite struct TaskGraphTests {
    /// Two streams; b waits for a with a delay of 3:
    /// ```
    /// stream 0: a(5) c(2)
    /// stream 1: ......... b(4)   starts at 5 + 3
    /// c waits for b: 12..14
    /// ```
    @Test func handSolvedGraph() throws {
        var builder = TaskGraphBuilder()
        let a = builder.addTask(stream: 0, duration: 5)
        let b = builder.addTask(stream: 1, duration: 4)
        let c = builder.addTask(stream: 0, duration: 2)
        builder.addDependency(from: a, to: b, delay: 3)
        builder.addDependency(from: b, to: c)
        let graph = try builder.build()
        let critical = try graph.longestPath()
        #expect(critical.times.start == [0, 8, 12])
        #expect(critical.times.finish == [5, 12, 14])
        #expect(critical.makespan == 14)
        #expect(critical.binding == [-1, 0, 1])
        #expect(critical.criticalPath() == [a, b, c])
        #expect(try graph.replay() == critical.times)
    }

    @Test func streamsRunInTheOrderOfAdding() throws {
        // b is ready at 0, but a before it on the stream waits for the long task: 10..11, then b 11..12.
        var builder = TaskGraphBuilder()
        let long = builder.addTask(stream: 1, duration: 10)
        let a = builder.addTask(stream: 0, duration: 1)
        let b = builder.addTask(stream: 0, duration: 1)
        builder.addDependency(from: long, to: a)
        let critical = try builder.build().longestPath()
        #expect(critical.times.start == [0, 10, 11])
        #expect(critical.criticalPath() == [long, a, b])
    }

    @Test func emptyGraphTakesNoTime() throws {
        let graph = try TaskGraphBuilder().build()
        #expect(try graph.longestPath().makespan == 0)
        #expect(try graph.longestPath().criticalPath().isEmpty)
        #expect(try graph.replay() == TaskTimes())
    }

    /// The definition, applied until nothing changes; needs no order of the tasks.
    private func fixedPoint(_ graph: TaskGraph) -> [Int64] {
        var start = [Int64](repeating: 0, count: graph.count)
        var last: [UInt32: Int] = [:]
        var previous = [Int?](repeating: nil, count: graph.count)
        for task in 0..<graph.count {
            previous[task] = last[graph.streams[task]]
            last[graph.streams[task]] = task
        }
        var changed = true
        while changed {
            changed = false
            for task in 0..<graph.count {
                var at: Int64 = previous[task].map { start[$0] + graph.durations[$0] } ?? 0
                for (from, delay) in graph.dependencies(of: TaskID(task)) {
                    at = max(at, start[from.index] + graph.durations[from.index] + delay)
                }
                if at != start[task] {
                    start[task] = at
                    changed = true
                }
            }
        }
        return start
    }

    private func randomGraph(_ seed: UInt64) throws -> TaskGraph {
        var random = RandomStream(seed: seed, purpose: "random graph")
        let count = 1 + Int(random.next() % 60)
        let streams = 1 + Int(random.next() % 8)
        // The numbers are shuffled within what keeps the graph free of cycles: a hidden order, streams filled along it or not.
        var builder = TaskGraphBuilder()
        let tasks = (0..<count).map { _ in
            builder.addTask(stream: Int(random.next() % UInt64(streams)), duration: Int64(random.next() % 20))
        }
        let delayed = random.uniform() < 0.5
        for _ in 0..<Int(random.next() % 150) where count > 1 {
            let a = Int(random.next() % UInt64(count))
            let b = Int(random.next() % UInt64(count))
            guard a != b else { continue }
            builder.addDependency(from: tasks[min(a, b)], to: tasks[max(a, b)], delay: delayed ? Int64(random.next() % 10) : 0)
        }
        return try builder.build()
    }

    /// The same graph with its streams' first tasks added last, so that numbers do not follow the order of time.
    private func renumbered(_ graph: TaskGraph) throws -> (graph: TaskGraph, number: [Int]) {
        var builder = TaskGraphBuilder()
        var number = [Int](repeating: 0, count: graph.count)
        for stream in (0..<graph.streamCount).reversed() {
            for task in 0..<graph.count where graph.streams[task] == UInt32(stream) {
                number[task] = builder.addTask(stream: stream, duration: graph.durations[task]).index
            }
        }
        for task in 0..<graph.count {
            for (from, delay) in graph.dependencies(of: TaskID(task)) {
                builder.addDependency(from: TaskID(number[from.index]), to: TaskID(number[task]), delay: delay)
            }
        }
        return (try builder.build(), number)
    }

    @Test func bothReplaysAgreeWithTheDefinitionOnRandomGraphs() throws {
        for seed in UInt64(0)..<400 {
            let graph = try randomGraph(seed)
            let expected = fixedPoint(graph)
            let critical = try graph.longestPath()
            #expect(critical.times.start == expected, "seed \(seed)")
            #expect(try graph.replay() == critical.times, "seed \(seed)")
            let (other, number) = try renumbered(graph)
            let times = try other.longestPath().times
            #expect((0..<graph.count).allSatisfy { times.start[number[$0]] == expected[$0] }, "seed \(seed)")
            #expect(try other.replay() == times, "seed \(seed)")
        }
    }

    @Test func bindingPredecessorsExplainEveryStart() throws {
        for seed in UInt64(0)..<100 {
            let graph = try randomGraph(seed)
            let critical = try graph.longestPath()
            for task in 0..<graph.count {
                let binding = Int(critical.binding[task])
                guard binding >= 0 else {
                    #expect(critical.times.start[task] == 0)
                    #expect(graph.dependencies(of: TaskID(task)).isEmpty)
                    continue
                }
                let wait = critical.times.start[task] - critical.times.finish[binding]
                let delays = graph.dependencies(of: TaskID(task)).filter { $0.task.index == binding }.map(\.delay)
                #expect(delays.contains(wait) || (wait == 0 && graph.streams[binding] == graph.streams[task]), "seed \(seed)")
            }
            let path = critical.criticalPath()
            #expect(path.last.map { critical.times.finish[$0.index] } == critical.makespan)
            #expect(path.first.map { critical.times.start[$0.index] } == 0)
        }
    }

    @Test func durationsAreReplacedWithoutRebuilding() throws {
        let graph = try randomGraph(3)
        var result = CriticalTimes()
        try graph.longestPath(durations: graph.durations.map { $0 * 3 + 1 }, into: &result)
        let storage = result.times.finish.withUnsafeBufferPointer { $0.baseAddress }
        try graph.longestPath(durations: graph.durations, into: &result)
        #expect(result == (try graph.longestPath()))
        #expect(result.times.finish.withUnsafeBufferPointer { $0.baseAddress } == storage, "repeated calls reuse their storage")
        #expect(throws: TaskGraphError.wrongDurationCount(given: 1, tasks: graph.count)) {
            try graph.longestPath(durations: [1], into: &result)
        }
        var negative = graph.durations
        negative[2] = -5
        #expect(throws: TaskGraphError.negativeDuration(TaskID(2), nanoseconds: -5)) {
            try graph.longestPath(durations: negative, into: &result)
        }
    }

    @Test func deadlocksNameTheTasksThatWaitForEachOther() throws {
        // stream 0: a b, stream 1: c d; a waits for d, c waits for b: a <- d <- c <- b <- a. e behind them is stuck too.
        var builder = TaskGraphBuilder()
        let a = builder.addTask(stream: 0, duration: 1)
        let b = builder.addTask(stream: 0, duration: 1)
        let c = builder.addTask(stream: 1, duration: 1)
        let d = builder.addTask(stream: 1, duration: 1)
        let e = builder.addTask(stream: 2, duration: 1)
        _ = builder.addTask(stream: 3, duration: 1)
        builder.addDependency(from: d, to: a)
        builder.addDependency(from: b, to: c)
        builder.addDependency(from: c, to: e)
        #expect(throws: TaskGraphError.deadlock(cycle: [a, d, c, b], stuck: 5)) { try builder.build() }
    }

    @Test func aTaskThatWaitsForItselfIsADeadlock() throws {
        var builder = TaskGraphBuilder()
        let a = builder.addTask(stream: 0, duration: 1)
        builder.addDependency(from: a, to: a)
        #expect(throws: TaskGraphError.deadlock(cycle: [a], stuck: 1)) { try builder.build() }
    }

    @Test func overflowNamesTheTask() throws {
        var builder = TaskGraphBuilder()
        let a = builder.addTask(stream: 0, duration: .max - 1)
        let b = builder.addTask(stream: 0, duration: 2)
        let graph = try builder.build()
        #expect(throws: TaskGraphError.overflow(b)) { try graph.longestPath() }
        #expect(throws: TaskGraphError.overflow(b)) { try graph.replay() }
        var delayed = TaskGraphBuilder()
        _ = delayed.addTask(stream: 0, duration: .max - 1)
        let last = delayed.addTask(stream: 1, duration: 0)
        delayed.addDependency(from: a, to: last, delay: 2)
        let second = try delayed.build()
        #expect(throws: TaskGraphError.overflow(a)) { try second.longestPath() }
        #expect(throws: TaskGraphError.overflow(a)) { try second.replay() }
    }

    @Test func mistakesOfTheCallerAreErrors() {
        var builder = TaskGraphBuilder()
        let a = builder.addTask(stream: 0, duration: 1)
        builder.addDependency(from: a, to: TaskID(7))
        #expect(throws: TaskGraphError.unknownTask(TaskID(7), tasks: 1)) { try builder.build() }
        var negative = TaskGraphBuilder()
        _ = negative.addTask(stream: 0, duration: -1)
        #expect(throws: TaskGraphError.negativeDuration(a, nanoseconds: -1)) { try negative.build() }
        var stream = TaskGraphBuilder()
        _ = stream.addTask(stream: -4, duration: 1)
        #expect(throws: TaskGraphError.invalidStream(a, stream: -4)) { try stream.build() }
        var delay = TaskGraphBuilder()
        _ = delay.addTask(stream: 0, duration: 1)
        let b = delay.addTask(stream: 0, duration: 1)
        delay.addDependency(from: a, to: b, delay: -2)
        #expect(throws: TaskGraphError.negativeDelay(from: a, to: b, nanoseconds: -2)) { try delay.build() }
    }
}

@Suite struct TimelineTests {
    @Test func aReplayRecordsEveryTaskOnItsStream() throws {
        var builder = TaskGraphBuilder()
        _ = builder.addTask(stream: 1, duration: 5)
        _ = builder.addTask(stream: 0, duration: 2)
        var timeline = Timeline()
        _ = try builder.build().replay(recorder: &timeline)
        // in the order of finishing: task 1 on track 0 (0..2), task 0 on track 1 (0..5)
        #expect(timeline.spans.map(\.label) == [1, 0])
        #expect(timeline.spans.map(\.track) == [0, 1])
        #expect(timeline.spans.map(\.end.nanoseconds) == [2, 5])
    }

    @Test func whenOffTheSpanIsNotEvenComputed() {
        var computed = 0
        func span() -> TimelineSpan {
            computed += 1
            return TimelineSpan(track: 0, label: 0, start: .init(nanoseconds: 0), end: .init(nanoseconds: 1))
        }
        func work(_ recorder: inout some TimelineRecorder) {
            for _ in 0..<100 { recorder.record(span()) }
        }
        var off = NoTimeline()
        work(&off)
        #expect(computed == 0)
        #expect(MemoryLayout<NoTimeline>.size == 0)
        var on = Timeline()
        work(&on)
        #expect(computed == 100 && on.spans.count == 100)
    }
}
