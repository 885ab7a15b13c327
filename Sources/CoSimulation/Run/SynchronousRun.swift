import Quantities
import Training

/// All workers compute a gradient of the same parameters, the mean of which is the step.
struct SynchronousRun<Scalar: TrainingScalar>: MethodRun {
    private let setup: RunSetup<Scalar>
    private let backup: Int
    private(set) var ledger: Ledger
    private(set) var model: SharedModel<Scalar>
    private var balancer: LoadBalancer?
    private var wires: [Wire<Scalar>]
    /// Of who sends a part's sum on, where messages are no sums.
    private var owner: Wire<Scalar>?
    private var factors: FactorExchange<Scalar>?
    /// Gradients that wait for `factors` [members][elements].
    private var gathered: [[Scalar]] = []
    private var buffer: [[Scalar]]
    private var durations: [Int64]

    init(_ setup: RunSetup<Scalar>, backup: Int, balance: Bool) throws(TrainingError) {
        self.setup = setup
        self.backup = backup
        ledger = try Ledger(setup)
        model = try SharedModel(setup)
        balancer = balance ? try LoadBalancer(workers: setup.workers, globalBatch: setup.workers * setup.plan.batch) : nil
        factors = FactorExchange(setup.plan.codec, workers: setup.workers)
        wires = factors != nil ? [] : setup.wires(setup.workers)
        owner = setup.plan.codec?.exchange == .scatterAndGather && setup.workers > 1 ? setup.wire() : nil
        buffer = setup.task.zeroGradient
        durations = [Int64](repeating: 0, count: setup.workers)
    }

    mutating func advance() throws {
        let step = ledger.steps
        let shares = balancer?.shares
        let batch = setup.plan.batch
        for worker in durations.indices {
            let share = shares.map { Double($0[worker]) / Double(batch) } ?? 1
            durations[worker] = setup.duration(worker, step, share: share, at: ledger)
        }
        let members = awaited()
        let span = pass(members)
        if balancer != nil { try balancer?.observe(seconds: durations.map { max(1e-9, Double($0) * 1e-9) }) }
        var mean = try average(members, step, shares)
        let exchange = setup.exchange(members.count)
        let hidden = min(exchange, nanoseconds(setup.clock.hidden))
        ledger.now += span + (exchange - hidden) + nanoseconds(setup.clock.update + setup.clock.stall)
        ledger.messages += setup.workers > 1 || setup.plan.codec != nil ? 1 : 0
        if try !model.apply(&mean, rate: setup.rate(step), progress: setup.progress(step)) {
            ledger.skip(step)
        } else {
            ledger.count(staleness: 0)
        }
        ledger.steps += 1
        try ledger.close(setup.task, model.parameters)
    }

    /// The workers whose gradients are used, ascending: all but the `backup` slowest of this step.
    private func awaited() -> [Int] {
        guard backup > 0 else { return Array(durations.indices) }
        return durations.indices.sorted { (durations[$0], $0) < (durations[$1], $1) }.prefix(durations.count - backup).sorted()
    }

    /// Notes who computed and who waited; returns how long the slowest of `members` took. Who is not waited for stops with it.
    private mutating func pass(_ members: [Int]) -> Int64 {
        var slowest = members[0]
        for worker in members where durations[worker] > durations[slowest] { slowest = worker }
        let span = durations[slowest]
        for worker in durations.indices {
            let own = min(durations[worker], span)
            ledger.busy[worker] += own
            ledger.waited[worker] += span - own
            ledger.blamed[slowest] += span - own
        }
        return span
    }

