import Compression
import CoSimulation
import Training
import Testing

/// The exact results that training under a clock must reproduce, with the production optimizers, codecs and methods, over twenty seeds.
@Suite struct ClosedFormTests {
    private struct Figure {
        var name: String
        var exact: Double
        var tolerance: Double
        var measure: (UInt64) throws -> Double
    }
    private let a = 0.1
    private var plain: Double { a / (2 - a) }

    private func moment(_ simulation: CoSimulation<Double>) -> (UInt64) throws -> Double {
        { try unwrapped(simulation.run(seed: $0).secondMoment) }
    }

    private func stationary() throws -> [Figure] {
        var figures = [
            Figure(
                name: "A1 SGD", exact: plain, tolerance: 0.02, measure: moment(quadratic(.synchronous(), workers: 1, steps: 3000))),
            Figure(
                name: "A1 batch of 4", exact: plain / 4, tolerance: 0.02,
                measure: moment(quadratic(.synchronous(), workers: 1, steps: 3000, batch: 4))),
            Figure(
                name: "A1 four workers", exact: plain / 4, tolerance: 0.02,
                measure: moment(quadratic(.synchronous(), workers: 4, steps: 3000))),
        ]
        for beta in [0.5, 0.9] {
            // Heavy ball: (1 + beta) eta s^2 / ((1 - beta) h (2 (1 + beta) - a))
            let exact = (1 + beta) * a / ((1 - beta) * (2 * (1 + beta) - a))
            let run = quadratic(.synchronous(), workers: 1, dimension: beta > 0.5 ? 2048 : 512, steps: 2000).with {
                $0.optimizer = .sgd(momentum: beta)
            }
            figures.append(Figure(name: "A2 heavy ball \(beta)", exact: exact, tolerance: 0.03, measure: moment(run)))
        }
        for tau in [1, 2, 4, 8] {
            // tau + 1 workers with constant service: every gradient is exactly tau updates old.
            let run = quadratic(.asynchronous(), workers: tau + 1, dimension: tau > 4 ? 1024 : 512, steps: 2400)
            figures.append(
                Figure(name: "A3 staleness \(tau)", exact: delayedVariance(a, staleness: tau), tolerance: 0.02, measure: moment(run)))
        }
        for period in [2, 8, 32] {
            let run = quadratic(.local(period: .steps(period)), workers: 4, dimension: 1024, steps: 2400)
            figures.append(Figure(name: "A6 local \(period)", exact: plain / 4, tolerance: 0.03, measure: moment(run)))
        }
        // A7: A6 + (1 - 1/M) eta^2 s^2 (1 - rho^H) / (1 - rho), rho = (1 - a)^2
        let rho = (1 - a) * (1 - a)
        let spread = 0.75 * a * a * (1 - rho * rho * rho * rho * rho * rho * rho * rho) / (1 - rho)
        let local = quadratic(.local(period: .steps(8)), workers: 4, dimension: 1024, steps: 2400)
        figures.append(
            Figure(name: "A7 before the meeting", exact: plain / 4 + spread, tolerance: 0.03) {
                try unwrapped(local.run(seed: $0).secondMomentBeforeMeeting)
            })
        let random = try SparseCodec(.random(.share(0.25), seed: 7))
        let drawn = quadratic(.synchronous(), workers: 1, dimension: 1024, steps: 2000).with { $0.codec = random }
        figures.append(Figure(name: "A9 random quarter", exact: a / (0.25 * (2 - a / 0.25)), tolerance: 0.05, measure: moment(drawn)))
        for tau in [1, 4] {
            let hessian = DelayCompensation.hessian([Double](repeating: 1, count: 512))
            let run = quadratic(.asynchronous(compensation: hessian), workers: tau + 1, steps: 3000)
            figures.append(Figure(name: "A11 exact Hessian \(tau)", exact: plain, tolerance: 0.02, measure: moment(run)))
        }
        return figures
    }

