import Dispatch

/// `body` of 0..<count on up to `jobs` threads; results in order, and the first error in order.
func concurrentMap<Value: Sendable>(_ count: Int, jobs: Int, _ body: @Sendable (Int) throws -> Value) throws -> [Value] {
    if jobs <= 1 || count <= 1 { return try (0..<count).map(body) }
    let results = Results<Value>(count)
    DispatchQueue.concurrentPerform(iterations: count) { index in
        let result = Result { try body(index) }
        results.put(result, at: index)
    }
    return try results.all()
}

/// Each element is written once, by its own iteration.
private final class Results<Value: Sendable>: @unchecked Sendable {
    private var values: [Result<Value, any Error>?]
    private let queue = DispatchQueue(label: "orrery.cosimulation.results")
    init(_ count: Int) { values = Array(repeating: nil, count: count) }
    func put(_ value: Result<Value, any Error>, at index: Int) { queue.sync { values[index] = value } }
    func all() throws -> [Value] { try values.compactMap { try $0?.get() } }
}

/// Adds up the progress of several threads.
final class ProgressCounter: @unchecked Sendable {
    private var done = 0
    private let total: Int
    private let tell: @Sendable (Int, Int) -> Bool
    private let queue = DispatchQueue(label: "orrery.cosimulation.progress")
    init(of total: Int, _ tell: @escaping @Sendable (Int, Int) -> Bool) {
        self.total = total
        self.tell = tell
    }
    func add(_ count: Int) -> Bool {
        queue.sync {
            done += count
            return tell(done, total)
        }
    }
}
