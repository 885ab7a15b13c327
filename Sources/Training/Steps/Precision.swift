import CNumerics

/// The format in which weights, activations or gradients are kept.
public enum StorageFormat: String, Sendable, CaseIterable {
    case fp32, bf16, fp16, fp8E4M3, fp8E5M2

    /// Bytes of an element.
    public var bytes: Int {
        switch self {
        case .fp32: 4
        case .bf16, .fp16: 2
        case .fp8E4M3, .fp8E5M2: 1
        }
    }

    /// `values` as they read after being stored: rounded to nearest even. Beyond the range fp16 gives infinity; the 8-bit formats, which
    /// share one power-of-two scale for the whole of `values`, saturate nowhere.
    public func stored(_ values: [Float]) -> [Float] {
        guard self != .fp32, !values.isEmpty else { return values }
        return [Float](unsafeUninitializedCapacity: values.count) { out, filled in
            filled = values.count
            guard let target = out.baseAddress else { return }
            switch self {
            case .fp32: break
            case .bf16: cn_round_to_bf16(values, target, values.count)
            case .fp16: cn_round_to_f16(values, target, values.count)
            case .fp8E4M3, .fp8E5M2: eightBit(values, target)
            }
        }
    }

    private func eightBit(_ values: [Float], _ target: UnsafeMutablePointer<Float>) {
        var lost: Int32 = 0
        let top = cn_absmax_finite(values, values.count, &lost)
        let largest: Float = self == .fp8E4M3 ? 448 : 57344
        var exponent = top > 0 ? max(-126, Int(top.exponent) - Int(largest.exponent)) : 0
        if top * Float(sign: .plus, exponent: -exponent, significand: 1) > largest { exponent += 1 }
        let scale = Float(sign: .plus, exponent: exponent, significand: 1)
        var codes = [UInt8](repeating: 0, count: values.count)
        let nearest = cn_rounding(stochastic: 0, seed: 0, first_index: 0)
        if self == .fp8E4M3 {
            cn_encode_e4m3(values, &codes, values.count, 1 / scale, nearest)
            cn_decode_e4m3(codes, target, values.count, scale)
        } else {
            cn_encode_e5m2(values, &codes, values.count, 1 / scale, nearest)
            cn_decode_e5m2(codes, target, values.count, scale)
        }
    }
}

/// fp32 master weights with a working copy in a narrower format (arXiv:1710.03740).
public struct MasterWeights: Sendable {
    /// Of the working copy.
    public let format: StorageFormat
    public var master: [Tensor<Float>]

    public init(_ master: [Tensor<Float>], format: StorageFormat) {
        self.master = master
        self.format = format
    }

    /// What forward and backward pass use [tensors].
    public var working: [Tensor<Float>] {
        master.map { tensor in
            var copy = tensor
            copy.values = format.stored(tensor.values)
            return copy
        }
    }

    /// Bytes a parameter: the copy and, unless the copy is fp32 itself, the master.
    public var bytesPerParameter: Int { format == .fp32 ? 4 : 4 + format.bytes }
}

/// Sums the gradients of micro-batches in double precision while they arrive in `format`, so that the result depends on how a batch is split
/// only through the rounding of the parts.
public struct GradientAccumulator: Sendable {
    /// Of the gradients that arrive, and what their loss was multiplied by.
    public let format: StorageFormat
    public let lossScale: Double
    private var sums: [[Double]]
    /// Samples added so far.
    public private(set) var samples = 0

    public init(shapes: [[Int]], format: StorageFormat = .fp32, lossScale: Double = 1) {
        self.format = format
        self.lossScale = lossScale
        sums = shapes.map { [Double](repeating: 0, count: $0.reduce(1, *)) }
    }

    /// Adds the mean gradient [tensors][elements] of a micro-batch of `samples`, of the loss times `lossScale`.
    /// - Throws: `TrainingError` for another shape or no samples.
    public mutating func add(_ gradients: [[Float]], samples count: Int) throws(TrainingError) {
        guard count >= 1, gradients.map(\.count) == sums.map(\.count) else {
            throw TrainingError(
                "a micro-batch of \(count) samples with tensors of \(gradients.map(\.count)) where \(sums.map(\.count)) was agreed")
        }
        for i in gradients.indices {
            for (j, value) in format.stored(gradients[i]).enumerated() { sums[i][j] += Double(value) * Double(count) }
        }
        samples += count
    }

    /// The mean over all samples, unscaled; resets. False if any element is not finite.
    public mutating func take() -> (gradients: [[Float]], finite: Bool) {
        let factor = 1 / (lossScale * Double(max(1, samples)))
        let mean = sums.map { $0.map { Float($0 * factor) } }
        for i in sums.indices { for j in sums[i].indices { sums[i][j] = 0 } }
        samples = 0
        return (mean, mean.allSatisfy { Float.allFinite($0) })
    }
}
