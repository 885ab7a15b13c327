import CoSimulation
import Testing
import Training

/// The reference case of all closed forms: curvature 1, rate 0.1, noise variance 1, many independent coordinates.
func quadratic(
    _ method: SynchronizationMethod, workers: Int, dimension: Int = 512, noise: Double = 1, start: Double = 0, rate: Double = 0.1,
    steps: Int,
    batch: Int = 1
) -> CoSimulation<Double> {
    let problem = NoisyQuadratic(curvature: [Double](repeating: 1, count: dimension), noise: noise)
    return CoSimulation(
        task: QuadraticTask<Double>(problem, start: start), method: method, workers: workers, batch: batch, schedule: ConstantRate(rate),
        stop: StopRule(steps: steps))
}

extension CoSimulation {
    func with(_ change: (inout CoSimulation) -> Void) -> CoSimulation {
        var other = self
        change(&other)
        return other
    }
}

/// Harmonic number.
func harmonic(_ n: Int) -> Double { n < 1 ? 0 : (1...n).reduce(0) { $0 + 1 / Double($1) } }

/// (eta^2 s^2 / 2 pi) times the integral of 1 / |e^iw - 1 + a e^(-i tau w)|^2: the variance under a constant staleness, by the trapezoidal rule.
func delayedVariance(_ a: Double, staleness tau: Int) -> Double {
    let points = 20_000
    var sum = 0.0
    for i in 0..<points {
        let w = 2 * Double.pi * Double(i) / Double(points)
        let real = Double.cosine(w) - 1 + a * Double.cosine(Double(tau) * w)
        let imaginary = Double.sine(w) - a * Double.sine(Double(tau) * w)
        sum += 1 / (real * real + imaginary * imaginary)
    }
    return a * a * sum / Double(points)
}

#if canImport(Glibc)
    import Glibc
#else
    import Foundation
#endif
extension Double {
    static func cosine(_ x: Double) -> Double { cos(x) }
    static func sine(_ x: Double) -> Double { sin(x) }
}

/// The value; the test ends where there is none.
func unwrapped<Value>(_ value: Value?) throws -> Value { try #require(value) }