    private func timed() throws -> [Figure] {
        let m = 8
        func clocked(_ method: SynchronizationMethod, _ workers: Int, _ steps: Int, _ shape: Service.Shape = .exponential)
            -> CoSimulation<Double>
        {
            quadratic(method, workers: workers, dimension: 1, steps: steps).with { $0.clock.service = Service(shape, mean: 1) }
        }
        let mean = { (run: CoSimulation<Double>) in { (seed: UInt64) in try run.run(seed: seed).meanStaleness } }
        let async = clocked(.asynchronous(), m, 12_000)
        var figures = [
            Figure(name: "B1 exponential", exact: 7, tolerance: 0.003, measure: mean(async)),
            Figure(name: "B1 gamma", exact: 7, tolerance: 0.003, measure: mean(clocked(.asynchronous(), m, 12_000, .gamma(4)))),
            Figure(name: "B2 variance", exact: 56, tolerance: 0.1) { seed in
                let counts = try async.run(seed: seed).staleness
                let n = Double(counts.reduce(0, +))
                let mean = counts.enumerated().reduce(0.0) { $0 + Double($1.offset * $1.element) } / n
                return counts.enumerated().reduce(0.0) { $0 + (Double($1.offset) - mean) * (Double($1.offset) - mean) * Double($1.element) }
                    / n
            },
            Figure(name: "B2 fresh", exact: 0.125, tolerance: 0.1) { seed in
                let counts = try async.run(seed: seed).staleness
                return Double(counts[0]) / Double(counts.reduce(0, +))
            },
        ]
        // B5: (2 - a) / (2 / (1 + (M - 1) a / (1 + a)) - a)
        for rate in [0.05, 0.1] {
            let exact = plainVariance(rate) * (2 - rate) / (2 / (1 + 7 * rate / (1 + rate)) - rate)
            let run = quadratic(.asynchronous(), workers: m, dimension: 512, rate: rate, steps: 4000).with {
                $0.clock.service = Service(.exponential, mean: 1)
            }
            figures.append(Figure(name: "B5 rate \(rate)", exact: exact, tolerance: 0.05, measure: moment(run)))
        }
        for (name, workers, backup, steps) in [
            ("B6", 8, 0, 2000), ("B6", 96, 0, 300), ("B7", 9, 1, 2000), ("B7", 100, 4, 300), ("B7", 100, 10, 300),
        ] {
            let exact = harmonic(workers) - harmonic(backup)
            let run = clocked(.synchronous(backup: backup), workers, steps)
            figures.append(
                Figure(name: "\(name) \(workers - backup) of \(workers)", exact: exact, tolerance: 0.05) { seed in
                    try run.run(seed: seed).seconds / Double(steps)
                })
        }
        return figures
    }
    private func plainVariance(_ a: Double) -> Double { a / (2 - a) }

