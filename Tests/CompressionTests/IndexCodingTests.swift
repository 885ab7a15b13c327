import Compression
import TestSupport
import Testing

@Suite struct IndexCodingTests {
    private func sorted(_ k: Int, below n: Int, _ draws: inout TestDraws) -> [UInt32] {
        var chosen = Set<UInt32>()
        while chosen.count < k { chosen.insert(UInt32(draws.next() % UInt64(n))) }
        return chosen.sorted()
    }

    @Test(arguments: IndexCoding.allCases) func positionsComeBack(_ coding: IndexCoding) throws {
        let seed: UInt64 = 6
        var draws = TestDraws(seed: seed)
        let codec = IndexCodec(coding)
        for (k, n) in [(0, 0), (0, 10), (1, 1), (1, 1000), (10, 10), (127, 5000), (128, 5000), (129, 200), (1000, 1_000_000), (3, 70_000)] {
            let positions = sorted(k, below: n, &draws)
            let bytes = try codec.encode(positions, limit: n)
            #expect(try codec.decode(bytes, count: k, limit: n) == positions, "seed \(seed): \(k) of \(n)")
        }
    }

    @Test(arguments: [IndexCoding.raw, .varint, .packed, .eliasFano]) func positionsUpToTwoToThe32(_ coding: IndexCoding) throws {
        let codec = IndexCodec(coding)
        let positions: [UInt32] = [0, 1, 1 << 31, UInt32.max - 2, UInt32.max - 1]
        let n = Int(UInt32.max)
        #expect(try codec.decode(codec.encode(positions, limit: n), count: 5, limit: n) == positions)
    }

    /// Positions 3, 4, 9 below 16, deltas less one 3, 0, 4: width 3, three values of 3 bits from the lowest: 0b100_000_011 = 0x103.
    @Test func packedByHand() throws {
        #expect(try IndexCodec(.packed).encode([3, 4, 9], limit: 16) == [3, 0x03, 0x01])
        #expect(try IndexCodec(.varint).encode([3, 4, 300], limit: 400) == [3, 0, 0xA7, 0x02])  // 295 = 0x127
    }

    /// 5, 8, 8+, ...: Vigna's example shape. k = 4, n = 36: l = floor(log2 9) = 3. Low bits of 5, 8, 15, 32: 5, 0, 7, 0 in 12 bits;
    /// high parts 0, 1, 1, 4 set bits 0, 2, 3, 7 of ceil((4 + 4) / 8) = 1 byte.
    @Test func eliasFanoByHand() throws {
        let low = 5 | 0 << 3 | 7 << 6 | 0 << 9
        #expect(try IndexCodec(.eliasFano).encode([5, 8, 15, 32], limit: 36) == [UInt8(low & 255), UInt8(low >> 8), 0b1000_1101])
    }

    /// The documented sums, computed here from the deltas.
    @Test func sizesAreTheDocumentedSums() throws {
        var draws = TestDraws(seed: 12)
        let n = 100_000
        let positions = sorted(5000, below: n, &draws)
        var deltas: [UInt32] = []
        var next: UInt32 = 0
        for position in positions {
            deltas.append(position - next)
            next = position + 1
        }
        var packed = 0
        for start in stride(from: 0, to: deltas.count, by: 128) {
            let block = deltas[start..<min(start + 128, deltas.count)]
            let width = 32 - (block.max() ?? 0).leadingZeroBitCount
            packed += 1 + (block.count * width + 7) / 8
        }
        let varint = deltas.reduce(0) { $0 + max(1, (32 - $1.leadingZeroBitCount + 6) / 7) }
        // n / k = 20: l = 4; 5000 * 4 / 8 + ceil((5000 + 6250) / 8).
        let sizes: [(IndexCoding, Int)] = [
            (.raw, 20_000), (.packed, packed), (.varint, varint), (.eliasFano, 2500 + 1407), (.bitmap, 12_500),
        ]
        for (coding, size) in sizes { #expect(try IndexCodec(coding).encode(positions, limit: n).count == size, "\(coding)") }
    }

    @Test(arguments: IndexCoding.allCases) func noiseIsRefusedOrAscends(_ coding: IndexCoding) throws {
        let seed: UInt64 = 31
        var draws = TestDraws(seed: seed)
        let codec = IndexCodec(coding)
        for _ in 0..<3000 {
            let bytes = (0..<Int(draws.next() % 40)).map { _ in UInt8(truncatingIfNeeded: draws.next() & draws.next()) }
            let n = Int(draws.next() % 300)
            let k = Int(draws.next() % 40)
            guard let positions = try? codec.decode(bytes, count: k, limit: n) else { continue }
            #expect(positions.count == k && zip(positions, positions.dropFirst()).allSatisfy(<), "seed \(seed)")
            #expect(positions.last.map { Int($0) < n } ?? true, "seed \(seed)")
        }
    }

    @Test func positionsOutOfOrderAreRefused() {
        #expect(throws: CodecError.self) { try IndexCodec(.packed).encode([3, 3], limit: 10) }
        #expect(throws: CodecError.self) { try IndexCodec(.packed).encode([3, 10], limit: 10) }
    }
}
