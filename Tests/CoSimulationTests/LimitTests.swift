import Compression
import Kernels
import Training
import Testing

@testable import CoSimulation

/// Where a method must equal a simpler one, it does so to the bit.
@Suite struct LimitTests {
    private let spectrum = NoisyQuadratic.spectrum(dimension: 40, exponent: 1)
    private func run(_ method: SynchronizationMethod, workers: Int, _ change: (inout CoSimulation<Double>) -> Void = { _ in }) throws
        -> Trajectory
    {
        var simulation = CoSimulation(
            task: QuadraticTask<Double>(spectrum), method: method, workers: workers, batch: 2, optimizer: .sgd(momentum: 0.5),
            schedule: ConstantRate(0.2), stop: StopRule(steps: 60), evaluate: 5)
        simulation.clock.service = Service(.gamma(4), mean: 2)
        change(&simulation)
        return try simulation.run(seed: 3)
    }
    private func losses(_ t: Trajectory) -> [Double] { t.points.map(\.loss) }

    @Test func stalenessZeroIsSequential() throws {
        let serial = try run(.synchronous(), workers: 1)
        for workers in [1, 3, 8] {
            for compensation: DelayCompensation in [.none, .taylor(lambda: 0.1), .pastUpdates(alpha: 0.3, decay: 0.5, halfLife: 100)] {
                let own = try run(.asynchronous(bound: 0, compensation: compensation), workers: workers)
                #expect(losses(own) == losses(serial))
                #expect(own.staleness == [60])
            }
        }
    }

    @Test func oneWorkerIsSerial() throws {
        let serial = try run(.synchronous(), workers: 1)
        for method: SynchronizationMethod in [.asynchronous(), .local(period: .steps(1)), .grouped(delay: 0), .synchronous(balance: true)] {
            #expect(try losses(run(method, workers: 1)) == losses(serial), "\(method)")
        }
        // An update is a meeting here, five steps each.
        #expect(try losses(run(.local(period: .steps(5)), workers: 1) { $0.evaluate = 1 }) == losses(serial))
        // Every worker in one group never leaves the others.
        let together = try run(.synchronous(), workers: 4)
        let grouped = try run(.local(period: .steps(5), groups: [[0, 1, 2, 3]]), workers: 4) { $0.evaluate = 1 }
        #expect(losses(grouped) == losses(together))
    }

    @Test func periodOneIsAllReduce() throws {
        let together = try run(.synchronous(), workers: 4)
        #expect(try losses(run(.local(period: .steps(1)), workers: 4)) == losses(together))
        #expect(try losses(run(.local(period: .steps(1), outer: OuterStep(rate: 1, momentum: 0)), workers: 4)) == losses(together))
        #expect(try losses(run(.grouped(delay: 0), workers: 4)) == losses(together))
    }

    @Test func sendingEverythingIsUncompressed() throws {
        for method: SynchronizationMethod in [.synchronous(), .asynchronous(), .local(period: .steps(4))] {
            let plain = try run(method, workers: 4)
            for codec in [try SparseCodec(.top(.share(1))), ErrorFeedback(try SparseCodec(.top(.share(1)))), IdentityCodec()]
                as [any GradientCodec]
            {
                let own = try run(method, workers: 4) { $0.codec = codec }
                #expect(losses(own) == losses(plain), "\(method), \(codec.name)")
            }
        }
    }

    @Test func timeDoesNotChangeTheLoss() throws {
        let plain = try run(.synchronous(), workers: 4)
        let slow = try run(.synchronous(), workers: 4) {
            $0.clock.exchange = { _, bytes, workers in bytes * Double(workers) * 1e-3 }
            $0.clock.slow = [.init(worker: 2, factor: 7)]
        }
        #expect(losses(plain) == losses(slow))
        #expect(slow.seconds > plain.seconds)
        #expect(slow.blamed[2] > slow.blamed[0])
        let constant = try run(.asynchronous(), workers: 4) { $0.clock.service = Service(mean: 1) }
        #expect(constant.staleness.count == 4)
        #expect(try constant.staleness == run(.asynchronous(), workers: 4) { $0.clock.service = Service(mean: 30) }.staleness)
    }

