/// A gradient of `count` elements of which only `values` [k] at ascending `positions` [k] are not zero.
public struct SparseGradient: Equatable, Sendable {
    public private(set) var positions: [UInt32]
    public private(set) var values: [Float]
    public let count: Int

    /// - Throws: `CodecError.misuse` unless there is a value for each position and the positions ascend strictly below `count`.
    public init(positions: [UInt32], values: [Float], count: Int) throws(CodecError) {
        guard positions.count == values.count, zip(positions, positions.dropFirst()).allSatisfy(<),
            positions.last.map({ Int($0) < count }) ?? true
        else { throw .misuse("\(values.count) values need as many positions, ascending strictly and below \(count)") }
        self.init(ascending: positions, values: values, count: count)
    }

    init(ascending positions: [UInt32], values: [Float], count: Int) {
        self.positions = positions
        self.values = values
        self.count = count
    }

    /// The sum with `other`, over the union of the positions. O(k).
    public func adding(_ other: SparseGradient) throws(CodecError) -> SparseGradient {
        guard count == other.count else { throw .elementCount(expected: count, found: other.count) }
        var sum = SparseGradient(ascending: [], values: [], count: count)
        var i = 0
        var j = 0
        while i < positions.count || j < other.positions.count {
            let left = i < positions.count ? Int(positions[i]) : Int.max
            let right = j < other.positions.count ? Int(other.positions[j]) : Int.max
            sum.positions.append(UInt32(truncatingIfNeeded: min(left, right)))
            sum.values.append((left <= right ? values[i] : 0) + (right <= left ? other.values[j] : 0))
            if left <= right { i += 1 }
            if right <= left { j += 1 }
        }
        return sum
    }
}
