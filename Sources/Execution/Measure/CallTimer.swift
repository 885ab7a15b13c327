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

    /// Memory's speed beside each rotated lap.
    var probe: MemoryProbe?
    /// The core's speed beside each lap.
    var core: CoreProbe?
    /// Seconds of the call on warm operands, where known.
    var warmSeconds: Double?

    private static let shortestLap = 30e-6
    /// Below this many bytes operands count as warm always: a step leaves them in the cache, and beside a miss or two they take no time.
    static let leastRotated = 32768.0

    init(backend: CPUBackend, machine: Machine, rule: StopRule) {
        self.backend = backend
        self.machine = machine
        self.rule = rule
    }

    func time(_ call: KernelCall, _ residency: Residency) -> Repeats? {
        CPUBackend.withoutSubnormals {
            switch residency {
            case .warm: warm(call)
            case .rotated: rotated(call)
            case .contended: contended(call)
            }
        }
    }

    /// One timed batch.
    private func lap(_ body: () -> Void) -> (wall: Double, lap: Lap) {
        let (preempted, wall, own) = (Clocks.preemptions(), Clocks.wall(), Clocks.thread())
        body()
        let (thread, total) = (Clocks.thread() - own, Clocks.wall() - wall)
        let isDisturbed = Clocks.preemptions() > preempted || core?.isSlow() == true
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

    /// Many sets of operands, one after the other: where allocations lie (alignment to vectors and cache lines, distance between operands, pages
    /// that share sets of a cache) decides over a tenth of a call's time and more, so that one set, however often timed, says little. A
    /// step's calls find theirs anywhere: the mean of the middle half of the sets stands for them.
    private func warm(_ call: KernelCall) -> Repeats? {
        var draws = Placement(seed: UInt64(call.sizes.reduce(1) { $0 &* 31 &+ $1 }))
        var model = KernelTrial(call, on: backend)
        var batch = warmUp(&model)
        let lap = max(Self.shortestLap, self.lap { for _ in 0..<batch { model.run() } }.lap.seconds)
        batch = max(1, batch)
        // As many as give all of them their laps in time.
        let most = min(Self.placements, max(4, Int(0x1p23 / max(1, Double(model.bytes)))))
        let sets = max(3, min(most, Int(rule.seconds / (Double(Self.leastLaps + 1) * lap))))
        var share = self
        share.rule.least = min(rule.least, Self.leastLaps)
        share.rule.seconds = rule.seconds / Double(sets)
        var parts: [Repeats] = []
        // Alive together, or the next would get the place of the last.
        var trials = (0..<sets).map { _ in model.copy { draws.gap() } }
        for set in 0..<sets {
            for _ in 0..<max(2, min(batch, 64)) { trials[set].run() }
            if let part = share.repeats(batch: batch, { trials[set].run() }) { parts.append(part) }
        }
        return Repeats(merging: parts)
    }

    /// Sets of operands, at most, and laps with each, at least.
    private static let placements = 24
    private static let leastLaps = 5

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

    /// So many sets of operands in turn that together they exceed the last cache, whatever the call's size. A lap is a stretch of them. Two and a
    /// half times the cache: caches that replace at random still hold a part of what exceeds them by little.
    private func rotated(_ call: KernelCall) -> Repeats? {
        let footprint = 2.5 * machine.lastCache
        var draws = Placement(seed: UInt64(call.sizes.reduce(7) { $0 &* 31 &+ $1 }))
        // A large table is one set; what its calls touch lies elsewhere each time.
        let isTable = call.kernel == .gather || call.kernel == .scatterAdd
        let touched = max(64, call.bytes)
        let model = KernelTrial(call, on: backend, indexSets: isTable ? min(64, Int((footprint / touched).rounded(.up))) : 1)
        let count = max(2, min(Int(footprint / Self.leastRotated), Int((footprint / Double(max(64, model.bytes))).rounded(.up))))
        var trials = (0..<count).map { _ in model.copy { draws.gap() } }
        var turn = 0
        func next() {
            trials[turn].run()
            turn = turn + 1 == count ? 0 : turn + 1
        }
        // Every set once, or as many as there is time for: pages are there, and the cache is full of others.
        let begin = Clocks.wall()
        var runs = 0
        while runs < count, runs < 2 || Clocks.wall() - begin < rule.seconds / 3 {
            next()
            runs += 1
        }
        let alone = max(1e-9, lap { next() }.lap.seconds)
        let stretch = max(1, min(count, Int(Self.stretch / alone)))
        var rule = rule
        // All sets count where that does not take too long.
        let round = (count + stretch - 1) / stretch
        if Double(count) * alone < 0.5 * self.rule.seconds { rule.least = max(rule.least, min(rule.most, round)) }
        probe?.begin()
        return Repeats(rule, clock: Clocks.wall) {
            var one = lap { for _ in 0..<stretch { next() } }.lap
            one.seconds /= Double(stretch)
            if let probe {
                let slowness = probe.slowness()
                // What the call waits for memory: what it takes longer than with warm operands; else at most its bytes at memory's pace.
                let wait = warmSeconds.map { max(0, one.seconds - $0) } ?? min(one.seconds, call.bytes * probe.secondsPerByte * slowness)
                one.seconds -= wait * (1 - 1 / slowness)
            }
            return one
        }
    }

    /// Seconds of calls in a rotated lap, at least.
    private static let stretch = 100e-6

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

/// Where operands come to lie: multiples of 16 bytes apart, as allocators give them, up to two pages.
private struct Placement {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func gap() -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return 16 * Int(state >> 55)
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
