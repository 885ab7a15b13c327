import Compression
import Foundation
import Testing
import Training

/// What `Golden/regenerate_steps.py` wrote.
private struct StepGoldens: Decodable {
    struct Path: Decodable {
        let method: String
        let problem: String
        let precision: String
        /// Parameters after so many steps.
        let steps: [String: [Double]]
        /// Binary logarithm of the loss scale after each step.
        let exponents: [Int]?
    }
    struct LowRank: Decodable {
        let problem: String
        let feedback: Bool
        let rank: Int
        let workers: Int
        let rows: Int
        let columns: Int
        let fixed: [Double]
        let noise: Double
        /// Sum of what arrived in so many steps.
        let sums: [String: [Double]]
    }
    /// Rates at steps 0 ... 200.
    let schedules: [String: [Double]]
    let paths: [Path]
    let powerSGD: [LowRank]

    static func load() throws -> StepGoldens {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/steps.json")
        return try JSONDecoder().decode(StepGoldens.self, from: Data(contentsOf: file))
    }
}

/// Against optax, PyTorch and the formulas of the papers: 200 steps within 1e-12 in double and 1e-5 in single precision.
@Suite struct StepGoldenTests {
    @Test func schedulesFollowOptax() throws {
        let goldens = try StepGoldens.load().schedules
        let schedules: [String: any RateSchedule] = [
            "cosine": try WarmupDecay(.cosine, peak: 3e-3, warmup: 20, total: 200, ends: (1e-5, 3e-4)),
            "linear": try WarmupDecay(.linear, peak: 3e-3, warmup: 20, total: 200, ends: (1e-5, 3e-4)),
            "inverse_sqrt": try InverseSquareRoot(peak: 3e-3, warmup: 20),
            "wsd": try WarmupStableDecay(peak: 3e-3, warmup: 20, decayStart: 150, total: 200, decay: (.linear, 3e-4)),
            "wsd_sqrt": try WarmupStableDecay(peak: 3e-3, warmup: 20, decayStart: 150, total: 200, decay: (.oneMinusSquareRoot, 3e-4)),
        ]
        #expect(Set(goldens.keys) == Set(schedules.keys))
        for (name, schedule) in schedules.sorted(by: { $0.key < $1.key }) {
            let expected = try #require(goldens[name])
            #expect(expected.count == 201)
            for (step, rate) in expected.enumerated() {
                let found = schedule.rate(at: step)
                #expect(abs(found - rate) <= 1e-12 * 3e-3, "\(name), step \(step): \(found), not \(rate)")
                // In single precision, as a trainer would hand it to a kernel.
                #expect(abs(Double(Float(found)) - rate) <= 1e-5 * max(rate, 1e-8), "\(name), step \(step)")
            }
        }
    }

    @Test(arguments: ["norm", "value", "agc", "quantile", "loss_scaling"]) func pathsFollowTheReference(_ method: String) throws {
        let paths = try StepGoldens.load().paths.filter { $0.method == method }
        #expect(paths.count == 4)
        for path in paths {
            if path.precision == "fp32" {
                try check(path, Float.self, tolerance: 1e-5)
            } else {
                try check(path, Double.self, tolerance: 1e-12)
            }
        }
    }

    private func clipper<S: TrainingScalar>(_ method: String, _: S.Type) throws -> (any GradientClipper<S>)? {
        switch method {
        case "norm": NormClipper(maximum: 0.5)
        case "value": ValueClipper(limit: 0.25)
        case "agc": AdaptiveClipper(ratio: 0.05, least: 1e-3)
        case "quantile": try QuantileClipper(quantile: 0.3, window: 40)
        default: nil
        }
    }

    private func check<S: TrainingScalar>(_ path: StepGoldens.Path, _: S.Type, tolerance: Double) throws {
        typealias Problem = Quadratic<S>
        let problem = Problem(path.problem)
        let shape = [Problem.rows, Problem.columns]
        var optimizer = Optimizer(try SGD<S>(momentum: 0.9), shapes: [shape])
        var parameters = [try Tensor(problem.start, shape: shape)]
        var clipper = try clipper(path.method, S.self)
        var scaler = try LossScaler(initial: 0x1p20, interval: 15)
        for step in 0..<Problem.steps {
            var gradients = [problem.gradient(parameters[0].values, step)]
            var isTaken = true
            if clipper != nil {
                _ = clipper?.clip(&gradients, parameters: parameters)
            } else {
                let scaled = gradients[0].map { $0 * S(scaler.scale) }
                gradients = [scaled.map { $0.magnitude > 65504 ? .infinity : $0 }]
                isTaken = scaler.update(finite: scaler.unscale(&gradients))
                #expect(scaler.scale.exponent == path.exponents?[step], "\(path.problem), \(path.precision), step \(step)")
            }
            if isTaken { try optimizer.step(&parameters, gradients: gradients, rate: 1e-3) }
            guard let expected = path.steps["\(step + 1)"] else { continue }
            let error = relativeError(parameters[0].values.map { Double($0) }, expected)
            #expect(error <= tolerance, "\(path.method), \(path.problem), \(path.precision), step \(step + 1): \(error)")
        }
        if let exponents = path.exponents {
            // A step was skipped wherever the scale fell.
            let falls = zip([20] + exponents, exponents).filter { $0.1 < $0.0 }.count
            #expect(falls > 0 && scaler.skippedSteps == falls)
        }
    }

    /// The arithmetic of PyTorch's hook: error feedback, averaged factors, warm start. What has arrived in all, in single precision.
    @Test func powerSGDFollowsTheReference() throws {
        let cases = try StepGoldens.load().powerSGD
        // With noise and feedback 20 steps, all others 200: regenerate_steps.py says why.
        #expect(cases.map { $0.sums.count } == [3, 2, 3, 3])
        for golden in cases {
            let n = golden.rows * golden.columns
            var codec = try PowerSGD(rank: golden.rank, columns: golden.columns)
            var residuals = [[Float]](repeating: [Float](repeating: 0, count: n), count: golden.workers)
            var sum = [Double](repeating: 0, count: n)
            for step in 0..<200 {
                for worker in residuals.indices {
                    let noise = draws(UInt64(1000 + 10 * step + worker), n).map { Float($0) * Float(golden.noise) }
                    for i in 0..<n {
                        residuals[worker][i] = (golden.feedback ? residuals[worker][i] : 0) + (Float(golden.fixed[i]) + noise[i])
                    }
                }
                let arrived = try codec.allReduce(residuals)
                for worker in residuals.indices { for i in 0..<n { residuals[worker][i] -= arrived[i] } }
                for i in 0..<n { sum[i] += Double(arrived[i]) }
                guard let expected = golden.sums["\(step + 1)"] else { continue }
                let error = relativeError(sum, expected)
                #expect(error <= 1e-5, "\(golden.problem), feedback \(golden.feedback), step \(step + 1): \(error)")
            }
        }
    }

    private func relativeError(_ found: [Double], _ expected: [Double]) -> Double {
        let difference = zip(found, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return (difference / expected.reduce(0) { $0 + $1 * $1 }).squareRoot()
    }
}
