import Compression
import CoSimulation
import Kernels
import Training
import Testing

@Suite struct MethodTests {
    /// A8: workers with different curvatures h_m and optima c_m settle at sum w_m c_m / sum w_m, w_m = 1 - (1 - eta h_m)^H.
    @Test func localStepsBias() throws {
        for (period, exact) in [(1, -0.6), (8, -0.424), (64, -0.019)] {
            let rate = 0.1
            let weights = [0.5, 2.0].map { h in 1 - (0..<period).reduce(1.0) { product, _ in product * (1 - rate * h) } }
            let fixed = (weights[0] - weights[1]) / (weights[0] + weights[1])
            #expect(abs(fixed - (exact)) <= 1e-3)
            let run = CoSimulation(
                task: TwoWells(), method: .local(period: .steps(period)), workers: 2, schedule: ConstantRate(rate),
                stop: StopRule(steps: 64 * 200))
            #expect(try abs(unwrapped(run.run(seed: 1).points.last).loss - (fixed)) <= 1e-6, "\(period)")
        }
    }

    /// The bound holds for every gradient, whatever the speeds, and tighter bounds wait more.
    @Test func boundedStaleness() throws {
        var waited = Double.infinity
        for bound in [0, 1, 3, 8, 20] {
            var run = quadratic(.asynchronous(bound: bound), workers: 6, dimension: 1, steps: 2000)
            run.clock.service = Service(.exponential, mean: 1)
            run.clock.slow = [.init(worker: 0, factor: 10)]
            let result = try run.run(seed: 1)
            #expect(result.staleness.count - 1 <= bound)
            let share = result.waited.reduce(0, +) / result.seconds
            #expect(share < waited)
            waited = share
            // All that is waited is somebody's doing, most of it the slow one's.
            let (all, blamed) = (result.waited.reduce(0, +), result.blamed.reduce(0, +))
            #expect(abs(all - blamed) <= 1e-6 * max(1, all))
            #expect(result.blamed[0] >= 0.4 * all || bound == 0)
        }
    }

    /// The shares follow the speeds, so that a slow worker no longer holds the others up; the step's samples stay the same.
    @Test func balancedShares() throws {
        var run = quadratic(.synchronous(), workers: 4, dimension: 8, steps: 200, batch: 16)
        run.clock.slow = [.init(worker: 1, factor: 3)]
        let fixed = try run.run(seed: 1)
        run.method = .synchronous(balance: true)
        let balanced = try run.run(seed: 1)
        // 64 samples at rates 1, 1/3, 1, 1: whole shares of 19 and 7, of which the slow worker's 7 take 21 / 16 s, against 48 / 16.
        #expect(abs(fixed.seconds / 200 - (3)) <= 1e-9)
        #expect(abs(balanced.seconds / 200 - (1.3125)) <= 0.03)
        #expect(balanced.points.last?.tokens == fixed.points.last?.tokens)
    }

    /// With c seconds for a meeting and s a step, the share p of communication needs c (1 - p) / (p s) steps.
    @Test func adaptivePeriod() throws {
        var run = quadratic(.local(period: .share(0.1)), workers: 4, dimension: 4, steps: 1000)
        run.clock.exchange = { _, _, _ in 2 }
        let result = try run.run(seed: 1)
        #expect(abs(result.busy[0] / result.seconds - (0.9)) <= 0.02)
        // 18 steps to a meeting after the first.
        #expect(abs(Double(result.updates) - (1 + 999 / 18.0)) <= 1)
    }

    @Test func groupsStaySynchronousInside() throws {
        var run = quadratic(.local(period: .steps(10), groups: [[0, 1], [2, 3]]), workers: 4, dimension: 4, steps: 100)
        run.clock.service = Service(.exponential, mean: 1)
        run.clock.groupExchange = { _, _ in 0.5 }
        run.clock.exchange = { _, _, groups in Double(groups) }
        let result = try run.run(seed: 1)
        #expect(result.updates == 10)
        #expect(result.messages == 10)
        // At least 100 steps of a maximum of two exponentials (1.5) with half a second, and ten meetings of two seconds.
        #expect(result.seconds > 100 * 1.8 + 20)
    }

    /// A large gradient under way holds nobody up until it is needed.
    @Test func largeTensorsTravelBesideTheNextStep() throws {
        var run = quadratic(.grouped(delay: 1), workers: 4, dimension: 1000, noise: 0, start: 1, steps: 100)
        run.wire = WireScale(elements: 100_000_000, bytesPerElement: 4)
        run.clock.exchange = { _, bytes, _ in bytes / 500e6 }
        let behind = try run.run(seed: 1)
        #expect(abs(behind.seconds - (100)) <= 1)
        run.method = .synchronous()
        #expect(try abs(run.run(seed: 1).seconds - (180)) <= 1)
        // All of it lags by one step: the closed form of staleness 1 without noise, not that of 0.
        #expect(try unwrapped(behind.points.last).loss > 0)
    }

