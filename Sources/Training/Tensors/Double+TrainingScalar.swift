import CNumerics

extension Double: TrainingScalar {
    public static func axpy(_ y: inout [Double], _ x: [Double], _ a: Double) { cn_axpy_f64(&y, x, min(y.count, x.count), a) }
    public static func scale(_ y: inout [Double], _ a: Double) { cn_scale_f64(&y, y.count, a) }
    public static func clamp(_ y: inout [Double], _ limit: Double) { cn_clamp_f64(&y, y.count, limit) }
    public static func blend(_ y: inout [Double], keep: Double, _ x: [Double], add: Double) {
        cn_blend_f64(&y, x, min(y.count, x.count), keep, add)
    }
    public static func compensate(_ g: inout [Double], now: [Double], then: [Double], lambda: Double) {
        cn_delay_compensate_f64(&g, now, then, min(g.count, now.count, then.count), lambda)
    }
    public static func noisyQuadratic(
        _ g: inout [Double], _ x: [Double], curvature: [Double], deviation: [Double], noise: (key: UInt64, scale: Double)
    ) {
        var draw = cn_noise(key: noise.key, scale: noise.scale)
        cn_noisy_quadratic_f64(&g, x, curvature, deviation, min(g.count, x.count, curvature.count, deviation.count), &draw)
    }
    public static func sumOfSquares(_ x: [Double]) -> Double { cn_sum_squares_f64(x, x.count) }
    public static func sum(_ x: [Double]) -> Double { cn_sum_f64(x, x.count) }
    public static func allFinite(_ x: [Double]) -> Bool { cn_all_finite_f64(x, x.count) != 0 }
    public static func product(_ a: [Double], _ b: [Double], _ sizes: [Int], transposeA: Bool, transposeB: Bool) -> [Double] {
        precondition(sizes.count == 3 && a.count >= sizes[0] * sizes[2] && b.count >= sizes[1] * sizes[2], "operands smaller than \(sizes)")
        var c = [Double](repeating: 0, count: sizes[0] * sizes[1])
        cn_gemm_f64(transposeA ? 1 : 0, transposeB ? 1 : 0, sizes.map { Int32($0) }, 1, a, b, 0, &c)
        return c
    }
    public static func sgd(_ p: inout [Double], _ g: [Double], _ momentum: inout [Double], _ step: cn_sgd) {
        var step = step
        cn_sgd_f64(&p, g, &momentum, min(p.count, g.count), &step)
    }
    public static func adam(_ p: inout [Double], _ g: [Double], _ moments: inout [[Double]], _ step: cn_adam) {
        var step = step
        let n = min(p.count, g.count)
        moments.withUnsafeMutableBufferPointer { slots in
            p.withUnsafeMutableBufferPointer { parameters in
                slots[0].withUnsafeMutableBufferPointer { m in
                    let m = m.baseAddress
                    slots[1].withUnsafeMutableBufferPointer { cn_adam_f64(parameters.baseAddress, g, m, $0.baseAddress, n, &step) }
                }
            }
        }
    }
    public static func adamDirection(_ g: [Double], _ moments: inout [[Double]], _ step: cn_adam) -> [Double] {
        var step = step
        return [Double](unsafeUninitializedCapacity: g.count) { out, filled in
            filled = g.count
            moments.withUnsafeMutableBufferPointer { slots in
                slots[0].withUnsafeMutableBufferPointer { m in
                    let m = m.baseAddress
                    slots[1].withUnsafeMutableBufferPointer { cn_adam_direction_f64(out.baseAddress, g, m, $0.baseAddress, g.count, &step) }
                }
            }
        }
    }
    public static func squareSums(_ g: [Double], rows: Int, columns: Int) -> (rows: [Double], columns: [Double]) {
        var byRow = [Double](repeating: 0, count: rows)
        var byColumn = [Double](repeating: 0, count: columns)
        cn_square_sums_f64(g, rows, columns, &byRow, &byColumn)
        return (byRow, byColumn)
    }
    public static func factoredStep(_ step: inout [Double], rows: [Double], columns: [Double], mean: Double, least: Double) {
        cn_factored_step_f64(&step, rows, columns, [rows.count, columns.count], mean, least)
    }
    public static func damped(
        _ p: inout [Double], _ g: [Double], _ m: inout [Double], _ by: (base: Double, damping: Double, keep: Double)
    ) {
        cn_damped_f64(&p, g, &m, min(p.count, g.count, m.count), [by.base, by.damping, by.keep])
    }
    public static func lion(_ p: inout [Double], _ g: [Double], _ m: inout [Double], _ step: cn_lion) {
        var step = step
        cn_lion_f64(&p, g, &m, min(p.count, g.count), &step)
    }
}
