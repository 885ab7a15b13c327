import CNumerics

/// Halves every element: bfloat16, rounded to nearest even. Size: 8 + 2n bytes. A finite element stays finite.
public struct Bfloat16Codec: GradientCodec {
    public init() {}
    public var name: String { "bf16" }
    public var nonFinite: NonFiniteHandling { .perElement }
    /// Networks add bfloat16 on the way, rounding at each hop.
    public var exchange: ExchangeMethod { .allReduce }
    public func encodedSize(count: Int) -> EncodedSize { .exactly(MessageHeader.size + 2 * count) }

    /// Half a unit in the eighth bit; below the normal range half the spacing of its denormals, 2^-133.
    public func errorBound(for gradient: [Float]) -> ErrorBound {
        ErrorBound(perElement: gradient.map { $0.isFinite ? max(Double($0.magnitude) * 0x1p-8, 0x1p-134) : .infinity })
    }
    public func cost(count: Int) -> CodecCost {
        let n = Double(count)
        return CodecCost(encodeOperations: 6 * n, encodeBytes: 6 * n, decodeOperations: n, decodeBytes: 6 * n)
    }

    public mutating func encode(_ gradient: UnsafeBufferPointer<Float>, into message: inout [UInt8]) throws(CodecError) {
        try MessageHeader(.bfloat16, count: gradient.count).write(to: &message)
        guard let base = gradient.baseAddress else { return }
        message.append(most: 2 * gradient.count) { out in
            cn_encode_bf16(base, out, gradient.count)
            return 2 * gradient.count
        }
    }

    public func decode(_ message: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>) throws(CodecError) {
        var reader = MessageReader(message)
        try MessageHeader(reading: &reader).require(.bfloat16, count: output.count)
        let codes = try reader.take(2 * output.count, "the values").bytes
        try reader.end()
        if let source = codes.baseAddress, let target = output.baseAddress { cn_decode_bf16(source, target, output.count) }
    }
}
