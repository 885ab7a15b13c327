import Compression
import TestSupport
import Testing

@Suite struct PowerSGDTests {
    private func distance(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
    }
    private func norm(_ a: [Float]) -> Double { distance(a, [Float](repeating: 0, count: a.count)) }

    /// A matrix of rank 2 is in the reach of rank 2 after one iteration.
    @Test func aMatrixOfItsRankComesBack() throws {
        var draws = TestDraws(seed: 1)
        let (u, v, w, x) = (draws.normals(12), draws.normals(9), draws.normals(12), draws.normals(9))
        let matrix = (0..<108).map { (i: Int) -> Float in
            let first: Float = u[i / 9] * v[i % 9]
            return first + w[i / 9] * x[i % 9]
        }
        var codec = try PowerSGD(rank: 2, columns: 9)
        let decoded = try codec.decode(codec.encode(matrix), count: 108)
        #expect(distance(decoded, matrix) < 1e-5 * norm(matrix))
    }

    /// Full rank is no compression, up to rounding.
    @Test func fullRankIsNoCompression() throws {
        var draws = TestDraws(seed: 2)
        let matrix = draws.normals(60)
        var codec = try PowerSGD(rank: 100, columns: 6)
        #expect(distance(try codec.decode(codec.encode(matrix), count: 60), matrix) < 1e-5 * norm(matrix))
    }

    /// Warm start: on a constant matrix diag(8, 4, 2, 1) the iteration of rank 1 converges to the largest direction, error sqrt(16 + 4 + 1).
    @Test func warmStartConvergesToTheLargestDirections() throws {
        var matrix = [Float](repeating: 0, count: 16)
        for (i, value) in [8, 4, 2, 1].enumerated() { matrix[5 * i] = Float(value) }
        var codec = try PowerSGD(rank: 1, columns: 4)
        var errors: [Double] = []
        for _ in 0..<20 { errors.append(distance(try codec.decode(codec.encode(matrix), count: 16), matrix)) }
        #expect(abs((errors.last ?? 0) - 21.0.squareRoot()) < 1e-5)
        #expect(errors[0] > errors[19])
    }

    /// Averaging the workers' factors equals one worker with the mean gradient; one worker equals encode and decode.
    @Test func allReduceEqualsTheMeanGradient() throws {
        var draws = TestDraws(seed: 3)
        let gradients = (0..<4).map { _ in draws.normals(70) }
        let mean = (0..<70).map { (i: Int) -> Float in gradients.map { $0[i] }.reduce(0, +) / 4 }
        var many = try PowerSGD(rank: 2, columns: 8)
        var one = many
        var message = many
        for _ in 0..<3 {
            let reduced = try many.allReduce(gradients)
            let single = try one.allReduce([mean])
            #expect(distance(reduced, single) < 1e-5 * norm(mean))
            #expect(try message.decode(message.encode(mean), count: 70) == single)
        }
        #expect(throws: CodecError.self) { try many.allReduce([[1, 2], [1]]) }
    }

    /// 10 x 10 at rank 4: 8 + 12 + 4 * 4 * 20 = 340 bytes.
    @Test func sizeByHand() throws {
        #expect(try PowerSGD(rank: 4).encodedSize(count: 100) == .exactly(340))
    }

    @Test func aPoisonedBasisIsReplaced() throws {
        var codec = try PowerSGD(rank: 2)
        _ = try codec.encode([1, .nan, 3, 4])
        let decoded = try codec.decode(codec.encode([1, 2, 3, 4]), count: 4)
        #expect(decoded.allSatisfy { $0.isFinite })
    }
}
