import CNumerics

/// Rank-r approximation by one subspace iteration a call, warm-started from the last (Vogels, Karimireddy, Jaggi, arXiv:1905.13727).
///
/// The gradient is read as a matrix M [rows][columns], padded with zeros. P = M Q is orthonormalised, Q = M^T P, and P Q^T is what arrives.
/// Size: 8 (header) + 12 (rows, columns, rank) + 4 rank (rows + columns) bytes. P Q^T is the projection of M onto the span of P, so the error's
/// norm never exceeds the gradient's. A non-finite element makes everything NaN.
public struct PowerSGD: GradientCodec {
    public let rank: Int
    /// Nil: as square as the length allows.
    public let columns: Int?
    private var q: [Float] = []
    private var seed: UInt32

    /// - Throws: `CodecError.misuse` for a rank or a number of columns below 1.
    public init(rank: Int, columns: Int? = nil, seed: UInt32 = 0) throws(CodecError) {
        guard rank >= 1, rank <= 1 << 15 else { throw .misuse("rank \(rank): it must be 1 to 32768, commonly 1, 2 or 4") }
        if let columns, columns < 1 || columns > 1 << 30 { throw .misuse("\(columns) columns: there must be 1 to 2^30") }
        self.rank = rank
        self.columns = columns
        self.seed = seed
    }

    public var name: String { "PowerSGD rank \(rank)" }
    public var nonFinite: NonFiniteHandling { .poisonsBlock }
    /// The two factors are averaged on the way, though the messages are no sums (`allReduce`).
    public var exchange: ExchangeMethod { .allReduce }

    /// Rows, columns, and the rank that a matrix of this size can have.
    func shape(_ count: Int) -> (rows: Int, columns: Int, rank: Int) {
        guard count > 0 else { return (0, 0, 0) }
        let n = min(count, columns ?? max(1, Int(Double(count).squareRoot().rounded(.up))))
        let m = (count - 1) / n + 1
        return (m, n, min(rank, m, n))
    }

    public func encodedSize(count: Int) -> EncodedSize {
        let (m, n, r) = shape(count)
        return .exactly(MessageHeader.size + 12 + 4 * r * (m + n))
    }

