import Foundation
import Testing
import Training

/// 200 steps against PyTorch, optax and reference formulas: within 1e-5 in single precision and 1e-12 in double, in the Euclidean norm.
@Suite struct OptimizerGoldenTests {
    static let methods = [
        "sgd", "sgd_momentum", "sgd_nesterov", "adam", "adamw", "adafactor", "lion", "lamb", "muon", "adam8bit", "variance_adaptive",
        "dynamic_betas",
    ]

    @Test(arguments: methods) func followsTheReference(_ method: String) throws {
        let cases = try GoldenCase.load().filter { $0.method == method }
        #expect(cases.count == (method == "adam8bit" ? 2 : 4))
        for golden in cases {
            if method == "adam8bit" {
                // Codes are rounded to the nearest of 256 levels: where a value lies at a boundary both neighbours are right.
                try check(golden, Adam8bit(), rate: 0.01, tolerance: 1e-5)
            } else if golden.precision == "fp32" {
                try run(golden, Float.self, tolerance: 1e-5)
            } else {
                try run(golden, Double.self, tolerance: 1e-12)
            }
        }
    }

    private func run<S: TrainingScalar>(_ golden: GoldenCase, _: S.Type, tolerance: Double) throws {
        switch golden.method {
        case "sgd": try check(golden, SGD<S>(), rate: 1e-3, tolerance: tolerance)
        case "sgd_momentum": try check(golden, SGD<S>(momentum: 0.9, dampening: 0.1, weightDecay: 0.01), rate: 1e-3, tolerance: tolerance)
        case "sgd_nesterov": try check(golden, SGD<S>(momentum: 0.9, nesterov: true), rate: 1e-3, tolerance: tolerance)
        case "adam": try check(golden, Adam<S>(decay: .coupled(0.01)), rate: 0.01, tolerance: tolerance)
        case "adamw": try check(golden, Adam<S>.adamW(decay: 0.1), rate: 0.01, tolerance: tolerance)
        case "adafactor": try check(golden, Adafactor<S>(weightDecay: 0.01), rate: 0.01, tolerance: tolerance)
        case "lion": try check(golden, Lion<S>(weightDecay: 0.01), rate: 1e-3, tolerance: tolerance)
        case "lamb": try check(golden, LAMB<S>(weightDecay: 0.01), rate: 1e-3, tolerance: tolerance)
        case "muon": try check(golden, Muon<S>(weightDecay: 0.1), rate: 0.02, tolerance: tolerance)
        case "variance_adaptive": try check(golden, VarianceAdaptive<S>(), rate: 1e-3, tolerance: tolerance)
        case "dynamic_betas": try check(golden, DynamicBetas<S>(), rate: 0.01, tolerance: tolerance)
        default: Issue.record("no rule for \(golden.method)")
        }
    }

    private func check<R: UpdateRule>(_ golden: GoldenCase, _ rule: R, rate: Double, tolerance: Double) throws {
        typealias Problem = Quadratic<R.Scalar>
        let problem = Problem(golden.problem)
        let shape = [Problem.rows, Problem.columns]
        var optimizer = Optimizer(rule, shapes: [shape])
        var parameters = [try Tensor(problem.start, shape: shape)]
        for step in 0..<Problem.steps {
            let gradient = problem.gradient(parameters[0].values, step)
            try optimizer.step(&parameters, gradients: [gradient], rate: rate, progress: Double(step) / Double(Problem.steps))
            guard let expected = golden.steps["\(step + 1)"] else { continue }
            let difference = zip(parameters[0].values, expected).reduce(0) { $0 + pow(Double($1.0) - $1.1, 2) }.squareRoot()
            let size = expected.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(
                difference <= tolerance * size,
                "\(golden.method), \(golden.problem), \(golden.precision), step \(step + 1): relative difference \(difference / size)")
        }
    }
}
