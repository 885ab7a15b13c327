import Cluster
import Workload

/// A kernel timed on a device: what docs/measurements.md calls a row.
public struct Measurement: Sendable, Hashable {
    /// Which operand of a product is transposed, in BLAS's words for row-major operands: forward TN, input gradient NN, weight gradient NT.
    public enum Layout: String, Sendable, Hashable, CaseIterable {
        case unknown = ""
        case nn = "NN"
        case nt = "NT"
        case tn = "TN"
        case tt = "TT"
    }

    /// What was timed. Measurements with equal keys repeat each other.
    public struct Key: Sendable, Hashable {
        public var kernel: Kernel
        /// Which one of its kind: an activation, an attention kernel, a collective's algorithm; empty where there is but one.
        public var variant: String
        public var pass: Pass
        /// Name in the catalogue where it has one.
        public var device: String
        public var dtype: Precision
        public var layout: Layout
        public var shape: KernelShape
        public init(
            _ kernel: Kernel, variant: String = "", pass: Pass = .forward, device: String, dtype: Precision, shape: KernelShape
        ) {
            self.kernel = kernel
            self.variant = variant
            self.pass = pass
            self.device = device
            self.dtype = dtype
            self.shape = shape
            layout = .unknown
        }
    }

    public var key: Key
    /// Median seconds.
    public var seconds: Double
    /// Standard deviation over the repeats, as a share of the median; nil where unknown.
    public var spread: Double?
    /// 99th percentile, seconds; nil where unknown.
    public var p99: Double?
    /// Repeats behind the median.
    public var repeats: Int
    public var conditions: Conditions
    /// Who measured it, or where it was published.
    public var source: String
    /// Day of the measurement, YYYY-MM-DD; empty where unknown.
    public var date: String

    /// Whether a device is none: the CUDA plug-in built for the CPU calls itself so. Its kernels give results, but their times say nothing.
    public static func isEmulated(device: String) -> Bool { device.hasPrefix("emulated") }

    /// The state of the device while it was timed.
    public struct Conditions: Sendable, Hashable {
        public var clockHz: Double?
        public var temperatureC: Double?
        /// Library and version: "OpenBLAS 0.3.21 SkylakeX".
        public var library = ""
        public init(clockHz: Double? = nil, temperatureC: Double? = nil, library: String = "") {
            self.clockHz = clockHz
            self.temperatureC = temperatureC
            self.library = library
        }
    }

    public init(_ key: Key, seconds: Double, repeats: Int = 1, source: String, date: String = "") {
        self.key = key
        self.seconds = seconds
        self.repeats = repeats
        self.source = source
        self.date = date
        conditions = Conditions()
    }

    /// Median, spread and 99th percentile of repeated timings.
    /// - Parameter samples: seconds of each repeat; at least one, all positive
    public init?(_ key: Key, samples: [Double], source: String, date: String = "") {
        let sorted = samples.sorted()
        guard let first = sorted.first, first > 0, let last = sorted.last, last.isFinite else { return nil }
        let middle = sorted.count / 2
        let median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        self.init(key, seconds: median, repeats: sorted.count, source: source, date: date)
        guard sorted.count > 1 else { return }
        let mean = sorted.reduce(0, +) / Double(sorted.count)
        let variance = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(sorted.count - 1)
        spread = variance.squareRoot() / median
        let rank = Int((0.99 * Double(sorted.count)).rounded(.up))
        p99 = sorted[min(sorted.count, max(1, rank)) - 1]
    }
}

extension Pass {
    /// As files write it.
    var word: String {
        switch self {
        case .forward: "forward"
        case .inputGradient: "backward"
        case .weightGradient: "weight"
        }
    }
}
