import CNumerics

/// Adam with both moments in one byte an element, block-wise dynamic quantisation (Dettmers et al., arXiv:2110.02861): each block of 2048 is
/// scaled by its largest magnitude, and coded by the nearest of 256 levels that are dense near zero. 2.004 bytes of state a parameter instead of 8.
public struct Adam8bit: UpdateRule {
    public typealias Scalar = Float
    public var adam: Adam<Float>
    /// Elements that share one scale.
    public static let block = 2048

    public init(_ adam: Adam<Float> = Adam()) { self.adam = adam }

    public var name: String { "8-bit \(adam.name)" }
    public func slots(for shape: [Int]) -> [SlotLayout] { [.blocks(of: Self.block), .blocks(of: Self.block)] }
    public func codedSlots(for shape: [Int]) -> [SlotLayout] { [.elements, .elements] }
    public var shardGranularity: Int? { Self.block }

    /// Sign, then a unary decimal exponent, then a linear fraction in what bits remain: for i = 0...6, 2^i (signed) or 2^(i+1) (unsigned)
    /// midpoints of a linear grid on [0.1, 1], times 10^(i - 6), and zero and one.
    static func levels(signed: Bool) -> [Float] {
        var levels: [Double] = [0, 1]
        for i in 0..<7 {
            let count = 1 << (signed ? i : i + 1)
            let width = 0.9 / Double(count)
            var scale = 1.0
            for _ in i..<6 { scale /= 10 }
            for j in 0..<count {
                let value = (0.1 + width * (Double(j) + 0.5)) * scale
                levels.append(value)
                if signed { levels.append(-value) }
            }
        }
        levels.sort()
        return levels.map { Float($0) }
    }
    private static let signedLevels = levels(signed: true)
    private static let unsignedLevels = levels(signed: false)

    /// State starts at zero, which has its own code.
    static let zeroCodes = [
        UInt8(signedLevels.firstIndex(of: 0) ?? 0), UInt8(unsignedLevels.firstIndex(of: 0) ?? 0),
    ]

    public func update(_ parameter: inout Tensor<Float>, gradient: [Float], state: inout TensorState<Float>, at point: StepPoint) {
        if point.step == 1 { for slot in 0..<2 { for i in state.coded[slot].indices { state.coded[slot][i] = Self.zeroCodes[slot] } } }
        let tables = [Self.signedLevels, Self.unsignedLevels]
        var block = 0
        for start in stride(from: 0, to: parameter.values.count, by: Self.block) {
            let range = start..<min(start + Self.block, parameter.values.count)
            var moments: [[Float]] = []
            for slot in 0..<2 {
                moments.append(
                    [Float](unsafeUninitializedCapacity: range.count) { out, filled in
                        filled = range.count
                        state.coded[slot].withUnsafeBufferPointer {
                            guard let codes = $0.baseAddress, let target = out.baseAddress else { return }
                            cn_decode_levels(codes + start, target, range.count, state.real[slot][block], tables[slot])
                        }
                    })
            }
            var part = Tensor(Array(parameter.values[range]))
            var decoded = TensorState(real: moments, coded: [])
            adam.update(&part, gradient: Array(gradient[range]), state: &decoded, at: point)
            parameter.values.replaceSubrange(range, with: part.values)
            for slot in 0..<2 {
                let values = decoded.real[slot]
                var lost: Int32 = 0
                let top = max(cn_absmax_finite(values, values.count, &lost), Float.leastNormalMagnitude)
                state.real[slot][block] = lost == 0 ? top : .nan
                state.coded[slot].withUnsafeMutableBufferPointer {
                    guard let codes = $0.baseAddress else { return }
                    cn_encode_levels(values, codes + start, values.count, 1 / top, tables[slot])
                }
            }
            block += 1
        }
    }

    /// Adam's arithmetic, and eight comparisons twice to code; a quarter of the traffic for the moments.
    public func cost(for shape: [Int]) -> StepCost {
        let n = Double(shape.reduce(1, *))
        return StepCost(flops: n * 35, bytes: n * (3 * 4 + 4))
    }
}
