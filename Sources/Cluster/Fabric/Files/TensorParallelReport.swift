import Quantities

/// What one transformer block sends under tensor parallelism in one, two and two and a half dimensions, and how long that takes on a network.
public struct TensorParallelReport: Sendable {
    /// One layout; the names of its members are those of the JSON document.
    public struct Row: Sendable, Encodable {
        /// "1d", "2d" or "2.5d" with its depth, and ranks.
        public var layout: String
        public var ranks: Int
        /// Bytes that a rank sends on average, forward and backward, and that over those of 1D.
        public var bytes_per_gpu: Double
        public var against_1d: Double
        public var microseconds: Double
        public var method: String
    }
    /// 1D first.
    public var rows: [Row] = []

    /// Layouts in which `ranks` are possible: 1D always, 2D for squares, 2.5D for every depth > 1 that leaves a square and is at most its side (beyond that
    /// the copies of the weights cost more than they save, Solomonik and Demmel 2011).
    public static func layouts(ranks: Int) -> [TensorLayout] {
        var result = [TensorLayout.line]
        for depth in 1...max(1, ranks) where ranks % depth == 0 {
            let side = Int(Double(ranks / depth).squareRoot().rounded())
            guard side >= 2, side * side * depth == ranks, depth <= side else { continue }
            result.append(depth == 1 ? .square : .cuboid(depth: depth))
        }
        return result
    }

    /// Ranks are placed on the first hosts. Without a network only bytes are counted.
    /// - Throws: `FabricError` for more ranks than hosts and sizes that are not positive.
    public init(_ block: TransformerBlock, ranks: Int, on network: Network?, layouts: [TensorLayout]? = nil) throws(FabricError) {
        guard ranks >= 2, ranks <= network?.hostCount ?? .max else {
            throw FabricError(
                key: "ranks", "\(ranks) ranks on \(network?.hostCount ?? 0) hosts: from 2 to \(network?.hostCount ?? 0) are possible")
        }
        let line = try Self.mean(CommunicationPattern.tensorParallel(block, .line, ranks: ranks))
        for layout in layouts ?? Self.layouts(ranks: ranks) {
            let pattern = try CommunicationPattern.tensorParallel(block, layout, ranks: ranks)
            let bytes = Self.mean(pattern)
            var timing: PatternTiming?
            if let network { timing = try network.time(pattern, on: Array(0..<ranks)) }
            rows.append(
                Row(
                    layout: layout.name, ranks: ranks, bytes_per_gpu: bytes, against_1d: bytes / line,
                    microseconds: (timing?.seconds ?? 0) * 1e6, method: timing?.method.rawValue ?? "-"))
        }
    }

    private static func mean(_ pattern: CommunicationPattern) -> Double { pattern.volume.sent.reduce(0, +) / Double(max(1, pattern.ranks)) }

    /// The rows for people.
    public var table: String {
        var table = TextTable(["layout", "ranks", "sent a GPU MB", "against 1d", "time us", "by"], left: [0, 5])
        for row in rows {
            table.add([
                row.layout, "\(row.ranks)", fixed(row.bytes_per_gpu * 1e-6, decimals: 2), fixed(100 * row.against_1d, decimals: 1) + " %",
                fixed(row.microseconds, decimals: 2), row.method,
            ])
        }
        return table.text
    }
}
