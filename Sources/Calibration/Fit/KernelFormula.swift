import Cluster
import Glibc
import Workload

/// What the formulas need to know of a shape, worked out once.
struct ShapeFeatures: Sendable, Hashable {
    /// FLOPs.
    var work = 0.0
    /// Bytes through memory or over the links (with the collective's factor).
    var bytes = 0.0
    /// Work done over useful work in tiles and waves, less one.
    var tail = 0.0
    /// Length over which efficiency ramps up: K of a product, keys of attention.
    var depth = 1.0
    /// Width of an attention head.
    var width = 1.0
    /// Elements that are quantised first, or the buffer of a collective in megabytes; kernels of a launch; bytes of memory-bound work over the
    /// length of its rows.
    var extra = 0.0
    /// Elements of a product's operands and of its result; those of them whose rows in memory lie whole pages apart, so that a column falls into
    /// few sets of a cache.
    var left = 0.0
    var right = 0.0
    var out = 0.0
    var aliasedIn = 0.0
    var aliasedOut = 0.0
    /// Different rows of a table that are touched on average, and their bytes.
    var touched = 0.0
    var touchedBytes = 0.0

    /// - Parameters:
    ///   - units: compute units of the device; nil: unknown, no waves
    ///   - layout: of a product
    init(
        _ shape: KernelShape, _ kernel: Kernel, pass: Pass, elementBytes: Double, units: Int?, layout: Measurement.Layout = .unknown
    ) {
        switch shape {
        case .product(let m, let n, let k, let count):
            let (m, n, k, count) = (Double(m), Double(n), Double(k), Double(count))
            work = 2 * m * n * k * count
            bytes = count * (elementBytes * (m * k + n * k) + max(2, elementBytes) * m * n)
            depth = k
            extra = m * k * count
            (left, right, out) = (m * k * count, n * k * count, m * n * count)
            func isAliased(_ row: Double) -> Bool { (row * elementBytes).truncatingRemainder(dividingBy: 4096) == 0 }
            // Row-major: x [m][k] but of a weight gradient [k][m]; w [n][k] in the forward pass, else [k][n].
            if isAliased(layout == .nt || layout == .tt ? m : k) { aliasedIn += left }
            if isAliased(layout == .tn || layout == .tt ? k : n) { aliasedIn += right }
            if isAliased(n) { aliasedOut = out }
            if let units {
                tail = Self.waves(m: kernel == .groupedGEMM ? m * count : m, n: n, units: Double(units)) - 1
            }
        case .attention(let shape):
            work = shape.flops * (pass == .forward ? 1 : 2.5)
            bytes = shape.elements * elementBytes * (pass == .forward ? 1 : 2)
            depth = Double(shape.queries)
            width = Double(shape.headDim + shape.valueDim) / 2
        case .memory(let bytes, let row, let extent):
            self.bytes = bytes
            extra = row > 0 ? bytes / Double(row) : 0
            if kernel == .embedding, row > 0, extent > 0 {
                // Rows drawn at random, with repeats; each is read and written (scatter-add: its target too).
                let table = Double(extent)
                touched = table * (1 - exp(-extra / (2 * elementBytes) / table))
                touchedBytes = touched * Double(row) * elementBytes
            }
        case .collective(let bytes, let ranks, _):
            let n = Double(max(2, ranks))
            let factor: Double =
                switch kernel {
                case .allReduce: 2 * (n - 1) / n
                case .allGather, .reduceScatter, .allToAll: (n - 1) / n
                default: 1
                }
            self.bytes = bytes * factor
            extra = bytes / 1e6
        case .launch(let kernels): extra = Double(kernels)
        }
    }
}

extension ShapeFeatures {
    /// Tiles that libraries choose from, with what a small one costs: it loads its operands more often.
    private static let tiles: [(rows: Double, columns: Double, cost: Double)] = [
        (128, 256, 1), (256, 128, 1), (128, 128, 1.05), (128, 64, 1.2), (64, 128, 1.2), (64, 64, 1.4),
    ]

    /// Work done over useful work when an m x n result is cut into tiles that run in waves over the compute units, for the best choice of tile.
    static func waves(m: Double, n: Double, units: Double) -> Double {
        tiles.reduce(Double.infinity) { best, tile in
            let count = (m / tile.rows).rounded(.up) * (n / tile.columns).rounded(.up)
            let waves = (count / units).rounded(.up)
            return min(best, tile.cost * waves * units * tile.rows * tile.columns / (m * n))
        }
    }
}

