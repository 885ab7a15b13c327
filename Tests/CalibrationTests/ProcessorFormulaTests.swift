import Cluster
import Glibc
import Testing
import Workload

@testable import Calibration

/// Formulas and interpolation of processors' kernels.
struct ProcessorFormulaTests {
    private func curve(
        _ kernel: Kernel, _ shapes: [KernelShape], layout: Measurement.Layout = .unknown, seconds: (ShapeFeatures) -> Double
    ) throws -> KernelCurve {
        let rows = shapes.map { shape in
            var key = Measurement.Key(kernel, device: "cpu", dtype: .fp32, shape: shape)
            key.layout = layout
            let features = ShapeFeatures(shape, kernel, pass: .forward, elementBytes: 4, units: nil, layout: layout)
            return Measurement(key, seconds: seconds(features), source: "synthetic")
        }
        return try KernelCurve(rows, units: nil)
    }

    /// 1 us + work at 100 GFLOP/s + elements of x, w and y at 2, 3 and 1 G/s; where rows lie 4 KiB apart 0.5 G/s more of operands. The formula
    /// gives back a shape that no row holds: 64 x 512 x 1024, aliased in x and w (rows of 1,024 floats), not in y (rows of 512).
    @Test func packedProductsWithAliasedRowsComeBack() throws {
        func truth(_ f: ShapeFeatures) -> Double {
            1e-6 + f.work / 100e9 + f.left / 2e9 + f.right / 3e9 + f.out / 1e9 + f.aliasedIn / 0.5e9 + f.aliasedOut / 0.2e9
        }
        let sizes = [16, 64, 200, 512, 1024, 2048]
        let held = KernelShape.product(m: 64, n: 512, k: 1024, count: 1)
        let shapes = sizes.flatMap { m in sizes.flatMap { n in sizes.map { KernelShape.product(m: m, n: n, k: $0, count: 1) } } }
        let curve = try curve(.gemm, shapes.filter { $0 != held }, layout: .tn, seconds: truth)
        #expect(curve.formula == .productPacked)
        let features = ShapeFeatures(held, .gemm, pass: .forward, elementBytes: 4, units: nil, layout: .tn)
        // 64 x 1024 + 512 x 1024 = 589,824 elements of operands.
        #expect(features.aliasedIn == 589_824 && features.aliasedOut == 0)
        #expect(abs(curve.formulaSeconds(held) / truth(features) - 1) < 0.01)
        // A weight gradient reads x [k][m] and w [k][n]: rows of m = 64 and n = 512, neither a multiple of 1,024.
        #expect(ShapeFeatures(held, .gemm, pass: .forward, elementBytes: 4, units: nil, layout: .nt).aliasedIn == 0)
    }

    /// 1,000 draws from a table of 50 rows touch nearly all 50; from one of a million nearly 1,000 of them.
    @Test func rowsOfATableCountOnce() {
        func touched(_ table: Int) -> Double {
            let shape = KernelShape.memory(bytes: 8 * 16 * 1000, row: 16, extent: table)
            return ShapeFeatures(shape, .embedding, pass: .forward, elementBytes: 4, units: nil).touched
        }
        #expect(abs(touched(50) - 50) < 1e-6)
        #expect(abs(touched(1_000_000) - 1000) < 1)
    }

    /// Residuals of a norm that depend on the length of its rows alone, up and down by 40 %: a shape between two sizes of the same length is
    /// predicted by those, not by its neighbours of other lengths that lie nearer.
    @Test func lengthsOfRowsCountMoreThanBytes() throws {
        let factors = [16: 1.0, 32: 1.8, 64: 0.9, 128: 1.5, 256: 1.0]
        var shapes: [KernelShape] = []
        for row in factors.keys.sorted() {
            for power in stride(from: 13, through: 23, by: 2) { shapes.append(.memory(bytes: Double(1 << power), row: row)) }
        }
        func truth(_ shape: KernelShape) -> Double {
            guard case .memory(let bytes, let row, _) = shape else { return 0 }
            return 1e-7 + bytes / 20e9 * (factors[row] ?? 1)
        }
        let rows = shapes.map {
            Measurement(Measurement.Key(.rmsnorm, device: "cpu", dtype: .fp32, shape: $0), seconds: truth($0), source: "synthetic")
        }
        let curve = try KernelCurve(rows, units: nil)
        let held = KernelShape.memory(bytes: 0x1p18, row: 32)
        #expect(abs(try curve.estimate(held).seconds / truth(held) - 1) < 0.05)
    }

    /// On one axis with residuals of 0.2 the hull ends at 4: there the interpolation counts in full, half the way to 4.7 by half, beyond not.
    @Test func residualsFadeBesideTheHull() throws {
        let table = try ResidualTable(places: (0...8).map { [0.5 * Double($0)] }, residuals: [Double](repeating: 0.2, count: 9))
        #expect(try table.residual(at: [4.2]) == nil)
        let inside = try table.residual(beside: [4]), half = try table.residual(beside: [4.35])
        #expect(abs(inside - 0.2) < 0.02)
        #expect(abs(half - 0.1) < 0.02)
        #expect(try table.residual(beside: [4.8]) == 0)
        #expect(try table.residual(beside: [-30]) == 0)
    }

    @Test func extentsAreReadAndWritten() throws {
        let shape = try KernelShape(parsing: "bytes=4096 row=16 extent=64", family: .memory)
        #expect(shape == .memory(bytes: 4096, row: 16, extent: 64) && shape.text == "bytes=4096 row=16 extent=64")
        #expect(try KernelShape(parsing: "bytes=4096 row=16", family: .memory) == .memory(bytes: 4096, row: 16))
        #expect(throws: ShapeError.self) { try KernelShape(parsing: "bytes=4096 extent=-1", family: .memory) }
        #expect(throws: ShapeError.self) { try KernelShape(parsing: "bytes=4096 extent=1.5", family: .memory) }
    }
}