    private func check(_ figures: [Figure]) throws {
        var (beyondThree, all) = (0, 0)
        for figure in figures {
            let values = try (1...20).map { try figure.measure(UInt64($0)) }
            let mean = values.reduce(0, +) / 20
            let deviation = (values.reduce(0) { $0 + ($1 - figure.exact) * ($1 - figure.exact) } / 20).squareRoot()
            let spread = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 19).squareRoot()
            // The mean of twenty is twenty times as sharp a test of a bias.
            #expect(abs(mean - figure.exact) < 4.5 * spread / 20.0.squareRoot() + 2e-3 * figure.exact, "\(figure.name): \(mean)")
            #expect(deviation < figure.tolerance * figure.exact, "\(figure.name)")
            for (seed, value) in values.enumerated() {
                all += 1
                let sigma = abs(value - figure.exact) / max(spread, 1e-3 * figure.exact)
                if sigma > 3 { beyondThree += 1 }
                #expect(sigma < 4.5, "\(figure.name), seed \(seed + 1): \(value) against \(figure.exact)")
            }
        }
        #expect(beyondThree <= max(1, all / 100), "of \(all) figures")
    }

    @Test func stationaryVariances() throws { try check(stationary()) }
    @Test func timesAndStaleness() throws { try check(timed()) }

    /// B1 sharply, B3: a worker that makes a share p of the updates has a mean staleness of 1/p - 1.
    @Test func meanStalenessOfAnySpeeds() throws {
        var run = quadratic(.asynchronous(), workers: 8, dimension: 1, steps: 100_000)
        run.clock.service = Service(.exponential, mean: 1)
        run.clock.slow = [.init(worker: 3, factor: 5)]
        run.evaluate = 50_000
        #expect(try abs(run.run(seed: 1).meanStaleness - (7)) <= 1e-3)
    }

    /// A4: a < 2 sin(pi / (2 (2 tau + 1))).
    @Test func stabilityUnderStaleness() throws {
        for tau in [0, 1, 2, 4, 8] {
            let limit = 2 * Double.sine(.pi / (2 * Double(2 * tau + 1)))
            for (factor, grows) in [(1.02, true), (0.98, false)] {
                let run = quadratic(
                    .asynchronous(), workers: tau + 1, dimension: 1, noise: 0, start: 1, rate: factor * limit, steps: 3000)
                let points = try run.run(seed: 1).points
                let (middle, last) = (points[points.count / 2].loss, points[points.count - 1].loss)
                #expect((last > middle) == grows, "staleness \(tau), \(factor) of the limit: \(middle) then \(last)")
            }
        }
    }

    /// A12: E theta_t^2 = rho^t theta_0^2 + eta^2 s^2 (1 - rho^t) / (1 - rho), and the loss against seconds with it.
    @Test func transient() throws {
        let problem = NoisyQuadratic(curvature: [Double](repeating: 1, count: 20_000), noise: 1)
        var run = quadratic(.synchronous(), workers: 1, dimension: 20_000, start: 3, steps: 50)
        run.evaluate = 5
        run.clock.service = Service(mean: 0.25)
        for point in try run.run(seed: 4).points {
            let exact = problem.expectedLoss(start: [Double](repeating: 3, count: 20_000), rate: a, batch: 1, steps: point.update)
            #expect(abs(point.loss - (exact)) <= 0.02 * exact)
            #expect(abs(point.seconds - (0.25 * Double(point.update))) <= 1e-9)
        }
    }

    /// B4 (Mitliagkas et al. 2016): identical exponential workers act in the mean as a momentum of 1 - 1/M with a rate of eta / M.
    @Test func implicitMomentum() throws {
        let (m, steps, seeds) = (4, 30, 3000)
        var run = quadratic(.asynchronous(), workers: m, dimension: 1, noise: 0, start: 1, rate: 0.3, steps: steps)
        run.clock.service = Service(.exponential, mean: 1)
        run.task = SignedTask()
        run.evaluate = steps
        var sum = 0.0
        for seed in 1...seeds { sum += try run.run(seed: UInt64(seed)).points.last?.loss ?? 0 }
        // theta_{t+1} - theta_t = (1 - 1/M) (theta_t - theta_{t-1}) - eta / M theta_t, from the first step's -eta theta_0.
        var (before, now) = (1.0, 1 - 0.3)
        for _ in 1..<steps { (before, now) = (now, now + (1 - 1 / Double(m)) * (now - before) - 0.3 / Double(m) * now) }
        #expect(abs(sum / Double(seeds) - (now)) <= 0.02)
    }
}

/// One weight of curvature 1 without noise, whose "loss" is the weight itself.
private struct SignedTask: LearningTask {
    var shapes: [[Int]] { [[1]] }
    var floor: Double? { nil }
    var forwardFLOPsPerSample: Double { 1 }
    func initialParameters(seed: UInt64) -> [Tensor<Double>] { [Tensor([1.0])] }
    func gradient(_ p: [Tensor<Double>], _ samples: Samples, into gradient: inout [[Double]]) throws(TrainingError) -> Double {
        gradient[0][0] = p[0].values[0]
        return 0
    }
    func loss(_ p: [Tensor<Double>]) throws(TrainingError) -> Double { p[0].values[0] }
}