    /// The mean gradient, summed in the order of the workers.
    private mutating func average(_ members: [Int], _ step: Int, _ shares: [Int]?) throws -> [[Scalar]] {
        let task = setup.task
        let parts = members.map { worker in samples(worker, step, shares) }
        let total = parts.reduce(0) { $0 + $1.count }
        ledger.count(samples: total, of: task, progress: setup.progress(step))
        let isEven = parts.allSatisfy { $0.count == parts[0].count }
        var sum: [[Scalar]] = []
        var squares = 0.0
        func add(_ gradient: [[Scalar]], _ index: Int, to sum: inout [[Scalar]]) {
            squares += gradient.reduce(0) { $0 + Scalar.sumOfSquares($1) }
            let weight = isEven ? 1 : Scalar(Double(parts[index].count) / Double(total))
            if sum.isEmpty {
                sum = gradient
                if !isEven { for i in sum.indices { Scalar.scale(&sum[i], weight) } }
            } else {
                for i in sum.indices { Scalar.axpy(&sum[i], gradient[i], weight) }
            }
        }
        if task.isCheap || setup.plan.jobs <= 1 {
            for index in members.indices {
                _ = try task.gradient(model.parameters, parts[index], into: &buffer)
                add(try sent(buffer, by: members[index]), index, to: &sum)
            }
        } else {
            let parameters = model.parameters
            let chunk = 2 * setup.plan.jobs
            for start in stride(from: 0, to: members.count, by: chunk) {
                let end = min(members.count, start + chunk)
                let gradients = try parallelMap(trying: Array(start..<end), jobs: setup.plan.jobs) { index in
                    var own = task.zeroGradient
                    _ = try task.gradient(parameters, parts[index], into: &own)
                    return own
                }
                for index in start..<end { add(try sent(gradients[index - start], by: members[index]), index, to: &sum) }
            }
        }
        if isEven, members.count > 1 { for i in sum.indices { Scalar.scale(&sum[i], 1 / Scalar(members.count)) } }
        if isEven, setup.plan.codec == nil, members.count > 1 {
            ledger.noise.add(
                small: squares / Double(members.count), large: sum.reduce(0) { $0 + Scalar.sumOfSquares($1) },
                batches: (Double(parts[0].count), Double(total)))
        }
        if var own = factors {
            factors = nil
            sum = cut(try own.mean(gathered, of: members), setup.sizes)
            gathered = []
            factors = own
        }
        if var own = owner {
            sum = cut(try own.send(flat(sum)), setup.sizes)
            owner = own
        }
        return sum
    }

    private mutating func sent(_ gradient: [[Scalar]], by worker: Int) throws -> [[Scalar]] {
        if factors != nil { gathered.append(flat(gradient)) }
        return wires.isEmpty ? gradient : cut(try wires[worker].send(flat(gradient)), setup.sizes)
    }

    /// With balanced shares a step's samples are the same, cut elsewhere.
    private func samples(_ worker: Int, _ step: Int, _ shares: [Int]?) -> Samples {
        guard let shares else { return setup.samples(worker, step) }
        let before = shares[..<worker].reduce(0, +)
        return Samples(
            seed: setup.seed, first: step * setup.workers * setup.plan.batch + before, count: shares[worker], progress: setup.progress(step)
        )
    }

    func save(_ writer: inout StateWriter) {
        ledger.save(&writer)
        model.save(&writer)
        for wire in wires { wire.save(&writer) }
        owner?.save(&writer)
        factors?.save(&writer)
        if let balancer {
            writer.put(balancer.shares)
            writer.put(balancer.secondsPerSample.map { $0 ?? -1 })
        }
    }
    mutating func restore(_ reader: inout StateReader) throws {
        try ledger.restore(&reader)
        try model.restore(&reader)
        for i in wires.indices { try wires[i].restore(&reader) }
        try owner?.restore(&reader)
        try factors?.restore(&reader)
        if let own = balancer {
            let shares = try reader.integers(count: own.shares.count)
            let pace: [Double] = try reader.scalars(count: own.shares.count)
            balancer = try own.restored(shares: shares, secondsPerSample: pace.map { $0 < 0 ? nil : $0 })
        }
    }
}
