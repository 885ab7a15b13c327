import CNumerics

/// How ascending positions below a limit become bytes. With k positions below n:
public enum IndexCoding: UInt8, Sendable, CaseIterable {
    /// 4k bytes.
    case raw = 1
    /// Deltas in LEB128: seven bits a byte.
    case varint = 2
    /// Deltas in blocks of 128, each at its own width w: 1 + ceil(128 w / 8) bytes a block.
    case packed = 3
    /// Elias-Fano: k l low bits and k + floor(n / 2^l) high ones, l = floor(log2(n / k)); within half a bit an entry of the entropy.
    case eliasFano = 4
    /// One bit a coordinate: ceil(n / 8) bytes.
    case bitmap = 5

    /// The bytes for `positions` below `limit`; data-dependent for `varint` and `packed`.
    func maximumSize(count k: Int, limit n: Int) -> EncodedSize {
        switch self {
        case .raw: .exactly(4 * k)
        case .varint: .atMost(5 * k)
        case .packed: .atMost(4 * k + (k + 127) / 128)
        case .eliasFano: .exactly((k * Self.lowBits(k, n) + 7) / 8 + (k + n >> Self.lowBits(k, n) + 7) / 8)
        case .bitmap: .exactly((n + 7) / 8)
        }
    }

    static func lowBits(_ k: Int, _ n: Int) -> Int {
        guard k > 0, n > k else { return 0 }
        return min(31, (n / k).bitWidth - 1 - (n / k).leadingZeroBitCount)
    }

    func encode(_ positions: [UInt32], limit n: Int, into message: inout [UInt8]) {
        let k = positions.count
        // Room for the packers' full-width stores.
        message.append(most: maximumSize(count: k, limit: n).most + 16) { out in
            positions.withUnsafeBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return self == .bitmap || self == .eliasFano ? zeros(out, k, n) : 0 }
                switch self {
                case .raw:
                    for i in 0..<k { for j in 0..<4 { out[4 * i + j] = UInt8(truncatingIfNeeded: base[i] >> UInt32(8 * j)) } }
                    return 4 * k
                case .varint: return cn_varint_deltas(base, k, out)
                case .packed: return cn_pack_deltas(base, k, out)
                case .eliasFano: return cn_elias_fano(base, k, UInt64(n), Int32(Self.lowBits(k, n)), out)
                case .bitmap:
                    cn_bitmap(base, k, UInt64(n), out)
                    return (n + 7) / 8
                }
            }
        }
    }

    private func zeros(_ out: UnsafeMutablePointer<UInt8>, _ k: Int, _ n: Int) -> Int {
        let size = maximumSize(count: k, limit: n).most
        out.update(repeating: 0, count: size)
        return size
    }

    /// The `count` positions in `bytes`, ascending and below `limit`.
    func decode(_ bytes: UnsafeRawBufferPointer, count k: Int, limit n: Int) throws(CodecError) -> [UInt32] {
        guard k <= n else { throw .malformed("\(k) positions below \(n)") }
        let size = maximumSize(count: k, limit: n)
        guard size.isExact ? bytes.count == size.most : bytes.count >= minimumSize(k) else {
            throw .malformed("\(bytes.count) bytes cannot hold \(k) positions in \(self) coding")
        }
        guard k > 0 else { return [] }
        var failed: Int32 = 0
        let positions = [UInt32](unsafeUninitializedCapacity: k) { buffer, filled in
            guard let out = buffer.baseAddress, let base = bytes.bytes.baseAddress else {
                failed = -1
                return
            }
            out.update(repeating: 0, count: k)
            filled = k
            switch self {
            case .raw: failed = Self.unpackRaw(bytes, out, k, n)
            case .varint: failed = cn_unvarint_deltas(base, bytes.count, UInt64(n), out, k)
            case .packed: failed = cn_unpack_deltas(base, bytes.count, UInt64(n), out, k)
            case .eliasFano: failed = cn_unelias_fano(base, bytes.count, UInt64(n), Int32(Self.lowBits(k, n)), out, k)
            case .bitmap: failed = cn_unbitmap(base, UInt64(n), out, k)
            }
        }
        guard failed == 0 else { throw .malformed("the \(self) positions are not \(k) ascending numbers below \(n)") }
        return positions
    }

    /// Fewer bytes than this cannot hold k positions: checked before memory for k positions is taken.
    private func minimumSize(_ k: Int) -> Int { self == .packed ? (k + 127) / 128 : k }

    private static func unpackRaw(_ bytes: UnsafeRawBufferPointer, _ out: UnsafeMutablePointer<UInt32>, _ k: Int, _ n: Int) -> Int32 {
        var next = 0
        for i in 0..<k {
            out[i] = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self))
            guard Int(out[i]) >= next, Int(out[i]) < n else { return -1 }
            next = Int(out[i]) + 1
        }
        return 0
    }
}

/// Encodes and decodes ascending positions on their own.
public struct IndexCodec: Sendable {
    public let coding: IndexCoding
    public init(_ coding: IndexCoding) { self.coding = coding }

    /// - Throws: `CodecError.misuse` where `positions` [k] do not ascend strictly below `limit`.
    public func encode(_ positions: [UInt32], limit: Int) throws(CodecError) -> [UInt8] {
        guard limit <= MessageHeader.largestCount, zip(positions, positions.dropFirst()).allSatisfy(<),
            positions.last.map({ Int($0) < limit }) ?? true
        else { throw .misuse("positions must ascend strictly and stay below \(limit)") }
        var message: [UInt8] = []
        coding.encode(positions, limit: limit, into: &message)
        return message
    }

    public func decode(_ bytes: [UInt8], count: Int, limit: Int) throws(CodecError) -> [UInt32] {
        guard count >= 0, limit >= 0, limit <= MessageHeader.largestCount else { throw .misuse("\(count) positions below \(limit)") }
        return try bytes.withBytes { (buffer) throws(CodecError) in try coding.decode(buffer, count: count, limit: limit) }
    }
}
