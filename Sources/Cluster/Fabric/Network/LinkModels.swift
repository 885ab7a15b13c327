import Foundation

/// What share of a link's rate a message of some size reaches: headers, flags and start-up of the protocol. A message of S bytes then occupies links like
/// S / e(S) bytes would. Networks have none unless it is asked for.
public enum EfficiencyCurve: Sendable, Hashable {
    /// e(S) = peak S / (S + halfSize), bytes: half of the peak at `halfSize` (Hockney 1994, doi:10.1016/S0167-8191(06)80021-9, n_1/2).
    case halfSize(Double, peak: Double)
    /// e at some sizes in bytes, ascending; between them linear in log S, beyond them constant.
    case table([Point])

    /// A measured share of the rate.
    public struct Point: Sendable, Hashable {
        /// Size of the message, and the share that it reaches.
        public var bytes: Double
        public var share: Double
        public init(bytes: Double, share: Double) {
            self.bytes = bytes
            self.share = share
        }
    }

    /// Bytes at the full rate that take as long.
    public func wireBytes(_ bytes: Double) -> Double {
        guard bytes > 0 else { return bytes }
        switch self {
        case .halfSize(let half, let peak): return (bytes + half) / peak
        case .table(let points):
            guard let first = points.first, let last = points.last else { return bytes }
            if bytes <= first.bytes { return bytes / first.share }
            guard bytes < last.bytes, let upper = points.firstIndex(where: { $0.bytes > bytes }) else { return bytes / last.share }
            let (a, b) = (points[upper - 1], points[upper])
            let x = log(bytes / a.bytes) / log(b.bytes / a.bytes)
            return bytes / (a.share + x * (b.share - a.share))
        }
    }
}

/// What incast costs on Ethernet that pauses (PFC) and slows senders down (DCQCN, Zhu et al. 2015, doi:10.1145/2785956.2787484): where more than
/// `threshold` flows drain into one host's port at the same time, each further one takes `lossPerFlow` of the port's rate away, down to `floor`; what was lost
/// comes back `recovery` seconds after flows have left. A first-order model with stated parameters, not a measurement: networks have none unless it is asked for.
public struct CongestionModel: Sendable, Hashable {
    /// Flows into one port that cost nothing.
    public var threshold: Int
    /// Share of the port's rate.
    public var lossPerFlow: Double
    public var floor: Double
    /// Seconds.
    public var recovery: Double
    public init(threshold: Int, lossPerFlow: Double, floor: Double, recovery: Double = 0) {
        self.threshold = threshold
        self.lossPerFlow = lossPerFlow
        self.floor = floor
        self.recovery = recovery
    }

    /// Share of a port's rate that is left when so many flows drain into it.
    public func share(flows: Int) -> Double { max(floor, 1 - lossPerFlow * Double(max(0, flows - threshold))) }
}
