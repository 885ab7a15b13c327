/// A small model that really trains, in double precision: parameters outside, so that replicas and optimizers can hold them.
public protocol Model: Sendable {
    associatedtype Batch: Sendable
    /// Of the parameter tensors.
    var shapes: [[Int]] { get }
    /// The same for the same seed.
    func initialParameters(seed: UInt64) -> [Tensor<Double>]
    /// Mean loss over `batch`, and its gradient by each parameter [tensors][elements].
    /// - Throws: `TrainingError` where the parameters have other shapes than the model, or the batch does not fit it.
    func lossAndGradients(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> (loss: Double, gradients: [[Double]])
    /// Mean loss alone; throws as above.
    func loss(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> Double
    /// FLOPs of the matrix products of one forward pass over a sample; the backward pass has twice as many.
    var forwardFLOPsPerSample: Double { get }
}

extension Model {
    public var parameterCount: Int { shapes.reduce(0) { $0 + $1.reduce(1, *) } }

    func check(_ parameters: [Tensor<Double>]) throws(TrainingError) {
        guard parameters.map(\.shape) == shapes else {
            throw TrainingError("parameters of shapes \(parameters.map(\.shape)) for a model of \(shapes)")
        }
    }
}

/// Reproducible draws for initial values and synthetic data: SplitMix64 (Steele, Lea, Flood 2014).
public struct SeededDraws: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    /// In [0, 1).
    public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
    /// Standard normal, by Box and Muller.
    public mutating func normal() -> Double {
        (-2 * naturalLogarithm(1 - unit())).squareRoot() * cosine(2 * .pi * unit())
    }
    public mutating func normals(_ count: Int, deviation: Double = 1) -> [Double] { (0..<count).map { _ in normal() * deviation } }
}