/// Seconds of a kernel as a function of its shape with a few unknowns, all in absolute units, so that a device needs no data sheet.
public enum KernelFormula: String, Sendable, Hashable, CaseIterable {
    /// t = t0 + (tc^p + tm^p)^(1/p), tc = work / rate, tm = bytes / bandwidth.
    case product
    /// The same with tc x (1 + wave x tail)(1 + k0/K): tiles, waves and the prologue of the main loop.
    case productInWaves = "product-in-waves"
    /// `product` and a pass that quantises the activations first: + elements / quantise.
    case productQuantised = "product-quantised"
    /// Both.
    case productInWavesQuantised = "product-in-waves-quantised"
    /// t = t0 + work / rate + m k / a + n k / b + m n / c + aliased operands / i + aliased result / o: a processor's library that copies its operands
    /// into an order of its own; rows whole pages apart (`ShapeFeatures.aliasedIn`) fall into few sets of the cache.
    case productPacked = "product-packed"
    /// t = t0 + (tc^p + tm^p)^(1/p), tc = work (1 + s_half / s)(1 + d_half / d) / rate: efficiency ramps up with sequence and width of a head.
    case attention
    /// t = t0 + bytes / bandwidth.
    case memory
    /// t = t0 + rows x each + bytes (1/near + (1/far - 1/near) / (1 + (size/bytes)^2)): from the cache up to about `size`, from memory beyond.
    case memoryLevels = "memory-levels"
    /// t = t0 + rows x each + touched rows x miss + bytes / bandwidth + bytes of touched rows / table: rows of a table that lie anywhere.
    case memoryTable = "memory-table"
    /// t = t0 + bytes / bandwidth + c sqrt(S / 1 MB): alpha, beta and the ramp of pipelined rings.
    case collective
    /// t = t0 + kernels x each.
    case launch

    static func candidates(_ kernel: Kernel, isLow: Bool, hasUnits: Bool) -> [KernelFormula] {
        switch kernel.family {
        case .product:
            (hasUnits ? [.product, .productInWaves] : [.product, .productPacked])
                + (isLow ? (hasUnits ? [.productQuantised, .productInWavesQuantised] : [.productQuantised]) : [])
        case .attention: [.attention]
        case .memory: kernel == .embedding ? [.memory, .memoryLevels, .memoryTable] : [.memory, .memoryLevels]
        case .collective: [.collective]
        case .launch: [.launch]
        }
    }

    /// Whether the shapes hold what the formula asks for.
    func isFor(_ features: [ShapeFeatures], _ dtype: Precision) -> Bool {
        switch self {
        case .memoryTable: features.contains { $0.touched > 0 }
        case .productPacked: dtype == .fp32
        default: true
        }
    }

    /// Names of the unknowns with their units.
    public var names: [(name: String, unit: String)] {
        let roofline = [("start", "s"), ("rate", "FLOP/s"), ("bandwidth", "B/s"), ("smoothness", "")]
        switch self {
        case .product: return roofline
        case .productInWaves: return roofline + [("wave", ""), ("k_half", "elements")]
        case .productQuantised: return roofline + [("quantise", "elements/s")]
        case .productInWavesQuantised: return roofline + [("wave", ""), ("k_half", "elements"), ("quantise", "elements/s")]
        case .productPacked:
            return [
                ("start", "s"), ("rate", "FLOP/s"), ("left", "elements/s"), ("right", "elements/s"), ("out", "elements/s"),
                ("aliased_in", "elements/s"), ("aliased_out", "elements/s"),
            ]
        case .memoryTable: return [("start", "s"), ("bandwidth", "B/s"), ("row", "s elements/B"), ("miss", "s"), ("table", "B/s")]
        case .attention: return roofline + [("s_half", "tokens"), ("d_half", "elements")]
        case .memory: return [("start", "s"), ("bandwidth", "B/s")]
        case .memoryLevels: return [("start", "s"), ("bandwidth", "B/s"), ("far", "B/s"), ("size", "B"), ("row", "s elements/B")]
        case .collective: return [("start", "s"), ("bandwidth", "B/s"), ("root", "s per square root of MB")]
        case .launch: return [("start", "s"), ("each", "s")]
        }
    }

