import CNumerics

/// Quantises to a narrow format with one scale a block.
///
/// Size: 8 (header) + 4 (block length) + ceil(n / block) scales of 1 (floats) or 4 bytes + ceil(n bits / 8) bytes.
/// With stochastic rounding the result is unbiased, and the bound doubles.
public struct BlockQuantizer: GradientCodec {
    public enum Rounding: Sendable, Equatable {
        case nearest
        /// Up with a probability equal to the fraction; the seed and the number of the call fix the draws.
        case stochastic(seed: UInt32)
    }

    public let format: NumberFormat
    /// Elements that share a scale; nil for one scale for the whole tensor.
    public let block: Int?
    public let rounding: Rounding
    private var calls: UInt32 = 0

    /// - Throws: `CodecError.misuse` for a block below 1 or over 2^31 elements, or stochastic rounding of NF4 or signs.
    public init(_ format: NumberFormat, block: Int? = nil, rounding: Rounding = .nearest) throws(CodecError) {
        if let block, block < 1 || block > 1 << 31 {
            throw .misuse("a block of \(block) elements: it must have 1 to 2^31, for instance 256")
        }
        if rounding != .nearest, !format.supportsStochasticRounding {
            throw .misuse("\(format.label) has no stochastic rounding; use E4M3, E5M2, int8 or int4")
        }
        self.format = format
        self.block = block
        self.rounding = rounding
    }

    public var name: String {
        let scaling = block.map { "block \($0)" } ?? "per tensor"
        return rounding == .nearest ? "\(format.label) (\(scaling))" : "\(format.label) (\(scaling), stochastic)"
    }
    public var nonFinite: NonFiniteHandling { format.nonFinite }

    private func blockCount(_ count: Int) -> Int {
        guard let block, count > 0 else { return count > 0 ? 1 : 0 }
        return (count - 1) / block + 1
    }
    private func codeBytes(_ count: Int) -> Int { (count * format.bits + 7) / 8 }

    public func encodedSize(count: Int) -> EncodedSize {
        .exactly(MessageHeader.size + 4 + blockCount(count) * format.scaleBytes + codeBytes(count))
    }

