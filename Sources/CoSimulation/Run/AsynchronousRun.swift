import Engine
import Quantities
import Training

/// Every gradient changes the shared parameters when it arrives; the simulated clock decides in which order they do.
struct AsynchronousRun<Scalar: TrainingScalar>: MethodRun {
    private let setup: RunSetup<Scalar>
    private let bound: Int?
    private(set) var ledger: Ledger
    private var model: SharedModel<Scalar>
    private var compensator: DelayCompensator<Scalar>
    private var queue = Arrivals()
    private var workers: [Worker]
    private var wires: [Wire<Scalar>]
    /// Workers that must not start yet, the first in line first.
    private var line: [Int] = []
    private var inFlight = 0
    private var version = 0
    private var scheduled = 0

    private struct Worker {
        /// What it read, and which version that was; nil while it waits.
        var read: [Tensor<Scalar>] = []
        var origin = 0
        var isInFlight = false
        /// Gradients begun.
        var number = 0
        /// Nanoseconds of the passes of the gradient under way.
        var compute: Int64 = 0
        /// When its gradient arrives, and how many were scheduled before it.
        var arrival: Int64 = 0
        var order = 0
        /// Computed ahead of its arrival.
        var gradient: [[Scalar]]?
    }

    init(_ setup: RunSetup<Scalar>, bound: Int?, _ compensation: DelayCompensation) throws(TrainingError) {
        self.setup = setup
        self.bound = bound
        ledger = try Ledger(setup)
        model = try SharedModel(setup)
        compensator = DelayCompensator(compensation, depth: bound ?? 64)
        workers = [Worker](repeating: Worker(), count: setup.workers)
        wires = setup.wires(setup.workers)
        line = Array(workers.indices)
        startWhoMay()
    }

    // MARK: Who may start

    /// A worker may start if, whatever the order of what is then under way, nothing arrives staler than the bound: a gradient that lags by l
    /// can be overtaken by all others under way.
    private var mayStart: Bool {
        guard let bound else { return true }
        var lag = 0
        for worker in workers where worker.isInFlight { lag = max(lag, version - worker.origin) }
        return lag + inFlight <= bound
    }

    private mutating func startWhoMay() {
        var started = 0
        while started < line.count, mayStart {
            start(line[started])
            started += 1
        }
        if started > 0 { line.removeFirst(started) }
    }

    private mutating func start(_ worker: Int) {
        let clock = setup.clock
        let compute = setup.duration(worker, workers[worker].number, at: ledger)
        let codec = setup.plan.codec == nil ? 0 : clock.encode + clock.decode(1)
        // Parameters travel whole and come first, the gradient's message goes after it.
        let pull = setup.plan.wire?.plainBytes ?? Double(4 * setup.task.parameterCount)
        let around = nanoseconds(clock.transfer(pull) + clock.transfer(setup.messageBytes) + codec + clock.update + clock.stall)
        workers[worker].compute = compute
        workers[worker].read = model.parameters
        workers[worker].origin = version
        workers[worker].isInFlight = true
        workers[worker].arrival = ledger.now + compute + around
        workers[worker].order = scheduled
        workers[worker].number += 1
        scheduled += 1
        inFlight += 1
        queue.add(worker, at: workers[worker].arrival)
    }

    /// Who stands in line waits for the oldest gradient under way: its lag is what keeps the bound.
    private mutating func noteWaiting(until time: Int64) {
        let span = time - ledger.now
        guard span > 0, !line.isEmpty else { return }
        for worker in line { ledger.waited[worker] += span }
        let oldest = workers.indices.filter { workers[$0].isInFlight }.min {
            (workers[$0].origin, workers[$0].order) < (workers[$1].origin, workers[$1].order)
        }
        if let oldest { ledger.blamed[oldest] += span * Int64(line.count) }
    }

    // MARK: Arrivals

    mutating func advance() throws {
        guard let (time, worker) = queue.next() else { throw TrainingError("no worker may start: this cannot be") }
        noteWaiting(until: time)
        ledger.now = time
        ledger.busy[worker] += workers[worker].compute
        var gradient = try takeGradient(of: worker)
        if !wires.isEmpty { gradient = cut(try wires[worker].send(flat(gradient)), setup.sizes) }
        let staleness = version - workers[worker].origin
        if compensator.compensation != .none {
            var step = flat(gradient)
            compensator.correct(
                &step, now: flat(model.parameters), then: flat(workers[worker].read), staleness: staleness, version: version)
            gradient = cut(step, setup.sizes)
        }
        // Lets go of the old version, so that where nobody else reads it the update is made in place.
        workers[worker].read = []
        workers[worker].isInFlight = false
        inFlight -= 1
        if try model.apply(&gradient, rate: setup.rate(ledger.steps), progress: setup.progress(ledger.steps)) {
            version += 1
            ledger.count(staleness: staleness)
            // What the rule took, clipped: a rule that scales it, as Adam does, makes steps that are in no gradient's units.
            if compensator.remembers { compensator.remember(flat(gradient)) }
        } else {
            ledger.skip(ledger.steps)
        }
        ledger.steps += 1
        ledger.count(samples: setup.plan.batch, of: setup.task, progress: setup.progress(ofGradient: workers[worker].number - 1))
        ledger.messages += 1 / Double(setup.workers)
        try ledger.close(setup.task, model.parameters)
        line.append(worker)
        startWhoMay()
    }

