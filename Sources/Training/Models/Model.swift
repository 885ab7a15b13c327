import Kernels

/// A small model that really trains: parameters outside, so that replicas and optimizers can hold them. In double precision on the reference
/// backend unless another is named; in single precision on `CPUBackend`.
public protocol Model: Sendable {
    associatedtype Batch: Sendable
    /// Of the parameter tensors.
    var shapes: [[Int]] { get }
    /// The same for the same seed.
    func initialParameters(seed: UInt64) -> [Tensor<Double>]
    /// Mean loss over `batch`, and its gradient by each parameter [tensors][elements], computed by `backend`.
    /// - Throws: `TrainingError` where the parameters have other shapes than the model, or the batch does not fit it.
    func lossAndGradients<B: Backend>(
        _ parameters: [Tensor<B.Scalar>], _ batch: Batch, on backend: B
    ) throws(TrainingError) -> (loss: Double, gradients: [[B.Scalar]])
    /// Mean loss alone; throws as above.
    func loss<B: Backend>(_ parameters: [Tensor<B.Scalar>], _ batch: Batch, on backend: B) throws(TrainingError) -> Double
    /// FLOPs of the matrix products of one forward pass over a sample; the backward pass has twice as many.
    var forwardFLOPsPerSample: Double { get }
}

extension Model {
    /// Elements of all parameters.
    public var parameterCount: Int { shapes.reduce(0) { $0 + $1.reduce(1, *) } }

    /// In double precision; throws as its namesake does.
    public func lossAndGradients(
        _ parameters: [Tensor<Double>], _ batch: Batch
    ) throws(TrainingError) -> (loss: Double, gradients: [[Double]]) {
        try lossAndGradients(parameters, batch, on: ReferenceBackend())
    }
    /// In double precision; throws as its namesake does.
    public func loss(_ parameters: [Tensor<Double>], _ batch: Batch) throws(TrainingError) -> Double {
        try loss(parameters, batch, on: ReferenceBackend())
    }

    /// `initialParameters(seed:)` rounded to the backend's scalar.
    public func initialParameters<B: Backend>(seed: UInt64, on backend: B) -> [Tensor<B.Scalar>] where B.Scalar: TrainingScalar {
        initialParameters(seed: seed).map { Tensor(unchecked: backend.converted($0.values), shape: $0.shape) }
    }

    /// What one step of training consists of, the optimizer's part aside: every kernel with its shape, in order, of the forward and the
    /// backward pass. It computes in double precision to find out, so it takes about as long as the step.
    public func kernelCalls(_ batch: Batch, seed: UInt64 = 1) throws(TrainingError) -> [KernelCall] {
        let recorder = RecordingBackend(ReferenceBackend())
        _ = try lossAndGradients(initialParameters(seed: seed), batch, on: recorder)
        return recorder.drain().map(\.call)
    }

    func check<Scalar>(_ parameters: [Tensor<Scalar>]) throws(TrainingError) {
        guard parameters.map(\.shape) == shapes else {
            throw TrainingError("parameters of shapes \(parameters.map(\.shape)) for a model of \(shapes)")
        }
    }
}

/// Reproducible draws for initial values and synthetic data: SplitMix64 (Steele, Lea, Flood 2014).
public struct SeededDraws: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }

    /// The next 64 bits.
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
    /// [count] independent draws of a normal distribution around 0.
    public mutating func normals(_ count: Int, deviation: Double = 1) -> [Double] { (0..<count).map { _ in normal() * deviation } }
}
