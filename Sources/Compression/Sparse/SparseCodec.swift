import CNumerics

/// Sends some coordinates: positions in one coding, values through another codec. The pipeline of top-k, 8-bit values and delta-coded indices
/// is `SparseCodec(.top(.share(0.05)), values: BlockQuantizer(.e4m3), indices: .packed)`.
///
/// Size: 8 (header) + 4 (k) + 4 (length of the positions) + positions (see `IndexCoding`; for `random` the seed's 8 bytes) + the values' message.
public struct SparseCodec: GradientCodec {
    public let selection: Selection
    public let indices: IndexCoding
    public private(set) var values: any GradientCodec
    private var calls: UInt64 = 0
    private static let seeded: UInt8 = 0

    /// - Throws: `CodecError.misuse` for a share outside (0, 1], a negative count or threshold, or values that are themselves sparse.
    public init(_ selection: Selection, values: any GradientCodec = IdentityCodec(), indices: IndexCoding = .packed) throws(CodecError) {
        try selection.check()
        if values is SparseCodec { throw .misuse("the values of a sparse codec cannot be sparse again; choose fewer coordinates") }
        self.selection = selection
        self.values = values
        self.indices = indices
    }

    public var name: String { values is IdentityCodec ? selection.label : "\(selection.label) + \(values.name)" }
    public var nonFinite: NonFiniteHandling {
        if case .random = selection { .ifSent } else { .selectedFirst }
    }
    /// Every worker picks the same coordinates only when they are drawn from a shared seed.
    public var isLinear: Bool {
        if case .random = selection { values.isLinear } else { false }
    }

    public func encodedSize(count: Int) -> EncodedSize {
        let fixed = MessageHeader.size + 8
        let k = selection.count(of: count) ?? count
        let value = values.encodedSize(count: k)
        if case .random = selection { return EncodedSize(most: fixed + 8 + value.most, isExact: value.isExact) }
        let index = indices.maximumSize(count: k, limit: count)
        let exact = index.isExact && value.isExact && selection.count(of: count) != nil
        return EncodedSize(most: fixed + index.most + value.most, isExact: exact)
    }

    public func errorBound(for gradient: [Float]) -> ErrorBound {
        var copy = gradient
        let chosen = copy.withUnsafeMutableBufferPointer { buffer -> [UInt32] in
            guard let base = buffer.baseAddress else { return [] }
            return (try? selection.select(from: base, count: buffer.count, adding: nil, draw: draw))?.positions ?? []
        }
        var bounds = gradient.map { Double($0.magnitude) }
        let sent = values.errorBound(for: chosen.map { gradient[Int($0)] })
        guard let perElement = sent.perElement else {
            for position in chosen { bounds[Int(position)] = 0 }
            let rest = ErrorBound(perElement: bounds.map { $0.isFinite ? $0 : 0 }).norm
            return ErrorBound(norm: (rest * rest + sent.norm * sent.norm).squareRoot())
        }
        for (position, bound) in zip(chosen, perElement) { bounds[Int(position)] = bound }
        return ErrorBound(perElement: bounds)
    }

    /// Selection reads everything once (the sample and the candidates are small); the positions take about four operations each.
    public func cost(count: Int) -> CodecCost {
        let n = Double(count)
        let k = selection.count(of: count) ?? count
        var cost = values.cost(count: k)
        cost.encodeOperations += 3 * n + 4 * Double(k)
        cost.encodeBytes += 4 * n + 12 * Double(k)
        cost.decodeOperations += 4 * Double(k)
        cost.decodeBytes += 4 * n + 12 * Double(k)
        return cost
    }

    public var exchange: ExchangeMethod { isLinear ? .allReduce : .gather }

    /// `decodeSparse` and a sum into one dense buffer, which is zeroed once: 12 bytes an element sent, and the values' own.
    public func decodeBytes(count: Int, workers: Int) -> Double {
        let k = selection.count(of: count) ?? count
        let messages = exchange == .allReduce ? 1 : Double(workers)
        return 4 * Double(count) + messages * (12 * Double(k) + values.cost(count: k).decodeBytes)
    }

    private var draw: UInt64 {
        guard case .random(_, let seed) = selection else { return 0 }
        return seed &+ calls &* 0xD134_2543_DE82_EF95
    }

