import Foundation

/// Random numbers that a seed repeats everywhere: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
public struct TestDraws: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
    /// In 0..<bound.
    public mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }
    /// In [0, 1).
    public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
    /// In (0, 1).
    public mutating func inside() -> Double { (Double(next() >> 11) + 0.5) * 0x1p-53 }
    /// In [-1, 1).
    public mutating func signed() -> Double { unit() * 2 - 1 }
    /// Of mean 0 and variance 1 (Box and Muller 1958).
    public mutating func normal() -> Double { (-2 * log(1 - unit())).squareRoot() * cos(2 * .pi * unit()) }
    public mutating func normals(_ count: Int) -> [Float] { (0..<count).map { _ in Float(normal()) } }
}
