import Training

/// The noisy quadratic: what every method does to it is known in closed form.
public struct QuadraticTask<Scalar: TrainingScalar>: LearningTask {
    public let problem: NoisyQuadratic
    /// Where all parameters start [dimensions].
    public let start: [Double]

    public init(_ problem: NoisyQuadratic, start: Double = 1) {
        self.init(problem, start: [Double](repeating: start, count: problem.curvature.count))
    }

    /// - Parameter start: [dimensions]
    public init(_ problem: NoisyQuadratic, start: [Double]) {
        self.problem = problem
        self.start = start
    }

    public var shapes: [[Int]] { [[problem.curvature.count]] }
    public var floor: Double? { 0 }
    public var forwardFLOPsPerSample: Double { 2 * Double(problem.curvature.count) }
    public func initialParameters(seed: UInt64) -> [Tensor<Scalar>] { [Tensor(start.map { Scalar($0) })] }

    public func gradient(_ parameters: [Tensor<Scalar>], _ samples: Samples, into gradient: inout [[Scalar]]) throws(TrainingError)
        -> Double
    {
        problem.gradient(parameters[0].values, batch: samples.count, key: samples.key, into: &gradient[0])
        return 0
    }

    public func loss(_ parameters: [Tensor<Scalar>]) throws(TrainingError) -> Double {
        var sum = 0.0
        let x = parameters[0].values
        for (i, h) in problem.curvature.enumerated() { sum += h * Double(x[i]) * Double(x[i]) }
        return sum / 2
    }

    public func secondMoment(_ parameters: [Tensor<Scalar>]) -> Double? {
        Scalar.sumOfSquares(parameters[0].values) / Double(max(1, problem.curvature.count))
    }
}
