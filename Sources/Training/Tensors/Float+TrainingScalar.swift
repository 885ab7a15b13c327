import CNumerics

extension Float: TrainingScalar {
    public static func axpy(_ y: inout [Float], _ x: [Float], _ a: Float) { cn_axpy_f32(&y, x, min(y.count, x.count), a) }
    public static func scale(_ y: inout [Float], _ a: Float) { cn_scale_f32(&y, y.count, a) }
    public static func clamp(_ y: inout [Float], _ limit: Float) { cn_clamp_f32(&y, y.count, limit) }
    public static func blend(_ y: inout [Float], keep: Float, _ x: [Float], add: Float) {
        cn_blend_f32(&y, x, min(y.count, x.count), keep, add)
    }
    public static func compensate(_ g: inout [Float], now: [Float], then: [Float], lambda: Float) {
        cn_delay_compensate_f32(&g, now, then, min(g.count, now.count, then.count), lambda)
    }
    public static func noisyQuadratic(
        _ g: inout [Float], _ x: [Float], curvature: [Double], deviation: [Double], noise: (key: UInt64, scale: Double)
    ) {
        var draw = cn_noise(key: noise.key, scale: noise.scale)
        cn_noisy_quadratic_f32(&g, x, curvature, deviation, min(g.count, x.count, curvature.count, deviation.count), &draw)
    }
    public static func sumOfSquares(_ x: [Float]) -> Double { cn_sum_squares_f32(x, x.count) }
    public static func sum(_ x: [Float]) -> Double { cn_sum_f32(x, x.count) }
    public static func allFinite(_ x: [Float]) -> Bool { cn_all_finite_f32(x, x.count) != 0 }
    public static func product(_ a: [Float], _ b: [Float], _ sizes: [Int], transposeA: Bool, transposeB: Bool) -> [Float] {
        precondition(sizes.count == 3 && a.count >= sizes[0] * sizes[2] && b.count >= sizes[1] * sizes[2], "operands smaller than \(sizes)")
        var c = [Float](repeating: 0, count: sizes[0] * sizes[1])
        cn_gemm_f32(transposeA ? 1 : 0, transposeB ? 1 : 0, sizes.map { Int32($0) }, 1, a, b, 0, &c)
        return c
    }
    public static func sgd(_ p: inout [Float], _ g: [Float], _ momentum: inout [Float], _ step: cn_sgd) {
        var step = step
        cn_sgd_f32(&p, g, &momentum, min(p.count, g.count), &step)
    }
    public static func adam(_ p: inout [Float], _ g: [Float], _ moments: inout [[Float]], _ step: cn_adam) {
        var step = step
        let n = min(p.count, g.count)
        moments.withUnsafeMutableBufferPointer { slots in
            p.withUnsafeMutableBufferPointer { parameters in
                slots[0].withUnsafeMutableBufferPointer { m in
                    let m = m.baseAddress
                    slots[1].withUnsafeMutableBufferPointer { cn_adam_f32(parameters.baseAddress, g, m, $0.baseAddress, n, &step) }
                }
            }
        }
    }
    public static func adamDirection(_ g: [Float], _ moments: inout [[Float]], _ step: cn_adam) -> [Float] {
        var step = step
        return [Float](unsafeUninitializedCapacity: g.count) { out, filled in
            filled = g.count
            moments.withUnsafeMutableBufferPointer { slots in
                slots[0].withUnsafeMutableBufferPointer { m in
                    let m = m.baseAddress
                    slots[1].withUnsafeMutableBufferPointer { cn_adam_direction_f32(out.baseAddress, g, m, $0.baseAddress, g.count, &step) }
                }
            }
        }
    }
    public static func squareSums(_ g: [Float], rows: Int, columns: Int) -> (rows: [Double], columns: [Double]) {
        var byRow = [Double](repeating: 0, count: rows)
        var byColumn = [Double](repeating: 0, count: columns)
        cn_square_sums_f32(g, rows, columns, &byRow, &byColumn)
        return (byRow, byColumn)
    }
    public static func factoredStep(_ step: inout [Float], rows: [Float], columns: [Float], mean: Float, least: Float) {
        cn_factored_step_f32(&step, rows, columns, [rows.count, columns.count], mean, least)
    }
    public static func damped(
        _ p: inout [Float], _ g: [Float], _ m: inout [Float], _ by: (base: Double, damping: Double, keep: Double)
    ) {
        cn_damped_f32(&p, g, &m, min(p.count, g.count, m.count), [by.base, by.damping, by.keep])
    }
    public static func lion(_ p: inout [Float], _ g: [Float], _ m: inout [Float], _ step: cn_lion) {
        var step = step
        cn_lion_f32(&p, g, &m, min(p.count, g.count), &step)
    }
}
