import Cluster
import Glibc
import Workload

/// What measurements have in common that one formula describes: the key without its shape; collectives of a group size each.
public struct CurveKey: Sendable, Hashable {
    public var kernel: Kernel
    public var variant: String
    public var pass: Pass
    public var device: String
    public var dtype: Precision
    public var layout: Measurement.Layout
    public var library: String
    /// Of a collective; else 0.
    public var ranks = 0
    public var perNode = 0

    public init(_ measurement: Measurement) {
        let key = measurement.key
        library = measurement.conditions.library
        kernel = key.kernel
        variant = key.variant
        pass = key.pass
        device = key.device
        dtype = key.dtype
        layout = key.layout
        if case .collective(_, let ranks, let perNode) = key.shape { (self.ranks, self.perNode) = (ranks, perNode) }
    }

    /// "h100-sxm-80gb gemm bf16 TN": for messages, and for a fixed order.
    public var description: String {
        var words = [device, kernel.rawValue]
        if !variant.isEmpty { words.append(variant) }
        if pass != .forward { words.append(pass.word) }
        words.append(dtype.rawValue)
        if layout != .unknown { words.append(layout.rawValue) }
        if ranks > 0 { words.append(perNode == ranks ? "on \(ranks)" : "on \(ranks) (\(perNode) a node)") }
        if !library.isEmpty { words.append("(\(library))") }
        return words.joined(separator: " ")
    }
}

/// A fitted formula and the table of what it leaves: duration = formula x exp(interpolated residual). At a measured shape it is the measurement,
/// inside the hull of the measured shapes the interpolation, outside the formula alone.
public struct KernelCurve: Sendable {
    public let key: CurveKey
    public let formula: KernelFormula
    /// [unknowns], in the order of `formula.names`.
    public let values: [Double]
    /// [unknowns] relative standard errors (of shares between bounds: of the value).
    public let errors: [Double]
    /// Relative standard deviation of what the formula leaves.
    public let formulaScale: Double
    public let points: Int
    private let covariance: [Double]
    private let unknowns: [FitUnknown]
    private let table: ResidualTable
    private let spreads: [KernelShape: Double]
    private let units: Int?

    public var interpolation: Interpolation { table.interpolation }
    /// Relative standard deviation of what interpolation leaves of shapes that are left out.
    public var tableScale: Double { table.leftOut }

    /// No fit uses more points than this; more change no digit that matters (kernels of one device: 100 do).
    private static let fitLimit = 800

    /// - Parameters:
    ///   - measurements: all of one `CurveKey`; repeats of a shape are merged
    ///   - units: compute units of the device, where known
    /// - Throws: `CalibrationError` naming the kernel where there are too few shapes or no fit converges.
    public init(_ measurements: [Measurement], units: Int?) throws(CalibrationError) {
        guard let first = measurements.first else { throw CalibrationError("no measurements") }
        let key = CurveKey(first)
        self.key = key
        self.units = units
        let merged = Self.merge(measurements)
        points = merged.count
        spreads = Dictionary(merged.map { ($0.shape, $0.spread) }, uniquingKeysWith: { first, _ in first })
        let features = merged.map { Self.features($0.shape, key, units: units) }
        let seconds = merged.map(\.seconds)
        let chosen = ResidualTable.sample(merged.count, of: Self.fitLimit)
        let pairs = chosen.map { (features: features[$0], seconds: seconds[$0]) }
        let weights = Self.weights(chosen.map { merged[$0].shape })
        var best: (formula: KernelFormula, unknowns: [FitUnknown], solution: RobustFit.Solution, score: Double)?
        var reason = ""
        for formula in KernelFormula.candidates(key.kernel, isLow: key.dtype.isLow, hasUnits: units != nil)
        where formula.isFor(features, key.dtype) {
            let unknowns = formula.unknowns(pairs)
            guard pairs.count > unknowns.count else {
                reason = "\(pairs.count) shapes are too few for \(unknowns.count) unknowns"
                continue
            }
            do throws(CalibrationError) {
                let solution = try Self.fit(formula, unknowns, pairs, weights)
                // A better loss has to pay for its unknowns: 2 % of the points' loss each.
                let score = solution.loss * (1 + 0.02 * Double(unknowns.count))
                if score < best?.score ?? .infinity { best = (formula, unknowns, solution, score) }
            } catch { reason = error.message }
        }
        guard let best else { throw CalibrationError("\(key.description): \(reason)") }
        formula = best.formula
        unknowns = best.unknowns
        values = best.solution.values
        covariance = best.solution.covariance
        let count = best.unknowns.count
        errors = best.unknowns.enumerated().map { index, unknown in
            let slope = unknown.slope(unknown.coordinate(best.solution.values[index])) / max(1e-300, best.solution.values[index])
            return best.solution.covariance[index * count + index].squareRoot() * abs(slope)
        }
        let residuals = zip(features, seconds).map { log($1 / best.formula.seconds($0, best.solution.values)) }
        formulaScale = ResidualTable.robustSpread(residuals)
        table = try ResidualTable(
            places: merged.map { Self.place($0.shape) }, residuals: residuals,
            stretches: units == nil && key.dtype == .fp32 ? Self.stretches(key.kernel.family) : [])
    }

