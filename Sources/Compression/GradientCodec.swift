/// Turns a buffer of gradients into the bytes that cross the network, and such bytes back into a buffer.
///
/// Encoding may advance state (a warm start, a random stream), decoding has none: a message explains itself, and any bytes whatever are
/// either decoded or refused with a `CodecError`. To add a codec, implement the requirements over raw buffers; callers use the array forms.
public protocol GradientCodec: Sendable {
    /// What reports call it, with its parameters: "top 5% + E4M3".
    var name: String { get }

    /// What becomes of infinities and NaNs, which loss scaling must be able to see after the exchange.
    var nonFinite: NonFiniteHandling { get }

    /// True if the codec commutes with summation, so that messages can be added on the way (all-reduce) instead of gathered.
    var isLinear: Bool { get }

    /// How the gradients of several workers become one sum.
    var exchange: ExchangeMethod { get }

    /// Memory traffic in bytes of one worker, after its own encoding, until it has the sum over `workers`.
    func decodeBytes(count: Int, workers: Int) -> Double

    /// The bytes that `encode` appends for `count` elements.
    func encodedSize(count: Int) -> EncodedSize

    /// Bound on `decode(encode(gradient)) - gradient` for the next call, from the gradient itself; non-finite elements are left out.
    func errorBound(for gradient: [Float]) -> ErrorBound

    /// Arithmetic and memory traffic of one call on `count` elements.
    func cost(count: Int) -> CodecCost

    /// Appends the message for `gradient` [n].
    mutating func encode(_ gradient: UnsafeBufferPointer<Float>, into message: inout [UInt8]) throws(CodecError)

    /// Adds `gradient` [n] to `residual` [n], encodes the sum, and leaves in `residual` what the receiver will not get.
    mutating func encode(
        _ gradient: UnsafeBufferPointer<Float>, residual: UnsafeMutableBufferPointer<Float>, into message: inout [UInt8]
    ) throws(CodecError)

    /// What the next message depends on beside its gradient, residuals aside: a warm start, the number of a call. Empty where nothing is kept.
    var savedState: [UInt8] { get }

    /// Goes on from a state that the same codec saved.
    mutating func restore(savedState: [UInt8]) throws(CodecError)

    /// Writes every element of `output` [n]. Reads nothing beyond `message`.
    func decode(_ message: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>) throws(CodecError)
}

extension GradientCodec {
    public var savedState: [UInt8] { [] }
    public mutating func restore(savedState: [UInt8]) throws(CodecError) {
        guard savedState.isEmpty else { throw .misuse("\(name) keeps no state, and was given \(savedState.count) bytes of it") }
    }
    public var isLinear: Bool { false }
    public var exchange: ExchangeMethod { isLinear ? .allReduce : .scatterAndGather }
    public func decodeBytes(count: Int, workers: Int) -> Double {
        let cost = cost(count: count)
        switch exchange {
        case .allReduce: return cost.decodeBytes
        // Parts of all workers, as many elements as one gradient, decoded and added; the owner's part encoded again; the whole decoded.
        case .scatterAndGather: return 2 * cost.decodeBytes + 12 * Double(count) + cost.encodeBytes / Double(max(1, workers))
        case .gather: return cost.decodeBytes * Double(workers)
        }
    }

    /// The message for `gradient` [n].
    public mutating func encode(_ gradient: [Float]) throws(CodecError) -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(encodedSize(count: gradient.count).most)
        try gradient.withUnsafeBufferPointer { (buffer) throws(CodecError) in try encode(buffer, into: &message) }
        return message
    }

    /// The `count` elements of `message`. The receiver knows the length, so that a forged one cannot exhaust its memory.
    public func decode(_ message: [UInt8], count: Int) throws(CodecError) -> [Float] {
        var output = [Float](repeating: 0, count: max(0, count))
        try output.withUnsafeMutableBufferPointer { (buffer) throws(CodecError) in
            try message.withBytes { (bytes) throws(CodecError) in try decode(bytes, into: buffer) }
        }
        return output
    }

    public mutating func encode(
        _ gradient: UnsafeBufferPointer<Float>, residual: UnsafeMutableBufferPointer<Float>, into message: inout [UInt8]
    ) throws(CodecError) {
        try accumulate(gradient, into: residual)
        let start = message.count
        try encode(UnsafeBufferPointer(residual), into: &message)
        var received = [Float](repeating: 0, count: residual.count)
        try received.withUnsafeMutableBufferPointer { (buffer) throws(CodecError) in
            try message.withBytes { (bytes) throws(CodecError) in
                try decode(UnsafeRawBufferPointer(rebasing: bytes[start...]), into: buffer)
            }
            subtract(UnsafeBufferPointer(buffer), from: residual)
        }
    }
}

/// The element count in a message's header, without decoding the rest.
/// - Throws: `CodecError` where the header is cut off or of no known kind.
public func elementCount(ofMessage message: [UInt8]) throws(CodecError) -> Int {
    try message.withBytes { (bytes) throws(CodecError) in
        var reader = MessageReader(bytes)
        return try MessageHeader(reading: &reader).count
    }
}

public enum NonFiniteHandling: Sendable {
    /// Such an element arrives as an infinity or a NaN, its neighbours as if it were absent.
    case perElement
    /// Every element of its block arrives as NaN.
    case poisonsBlock
    /// It is selected before every finite element, and then treated as the value codec does.
    case selectedFirst
    /// It arrives only where its position happens to be sent.
    case ifSent
}

public struct EncodedSize: Equatable, Sendable {
    /// Bytes, an upper bound unless `isExact`.
    public let most: Int
    public let isExact: Bool
    public static func exactly(_ bytes: Int) -> EncodedSize { EncodedSize(most: bytes, isExact: true) }
    public static func atMost(_ bytes: Int) -> EncodedSize { EncodedSize(most: bytes, isExact: false) }
}

public struct ErrorBound: Sendable {
    /// Bound for each element [n], where one exists.
    public let perElement: [Double]?
    /// Bound on the Euclidean norm of the error.
    public let norm: Double

    init(perElement: [Double]) {
        self.perElement = perElement
        norm = perElement.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
    init(norm: Double) {
        perElement = nil
        self.norm = norm
    }
}

/// What one encode and one decode cost: floating-point (or comparable integer) operations, and bytes read plus written in main memory.
public struct CodecCost: Equatable, Sendable {
    public var encodeOperations: Double
    public var encodeBytes: Double
    public var decodeOperations: Double
    public var decodeBytes: Double
}
