import Quantities

/// The table that nccl-tests prints, for a simulated network: one row a size.
public struct CollectiveReport: Sendable {
    public struct Row: Sendable, Encodable {
        /// Bytes of the full buffer.
        public var size: Double
        /// Elements of four bytes.
        public var count: Int
        public var algorithm: String
        public var microseconds: Double
        /// GB/s: size over time, and that times what the operation must put on every port over the size (2(n-1)/n for all-reduce).
        public var algbw: Double
        public var busbw: Double
        /// "closed form" or "flows".
        public var method: String
    }
    public let op: CollectiveOp
    public let ranks: Int
    public var rows: [Row] = []

    /// Sizes from `from` to `to`, each `factor` times the one before.
    public struct Sizes: Sendable {
        public var from: Bytes
        public var to: Bytes
        public var factor: Int
        public init(from: Bytes, to: Bytes, factor: Int = 2) {
            self.from = from
            self.to = to
            self.factor = factor
        }
        var all: [Double] {
            var result: [Double] = []
            var size = Double(max(1, from.count))
            while size <= Double(to.count), result.count < 64 {
                result.append(size)
                size *= Double(max(2, factor))
            }
            return result
        }
    }

    /// Ranks are placed on the first hosts. `way` nil takes the fastest at each size.
    /// - Throws: `FabricError` for more ranks than hosts and ways that cannot do the operation.
    public init(
        _ op: CollectiveOp, by way: CollectiveWay? = nil, ranks: Int, sizes: Sizes, on network: Network
    ) throws(FabricError) {
        self.op = op
        self.ranks = ranks
        guard ranks >= 2, ranks <= network.hostCount else {
            throw FabricError(key: "ranks", "\(ranks) ranks on \(network.hostCount) hosts: from 2 to \(network.hostCount) are possible")
        }
        let group = network.nodeSize
        for size in sizes.all {
            var best: (way: CollectiveWay, timing: PatternTiming)?
            for candidate in way.map({ [$0] }) ?? CommunicationPattern.ways(of: op) {
                // Where the choice is ours, a way that needs whole nodes is left out without them.
                if way == nil, candidate == .hierarchical, group < 2 || ranks % group != 0 || ranks <= group { continue }
                let pattern = try CommunicationPattern.collective(op, by: candidate, ranks: ranks, bytes: size, group: max(1, group))
                let timing = try network.time(pattern, on: Array(0..<ranks))
                if timing.seconds < best?.timing.seconds ?? .infinity { best = (candidate, timing) }
            }
            guard let best else { continue }
            let algbw = size / best.timing.seconds * 1e-9
            rows.append(
                Row(
                    size: size, count: Int(size / 4), algorithm: best.way.rawValue, microseconds: best.timing.seconds * 1e6, algbw: algbw,
                    busbw: algbw * op.busFactor(ranks: Double(ranks)), method: best.timing.method.rawValue))
        }
    }

    public var table: String {
        var table = TextTable(["size B", "count", "type", "algorithm", "time us", "algbw GB/s", "busbw GB/s", "by"], left: [3, 7])
        for row in rows {
            table.add([
                fixed(row.size, decimals: 0), "\(row.count)", "float", row.algorithm, fixed(row.microseconds, decimals: 2),
                fixed(row.algbw, decimals: 2), fixed(row.busbw, decimals: 2), row.method,
            ])
        }
        return table.text
    }
}