    public var savedState: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(integer: calls)
        return bytes
    }
    public mutating func restore(savedState: [UInt8]) throws(CodecError) {
        calls = try savedState.withBytes { (bytes) throws(CodecError) in
            var reader = MessageReader(bytes)
            return try reader.integer(UInt32.self, "the calls of a quantiser")
        }
    }

    public func errorBound(for gradient: [Float]) -> ErrorBound {
        var bounds = [Double](repeating: .infinity, count: gradient.count)
        let factor = rounding == .nearest ? 1.0 : 2.0
        gradient.withUnsafeBufferPointer { buffer in
            forEachBlock(of: buffer.count) { range in
                let scale = Double(format.scale(of: UnsafeBufferPointer(rebasing: buffer[range])))
                for i in range where buffer[i].isFinite { bounds[i] = factor * format.halfSpacing(at: Double(buffer[i]), scale: scale) }
            }
        }
        return ErrorBound(perElement: bounds)
    }

    /// Per element: two operations to find the scale, about ten to round (seventeen comparisons and more for NF4), three to decode.
    public func cost(count: Int) -> CodecCost {
        let n = Double(count)
        let width = Double(format.bits) / 8
        return CodecCost(
            encodeOperations: n * (format == .nf4 ? 34 : 12), encodeBytes: n * (8 + width), decodeOperations: n * 3,
            decodeBytes: n * (4 + width))
    }

    private func forEachBlock(of count: Int, _ body: (Range<Int>) -> Void) {
        let length = block ?? count
        var start = 0
        while start < count {
            let end = start + min(length, count - start)
            body(start..<end)
            start = end
        }
    }

    public mutating func encode(_ gradient: UnsafeBufferPointer<Float>, into message: inout [UInt8]) throws(CodecError) {
        try MessageHeader(.quantized, detail: format.rawValue, count: gradient.count).write(to: &message)
        message.append(integer: UInt32(block ?? 0))
        guard let base = gradient.baseAddress, !gradient.isEmpty else { return }
        var scales: [Float] = []
        scales.reserveCapacity(blockCount(gradient.count))
        forEachBlock(of: gradient.count) { scales.append(format.scale(of: UnsafeBufferPointer(rebasing: gradient[$0]))) }
        for scale in scales {
            if format.isFloat {
                message.append(UInt8(truncatingIfNeeded: biasedExponent(scale)))
            } else {
                message.append(integer: scale.bitPattern)
            }
        }
        let start = message.count
        message.append(contentsOf: repeatElement(0, count: codeBytes(gradient.count)))
        let bits = format.bits
        message.withUnsafeMutableBufferPointer { buffer in
            guard let target = buffer.baseAddress.map({ $0 + start }) else { return }
            if bits == 1 { return cn_encode_signs(base, target, gradient.count) }
            if bits == 8 {
                var index = 0
                return forEachBlock(of: gradient.count) { range in
                    quantize(base + range.lowerBound, target + range.lowerBound, range, scales[index])
                    index += 1
                }
            }
            var codes = [UInt8](repeating: 0, count: gradient.count)
            codes.withUnsafeMutableBufferPointer { codes in
                guard let code = codes.baseAddress else { return }
                var index = 0
                forEachBlock(of: gradient.count) { range in
                    quantize(base + range.lowerBound, code + range.lowerBound, range, scales[index])
                    index += 1
                }
                cn_pack_nibbles(code, target, gradient.count)
            }
        }
        calls &+= 1
    }

    private func biasedExponent(_ scale: Float) -> Int { scale.isNormal ? Int(scale.exponent) + 127 : 0 }

    private func quantize(_ x: UnsafePointer<Float>, _ codes: UnsafeMutablePointer<UInt8>, _ range: Range<Int>, _ scale: Float) {
        var how = cn_rounding(stochastic: 0, seed: 0, first_index: UInt32(truncatingIfNeeded: range.lowerBound))
        if case .stochastic(let seed) = rounding {
            how.stochastic = 1
            how.seed = seed &+ calls &* 0x85EB_CA6B
        }
        switch format {
        case .e4m3: cn_encode_e4m3(x, codes, range.count, 1 / scale, how)
        case .e5m2: cn_encode_e5m2(x, codes, range.count, 1 / scale, how)
        case .int8: cn_encode_int8(x, codes, range.count, 1 / scale, how)
        case .int4: cn_encode_int4(x, codes, range.count, 1 / scale, how)
        case .nf4: cn_encode_nf4(x, codes, range.count, 1 / scale)
        case .sign: break
        }
    }

    public func decode(_ message: UnsafeRawBufferPointer, into output: UnsafeMutableBufferPointer<Float>) throws(CodecError) {
        var reader = MessageReader(message)
        let header = try MessageHeader(reading: &reader)
        try header.require(.quantized, detail: format.rawValue, count: output.count)
        let length = Int(try reader.integer(UInt32.self, "the block length"))
        guard length == block ?? 0 else { throw .malformed("a block of \(length) where this codec writes \(block ?? 0)") }
        let scales = try readScales(&reader, count: blockCount(output.count))
        let codes = try reader.take(codeBytes(output.count), "the codes").bytes
        try reader.end()
        guard let base = output.baseAddress, let code = codes.baseAddress, !output.isEmpty else { return }
        if format == .sign { return cn_decode_signs(code, scales, base, output.count, block ?? 0) }
        var index = 0
        var unpacked = [UInt8](repeating: 0, count: format.bits == 4 ? min(block ?? output.count, output.count) : 0)
        forEachBlock(of: output.count) { range in
            let target = base + range.lowerBound
            let scale = scales[index]
            index += 1
            switch format {
            case .e4m3: cn_decode_e4m3(code + range.lowerBound, target, range.count, scale)
            case .e5m2: cn_decode_e5m2(code + range.lowerBound, target, range.count, scale)
            case .int8: cn_decode_int8(code + range.lowerBound, target, range.count, scale)
            case .int4:
                cn_unpack_nibbles(code, range.lowerBound, &unpacked, range.count)
                cn_decode_int4(unpacked, target, range.count, scale)
            case .nf4:
                cn_unpack_nibbles(code, range.lowerBound, &unpacked, range.count)
                cn_decode_nf4(unpacked, target, range.count, scale)
            case .sign: break
            }
        }
    }

    private func readScales(_ reader: inout MessageReader, count: Int) throws(CodecError) -> [Float] {
        guard format.isFloat else { return try reader.floats(count, "the scales") }
        let exponents = try reader.take(count, "the scales")
        guard !exponents.contains(255) else { throw .malformed("scale exponent 255 is reserved") }
        return exponents.map { NumberFormat.powerOfTwo(Int($0) - 127) }
    }
}
