import TestSupport
import Testing
import Training

@Suite struct SynchronisationTests {
    private let n = 6
    private func gradient(_ x: [Double], _ worker: Int, _ step: Int) -> [Double] {
        let noise = draws(UInt64(1000 * worker + step), n)
        return x.indices.map { (x[$0] - 1) * Double($0 + 1) + 0.1 * noise[$0] }
    }
    private func sgd(_ x: inout [Double], _ g: [Double], rate: Double = 0.1) { Double.axpy(&x, g, -rate) }

    /// Synchronous reference: the mean gradient of all workers at shared parameters.
    private func synchronous(workers: Int, steps: Int) throws -> [Double] {
        var x = draws(9, n)
        for step in 0..<steps { sgd(&x, try mean((0..<workers).map { gradient(x, $0, step) })) }
        return x
    }

    /// One local step a meeting is all-reduce, up to rounding; one worker is serial, to the bit.
    @Test func localStepsOfOneAreAllReduce() throws {
        for workers in [1, 4] {
            var policy = try LocalSGD<Double>(period: 1)
            var replicas = [[Double]](repeating: draws(9, n), count: workers)
            for step in 0..<20 {
                for worker in 0..<workers { sgd(&replicas[worker], gradient(replicas[worker], worker, step)) }
                if policy.isDue(afterStep: step + 1) { try policy.synchronize(&replicas) }
            }
            let expected = try synchronous(workers: workers, steps: 20)
            #expect(workers == 1 ? replicas[0] == expected : zip(replicas[0], expected).allSatisfy { abs($0 - $1) < 1e-13 })
            #expect(replicas.allSatisfy { $0 == replicas[0] })
        }
    }

    /// Outer rate 1 without momentum is local SGD of the same period.
    @Test func diLoCoReducesToLocalSGD() throws {
        var local = try LocalSGD<Double>(period: 5)
        var outer = try DiLoCo(start: draws(9, n), period: 5, outerRate: 1, outerMomentum: 0)
        var a = [[Double]](repeating: draws(9, n), count: 3)
        var b = a
        for step in 0..<20 {
            for worker in 0..<3 {
                sgd(&a[worker], gradient(a[worker], worker, step))
                sgd(&b[worker], gradient(b[worker], worker, step))
            }
            if local.isDue(afterStep: step + 1) { try local.synchronize(&a) }
            if outer.isDue(afterStep: step + 1) { try outer.synchronize(&b) }
        }
        #expect(zip(a[0], b[0]).allSatisfy { abs($0 - $1) < 1e-13 })
        #expect(throws: TrainingError.self) { try LocalSGD<Double>(period: 0) }
    }

    /// A meeting of 3 s between steps of 1 s, 25% wanted: 3 x 0.75 / (0.25 x 1) = 9 steps.
    @Test func thePeriodFollowsTheShareOfCommunication() throws {
        var policy = try LocalSGD<Double>(period: 4, adaptation: PeriodAdaptation(targetShare: 0.25, limits: 1...100))
        policy.observe(computeSeconds: 4, communicationSeconds: 3)
        #expect(policy.period == 9)
        policy.observe(computeSeconds: 9, communicationSeconds: 0)
        #expect(policy.period == 1)
        policy.observe(computeSeconds: 1, communicationSeconds: 1e9)
        #expect(policy.period == 100)
        #expect(throws: TrainingError.self) { try PeriodAdaptation(targetShare: 1) }
    }

    /// Staleness 0 is serial SGD to the bit, whatever the compensation.
    @Test func freshGradientsAreSerialSGD() throws {
        let forms: [AsynchronousServer<Double>.Compensation] = [
            .none, .pastUpdates(alpha: 0.3, decay: 0.5, halfLife: 100), .taylor(lambda: 0.04),
        ]
        for form in forms {
            var server = try AsynchronousServer(draws(9, n), compensation: form, bound: 0)
            for step in 0..<20 {
                let (x, version) = server.pull()
                #expect(try server.push(gradient(x, 0, step), origin: version, rate: 0.1) == 0)
            }
            #expect(server.parameters == (try synchronous(workers: 1, steps: 20)))
        }
    }

