import Quantities
import Training

/// Replicas step on their own and meet now and then. A replica is a worker, or a group of workers that stay synchronous.
struct LocalRun<Scalar: TrainingScalar>: MethodRun {
    private let setup: RunSetup<Scalar>
    private let adaptation: PeriodAdaptation?
    private let groups: [[Int]]
    private(set) var ledger: Ledger
    private var replicas: [SharedModel<Scalar>]
    private var wires: [Wire<Scalar>]
    private var period: Int
    /// What all agreed on last [elements].
    private var shared: [Scalar]
    private var outer: Optimizer<SGD<Scalar>>?
    private let outerStep: OuterStep?

    init(_ setup: RunSetup<Scalar>, _ period: LocalPeriod, _ outer: OuterStep?, groups: [[Int]]?) throws(TrainingError) {
        self.setup = setup
        self.groups = groups ?? (0..<setup.workers).map { [$0] }
        switch period {
        case .steps(let steps):
            self.period = steps
            adaptation = nil
        case .share(let share):
            self.period = 1
            adaptation = try PeriodAdaptation(targetShare: share)
        }
        ledger = try Ledger(setup)
        replicas = [SharedModel<Scalar>](repeating: try SharedModel(setup), count: self.groups.count)
        wires = setup.wires(self.groups.count)
        shared = flat(setup.initial)
        outerStep = outer.flatMap { $0.isPlain ? nil : $0 }
        if let outerStep {
            let rule = try SGD<Scalar>(momentum: outerStep.momentum, nesterov: outerStep.momentum > 0)
            self.outer = Optimizer(rule, shapes: [[shared.count]])
        }
    }

    /// What a replica's steps between two meetings took: nanoseconds in all and of each member's computing, steps that were skipped.
    private struct Stretch: Sendable {
        var span: Int64 = 0
        var busy: [Int64]
        var waited: [Int64]
        var blamed: [Int64]
        var exchange: Int64 = 0
        var skipped: [Int] = []
    }

    mutating func advance() throws {
        let steps = min(period, setup.plan.stop.most - ledger.steps)
        let first = ledger.steps
        let own = setup
        let members = groups
        let begun = ledger
        let start = replicas
        replicas = []
        let jobs = own.task.isCheap ? 1 : own.plan.jobs
        let went = try parallelMap(trying: Array(members.indices), jobs: jobs) { replica in
            var model = start[replica]
            let stretch = try Self.train(&model, members[replica], own, first..<first + steps, begun)
            return (model, stretch)
        }
        replicas = went.map(\.0)
        let (computed, exchanged) = note(went.map(\.1))
        ledger.count(beforeMeeting: setup.task.secondMoment(replicas[0].parameters))
        try meet()
        ledger.now += exchanged
        if let adaptation {
            period = adaptation.period(
                now: steps, computeSeconds: Double(computed) * 1e-9, communicationSeconds: Double(exchanged) * 1e-9)
        }
        ledger.steps += steps
        ledger.count(staleness: 0)
        for step in first..<first + steps {
            ledger.count(samples: setup.workers * setup.plan.batch, of: setup.task, progress: setup.progress(step))
        }
        ledger.messages += setup.workers > 1 || setup.plan.codec != nil ? 1 : 0
        try ledger.close(setup.task, replicas[0].parameters)
    }

    private static func train(
        _ model: inout SharedModel<Scalar>, _ members: [Int], _ setup: RunSetup<Scalar>, _ steps: Range<Int>, _ ledger: Ledger
    ) throws -> Stretch {
        var stretch = Stretch(busy: members.map { _ in 0 }, waited: members.map { _ in 0 }, blamed: members.map { _ in 0 })
        var own = setup.task.zeroGradient
        let between = members.count > 1 ? nanoseconds(setup.clock.groupExchange(setup.messageBytes, members.count)) : 0
        for step in steps {
            var sum: [[Scalar]] = []
            var durations: [Int64] = []
            for worker in members {
                durations.append(setup.duration(worker, step, at: ledger, after: stretch.span))
                _ = try setup.task.gradient(model.parameters, setup.samples(worker, step), into: &own)
                if sum.isEmpty {
                    sum = own
                } else {
                    for i in sum.indices { Scalar.axpy(&sum[i], own[i], 1) }
                }
            }
            if members.count > 1 { for i in sum.indices { Scalar.scale(&sum[i], 1 / Scalar(members.count)) } }
            let slowest = durations.max() ?? 0
            let last = durations.firstIndex(of: slowest) ?? 0
            for (i, duration) in durations.enumerated() {
                stretch.busy[i] += duration
                stretch.waited[i] += slowest - duration
                stretch.blamed[last] += slowest - duration
            }
            stretch.exchange += between
            stretch.span += slowest + between + nanoseconds(setup.clock.update + setup.clock.stall)
            if try !model.apply(&sum, rate: setup.rate(step), progress: setup.progress(step)) { stretch.skipped.append(step) }
        }
        return stretch
    }

    /// Takes the stretches into the ledger; returns the time of computing, mean over replicas, and of the meeting.
    private mutating func note(_ stretches: [Stretch]) -> (computed: Int64, exchanged: Int64) {
        var slowest = 0
        for replica in stretches.indices where stretches[replica].span > stretches[slowest].span { slowest = replica }
        let span = stretches[slowest].span
        for (members, stretch) in zip(groups, stretches) {
            for (i, worker) in members.enumerated() {
                ledger.busy[worker] += stretch.busy[i]
                let waited = stretch.waited[i] + span - stretch.span
                ledger.waited[worker] += waited
                ledger.blamed[worker] += stretch.blamed[i]
                ledger.blamed[groups[slowest][0]] += span - stretch.span
            }
            for step in stretch.skipped { ledger.skip(step) }
        }
        ledger.now += span
        let mean = stretches.reduce(0) { $0 + Double($1.span) } / Double(stretches.count)
        return (Int64(mean), setup.exchange(groups.count))
    }

    /// Brings the replicas together. Through a codec what travels is each replica's change since the last meeting.
    private mutating func meet() throws {
        var vectors = replicas.map { flat($0.parameters) }
        for replica in wires.indices {
            var change = shared
            Scalar.axpy(&change, vectors[replica], -1)
            let arrived = try wires[replica].send(change)
            // What arrives whole is the replica itself, to the bit.
            if arrived == change { continue }
            vectors[replica] = shared
            Scalar.axpy(&vectors[replica], arrived, -1)
        }
        if var own = outer, let outerStep {
            // DiLoCo, arXiv:2311.08105: the mean change is a gradient for the outer optimizer.
            var change = shared
            Scalar.axpy(&change, try mean(vectors), -1)
            var parameters = [Tensor(shared)]
            try own.step(&parameters, gradients: [change], rate: outerStep.rate)
            shared = parameters[0].values
            outer = own
        } else {
            shared = try mean(vectors)
        }
        for replica in replicas.indices { put(shared, into: &replicas[replica].parameters) }
    }

    func save(_ writer: inout StateWriter) {
        ledger.save(&writer)
        for replica in replicas { replica.save(&writer) }
        for wire in wires { wire.save(&writer) }
        writer.put(period)
        writer.put(shared)
        if let outer { writer.put(outer.state.serialized()) }
    }
    mutating func restore(_ reader: inout StateReader) throws {
        try ledger.restore(&reader)
        for i in replicas.indices { try replicas[i].restore(&reader) }
        for i in wires.indices { try wires[i].restore(&reader) }
        period = try reader.integer()
        shared = try reader.scalars(count: shared.count)
        if outer != nil { try outer?.restore(OptimizerState(serialized: try reader.bytes())) }
    }
}
