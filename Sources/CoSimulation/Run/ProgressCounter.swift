import Dispatch

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
