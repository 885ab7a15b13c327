/// The eight bytes that begin every message: kind, detail, two bytes of version, four of element count; little-endian.
struct MessageHeader: Equatable {
    enum Kind: UInt8 {
        case identity = 1
        case quantized = 2
        case sparse = 3
        case powerSGD = 4
        case bfloat16 = 5
    }
    static let size = 8
    static let version: UInt16 = 1
    static let largestCount = Int(UInt32.max)

    var kind: Kind
    /// What a kind makes of it: the number format, the index coding.
    var detail: UInt8
    var count: Int

    init(_ kind: Kind, detail: UInt8 = 0, count: Int) throws(CodecError) {
        guard count <= Self.largestCount else {
            throw .misuse("\(count) elements do not fit one message; the most is \(Self.largestCount): use buckets")
        }
        self.kind = kind
        self.detail = detail
        self.count = count
    }

    init(reading reader: inout MessageReader) throws(CodecError) {
        let raw = try reader.byte("the header")
        guard let kind = Kind(rawValue: raw) else { throw .malformed("kind \(raw) is unknown") }
        self.kind = kind
        detail = try reader.byte("the header")
        let version = try reader.integer(UInt16.self, "the header")
        guard version == Self.version else { throw .malformed("version \(version) is unknown; this reads \(Self.version)") }
        count = Int(try reader.integer(UInt32.self, "the header"))
    }

    func write(to message: inout [UInt8]) {
        message.append(kind.rawValue)
        message.append(detail)
        message.append(integer: Self.version)
        message.append(integer: UInt32(truncatingIfNeeded: count))
    }
}

/// Walks through bytes and never beyond their end.
struct MessageReader {
    private(set) var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    mutating func take(_ count: Int, _ part: String) throws(CodecError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= rest.count else { throw .truncated(part: part, needed: count, available: rest.count) }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
        return UnsafeRawBufferPointer(rebasing: rest[..<count])
    }

    mutating func byte(_ part: String) throws(CodecError) -> UInt8 { try take(1, part)[0] }

    mutating func integer<T: FixedWidthInteger>(_: T.Type, _ part: String) throws(CodecError) -> T {
        T(littleEndian: try take(MemoryLayout<T>.size, part).loadUnaligned(as: T.self))
    }

    /// Copies `count` little-endian floats, whatever their alignment.
    mutating func floats(_ count: Int, _ part: String) throws(CodecError) -> [Float] {
        let (size, overflow) = count.multipliedReportingOverflow(by: 4)
        guard !overflow else { throw .truncated(part: part, needed: Int.max, available: rest.count) }
        let bytes = try take(size, part)
        return (0..<count).map { Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))) }
    }

    func end() throws(CodecError) {
        guard rest.isEmpty else { throw .malformed("\(rest.count) bytes are left over at the end") }
    }
}

extension [UInt8] {
    mutating func append(integer value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    mutating func append(floats values: UnsafeBufferPointer<Float>) {
        #if _endian(little)
            append(contentsOf: UnsafeRawBufferPointer(values))
        #else
            for value in values { append(integer: value.bitPattern) }
        #endif
    }

    /// Appends `most` bytes, lets `fill` write into them, and keeps as many as it says.
    mutating func append(most: Int, filledBy fill: (UnsafeMutablePointer<UInt8>) -> Int) {
        let start = count
        append(contentsOf: repeatElement(0, count: most))
        let used = withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.map { fill($0 + start) } ?? 0
        }
        if used < most { removeLast(most - used) }
    }
}

extension UnsafeRawBufferPointer {
    var bytes: UnsafeBufferPointer<UInt8> { bindMemory(to: UInt8.self) }
}

extension [UInt8] {
    /// As `withUnsafeBytes`, keeping the type of the error.
    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws(CodecError) -> R) throws(CodecError) -> R {
        try withUnsafeBufferPointer { (buffer) throws(CodecError) in try body(UnsafeRawBufferPointer(buffer)) }
    }
}
