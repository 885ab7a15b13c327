/// How gradients travel by the size of their tensor: small ones are exchanged at once, large ones are accumulated and sent in the background.
public enum SizeClass: Int, CaseIterable, Comparable, Sendable {
    /// Below 16 MB, 16 to 64, 64 to 256, and from 256 MB on (MB = 10^6 bytes).
    case small, medium, large, huge

    public init(bytes: Int) {
        switch bytes {
        case ..<16_000_000: self = .small
        case ..<64_000_000: self = .medium
        case ..<256_000_000: self = .large
        default: self = .huge
        }
    }
    /// Small tensors cost latency, not bandwidth: waiting for them is cheap. Others go while the backward pass runs on.
    public var isSynchronous: Bool { self == .small }
    /// By size.
    public static func < (a: SizeClass, b: SizeClass) -> Bool { a.rawValue < b.rawValue }
}

/// Tensors that are sent as one message.
public struct GradientBucket: Equatable, Sendable {
    /// In the order in which the backward pass finishes them.
    public var tensors: [Int]
    public var bytes: Int
    public var sizeClass: SizeClass
}

/// Fills buckets with tensors of one class, from the last tensor to the first as a backward pass makes them (arXiv:2006.15704): a bucket is
/// closed when the next tensor would exceed `capacity`. Every tensor is in exactly one bucket; one that is larger than a bucket has its own.
/// - Parameter sizes: bytes of each tensor, in forward order.
/// - Throws: `TrainingError` for a capacity below one byte.
public func gradientBuckets(sizes: [Int], capacity: Int = 25 * 1024 * 1024) throws(TrainingError) -> [GradientBucket] {
    guard capacity >= 1 else { throw TrainingError("a bucket of \(capacity) bytes holds nothing; 25 MiB is usual") }
    var open = [GradientBucket?](repeating: nil, count: SizeClass.allCases.count)
    var closed: [GradientBucket] = []
    for tensor in sizes.indices.reversed() {
        let kind = SizeClass(bytes: sizes[tensor])
        if let bucket = open[kind.rawValue], bucket.bytes + sizes[tensor] > capacity {
            closed.append(bucket)
            open[kind.rawValue] = nil
        }
        var bucket = open[kind.rawValue] ?? GradientBucket(tensors: [], bytes: 0, sizeClass: kind)
        bucket.tensors.append(tensor)
        bucket.bytes += sizes[tensor]
        open[kind.rawValue] = bucket
    }
    return closed + open.compactMap { $0 }
}