    /// The gradient at what the worker read. It depends on nothing that comes later, so several are computed at once, the next to arrive first.
    private mutating func takeGradient(of worker: Int) throws -> [[Scalar]] {
        if let ready = workers[worker].gradient {
            workers[worker].gradient = nil
            return ready
        }
        var next = [worker]
        if !setup.task.isCheap {
            while next.count < setup.plan.jobs, let other = nextArrival(but: next) { next.append(other) }
        }
        let own = setup
        let inputs = next.map { (read: workers[$0].read, worker: $0, number: workers[$0].number - 1) }
        let gradients = try parallelMap(trying: inputs, jobs: own.plan.jobs) {
            try own.gradient($0.read, $0.worker, $0.number)
        }
        for (index, other) in next.enumerated().dropFirst() { workers[other].gradient = gradients[index] }
        return gradients[0]
    }

    /// Of the workers under way whose gradient is still to be computed, the next to arrive; a scan, as sorting a thousand workers takes longer
    /// than a small gradient.
    private func nextArrival(but taken: [Int]) -> Int? {
        var best: Int?
        for other in workers.indices where workers[other].isInFlight && workers[other].gradient == nil && !taken.contains(other) {
            guard let known = best else {
                best = other
                continue
            }
            if (workers[other].arrival, workers[other].order) < (workers[known].arrival, workers[known].order) { best = other }
        }
        return best
    }

    // MARK: Saving

    func save(_ writer: inout StateWriter) {
        ledger.save(&writer)
        model.save(&writer)
        writer.put(compensator.updates.count)
        for update in compensator.updates { writer.put(update) }
        for worker in workers {
            for value in [
                worker.origin, worker.isInFlight ? 1 : 0, worker.number, Int(worker.arrival), worker.order, Int(worker.compute),
            ] {
                writer.put(value)
            }
            writer.put(flat(worker.read))
        }
        for wire in wires { wire.save(&writer) }
        writer.put(line)
        writer.put(version)
        writer.put(scheduled)
    }

    mutating func restore(_ reader: inout StateReader) throws {
        try ledger.restore(&reader)
        try model.restore(&reader)
        var updates: [[Scalar]] = []
        for _ in 0..<max(0, try reader.integer()) { updates.append(try reader.scalars(count: setup.task.parameterCount)) }
        compensator = DelayCompensator(compensator.compensation, depth: bound ?? 64, updates: updates)
        inFlight = 0
        for i in workers.indices {
            workers[i].origin = try reader.integer()
            workers[i].isInFlight = try reader.integer() == 1
            workers[i].number = try reader.integer()
            workers[i].arrival = Int64(try reader.integer())
            workers[i].order = try reader.integer()
            workers[i].compute = Int64(try reader.integer())
            workers[i].gradient = nil
            let values: [Scalar] = try reader.scalars()
            workers[i].read = []
            if workers[i].isInFlight {
                workers[i].read = setup.initial
                guard values.count == setup.task.parameterCount else { throw TrainingError("the saved state is another run's") }
                put(values, into: &workers[i].read)
                inFlight += 1
            }
        }
        for i in wires.indices { try wires[i].restore(&reader) }
        line = try reader.integers()
        version = try reader.integer()
        scheduled = try reader.integer()
        // In the order in which they were scheduled, so that simultaneous arrivals keep theirs.
        queue = Arrivals()
        for worker in workers.indices.filter({ workers[$0].isInFlight }).sorted(by: { workers[$0].order < workers[$1].order }) {
            queue.add(worker, at: workers[worker].arrival)
        }
    }
}

/// The arrivals to come, in the order of the simulator's events: (time, order of scheduling).
private final class Arrivals {
    private var queue = EventQueue<Int>()
    func add(_ worker: Int, at nanoseconds: Int64) { queue.schedule(at: Instant(nanoseconds: nanoseconds), worker) }
    func next() -> (Int64, Int)? { queue.pop().map { ($0.time.nanoseconds, $0.payload) } }
}
