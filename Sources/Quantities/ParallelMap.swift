import Dispatch
import Synchronization

/// Results in the order of `inputs`, computed by at most `jobs` threads; how many work on it changes nothing but the time.
/// - Parameters:
///   - isOver: asked before each input but those at work; where true, the inputs left have no result.
///   - finished: told how many are done after each, from any thread.
/// - Returns: [inputs]
public func parallelMap<Input: Sendable, Output: Sendable>(
    _ inputs: [Input], jobs: Int, until isOver: @Sendable () -> Bool, finished: @Sendable (Int) -> Void = { _ in },
    _ body: @Sendable (Input) -> Output
) -> [Output?] {
    let next = Atomic(0)
    let done = Atomic(0)
    let results = Mutex([Output?](repeating: nil, count: inputs.count))
    DispatchQueue.concurrentPerform(iterations: max(1, min(jobs, inputs.count))) { _ in
        while true {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard index < inputs.count, !isOver() else { return }
            let output = body(inputs[index])
            results.withLock { $0[index] = output }
            finished(done.wrappingAdd(1, ordering: .relaxed).newValue)
        }
    }
    return results.withLock { $0 }
}

/// As `parallelMap(_:jobs:until:finished:_:)` for a body that may throw.
/// - Throws: the first error in the order of `inputs`.
public func parallelMap<Input: Sendable, Output: Sendable>(
    trying inputs: [Input], jobs: Int, _ body: @Sendable (Input) throws -> Output
) throws -> [Output] {
    if jobs <= 1 || inputs.count <= 1 { return try inputs.map(body) }
    return try parallelMap(inputs, jobs: jobs) { input in Result { try body(input) } }.map { try $0.get() }
}

/// As `parallelMap(_:jobs:until:finished:_:)` where every input has its result.
public func parallelMap<Input: Sendable, Output: Sendable>(
    _ inputs: [Input], jobs: Int, finished: @Sendable (Int) -> Void = { _ in }, _ body: @Sendable (Input) -> Output
) -> [Output] {
    parallelMap(inputs, jobs: jobs, until: { false }, finished: finished, body).compactMap(\.self)
}
