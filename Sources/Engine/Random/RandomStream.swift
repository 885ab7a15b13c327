/// Random numbers of one purpose for one entity, a pure function of (seed, purpose, entity).
///
/// Streams are independent: adding an entity or a purpose changes no other stream's draws, and two variants of a run share their noise
/// (common random numbers). Generator: xoshiro256++ (Blackman and Vigna 2021, doi:10.1145/3460772); its state comes from SplitMix64
/// (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195) over a hash of the three keys.
public struct RandomStream: RandomNumberGenerator, Sendable {
    private var s0: UInt64
    private var s1: UInt64
    private var s2: UInt64
    private var s3: UInt64
    /// Box-Muller makes normals in pairs; the second waits here.
    var spareNormal: Double?

    public init(seed: UInt64, purpose: String, entity: UInt64 = 0) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a, 64 bits
        for byte in purpose.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        // Each key is mixed to full avalanche before the next joins, so that (seed, entity) and (seed + 1, entity - 1) share nothing.
        var state = Self.mix(seed &+ 0x9e37_79b9_7f4a_7c15)
        state = Self.mix(state ^ hash)
        state = Self.mix(state &+ Self.mix(entity &+ 0xd1b5_4a32_d192_ed03))
        func word() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            return Self.mix(state)
        }
        s0 = word()
        s1 = word()
        s2 = word()
        s3 = word() | 1  // the all-zero state is the one fixed point
    }

    /// SplitMix64's finaliser: a bijection in which each input bit changes about half of the output bits.
    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    public mutating func next() -> UInt64 {
        let sum = s0 &+ s3
        let result = (sum << 23 | sum >> 41) &+ s0
        let shifted = s1 << 17
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = s3 << 45 | s3 >> 19
        return result
    }
}
