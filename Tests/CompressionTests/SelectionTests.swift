import Compression
import TestSupport
import Testing

@Suite struct SelectionTests {
    /// The k largest by sorting: NaN first, then infinities; among equals the earlier position.
    private func expected(_ values: [Float], _ k: Int) -> [UInt32] { ranked(values)[..<k].sorted() }

    /// Positions, the first to be sent first.
    private func ranked(_ values: [Float]) -> [UInt32] {
        // Magnitude above position in one integer: sorts by magnitude, and among equals the earlier position comes first.
        let keys = values.indices.map { UInt64(values[$0].bitPattern & 0x7fff_ffff) << 32 | UInt64(UInt32.max - UInt32($0)) }
        return keys.sorted(by: >).map { UInt32.max - UInt32(truncatingIfNeeded: $0) }
    }

    private func selected(_ values: [Float], _ k: Int) throws -> [UInt32] {
        var codec = try SparseCodec(.top(.count(k)), indices: .raw)
        return try codec.decodeSparse(codec.encode(values), count: values.count).positions
    }

    @Test(arguments: [0, 1, 2, 31, 32, 33, 500, 999, 1000]) func kIsExactAndTheLargestWin(_ k: Int) throws {
        let seed: UInt64 = 8
        var draws = TestDraws(seed: seed)
        let smooth = draws.normals(1000)
        let tied = (0..<1000).map { _ in Float(Int(draws.next() % 5)) - 2 }
        var odd = smooth
        odd[5] = .nan
        odd[6] = -.infinity
        odd[900] = 0
        for values in [smooth, tied, odd, [Float](repeating: 1, count: 1000), [Float](repeating: 0, count: 1000)] {
            #expect(try selected(values, k) == expected(values, k), "seed \(seed), k \(k)")
        }
    }

    /// Long enough for the sampled bound: smooth data, all large values in one place, and two values only.
    @Test func longBuffersAgreeWithSorting() throws {
        var draws = TestDraws(seed: 3)
        let n = 80_000
        let smooth = draws.normals(n)
        var clustered = smooth.map { $0 * 1e-6 }
        for i in 4000..<9000 { clustered[i] = smooth[i] }
        let twoValued = (0..<n).map { _ in draws.unit() < 0.02 ? Float(1) : 0.5 }
        for (name, values) in [("smooth", smooth), ("clustered", clustered), ("two values", twoValued)] {
            let order = ranked(values)
            for k in [10, 4000, 19_999, 30_000] {
                #expect(try selected(values, k) == order[..<k].sorted(), "\(name), k \(k)")
            }
        }
    }

    /// The path that adds the residual in the same pass sends what two separate passes would.
    @Test(arguments: [1000, 70_003]) func fusedAccumulationEqualsSeparatePasses(_ n: Int) throws {
        var draws = TestDraws(seed: 15)
        var fused = ErrorFeedback(try SparseCodec(.top(.share(0.05)), indices: .packed))
        var residual = [Float](repeating: 0, count: n)
        for _ in 0..<3 {
            let gradient = draws.normals(n)
            for i in 0..<n { residual[i] = gradient[i] + residual[i] }
            var plain = try SparseCodec(.top(.share(0.05)), indices: .packed)
            let message = try plain.encode(residual)
            #expect(try fused.encode(gradient) == message)
            for position in try plain.decodeSparse(message, count: n).positions { residual[Int(position)] = 0 }
            #expect(fused.residual == residual)
        }
    }

    @Test func sharesRoundToTheNearestCountAndAtLeastOne() throws {
        let codec = try SparseCodec(.top(.share(0.05)), indices: .raw)
        // 8 + 4 + 4 + 4k + (8 + 4k): k = 50 of 1000 is 424 bytes, k = 1 of 3 is 32.
        #expect(codec.encodedSize(count: 1000) == .exactly(424))
        #expect(codec.encodedSize(count: 3) == .exactly(32))
        #expect(throws: CodecError.self) { try SparseCodec(.top(.share(0))) }
        #expect(throws: CodecError.self) { try SparseCodec(.top(.share(1.01))) }
        #expect(throws: CodecError.self) { try SparseCodec(.threshold(.nan)) }
        #expect(throws: CodecError.self) { try SparseCodec(.top(.count(-1))) }
    }

    /// Every worker with the same seed sends the same positions, each call others; over many calls each position is as likely.
    @Test func randomPositionsAreSharedAndUniform() throws {
        var first = try SparseCodec(.random(.count(5), seed: 21))
        var second = try SparseCodec(.random(.count(5), seed: 21))
        var hits = [Int](repeating: 0, count: 20)
        var previous: [UInt32] = []
        var repeats = 0
        for _ in 0..<4000 {
            let a = try first.decodeSparse(first.encode([Float](repeating: 1, count: 20)), count: 20).positions
            let b = try second.decodeSparse(second.encode([Float](repeating: 2, count: 20)), count: 20).positions
            #expect(a == b && a.count == 5)
            if a == previous { repeats += 1 }
            previous = a
            for position in a { hits[Int(position)] += 1 }
        }
        // Expected 1000 each with a standard deviation of 27.
        #expect(hits.allSatisfy { abs($0 - 1000) < 140 }, "\(hits)")
        #expect(repeats < 10)
    }

    /// Threshold 2 of [1, -2, 3, NaN, 0]: positions 1, 2, 3.
    @Test func thresholdTakesWhatReachesIt() throws {
        var codec = try SparseCodec(.threshold(2), indices: .raw)
        #expect(try codec.decodeSparse(codec.encode([1, -2, 3, .nan, 0]), count: 5).positions == [1, 2, 3])
    }

    @Test func sparseSumsOverTheUnion() throws {
        let a = try SparseGradient(positions: [1, 4], values: [2, 3], count: 6)
        let b = try SparseGradient(positions: [0, 4, 5], values: [1, 10, 7], count: 6)
        #expect(try a.adding(b) == SparseGradient(positions: [0, 1, 4, 5], values: [1, 2, 13, 7], count: 6))
        #expect(throws: CodecError.self) { try SparseGradient(positions: [2, 2], values: [1, 1], count: 3) }
        #expect(throws: CodecError.self) { try SparseGradient(positions: [3], values: [1], count: 3) }
    }
}
