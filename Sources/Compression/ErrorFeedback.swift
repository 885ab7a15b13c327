import CNumerics

/// Adds to every gradient what earlier messages left out (Seide et al. 2014; Karimireddy et al., arXiv:1901.09847).
///
/// Conservation: with a = fl(gradient + residual), sent + newResidual equals a to the bit wherever the residual a - sent is exact in single
/// precision: for every coordinate of a sparse codec with fp32 values, and, by Sterbenz' lemma, for rounding to nearest in every format but NF4
/// and sign. Elsewhere it holds within half a unit in the residual's last place. A non-finite element is sent as such and leaves nothing behind.
public struct ErrorFeedback: GradientCodec {
    public private(set) var codec: any GradientCodec
    /// What has not been sent [n]; empty before the first call.
    public private(set) var residual: [Float]

    public init(_ codec: any GradientCodec) {
        self.codec = codec
        residual = []
    }

    /// Goes on from a saved `residual` [n].
    public init(_ codec: any GradientCodec, residual: [Float]) {
        self.codec = codec
        self.residual = residual
    }

    public var name: String { "\(codec.name) + error feedback" }
    public var nonFinite: NonFiniteHandling { codec.nonFinite }
    public var isLinear: Bool { codec.isLinear }
    public var exchange: ExchangeMethod { codec.exchange }
    public func decodeBytes(count: Int, workers: Int) -> Double { codec.decodeBytes(count: count, workers: workers) }
    public func encodedSize(count: Int) -> EncodedSize { codec.encodedSize(count: count) }

    /// The bound of what is encoded, the sum of gradient and residual, against that sum.
    public func errorBound(for gradient: [Float]) -> ErrorBound { codec.errorBound(for: corrected(gradient)) }

    /// `gradient` [n] plus the residual [n].
    public func corrected(_ gradient: [Float]) -> [Float] {
        residual.count == gradient.count ? zip(gradient, residual).map { $0 + $1 } : gradient
    }

    /// The codec's own cost, plus one addition and, where values are coded, one decode and subtraction.
    public func cost(count: Int) -> CodecCost {
        var cost = codec.cost(count: count)
        cost.encodeOperations += Double(count)
        cost.encodeBytes += 8 * Double(count)
        if !(codec is SparseCodec) {
            cost.encodeOperations += cost.decodeOperations + Double(count)
            cost.encodeBytes += cost.decodeBytes + 12 * Double(count)
        }
        return cost
    }

    public mutating func encode(_ gradient: UnsafeBufferPointer<Float>, into message: inout [UInt8]) throws(CodecError) {
        if residual.isEmpty { residual = [Float](repeating: 0, count: gradient.count) }
        guard residual.count == gradient.count else {
            throw .misuse("this error feedback holds \(residual.count) elements and was given \(gradient.count): keep one for each bucket")
        }
        try residual.withUnsafeMutableBufferPointer { (buffer) throws(CodecError) in
            try codec.encode(gradient, residual: buffer, into: &message)
        }
    }

    public var savedState: [UInt8] { codec.savedState }
    public mutating func restore(savedState: [UInt8]) throws(CodecError) { try codec.restore(savedState: savedState) }

    public func decode(_ message: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>) throws(CodecError) {
        try codec.decode(message, into: output)
    }
}

func accumulate(_ gradient: UnsafeBufferPointer<Float>, into residual: UnsafeMutableBufferPointer<Float>) throws(CodecError) {
    guard gradient.count == residual.count else { throw .misuse("\(gradient.count) gradients meet \(residual.count) residuals") }
    if let target = residual.baseAddress, let base = gradient.baseAddress { cn_axpy_f32(target, base, gradient.count, 1) }
}

/// residual -= sent; what is not finite leaves nothing behind.
func subtract(_ sent: UnsafeBufferPointer<Float>, from residual: UnsafeMutableBufferPointer<Float>) {
    guard let target = residual.baseAddress, let base = sent.baseAddress else { return }
    cn_axpy_f32(target, base, sent.count, -1)
    guard cn_all_finite_f32(target, sent.count) == 0 else { return }
    for i in residual.indices where !residual[i].isFinite { residual[i] = 0 }
}