    /// A10: what was applied and what is left make up all gradients.
    @Test func errorFeedbackLosesNothing() throws {
        for codec in [try SparseCodec(.top(.share(0.1))), try BlockQuantizer(.int4, block: 64), try PowerSGD(rank: 2)]
            as [any GradientCodec]
        {
            var wire = Wire<Double>(ErrorFeedback(codec))
            var (sent, whole) = ([Double](repeating: 0, count: 300), [Double](repeating: 0, count: 300))
            var draws = SeededDraws(seed: 5)
            for _ in 0..<200 {
                let gradient = draws.normals(300)
                Double.axpy(&whole, gradient, 1)
                Double.axpy(&sent, try wire.send(gradient), 1)
            }
            Double.axpy(&sent, wire.residual, 1)
            let scale = whole.map(\.magnitude).max() ?? 1
            for (a, b) in zip(sent, whole) { #expect(abs(a - (b)) <= 1e-12 * max(1, scale)) }
        }
    }

    /// Stopped at any evaluation and gone on from there, every method ends on the same bits.
    @Test func resumeIsBitIdentical() throws {
        let sparse = ErrorFeedback(try SparseCodec(.top(.share(0.2)), values: try BlockQuantizer(.e4m3, block: 16)))
        let methods: [(SynchronizationMethod, (any GradientCodec)?)] = [
            (.synchronous(backup: 1), sparse), (.synchronous(balance: true), nil), (.synchronous(), ErrorFeedback(try PowerSGD(rank: 1))),
            (.asynchronous(), sparse), (.asynchronous(bound: 3, compensation: .taylor(lambda: 0.1)), nil),
            (.asynchronous(compensation: .pastUpdates(alpha: 0.3, decay: 0.5, halfLife: 10)), nil),
            (.local(period: .steps(4), outer: OuterStep()), sparse), (.local(period: .share(0.2), groups: [[0, 1], [2, 3]]), nil),
            (.federated(Federation(clients: 10, perRound: 3, proximal: 0.1, samplesPerClient: 6)), sparse), (.grouped(delay: 2), nil),
        ]
        for (method, codec) in methods {
            var simulation = CoSimulation(
                task: QuadraticTask<Double>(spectrum), method: method, workers: 4, batch: 2, optimizer: .adamW(),
                schedule: ConstantRate(0.05),
                stop: StopRule(steps: 40), evaluate: 3)
            simulation.clock.service = Service(.exponential, mean: 1)
            simulation.clock.exchange = { _, _, _ in 0.3 }
            simulation.codec = codec
            var states: [[UInt8]] = []
            let whole = try simulation.run(seed: 9, onCheckpoint: { states.append($0) })
            for state in [states[0], states[states.count / 2]] {
                let resumed = try simulation.run(seed: 9, from: state)
                #expect(resumed.points == whole.points, "\(method)")
                #expect(resumed.secondMoment == whole.secondMoment)
                #expect(resumed.waited == whole.waited)
                #expect(resumed.staleness == whole.staleness)
            }
            #expect(throws: (any Error).self, "\(method)") { _ = try simulation.run(seed: 9, from: Array(states[1].dropLast(5))) }
        }
    }

    @Test func threadsChangeNothing() throws {
        let chain = try MarkovSource(vocabulary: 8, sharpness: 2, seed: 1)
        let model = try GPT(vocabulary: 8, length: 16, width: 16, heads: 2, layers: 1)
        let task = try ModelTask(model, markov: chain, on: CPUBackend(), heldOut: 8)
        #expect(!(task.isCheap))
        for method: SynchronizationMethod in [.synchronous(), .asynchronous(), .local(period: .steps(3)), .grouped()] {
            var simulation = CoSimulation(
                task: task, method: method, workers: 5, batch: 2, optimizer: .adamW(), schedule: ConstantRate(0.01),
                stop: StopRule(steps: 12))
            simulation.clock.service = Service(.exponential, mean: 1)
            let one = try simulation.run(seed: 2)
            simulation.jobs = 3
            #expect(try simulation.run(seed: 2).points == one.points, "\(method)")
        }
    }

    @Test func badSettingsAreNamed() throws {
        func fault(_ method: SynchronizationMethod, workers: Int = 4, _ change: (inout CoSimulation<Double>) -> Void = { _ in }) -> String {
            do {
                _ = try run(method, workers: workers, change)
                return "none"
            } catch { return (error as? CoSimulationError)?.key ?? "\(error)" }
        }
        #expect(fault(.synchronous(), workers: 0) == "cosim.workers")
        #expect(fault(.synchronous(backup: 4)) == "training.synchronization.backup")
        #expect(fault(.asynchronous(bound: -1)) == "training.synchronization.staleness")
        #expect(fault(.local(period: .steps(0))) == "training.synchronization.steps")
        #expect(fault(.local(period: .steps(2), groups: [[0, 1], [1, 2, 3]])) == "training.synchronization.groups")
        #expect(fault(.synchronous()) { $0.stop.targetLoss = 0 } == "cosim.target_loss")
        #expect(fault(.asynchronous(), workers: 100_000_000) == "cosim.model")
        #expect(fault(.synchronous()) { $0.batch = 0 } == "cosim.batch")
        let diverged = try run(.synchronous(), workers: 1) {
            $0.schedule = ConstantRate(1e200)
            $0.stop = StopRule(steps: 1000)
        }
        #expect(diverged.hasDiverged)
        #expect(diverged.steps < 1000)
    }
}