    /// The unknowns, begun from what the fastest and shortest points show.
    func unknowns(_ points: [(features: ShapeFeatures, seconds: Double)]) -> [FitUnknown] {
        func most(_ rate: (ShapeFeatures, Double) -> Double) -> Double {
            max(1e-30, points.map { rate($0.features, $0.seconds) }.max() ?? 1)
        }
        let shortest = points.map(\.seconds).min() ?? 1e-5
        let rate = FitUnknown("rate", start: most { $0.work / $1 }, sigma: 1)
        // Bytes a second that the fastest points reach; a product's bandwidth shows only in thin shapes.
        let bandwidth = FitUnknown("bandwidth", start: most { $0.bytes / $1 }, sigma: 1.5)
        let start = FitUnknown("start", start: 0.6 * shortest, sigma: 1.5)
        let smooth = FitUnknown("smoothness", start: 2.5, sigma: 1.2, range: 1...12)
        let waves = [FitUnknown("wave", start: 0.5, sigma: 2, range: 0...1), FitUnknown("k_half", start: 60, sigma: 1.2)]
        let quantise = FitUnknown("quantise", start: most { $0.extra / $1 }, sigma: 1.5)
        switch self {
        case .product: return [start, rate, bandwidth, smooth]
        case .productInWaves: return [start, rate, bandwidth, smooth] + waves
        case .productQuantised: return [start, rate, bandwidth, smooth, quantise]
        case .productInWavesQuantised: return [start, rate, bandwidth, smooth] + waves + [quantise]
        case .productPacked:
            return [
                start, rate, FitUnknown("left", start: most { $0.left / $1 }, sigma: 1.5),
                FitUnknown("right", start: most { $0.right / $1 }, sigma: 1.5), FitUnknown("out", start: most { $0.out / $1 }, sigma: 1.5),
                FitUnknown("aliased_in", start: 10 * most { $0.left / $1 }, sigma: 2),
                FitUnknown("aliased_out", start: 10 * most { $0.out / $1 }, sigma: 2),
            ]
        case .memoryTable:
            let row = FitUnknown("row", start: 0.1 / most { $0.extra / $1 }, sigma: 2)
            let miss = FitUnknown("miss", start: 0.1 / most { $0.touched / $1 }, sigma: 2)
            return [start, bandwidth, row, miss, FitUnknown("table", start: most { $0.touchedBytes / $1 }, sigma: 1.5)]
        case .attention:
            return [
                start, rate, bandwidth, smooth, FitUnknown("s_half", start: 300, sigma: 1.2), FitUnknown("d_half", start: 20, sigma: 1),
            ]
        case .memory: return [start, bandwidth]
        case .memoryLevels:
            return [
                start, bandwidth, FitUnknown("far", start: bandwidth.start / 3, sigma: 1.5), FitUnknown("size", start: 0x1p21, sigma: 2),
                FitUnknown("row", start: 0.1 / most { $0.extra / $1 }, sigma: 2),
            ]
        case .collective:
            let root = shortest / max(1, points.map { $0.features.extra.squareRoot() }.min() ?? 1)
            return [start, bandwidth, FitUnknown("root", start: root, sigma: 2)]
        case .launch: return [start, FitUnknown("each", start: 1 / most { $0.extra / $1 }, sigma: 1.5)]
        }
    }

    /// Where fits begin: the unknowns' own starts, and others that lie in other valleys (sharp or soft corner, early or late start-up).
    func starts(_ unknowns: [FitUnknown]) -> [[Double]] {
        let own = unknowns.map(\.start)
        func changed(_ factors: [String: Double]) -> [Double] {
            unknowns.map { unknown in
                let value = unknown.start * (factors[unknown.name] ?? 1)
                return unknown.range.map { min(max(value, $0.lowerBound * 1.01 + 0.01), $0.upperBound * 0.99) } ?? value
            }
        }
        return [
            own, changed(["smoothness": 3, "bandwidth": 2]), changed(["smoothness": 0.5, "start": 0.1]),
            changed(["start": 0.3, "bandwidth": 0.5, "root": 5, "s_half": 3, "k_half": 3]),
        ]
    }

    /// - Parameter values: in the order of `names`
    func seconds(_ f: ShapeFeatures, _ values: [Double]) -> Double {
        switch self {
        case .product: return Self.roofline(f.work / values[1], f.bytes, values)
        case .productInWaves: return Self.roofline(Self.inWaves(f, values), f.bytes, values)
        case .productQuantised: return Self.roofline(f.work / values[1], f.bytes, values) + f.extra / values[4]
        case .productInWavesQuantised: return Self.roofline(Self.inWaves(f, values), f.bytes, values) + f.extra / values[6]
        case .productPacked:
            return values[0] + f.work / values[1] + f.left / values[2] + f.right / values[3] + f.out / values[4] + f.aliasedIn / values[5]
                + f.aliasedOut / values[6]
        case .memoryTable:
            return values[0] + f.bytes / values[1] + f.extra * values[2] + f.touched * values[3] + f.touchedBytes / values[4]
        case .attention: return Self.roofline(f.work * (1 + values[4] / f.depth) * (1 + values[5] / f.width) / values[1], f.bytes, values)
        case .memory: return values[0] + f.bytes / values[1]
        case .memoryLevels:
            let ratio = values[3] / max(1, f.bytes)
            let far = 1 / (1 + ratio * ratio)
            return values[0] + f.extra * values[4] + f.bytes * ((1 - far) / values[1] + far / values[2])
        case .collective: return values[0] + f.bytes / values[1] + values[2] * f.extra.squareRoot()
        case .launch: return values[0] + f.extra * values[1]
        }
    }

    private static func inWaves(_ f: ShapeFeatures, _ values: [Double]) -> Double {
        f.work * (1 + values[4] * f.tail) * (1 + values[5] / f.depth) / values[1]
    }

    /// t0 + (tc^p + tm^p)^(1/p), written from the larger of the two so that nothing overflows.
    private static func roofline(_ compute: Double, _ bytes: Double, _ values: [Double]) -> Double {
        let memory = bytes / values[2]
        let (large, small) = compute > memory ? (compute, memory) : (memory, compute)
        guard large > 0 else { return values[0] }
        return values[0] + large * pow(1 + pow(small / large, values[3]), 1 / values[3])
    }
}