    private static func fit(
        _ formula: KernelFormula, _ unknowns: [FitUnknown], _ pairs: [(features: ShapeFeatures, seconds: Double)], _ weights: [Double]
    ) throws(CalibrationError) -> RobustFit.Solution {
        func problem(_ chosen: [Int]) -> RobustFit {
            let features = chosen.map { pairs[$0].features }
            let logs = chosen.map { log(pairs[$0].seconds) }
            return RobustFit(
                unknowns: unknowns,
                residuals: { values, out in
                    for index in features.indices { out[index] = log(formula.seconds(features[index], values)) - logs[index] }
                }, weights: chosen.map { weights[$0] })
        }
        // Starts compete on a part of the points; the winner goes on with all.
        let part = ResidualTable.sample(pairs.count, of: 150)
        let leader = try problem(part).solve(starts: formula.starts(unknowns))
        guard part.count < pairs.count else { return leader }
        return try problem(Array(pairs.indices)).solve(starts: [leader.values])
    }

    /// Products of training count in full, the thin ones of decoding a tenth (where there are enough of the former).
    private static func weights(_ shapes: [KernelShape]) -> [Double] {
        let isTraining = shapes.map { isTrainingSize($0) }
        guard isTraining.count(where: { $0 }) >= 30 else { return shapes.map { _ in 1 } }
        return isTraining.map { $0 ? 1 : 0.1 }
    }

    /// m at least 512, n and k at least 1,024: what kernels/FITS.md calls train shapes; attention of at least 0.2 TFLOP.
    public static func isTrainingSize(_ shape: KernelShape) -> Bool {
        switch shape {
        case .product(let m, let n, let k, _): m >= 512 && n >= 1024 && k >= 1024
        case .attention(let shape): shape.flops >= 2e11
        case .memory(let bytes, _, _): bytes >= 1e6
        case .collective(let bytes, _, _): bytes >= 1e6
        case .launch: true
        }
    }

    private struct Merged {
        var shape: KernelShape
        var seconds: Double
        /// Relative standard error of the median.
        var spread: Double
    }

    /// Repeats of a shape become their median weighted by repeats; in order of duration, then of shape.
    private static func merge(_ measurements: [Measurement]) -> [Merged] {
        var groups: [KernelShape: [Measurement]] = [:]
        for measurement in measurements { groups[measurement.key.shape, default: []].append(measurement) }
        var merged: [Merged] = []
        for (shape, repeats) in groups {
            let sorted = repeats.sorted { $0.seconds < $1.seconds }
            let half = sorted.reduce(0.0) { $0 + Double($1.repeats) } / 2
            var (sum, median) = (0.0, sorted[0].seconds)
            for (index, measurement) in sorted.enumerated() {
                sum += Double(measurement.repeats)
                guard sum >= half else { continue }
                // Two equal halves: their mean.
                median =
                    sum == half && index + 1 < sorted.count ? (measurement.seconds + sorted[index + 1].seconds) / 2 : measurement.seconds
                break
            }
            let known = sorted.compactMap(\.spread)
            var spread = known.isEmpty ? 0.02 : known.reduce(0, +) / Double(known.count)
            if let last = sorted.last, last.seconds > sorted[0].seconds { spread = max(spread, log(last.seconds / sorted[0].seconds) / 2) }
            merged.append(Merged(shape: shape, seconds: median, spread: max(0.005, spread)))
        }
        return merged.sorted { $0.seconds != $1.seconds ? $0.seconds < $1.seconds : $0.shape.text < $1.shape.text }
    }

