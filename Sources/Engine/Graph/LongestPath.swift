/// Timing by longest path: start = max over predecessors of finish + delay, one sweep in topological order. Right as long as no duration depends on
/// what else runs. Unsafe code: indices come from a built graph, whose rows are valid, and the result's arrays have its length.
extension TaskGraph {
    /// - Throws: `TaskGraphError.overflow`.
    public func longestPath() throws(TaskGraphError) -> CriticalTimes {
        var result = CriticalTimes()
        try longestPath(durations: durations, into: &result)
        return result
    }

    /// Times the same structure with other durations, [tasks] nanoseconds. `result` is scratch that is reused: repeated calls do not allocate.
    /// - Throws: `TaskGraphError` for a wrong number of durations, a negative one, or overflow.
    /// - Complexity: O(tasks + dependencies).
    public func longestPath(durations: [Int64], into result: inout CriticalTimes) throws(TaskGraphError) {
        guard durations.count == count else { throw .wrongDurationCount(given: durations.count, tasks: count) }
        if result.binding.count != count {
            result.binding = Array(repeating: -1, count: count)
            result.times.start = Array(repeating: 0, count: count)
            result.times.finish = Array(repeating: 0, count: count)
        }
        guard count > 0 else {
            result.times.makespan = 0
            return
        }
        let signs = delays.isEmpty ? sweep(durations, &result, delayed: NoDelays()) : sweep(durations, &result, delayed: Delays(delays))
        if signs < 0 { throw firstFault(durations) }
    }

    /// Returns the sign bits of all numbers seen: durations are then all valid, and no sum of non-negative numbers has wrapped, when it is not negative.
    private func sweep(_ durations: [Int64], _ result: inout CriticalTimes, delayed: some DelayTable) -> Int64 {
        var signs: Int64 = 0
        var makespan: Int64 = 0
        result.times.start.withUnsafeMutableBufferPointer { start in
            result.times.finish.withUnsafeMutableBufferPointer { finish in
                result.binding.withUnsafeMutableBufferPointer { binding in
                    withRows { rows in
                        durations.withUnsafeBufferPointer { durations in
                            delayed.withTable { delay in
                                @inline(__always) func time(_ task: Int) {
                                    var from = rows.stream[task]
                                    var at: Int64 = from >= 0 ? finish[Int(from)] : -1
                                    var place = Int(rows.offsets[task])
                                    let end = Int(rows.offsets[task &+ 1])
                                    while place < end {
                                        let predecessor = rows.predecessors[place]
                                        let ready = finish[Int(predecessor)] &+ delay(place)
                                        signs |= ready
                                        if ready > at {
                                            at = ready
                                            from = predecessor
                                        }
                                        place &+= 1
                                    }
                                    if from < 0 { at = 0 }
                                    let done = at &+ durations[task]
                                    signs |= durations[task] | done
                                    start[task] = at
                                    finish[task] = done
                                    binding[task] = from
                                    if done > makespan { makespan = done }
                                }
                                if rows.order.isEmpty {
                                    for task in 0..<durations.count { time(task) }
                                } else {
                                    for task in rows.order { time(Int(task)) }
                                }
                            }
                        }
                    }
                }
            }
        }
        result.times.makespan = makespan
        return signs
    }

    private struct Rows {
        let stream: UnsafeBufferPointer<Int32>
        let offsets: UnsafeBufferPointer<UInt32>
        let predecessors: UnsafeBufferPointer<Int32>
        let order: UnsafeBufferPointer<Int32>
    }

    private func withRows(_ body: (Rows) -> Void) {
        streamPredecessor.withUnsafeBufferPointer { stream in
            offsets.withUnsafeBufferPointer { offsets in
                predecessors.withUnsafeBufferPointer { predecessors in
                    order.withUnsafeBufferPointer { order in
                        body(Rows(stream: stream, offsets: offsets, predecessors: predecessors, order: order))
                    }
                }
            }
        }
    }

    /// The slow way, with checked sums, to say which task is at fault.
    private func firstFault(_ durations: [Int64]) -> TaskGraphError {
        if let bad = durations.firstIndex(where: { $0 < 0 }) { return .negativeDuration(TaskID(bad), nanoseconds: durations[bad]) }
        var finish = [Int64](repeating: 0, count: count)
        for task in order.isEmpty ? Array(0..<count) : order.map(Int.init) {
            var start: Int64 = streamPredecessor[task] >= 0 ? finish[Int(streamPredecessor[task])] : 0
            for place in Int(offsets[task])..<Int(offsets[task + 1]) {
                let predecessor = Int(predecessors[place])
                let (ready, wrapped) = finish[predecessor].addingReportingOverflow(delays.isEmpty ? 0 : delays[place])
                if wrapped { return .overflow(TaskID(predecessor)) }
                start = max(start, ready)
            }
            let (done, wrapped) = start.addingReportingOverflow(durations[task])
            if wrapped { return .overflow(TaskID(task)) }
            finish[task] = done
        }
        return .overflow(TaskID(0))
    }
}

/// The delay of each dependency; two forms, so that graphs without delays do not read a table.
private protocol DelayTable {
    func withTable(_ body: ((Int) -> Int64) -> Void)
}

private struct NoDelays: DelayTable {
    @inline(__always) func withTable(_ body: ((Int) -> Int64) -> Void) { body { _ in 0 } }
}

private struct Delays: DelayTable {
    let values: [Int64]
    init(_ values: [Int64]) { self.values = values }
    @inline(__always) func withTable(_ body: ((Int) -> Int64) -> Void) {
        values.withUnsafeBufferPointer { table in body { table[$0] } }
    }
}
