import CNumerics

/// A narrow number format. Codes are scaled by block, so that the block's largest magnitude just fits.
public enum NumberFormat: UInt8, Sendable, CaseIterable {
    /// 8-bit floats, arXiv:2209.05433: 4 exponent and 3 fraction bits (largest 448), and 5 and 2 (largest 57344).
    case e4m3 = 1
    case e5m2 = 2
    /// Integers -127...127 and -7...7; the code left over stands for a non-finite element.
    case int8 = 3
    case int4 = 4
    /// Sixteen quantiles of a normal distribution, arXiv:2305.14314.
    case nf4 = 5
    /// The sign alone, times the block's mean magnitude: "1-bit SGD" (Seide et al. 2014), arXiv:1901.09847.
    case sign = 6

    public var bits: Int {
        switch self {
        case .e4m3, .e5m2, .int8: 8
        case .int4, .nf4: 4
        case .sign: 1
        }
    }

    /// Floats are scaled by a power of two in one byte (as E8M0 in the OCP Microscaling Formats 1.0): scaling then loses nothing.
    var scaleBytes: Int { isFloat ? 1 : 4 }
    var isFloat: Bool { self == .e4m3 || self == .e5m2 }
    var supportsStochasticRounding: Bool { self != .nf4 && self != .sign }
    var nonFinite: NonFiniteHandling { self == .nf4 || self == .sign ? .poisonsBlock : .perElement }

    var label: String {
        switch self {
        case .e4m3: "E4M3"
        case .e5m2: "E5M2"
        case .int8: "int8"
        case .int4: "int4"
        case .nf4: "NF4"
        case .sign: "sign"
        }
    }

    private var largest: Float {
        switch self {
        case .e4m3: 448
        case .e5m2: 57344
        case .int8: 127
        case .int4: 7
        case .nf4, .sign: 1
        }
    }

    /// The scale for a block; NaN where the block is lost.
    func scale(of block: UnsafeBufferPointer<Float>) -> Float {
        guard let base = block.baseAddress, !block.isEmpty else { return isFloat ? Self.powerOfTwo(-127) : 0 }
        var lost: Int32 = 0
        let top = cn_absmax_finite(base, block.count, &lost)
        if lost != 0, nonFinite == .poisonsBlock { return .nan }
        switch self {
        case .e4m3, .e5m2:
            // The smallest power of two that keeps the largest magnitude in range, so that nothing saturates.
            guard top > 0 else { return Self.powerOfTwo(-127) }
            let exponent = max(-127, Int(top.exponent) - Int(largest.exponent))
            return Self.powerOfTwo(top * Self.powerOfTwo(-exponent) > largest ? exponent + 1 : exponent)
        case .int8, .int4:
            let scale = max(top / largest, Float.leastNormalMagnitude)
            return scale * largest > Float.greatestFiniteMagnitude ? scale.nextDown : scale
        case .nf4: return max(top, Float.leastNormalMagnitude)
        case .sign: return Float(cn_sum_abs_f32(base, block.count) / Double(block.count))
        }
    }

    static func powerOfTwo(_ exponent: Int) -> Float { Float(sign: .plus, exponent: exponent, significand: 1) }

    /// Half the spacing of codes around `x` under `scale`: what rounding to nearest may lose.
    func halfSpacing(at x: Double, scale: Double) -> Double {
        switch self {
        case .e4m3: max(abs(x) * 0x1p-4, scale * 0x1p-10)
        case .e5m2: max(abs(x) * 0x1p-3, scale * 0x1p-17)
        // 2^-15: the rounding of x / scale and of code * scale in single precision.
        case .int8, .int4: scale * (0.5 + 0x1p-15)
        case .nf4: scale * (0.5 * (1 - 0.6961928) + 0x1p-20)
        case .sign: max(abs(x), scale)
        }
    }
}
