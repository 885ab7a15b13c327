import Glibc
import Kernels
import Synchronization

/// Times calls on the cores of this machine.
///
/// A lap is a batch of calls that lasts at least 30 microseconds. With one thread, its seconds are those that the thread computed
/// (CLOCK_THREAD_CPUTIME_ID), so that waiting for a core does not count, and a lap during which the system took the core away (getrusage's
/// nivcsw) is marked disturbed; with more threads it is the wall clock.
struct CallTimer {
    let backend: CPUBackend
    let machine: Machine
    /// Longest seconds and most repeats of a timing, and the quantile that stands for it.
    var rule: StopRule

    private static let shortestLap = 30e-6
    /// Below this many bytes operands count as warm always: a step leaves them in the cache, and beside a miss or two they take no time.
    static let leastRotated = 32768.0

    init(backend: CPUBackend, machine: Machine, rule: StopRule) {
        self.backend = backend
        self.machine = machine
        self.rule = rule
    }

    func time(_ call: KernelCall, _ residency: Residency) -> Repeats? {
        switch residency {
        case .warm: warm(call)
        case .rotated: rotated(call)
        case .contended: contended(call)
        }
    }

    /// One timed batch.
    private func lap(_ body: () -> Void) -> (wall: Double, lap: Lap) {
        let (preempted, wall, own) = (Clocks.preemptions(), Clocks.wall(), Clocks.thread())
        body()
        let (thread, total) = (Clocks.thread() - own, Clocks.wall() - wall)
        let isDisturbed = Clocks.preemptions() > preempted
        return (total, Lap(seconds: backend.threads == 1 ? thread : total, isDisturbed: isDisturbed))
    }

    private func repeats(batch: Int, _ body: () -> Void) -> Repeats? {
        Repeats(rule, clock: Clocks.wall) {
            var one = lap { for _ in 0..<batch { body() } }.lap
            one.seconds /= Double(batch)
            return one
        }
    }

    // MARK: The same operands again

    /// Several sets of operands, one after the other: where an allocation lies (alignment, pages that share cache lines) decides over a tenth of
    /// a short call's time and more, so that one set, however often timed, says little.
    private func warm(_ call: KernelCall) -> Repeats? {
        let sets = call.bytes < 0x1p20 ? 5 : 3
        var share = self
        share.rule.seconds = rule.seconds / Double(sets)
        var parts: [Repeats] = []
        // Alive together, or the next would get the place of the last.
        var trials = (0..<sets).map { KernelTrial(call, on: backend, seed: UInt64($0 + 1)) }
        for set in 0..<sets {
            let batch = warmUp(&trials[set])
            if let part = share.repeats(batch: batch, { trials[set].run() }) { parts.append(part) }
        }
        return Repeats(merging: parts)
    }

    /// Runs until a lap repeats itself; how many calls make a lap.
    private func warmUp(_ trial: inout KernelTrial<CPUBackend>) -> Int {
        trial.run()
        var batch = 1
        while batch < 1 << 16 {
            let took = lap { for _ in 0..<batch { trial.run() } }.lap.seconds
            if took >= Self.shortestLap { break }
            // Doubling also warms up; a good guess saves rounds.
            batch = max(2 * batch, min(64 * batch, Int(Double(batch) * Self.shortestLap / max(took, 1e-9))))
        }
        return batch
    }

    // MARK: Operands out of the cache

    private func rotated(_ call: KernelCall) -> Repeats? {
        let footprint = 1.25 * machine.lastCache
        let bytes = max(64, call.bytes)
        let count = max(2, min(bytes >= 0x1p18 ? 160 : 16, Int((footprint / bytes).rounded(.up))))
        var trials = (0..<count).map { KernelTrial(call, on: backend, seed: UInt64($0 + 1)) }
        // Where so many operands still fit into the cache, a walk through other memory drives them out between rounds.
        var other = [Float](repeating: 1, count: Double(count) * bytes < footprint ? Int(footprint / 4) : 0)
        for index in trials.indices { trials[index].run() }
        var next = 0
        let alone = lap { trials[0].run() }.lap.seconds
        let isLong = alone >= Self.shortestLap && other.isEmpty
        return Repeats(rule, clock: Clocks.wall) {
            for index in stride(from: 0, to: other.count, by: 16) { other[index] += 1 }
            if isLong {
                next = (next + 1) % count
                return lap { trials[next].run() }.lap
            }
            var one = lap { for index in trials.indices { trials[index].run() } }.lap
            one.seconds /= Double(count)
            return one
        }
    }

    // MARK: Two cores at once

    /// The same call on another core meanwhile; nil where there is no second core.
    private func contended(_ call: KernelCall) -> Repeats? {
        guard CPUBackend.usableCores > 1 else { return nil }
        var trial = KernelTrial(call, on: backend)
        let batch = warmUp(&trial)
        let rival = Rival(call, backend)
        guard rival.start() else { return nil }
        defer { rival.stop() }
        return repeats(batch: batch) { trial.run() }
    }
}

/// A thread that makes one call over and over.
private final class Rival: Sendable {
    private let call: KernelCall
    private let backend: CPUBackend
    private let isRunning = Atomic<Bool>(false)
    private let isOver = Atomic<Bool>(false)
    private let thread = Mutex<pthread_t?>(nil)

    init(_ call: KernelCall, _ backend: CPUBackend) {
        self.call = call
        self.backend = backend
    }

    /// Returns when the thread is at work; false where the system gives none.
    func start() -> Bool {
        var id = pthread_t()
        let code = pthread_create(
            &id, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Rival>.fromOpaque(context).takeRetainedValue().work()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        guard code == 0 else {
            Unmanaged.passUnretained(self).release()
            return false
        }
        thread.withLock { $0 = id }
        while !isRunning.load(ordering: .acquiring) { sched_yield() }
        return true
    }

    private func work() {
        var trial = KernelTrial(call, on: backend, seed: 7)
        trial.run()
        isRunning.store(true, ordering: .releasing)
        while !isOver.load(ordering: .acquiring) { trial.run() }
    }

    func stop() {
        isOver.store(true, ordering: .releasing)
        if let id = thread.withLock({ $0 }) { pthread_join(id, nil) }
    }
}