    /// Variant by hand: at version 0 three workers pull 0; gradients 1, 2, 4, rate 1, alpha 0.5, decay 0.5 (alpha constant: half-life infinite).
    /// First: step 1. Second, D = 1: 2 + 0.5. Third, D = 2.5 + 0.5 x 1 = 3: 4 + 1.5. In all -(1 + 2.5 + 5.5) = -9.
    @Test func pastUpdatesByHand() throws {
        var server = try AsynchronousServer<Double>([0], compensation: .pastUpdates(alpha: 0.5, decay: 0.5, halfLife: .infinity), bound: 2)
        for (index, gradient) in [1.0, 2, 4].enumerated() { #expect(try server.push([gradient], origin: 0, rate: 1) == index) }
        #expect(server.parameters == [-9])
        #expect(throws: TrainingError.self) { try server.push([1], origin: 0, rate: 1) }
        #expect(throws: TrainingError.self) { try server.push([1], origin: 9, rate: 1) }
        #expect(throws: TrainingError.self) { try server.push([1, 2], origin: 3, rate: 1) }
        // Alpha halves when the version reaches the half-life: version 1, 0.5 / (1 + 1 / 1).
        var decaying = try AsynchronousServer<Double>([0], compensation: .pastUpdates(alpha: 0.5, decay: 1, halfLife: 1))
        try decaying.push([1], origin: 0, rate: 1)
        try decaying.push([1], origin: 0, rate: 1)
        #expect(decaying.parameters == [-2.25])
    }

    /// DC-ASGD by hand: theta 0, gradients 2 and 3 from version 0, rate 1, lambda 0.1: theta = -2, then g = 3 + 0.1 x 9 x (-2) = 1.2: -3.2.
    /// On a quadratic of curvature 1 the gradient at -2 is 2 less, so the compensated one is nearer.
    @Test func taylorByHand() throws {
        var server = try AsynchronousServer<Double>([0], compensation: .taylor(lambda: 0.1))
        try server.push([2], origin: 0, rate: 1)
        try server.push([3], origin: 0, rate: 1)
        #expect(abs(server.parameters[0] + 3.2) < 1e-15)
    }

    /// Seconds a sample 1, 1, 2: shares in proportion 2 : 2 : 1 of 100.
    @Test func sharesFollowSpeedAndSumExactly() throws {
        var balancer = try LoadBalancer(workers: 3, globalBatch: 100, smoothing: 0)
        #expect(balancer.shares == [34, 33, 33])
        try balancer.observe(seconds: [34, 33, 66])
        #expect(balancer.shares.reduce(0, +) == 100 && abs(balancer.shares[0] - 40) <= 1 && abs(balancer.shares[2] - 20) <= 1)
        var source = TestDraws(seed: 40)
        for _ in 0..<500 {
            let workers = 1 + Int(source.next() % 40)
            let batch = workers + Int(source.next() % 1000)
            var balancer = try LoadBalancer(workers: workers, globalBatch: batch)
            for _ in 0..<4 {
                try balancer.observe(seconds: (0..<workers).map { _ in 1e-3 + source.unit() * source.unit() * 100 })
                #expect(balancer.shares.reduce(0, +) == batch && balancer.shares.allSatisfy { $0 >= 1 }, "seed 40")
            }
        }
        #expect(throws: TrainingError.self) { try LoadBalancer(workers: 5, globalBatch: 4) }
        #expect(throws: TrainingError.self) { try balancer.observe(seconds: [1, 0, 1]) }
    }

    /// Models 1 (3 samples) and 5 (1 sample): 2. With mu 2 at distance 3 the pull is 6.
    @Test func federatedAveraging() throws {
        var server = try FederatedAveraging<Double>(model: [0], clientsPerRound: 2, proximal: 2)
        #expect(server.localGradient([1], at: [3]) == [7])
        try server.aggregate([[1], [5]], samples: [3, 1])
        #expect(server.model == [2] && server.round == 1)
        #expect(throws: TrainingError.self) { try server.aggregate([[1]], samples: [0]) }
        // Clients are distinct, as many as asked for, and over rounds evenly drawn: 2 of 8 in 800 rounds is 200 each, deviation 12.
        var hits = [Int](repeating: 0, count: 8)
        for _ in 0..<800 {
            let clients = server.clients(of: 8)
            #expect(clients.count == 2 && clients[0] < clients[1])
            for client in clients { hits[client] += 1 }
            try server.aggregate([[1]], samples: [1])
        }
        #expect(hits.allSatisfy { abs($0 - 200) < 65 }, "\(hits)")
        #expect(server.clients(of: 1) == [0])
        // FedAvg with one client is that client.
        let plain = try FederatedAveraging<Double>(model: [0.5], clientsPerRound: 1)
        #expect(plain.localGradient([1.25], at: [3]) == [1.25])
    }

    @Test func averagesNeedEqualLengths() {
        #expect(throws: TrainingError.self) { try mean([[Double]]()) }
        #expect(throws: TrainingError.self) { try mean([[1.0], [1, 2]]) }
    }
}