    private static func features(_ shape: KernelShape, _ key: CurveKey, units: Int?) -> ShapeFeatures {
        ShapeFeatures(shape, key.kernel, pass: key.pass, elementBytes: key.dtype.bytes, units: units, layout: key.layout)
    }

    /// How differently the axes of `place` may count on processors, whose kernels depend on each length in its own way.
    private static func stretches(_ family: Kernel.Family) -> [[Double]] {
        switch family {
        case .product:
            [
                [2, 1, 1, 1], [1, 2, 1, 1], [1, 1, 2, 1], [0.5, 1, 1, 1], [1, 0.5, 1, 1], [1, 1, 0.5, 1], [2, 2, 1, 1], [1, 2, 2, 1],
                [2, 1, 2, 1],
            ]
        case .memory: [[0.3, 1, 1], [0.1, 1, 1], [1, 1, 0.3], [0.3, 1, 0.3]]
        case .attention, .collective, .launch: []
        }
    }

    /// Log axes of the table.
    static func place(_ shape: KernelShape) -> [Double] {
        switch shape {
        case .product(let m, let n, let k, let count): [log(Double(m)), log(Double(n)), log(Double(k)), log(Double(count))]
        case .attention(let a):
            [
                log(Double(a.batch) * Double(a.heads)), log(Double(a.queries)), 0.3 * log(Double(a.keys) * a.visible / Double(a.queries)),
                0.3 * log(Double(a.heads) / Double(a.kvHeads)), 2 * log(Double(a.headDim + a.valueDim)),
            ]
        case .memory(let bytes, let row, let extent): [log(bytes), log(Double(max(1, row))), 0.5 * log(Double(max(1, extent)))]
        case .collective(let bytes, _, _): [log(bytes)]
        case .launch(let kernels): [log(Double(kernels))]
        }
    }

    /// Seconds by the formula alone.
    public func formulaSeconds(_ shape: KernelShape) -> Double {
        formula.seconds(Self.features(shape, key, units: units), values)
    }

    /// - Throws: `CalibrationError` where neighbours cannot be solved for.
    /// - Complexity: O(points).
    public func estimate(_ shape: KernelShape) throws(CalibrationError) -> Estimate {
        let features = Self.features(shape, key, units: units)
        let base = formula.seconds(features, values)
        if let residual = try table.residual(at: Self.place(shape)) {
            let error = residual.isNode ? spreads[shape] ?? 0.02 : table.leftOut
            return Estimate(seconds: base * exp(residual.value), error: error, evidence: residual.isNode ? .measured : .interpolated)
        }
        let beside = base * exp(try table.residual(beside: Self.place(shape)))
        return Estimate(seconds: beside, error: (formulaScale * formulaScale + variance(features, base)).squareRoot(), evidence: .formula)
    }

    /// Of the formula's logarithm, from the covariance of its unknowns: g^T C g.
    private func variance(_ features: ShapeFeatures, _ base: Double) -> Double {
        let gradient = unknowns.indices.map { index in
            var moved = values
            moved[index] = unknowns[index].value(unknowns[index].coordinate(values[index]) + 1e-4)
            return log(formula.seconds(features, moved) / base) / 1e-4
        }
        var sum = 0.0
        for (i, a) in gradient.enumerated() {
            for (j, b) in gradient.enumerated() { sum += a * b * covariance[i * gradient.count + j] }
        }
        return max(0, sum)
    }
}
