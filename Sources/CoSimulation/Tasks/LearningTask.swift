import Training

/// Something that can really be learnt: initial parameters, gradients of samples that have numbers, and a loss to judge by.
///
/// All training samples form one endless stream. A worker's n-th batch is a block of it, dealt out in turn, so that how many workers there are
/// changes who computes a sample and not which samples there are.
public protocol LearningTask<Scalar>: Sendable {
    associatedtype Scalar: TrainingScalar
    /// Of the parameter tensors.
    var shapes: [[Int]] { get }
    /// What a sample counts for in tokens; 1 where samples are no sequences.
    var tokensPerSample: Int { get }
    /// The least loss that any parameters can have; nil where nobody knows.
    var floor: Double? { get }
    /// FLOPs of the forward pass over one sample.
    var forwardFLOPsPerSample: Double { get }
    /// The same for the same seed.
    func initialParameters(seed: UInt64) -> [Tensor<Scalar>]
    /// Mean loss over `samples`; their mean gradient replaces what stands in `gradient` [tensors][elements].
    /// - Throws: `TrainingError` where the parameters do not fit.
    func gradient(_ parameters: [Tensor<Scalar>], _ samples: Samples, into gradient: inout [[Scalar]]) throws(TrainingError) -> Double
    /// The loss that curves show: over held-out samples, always the same ones, or exact where it is known.
    /// - Throws: `TrainingError` where the parameters do not fit.
    func loss(_ parameters: [Tensor<Scalar>]) throws(TrainingError) -> Double
    /// What a sample takes and counts at `progress`, relative to a whole one: its computing, and its tokens.
    func share(at progress: Double) -> (work: Double, tokens: Double)
    /// Load of the busiest expert over the mean, as held-out samples are routed; nil for models without experts.
    /// - Throws: `TrainingError` where the parameters do not fit.
    func expertImbalance(_ parameters: [Tensor<Scalar>]) throws(TrainingError) -> Double?
    /// Mean square of the parameters; nil where it says nothing.
    func secondMoment(_ parameters: [Tensor<Scalar>]) -> Double?
}

extension LearningTask {
    public var tokensPerSample: Int { 1 }
    public func share(at progress: Double) -> (work: Double, tokens: Double) { (1, 1) }
    public func expertImbalance(_ parameters: [Tensor<Scalar>]) throws(TrainingError) -> Double? { nil }
    public func secondMoment(_ parameters: [Tensor<Scalar>]) -> Double? { nil }
    public var parameterCount: Int { shapes.reduce(0) { $0 + $1.reduce(1, *) } }
    var zeroGradient: [[Scalar]] { shapes.map { [Scalar](repeating: 0, count: $0.reduce(1, *)) } }
    /// Below this a gradient is too little work to be given to another thread.
    var isCheap: Bool { forwardFLOPsPerSample < 20_000 }
}

/// Samples `first`, `first + 1`, ... of the stream that `seed` names.
public struct Samples: Sendable, Equatable {
    public var seed: UInt64
    public var first: Int
    public var count: Int
    /// Share of the training that is done, 0 to 1, for tasks that change on the way.
    public var progress: Double

    public init(seed: UInt64, first: Int, count: Int, progress: Double = 0) {
        self.seed = seed
        self.first = first
        self.count = count
        self.progress = progress
    }

    /// Names the block as a whole.
    var key: UInt64 { mixed(seed, UInt64(bitPattern: Int64(first))) }
    /// Names one sample of it.
    func key(_ sample: Int) -> UInt64 { mixed(seed, UInt64(bitPattern: Int64(first + sample))) }
}

/// Two numbers to one, each bit of both changing about half of the result's (the finaliser of SplitMix64, twice).
func mixed(_ a: UInt64, _ b: UInt64) -> UInt64 {
    func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9e37_79b9_7f4a_7c15
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
    return mix(mix(a) ^ b)
}
