import Quantities
import Training

/// A server and its clients: in every round some of them train on their own samples and send what they have.
struct FederatedRun<Scalar: TrainingScalar>: MethodRun {
    private let setup: RunSetup<Scalar>
    private let federation: Federation
    private(set) var ledger: Ledger
    private var server: FederatedAveraging<Scalar>
    private var model: SharedModel<Scalar>
    /// [clients] rounds that each took part in.
    private var rounds: [Int]
    private var wires: [Int: Wire<Scalar>] = [:]

    init(_ setup: RunSetup<Scalar>, _ federation: Federation) throws(TrainingError) {
        self.setup = setup
        self.federation = federation
        ledger = try Ledger(setup, workers: federation.clients)
        model = try SharedModel(setup)
        server = try FederatedAveraging(
            model: flat(setup.initial), clientsPerRound: federation.perRound, proximal: federation.proximal, seed: mixed(setup.seed, 0xFED))
        rounds = [Int](repeating: 0, count: federation.clients)
    }

    private var batches: Int { max(1, federation.samplesPerClient / setup.plan.batch) }

    mutating func advance() throws {
        let clients = server.clients(of: federation.clients)
        let trained = try train(clients)
        var models: [[Scalar]] = []
        for (index, client) in clients.enumerated() {
            var local = trained[index].0
            if setup.plan.codec != nil, var wire = wires[client] ?? setup.wire() {
                var change = server.model
                Scalar.axpy(&change, local, -1)
                local = server.model
                Scalar.axpy(&local, try wire.send(change), -1)
                wires[client] = wire
            }
            models.append(local)
            rounds[client] += 1
        }
        let span = trained.map(\.1).max() ?? 0
        let slowest = clients.indices.first { trained[$0].1 == span } ?? 0
        for (index, client) in clients.enumerated() {
            ledger.busy[client] += trained[index].1
            ledger.waited[client] += span - trained[index].1
            ledger.blamed[clients[slowest]] += span - trained[index].1
        }
        // The model goes down whole, the change comes up as the codec makes it.
        let plain = setup.plan.wire?.plainBytes ?? Double(4 * setup.task.parameterCount)
        ledger.now += span + nanoseconds(setup.clock.transfer(plain) + setup.clock.transfer(setup.messageBytes) + setup.clock.update)
        let epochs = max(1, federation.epochs)
        try server.aggregate(models, samples: clients.map { _ in batches * setup.plan.batch })
        put(server.model, into: &model.parameters)
        ledger.count(staleness: 0)
        ledger.steps += 1
        ledger.count(
            samples: clients.count * batches * epochs * setup.plan.batch, of: setup.task, progress: setup.progress(server.round - 1))
        ledger.messages += Double(clients.count) / Double(federation.clients)
        try ledger.close(setup.task, model.parameters)
    }

    /// What each of `clients` has after its steps [elements], and the nanoseconds that it took.
    private func train(_ clients: [Int]) throws -> [([Scalar], Int64)] {
        let own = self
        let start = model
        let jobs = setup.task.isCheap ? 1 : setup.plan.jobs
        let rounds = self.rounds
        let begun = ledger
        return try parallelMap(trying: clients, jobs: jobs) { client in
            try Self.train(client, start, own.setup, own.server, (own.federation, own.batches, rounds[client], begun))
        }
    }

    private static func train(
        _ client: Int, _ start: SharedModel<Scalar>, _ setup: RunSetup<Scalar>, _ server: FederatedAveraging<Scalar>,
        _ at: (federation: Federation, batches: Int, round: Int, ledger: Ledger)
    ) throws -> ([Scalar], Int64) {
        var model = start
        put(server.model, into: &model.parameters)
        var gradient = setup.task.zeroGradient
        var busy: Int64 = 0
        let steps = at.batches * max(1, at.federation.epochs)
        for step in 0..<steps {
            // A client's samples are its own, the same in every epoch and round.
            let first = (client * at.batches + step % at.batches) * setup.plan.batch
            let progress = setup.progress(server.round)
            let samples = Samples(seed: setup.seed, first: first, count: setup.plan.batch, progress: progress)
            _ = try setup.task.gradient(model.parameters, samples, into: &gradient)
            var followed = gradient
            if server.proximal > 0 { followed = cut(server.localGradient(flat(gradient), at: flat(model.parameters)), setup.sizes) }
            busy += setup.clock.gradient(
                seed: setup.seed, worker: client, number: at.round * steps + step, share: setup.task.share(at: progress).work,
                imbalance: at.ledger.imbalance, now: at.ledger.now + busy)
            _ = try model.apply(&followed, rate: setup.rate(server.round), progress: setup.progress(server.round))
        }
        return (flat(model.parameters), busy)
    }

    func save(_ writer: inout StateWriter) {
        ledger.save(&writer)
        model.save(&writer)
        writer.put(rounds)
        writer.put(server.round)
        writer.put(wires.count)
        for client in wires.keys.sorted() {
            writer.put(client)
            wires[client]?.save(&writer)
        }
    }
    mutating func restore(_ reader: inout StateReader) throws {
        try ledger.restore(&reader)
        try model.restore(&reader)
        rounds = try reader.integers(count: rounds.count)
        server.restore(model: flat(model.parameters), round: try reader.integer())
        wires = [:]
        for _ in 0..<max(0, try reader.integer()) {
            let client = try reader.integer()
            guard var wire = setup.wire() else { break }
            try wire.restore(&reader)
            wires[client] = wire
        }
    }
}
