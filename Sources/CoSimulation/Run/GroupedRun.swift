import Quantities
import Training

/// Gradients by the size of their tensor: small ones are averaged before the step, large ones are sent in the background and enter a later one.
struct GroupedRun<Scalar: TrainingScalar>: MethodRun {
    private let setup: RunSetup<Scalar>
    private let delay: Int
    /// [tensors] whether its gradient goes in the background.
    private let isLarge: [Bool]
    private(set) var ledger: Ledger
    private var model: SharedModel<Scalar>
    /// Large gradients under way, the oldest first, and when their exchange ends.
    private var underWay: [(gradient: [[Scalar]], end: Int64)] = []
    private let smallBytes: Double
    private let largeBytes: Double

    init(_ setup: RunSetup<Scalar>, delay: Int) throws(TrainingError) {
        guard setup.plan.codec == nil else { throw TrainingError("gradients grouped by size travel as they are: remove the codec") }
        self.setup = setup
        self.delay = delay
        ledger = try Ledger(setup)
        model = try SharedModel(setup)
        // The task's tensors stand for the target's in proportion.
        let whole = Double(max(1, setup.task.parameterCount))
        let classes = setup.sizes.map { SizeClass(bytes: Int(min(setup.messageBytes * Double($0) / whole, 9e18))) }
        isLarge = classes.map { !$0.isSynchronous }
        let large = zip(setup.sizes, classes).reduce(0.0) { $0 + ($1.1.isSynchronous ? 0 : Double($1.0)) }
        largeBytes = setup.messageBytes * large / whole
        smallBytes = setup.messageBytes - largeBytes
    }

    mutating func advance() throws {
        let step = ledger.steps
        let computed = ledger.now + compute(step)
        var sum = try average(step)
        // One exchange after the other on the same links.
        let end = max(computed, underWay.last?.end ?? 0) + exchange(largeBytes)
        underWay.append((sum, end))
        var ready = computed + exchange(smallBytes)
        if underWay.count > delay {
            let arrived = underWay.removeFirst()
            ready = max(ready, arrived.end)
            for i in sum.indices where isLarge[i] { sum[i] = arrived.gradient[i] }
        } else {
            // Nothing has arrived yet: the large tensors stay where they are.
            for i in sum.indices where isLarge[i] { sum[i] = [Scalar](repeating: 0, count: sum[i].count) }
        }
        ledger.now = ready + nanoseconds(setup.clock.update + setup.clock.stall)
        if try !model.apply(&sum, rate: setup.rate(step), progress: setup.progress(step)) {
            ledger.skip(step)
        } else {
            ledger.count(staleness: min(step, delay))
        }
        ledger.steps += 1
        ledger.count(samples: setup.workers * setup.plan.batch, of: setup.task, progress: setup.progress(step))
        ledger.messages += setup.workers > 1 ? 1 : 0
        try ledger.close(setup.task, model.parameters)
    }

    private func exchange(_ bytes: Double) -> Int64 {
        setup.workers > 1 && bytes > 0 ? nanoseconds(setup.clock.exchange(.allReduce, bytes, setup.workers)) : 0
    }

    /// Nanoseconds until the slowest worker has its gradient.
    private mutating func compute(_ step: Int) -> Int64 {
        var durations: [Int64] = []
        for worker in 0..<setup.workers {
            durations.append(setup.duration(worker, step, at: ledger))
        }
        var slowest = 0
        for worker in durations.indices where durations[worker] > durations[slowest] { slowest = worker }
        let span = durations[slowest]
        for worker in durations.indices {
            ledger.busy[worker] += durations[worker]
            ledger.waited[worker] += span - durations[worker]
            ledger.blamed[slowest] += span - durations[worker]
        }
        return span
    }

    private func average(_ step: Int) throws -> [[Scalar]] {
        let own = setup
        let parameters = model.parameters
        let gradients = try parallelMap(trying: Array(0..<own.workers), jobs: own.task.isCheap ? 1 : own.plan.jobs) { worker in
            try own.gradient(parameters, worker, step)
        }
        var sum = gradients[0]
        for other in gradients.dropFirst() { for i in sum.indices { Scalar.axpy(&sum[i], other[i], 1) } }
        if gradients.count > 1 { for i in sum.indices { Scalar.scale(&sum[i], 1 / Scalar(gradients.count)) } }
        return sum
    }

    func save(_ writer: inout StateWriter) {
        ledger.save(&writer)
        model.save(&writer)
        writer.put(underWay.count)
        for (gradient, end) in underWay {
            writer.put(flat(gradient))
            writer.put(Int(end))
        }
    }
    mutating func restore(_ reader: inout StateReader) throws {
        try ledger.restore(&reader)
        try model.restore(&reader)
        underWay = []
        for _ in 0..<max(0, try reader.integer()) {
            let gradient: [Scalar] = try reader.scalars(count: setup.task.parameterCount)
            underWay.append((cut(gradient, setup.sizes), Int64(try reader.integer())))
        }
    }
}
