import Dispatch
import Synchronization

/// Runs work on so many threads and lets a limited number wait: what comes beyond that is turned away at once instead of late.
public final class WorkQueue: Sendable {
    private struct State {
        var running = 0
        var waiting: [@Sendable () -> Void] = []
        var next = 0
    }
    private let state = Mutex(State())
    private let threads: Int
    private let mostWaiting: Int
    private let queue = DispatchQueue(label: "orrery.work", attributes: .concurrent)

    public init(threads: Int, waiting: Int) { (self.threads, mostWaiting) = (max(1, threads), waiting) }

    /// - Returns: false where too many wait already; the work is then not done.
    public func submit(_ work: @escaping @Sendable () -> Void) -> Bool {
        let admission = state.withLock { state -> Bool? in
            if state.running < threads {
                state.running += 1
                return true
            }
            guard state.waiting.count - state.next < mostWaiting else { return nil }
            state.waiting.append(work)
            return false
        }
        guard let admission else { return false }
        if admission { queue.async { self.run(work) } }
        return true
    }

    private func run(_ first: @escaping @Sendable () -> Void) {
        var work: (@Sendable () -> Void)? = first
        while let now = work {
            now()
            work = state.withLock { state in
                guard state.next < state.waiting.count else {
                    state.running -= 1
                    (state.waiting, state.next) = ([], 0)
                    return nil
                }
                let next = state.waiting[state.next]
                state.next += 1
                if state.next > 64, state.next * 2 > state.waiting.count {
                    state.waiting.removeFirst(state.next)
                    state.next = 0
                }
                return next
            }
        }
    }
}
