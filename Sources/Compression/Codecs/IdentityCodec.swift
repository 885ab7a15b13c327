/// Sends every element as it is. Size: 8 + 4n bytes.
public struct IdentityCodec: GradientCodec {
    public init() {}
    public var name: String { "fp32" }
    public var nonFinite: NonFiniteHandling { .perElement }
    public var isLinear: Bool { true }
    public func encodedSize(count: Int) -> EncodedSize { .exactly(MessageHeader.size + 4 * count) }
    public func errorBound(for gradient: [Float]) -> ErrorBound { ErrorBound(perElement: gradient.map { _ in 0 }) }
    /// Nothing: a transport sends such a buffer from where it lies. (The copy made here is what every transport of messages makes.)
    public func cost(count: Int) -> CodecCost { CodecCost(encodeOperations: 0, encodeBytes: 0, decodeOperations: 0, decodeBytes: 0) }

    public mutating func encode(_ gradient: UnsafeBufferPointer<Float>, into message: inout [UInt8]) throws(CodecError) {
        try MessageHeader(.identity, count: gradient.count).write(to: &message)
        message.append(floats: gradient)
    }

    public func decode(_ message: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>) throws(CodecError) {
        var reader = MessageReader(message)
        let header = try MessageHeader(reading: &reader)
        try header.require(.identity, count: output.count)
        let bytes = try reader.take(4 * output.count, "the values")
        try reader.end()
        #if _endian(little)
            UnsafeMutableRawBufferPointer(output).copyMemory(from: bytes)
        #else
            for i in output.indices {
                output[i] = Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)))
            }
        #endif
    }
}

extension MessageHeader {
    func require(_ kind: Kind, detail: UInt8? = nil, count: Int) throws(CodecError) {
        guard self.kind == kind else { throw .malformed("this is a message of kind \(self.kind), not \(kind)") }
        if let detail, detail != self.detail { throw .malformed("detail \(self.detail) where this codec writes \(detail)") }
        guard self.count == count else { throw .elementCount(expected: count, found: self.count) }
    }
}