    /// The number of calls, then the state of the values' codec.
    public var savedState: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(integer: calls)
        return bytes + values.savedState
    }
    public mutating func restore(savedState: [UInt8]) throws(CodecError) {
        calls = try savedState.withBytes { (bytes) throws(CodecError) in
            var reader = MessageReader(bytes)
            return try reader.integer(UInt64.self, "the calls of a sparse codec")
        }
        try values.restore(savedState: Array(savedState.dropFirst(8)))
    }

    public mutating func encode(_ gradient: UnsafeBufferPointer<Float>, into message: inout [UInt8]) throws(CodecError) {
        var chosen = SparseGradient(ascending: [], values: [], count: gradient.count)
        if let base = gradient.baseAddress {
            // Nothing is added, so nothing is written.
            chosen = try selection.select(from: UnsafeMutablePointer(mutating: base), count: gradient.count, adding: nil, draw: draw)
        }
        _ = try send(chosen, into: &message)
    }

    public mutating func encode(
        _ gradient: UnsafeBufferPointer<Float>, residual: UnsafeMutableBufferPointer<Float>, into message: inout [UInt8]
    ) throws(CodecError) {
        guard gradient.count == residual.count else { throw .misuse("\(gradient.count) gradients meet \(residual.count) residuals") }
        guard let target = residual.baseAddress, let base = gradient.baseAddress else { return try encode(gradient, into: &message) }
        let chosen = try selection.select(from: target, count: residual.count, adding: base, draw: draw)
        let start = try send(chosen, into: &message)
        if values is IdentityCodec { return cn_zero_at(target, chosen.positions, chosen.positions.count) }
        var received = [Float](repeating: 0, count: chosen.positions.count)
        try received.withUnsafeMutableBufferPointer { (buffer) throws(CodecError) in
            try message.withBytes { (bytes) throws(CodecError) in
                try values.decode(UnsafeRawBufferPointer(rebasing: bytes[start...]), into: buffer)
            }
        }
        for (index, position) in chosen.positions.enumerated() {
            let left = chosen.values[index] - received[index]
            target[Int(position)] = left.isFinite ? left : 0
        }
    }

    /// Appends the message; returns where the values' part begins.
    private mutating func send(_ chosen: SparseGradient, into message: inout [UInt8]) throws(CodecError) -> Int {
        let positions = chosen.positions
        let isRandom = if case .random = selection { true } else { false }
        try MessageHeader(.sparse, detail: isRandom ? Self.seeded : indices.rawValue, count: chosen.count).write(to: &message)
        message.append(integer: UInt32(truncatingIfNeeded: positions.count))
        let lengthAt = message.count
        message.append(integer: UInt32(0))
        if isRandom {
            message.append(integer: draw)
        } else {
            indices.encode(positions, limit: chosen.count, into: &message)
        }
        let length = message.count - lengthAt - 4
        guard length <= Int(UInt32.max) else { throw .misuse("\(length) bytes of positions do not fit one message: use buckets") }
        for i in 0..<4 { message[lengthAt + i] = UInt8(truncatingIfNeeded: length >> (8 * i)) }
        let start = message.count
        try chosen.values.withUnsafeBufferPointer { (buffer) throws(CodecError) in try values.encode(buffer, into: &message) }
        calls &+= 1
        return start
    }

    public func decode(_ message: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>) throws(CodecError) {
        let gradient = try decodeSparse(message, count: output.count)
        output.update(repeating: 0)
        for (position, value) in zip(gradient.positions, gradient.values) { output[Int(position)] = value }
    }

    /// The positions and values alone, without a dense buffer: for sums over many workers.
    public func decodeSparse(_ message: [UInt8], count: Int) throws(CodecError) -> SparseGradient {
        try message.withBytes { (bytes) throws(CodecError) in try decodeSparse(bytes, count: count) }
    }

    private func decodeSparse(_ message: UnsafeRawBufferPointer, count n: Int) throws(CodecError) -> SparseGradient {
        var reader = MessageReader(message)
        let header = try MessageHeader(reading: &reader)
        let isRandom = if case .random = selection { true } else { false }
        try header.require(.sparse, detail: isRandom ? Self.seeded : indices.rawValue, count: n)
        let k = Int(try reader.integer(UInt32.self, "the number of positions"))
        guard k <= n else { throw .malformed("\(k) positions in \(n) elements") }
        let length = Int(try reader.integer(UInt32.self, "the length of the positions"))
        let part = try reader.take(length, "the positions")
        var sent = [Float](repeating: 0, count: k)
        try sent.withUnsafeMutableBufferPointer { (buffer) throws(CodecError) in try values.decode(reader.rest, into: buffer) }
        guard isRandom else { return SparseGradient(ascending: try indices.decode(part, count: k, limit: n), values: sent, count: n) }
        var seed = MessageReader(part)
        let drawn = try seed.integer(UInt64.self, "the seed")
        try seed.end()
        let positions = [UInt32](unsafeUninitializedCapacity: k) { buffer, filled in
            if let out = buffer.baseAddress, cn_random_k(UInt64(n), k, drawn, out) == 0 { filled = k }
        }
        return SparseGradient(ascending: positions, values: sent, count: n)
    }
}