    /// The error is M - P P^T M with rounding of the products on top.
    public func errorBound(for gradient: [Float]) -> ErrorBound {
        let square = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }
        return ErrorBound(norm: square.squareRoot() * (1 + 1e-5) + 1e-30)
    }

    /// Two products of 2 m n r operations, 2 m r^2 for the Gram-Schmidt, and one product to decode.
    public func cost(count: Int) -> CodecCost {
        let (m, n, r) = shape(count)
        let product = 2 * Double(m) * Double(n) * Double(r)
        let factors = 4 * Double(r) * Double(m + n)
        return CodecCost(
            encodeOperations: 2 * product + 2 * Double(m) * Double(r * r), encodeBytes: 8 * Double(count) + 3 * factors,
            decodeOperations: product, decodeBytes: 4 * Double(count) + factors)
    }

    public mutating func encode(_ gradient: UnsafeBufferPointer<Float>, into message: inout [UInt8]) throws(CodecError) {
        let (m, n, r) = shape(gradient.count)
        try MessageHeader(.powerSGD, count: gradient.count).write(to: &message)
        for size in [m, n, r] { message.append(integer: UInt32(size)) }
        guard r > 0 else { return }
        var matrix = Array(gradient)
        matrix.append(contentsOf: repeatElement(0, count: m * n - gradient.count))
        let (p, newQ) = iterate([matrix], rows: m, columns: n, rank: r)
        p.withUnsafeBufferPointer { message.append(floats: $0) }
        newQ.withUnsafeBufferPointer { message.append(floats: $0) }
    }

    /// What all-reduce with this codec gives: the workers' products M Q and M^T P are averaged, never the matrices. `gradients` [workers][n].
    /// The result equals that of one worker holding the mean gradient, up to rounding.
    public mutating func allReduce(_ gradients: [[Float]]) throws(CodecError) -> [Float] {
        guard let count = gradients.first?.count, gradients.allSatisfy({ $0.count == count }) else {
            throw .misuse("all workers must bring gradients of one length")
        }
        let (m, n, r) = shape(count)
        guard r > 0 else { return [] }
        let padded = gradients.map { $0 + [Float](repeating: 0, count: m * n - count) }
        let (p, newQ) = iterate(padded, rows: m, columns: n, rank: r)
        return Array(multiply(p, newQ, [m, n, r], transposeB: true)[..<count])
    }

    private mutating func iterate(_ matrices: [[Float]], rows m: Int, columns n: Int, rank r: Int) -> (p: [Float], q: [Float]) {
        if q.count != n * r { q = startingBasis(n * r) }
        var p = mean(matrices.map { multiply($0, q, [m, r, n]) })
        orthonormalize(&p, rows: m, columns: r)
        let newQ = mean(matrices.map { multiply($0, p, [n, r, m], transposeA: true) })
        // A basis that collapsed or was poisoned would stay so for ever: draw a new one next time.
        let healthy = newQ.withUnsafeBufferPointer { $0.baseAddress.map { cn_all_finite_f32($0, newQ.count) != 0 } ?? false }
        if healthy, newQ.contains(where: { $0 != 0 }) {
            q = newQ
        } else {
            q = []
            seed &+= 1
        }
        return (p, newQ)
    }

    private func mean(_ terms: [[Float]]) -> [Float] {
        guard var sum = terms.first, terms.count > 1 else { return terms.first ?? [] }
        for term in terms.dropFirst() { cn_axpy_f32(&sum, term, sum.count, 1) }
        cn_scale_f32(&sum, sum.count, 1 / Float(terms.count))
        return sum
    }

    /// Sums of uniform draws, nearly normal; reproducible.
    private func startingBasis(_ count: Int) -> [Float] {
        var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678
        return (0..<count).map { _ in
            var sum: Float = -2
            for _ in 0..<4 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                sum += Float(state >> 40) * 0x1p-24
            }
            return sum
        }
    }

    public var savedState: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(integer: seed)
        q.withUnsafeBufferPointer { bytes.append(floats: $0) }
        return bytes
    }
    public mutating func restore(savedState: [UInt8]) throws(CodecError) {
        let (seed, basis) = try savedState.withBytes { (bytes) throws(CodecError) in
            var reader = MessageReader(bytes)
            let seed = try reader.integer(UInt32.self, "the seed of PowerSGD")
            return (seed, try reader.floats((bytes.count - 4) / 4, "the basis of PowerSGD"))
        }
        self.seed = seed
        q = Array(basis)
    }

    public func decode(_ message: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>) throws(CodecError) {
        var reader = MessageReader(message)
        let header = try MessageHeader(reading: &reader)
        try header.require(.powerSGD, count: output.count)
        let (m, n, r) = shape(output.count)
        for (size, what) in [(m, "rows"), (n, "columns"), (r, "the rank")] {
            let found = Int(try reader.integer(UInt32.self, what))
            guard found == size else { throw .malformed("\(what): \(found) where \(size) was agreed") }
        }
        let p = try reader.floats(m * r, "the left factor")
        let q = try reader.floats(n * r, "the right factor")
        try reader.end()
        guard r > 0 else { return }
        let product = multiply(p, q, [m, n, r], transposeB: true)
        for i in output.indices { output[i] = product[i] }
    }
}

/// Row-major product of op(a) [m][k] and op(b) [k][n]; `sizes` is [m, n, k].
private func multiply(_ a: [Float], _ b: [Float], _ sizes: [Int], transposeA: Bool = false, transposeB: Bool = false) -> [Float] {
    var product = [Float](repeating: 0, count: sizes[0] * sizes[1])
    cn_gemm_f32(transposeA ? 1 : 0, transposeB ? 1 : 0, sizes.map { Int32($0) }, 1, a, b, 0, &product)
    return product
}

/// Modified Gram-Schmidt on the columns of `p` [rows][columns]; a column that vanishes becomes zero.
private func orthonormalize(_ p: inout [Float], rows: Int, columns: Int) {
    for j in 0..<columns {
        var before = 0.0
        for row in 0..<rows { before += Double(p[row * columns + j]) * Double(p[row * columns + j]) }
        for i in 0..<j {
            var dot = 0.0
            for row in 0..<rows { dot += Double(p[row * columns + i]) * Double(p[row * columns + j]) }
            for row in 0..<rows { p[row * columns + j] -= Float(dot) * p[row * columns + i] }
        }
        var square = 0.0
        for row in 0..<rows { square += Double(p[row * columns + j]) * Double(p[row * columns + j]) }
        // What is left after projection may be rounding noise; normalising it would give a direction that is not orthogonal.
        let scale: Double = square <= before * 1e-10 ? 0 : 1 / square.squareRoot()
        for row in 0..<rows { p[row * columns + j] = Float(Double(p[row * columns + j]) * scale) }
    }
}
