/// Codes a long gradient in buckets, each with its own state, so that one can be on its way while the backward pass makes the next.
public struct BucketedCodec: Sendable {
    /// First element and length of each bucket, in order.
    public let buckets: [Range<Int>]
    private var codecs: [any GradientCodec]

    /// Cuts `count` elements into buckets of `elements`; the last may be shorter.
    /// - Throws: `CodecError.misuse` for buckets below one element.
    public init(_ codec: any GradientCodec, count: Int, elements: Int) throws(CodecError) {
        guard elements >= 1, count >= 0 else { throw .misuse("\(count) elements in buckets of \(elements): both must be positive") }
        buckets = stride(from: 0, to: count, by: elements).map { $0..<min($0 + elements, count) }
        codecs = buckets.map { _ in codec }
    }

    /// The message for bucket `index`, from the whole `gradient` [count]; buckets may come in any order.
    /// - Throws: `CodecError.misuse` for a bucket that does not exist or a gradient too short for it.
    public mutating func encode(bucket index: Int, of gradient: [Float]) throws(CodecError) -> [UInt8] {
        guard buckets.indices.contains(index) else { throw .misuse("bucket \(index) of \(buckets.count)") }
        guard gradient.count >= buckets[index].upperBound else {
            throw .elementCount(expected: buckets[index].upperBound, found: gradient.count)
        }
        var message: [UInt8] = []
        try gradient.withUnsafeBufferPointer { (buffer) throws(CodecError) in
            try codecs[index].encode(UnsafeBufferPointer(rebasing: buffer[buckets[index]]), into: &message)
        }
        return message
    }

    /// Writes what arrived for bucket `index` to its place in `gradient` [count].
    public func decode(bucket index: Int, _ message: [UInt8], into gradient: inout [Float]) throws(CodecError) {
        guard buckets.indices.contains(index) else { throw .misuse("bucket \(index) of \(buckets.count)") }
        guard gradient.count >= buckets[index].upperBound else {
            throw .elementCount(expected: buckets[index].upperBound, found: gradient.count)
        }
        try gradient.withUnsafeMutableBufferPointer { (buffer) throws(CodecError) in
            try message.withBytes { (bytes) throws(CodecError) in
                try codecs[index].decode(bytes, into: UnsafeMutableBufferPointer(rebasing: buffer[buckets[index]]))
            }
        }
    }

    /// The same for all buckets, last first as a backward pass makes them: [bucket][bytes].
    public mutating func encode(_ gradient: [Float]) throws(CodecError) -> [[UInt8]] {
        var messages = [[UInt8]](repeating: [], count: buckets.count)
        for index in buckets.indices.reversed() { messages[index] = try encode(bucket: index, of: gradient) }
        return messages
    }
}