    @Test func federatedClientsWaitForTheSlowest() throws {
        let federation = Federation(clients: 20, perRound: 5, epochs: 2, samplesPerClient: 8)
        var run = quadratic(.federated(federation), workers: 20, dimension: 16, start: 1, rate: 0.05, steps: 50, batch: 2)
        run.clock.transfer = { _ in 3 }
        let result = try run.run(seed: 1)
        #expect(result.updates == 50)
        // Two passes over four batches, the model down and the change up.
        #expect(abs(result.seconds / 50 - (8 + 6)) <= 1e-9)
        #expect(try unwrapped(result.points.last).loss < result.points[0].loss / 3)
        #expect(result.busy.filter { $0 > 0 }.count == 20)
    }

    /// A gradient that waits for the busiest expert grows with its measured load, and the loss does not know.
    @Test func expertLoadTakesTime() throws {
        var gpt = try GPT(vocabulary: 6, length: 8, width: 8, heads: 2, layers: 1)
        gpt.router = try ExpertRouter(experts: 4, active: 1)
        let task = try ModelTask(gpt, markov: MarkovSource(vocabulary: 6, sharpness: 2, seed: 1), on: CPUBackend(), heldOut: 8)
        var run = CoSimulation(
            task: task, method: .synchronous(), workers: 2, batch: 2, schedule: ConstantRate(0), stop: StopRule(steps: 10), evaluate: 1)
        let even = try run.run(seed: 1)
        run.clock.experts = (seconds: 0.5, load: 1)
        let loaded = try run.run(seed: 1)
        // Nothing is learnt at a rate of 0, so the load stays what it was.
        let imbalance = try unwrapped(loaded.expertImbalance)
        #expect(imbalance > 1 && imbalance <= 4)
        let seconds: Double = 10 + 5 * (imbalance - 1)
        #expect(abs(loaded.seconds - seconds) <= 1e-6)
        #expect(loaded.points.map(\.loss) == even.points.map(\.loss))
    }

    @Test func overflowSkipsCostTime() throws {
        var run = quadratic(.synchronous(), workers: 2, dimension: 8, start: 1, steps: 100)
        run.scaler = try LossScaler(initial: 1e9, interval: 1000)
        let result = try run.run(seed: 1)
        #expect(result.skipped > 5)
        #expect(abs(result.seconds - (100)) <= 1e-9)
    }

    /// B': with one point per batch, steps and samples to a loss lie on (S / S_min - 1) (E / E_min - 1) = 1.
    @Test func criticalBatchHyperbola() throws {
        let problem = NoisyQuadratic.spectrum(dimension: 1000, exponent: 1)
        var points: [(steps: Double, samples: Double)] = []
        for exponent in stride(from: 0, through: 12, by: 2) {
            let batch = 1 << exponent
            // The best rate of a few, as the law is of tuned rates.
            var best = Double.infinity
            for rate in [0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 1.6] {
                let floor = problem.floor(rate: rate, batch: batch)
                guard floor < 0.6 else { continue }
                var (low, high) = (1, 1 << 17)
                func isThere(_ steps: Int) -> Bool {
                    problem.expectedLoss(start: [Double](repeating: 1, count: 1000), rate: rate, batch: batch, steps: steps) <= 0.6
                }
                guard isThere(high) else { continue }
                while low < high { if isThere((low + high) / 2) { high = (low + high) / 2 } else { low = (low + high) / 2 + 1 } }
                best = min(best, Double(low))
            }
            if best.isFinite { points.append((best, best * Double(batch))) }
        }
        let fit = try unwrapped(CriticalBatch(points))
        #expect(fit.determination > 0.99)
        #expect(abs(fit.batch - (fit.leastSamples / fit.leastSteps)) <= 1e-9)
    }

    /// Known G and Sigma: the two-batch estimator finds both.
    @Test func noiseScaleIsUnbiased() throws {
        // At 2 with curvature 1 and noise 3 in 50 directions: |G|^2 = 200, tr Sigma = 450.
        var run = quadratic(.synchronous(), workers: 8, dimension: 50, noise: 3, start: 2, rate: 0, steps: 20_000, batch: 2)
        run.evaluate = 20_000
        let estimate = try unwrapped(run.run(seed: 1).noise.estimate)
        #expect(abs(estimate.squaredGradient - (200)) <= 2)
        #expect(abs(estimate.trace - (450)) <= 4.5)
    }
}

/// Worker m sees h_m / 2 (theta - c_m)^2, h = (0.5, 2) and c = (1, -1); the "loss" is theta.
private struct TwoWells: LearningTask {
    var shapes: [[Int]] { [[1]] }
    var floor: Double? { nil }
    var forwardFLOPsPerSample: Double { 1 }
    func initialParameters(seed: UInt64) -> [Tensor<Double>] { [Tensor([0.0])] }
    func gradient(_ p: [Tensor<Double>], _ samples: Samples, into gradient: inout [[Double]]) throws(TrainingError) -> Double {
        let worker = samples.first % 2
        gradient[0][0] = [0.5, 2][worker] * (p[0].values[0] - [1.0, -1][worker])
        return 0
    }
    func loss(_ p: [Tensor<Double>]) throws(TrainingError) -> Double { p[0].values[0] }
}
