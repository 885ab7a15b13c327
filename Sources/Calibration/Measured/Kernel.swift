import Quantities
import Workload

/// A kind of work that is timed. What it does beyond its kind (which norm, which activation, which attention kernel) is the measurement's variant.
public enum Kernel: String, Sendable, Hashable, CaseIterable {
    case gemm
    /// Several products of equal shape in one launch (experts).
    case groupedGEMM = "grouped_gemm"
    case attention
    case elementwise, layernorm, rmsnorm, softmax, embedding, optimizer, quantise, codec, copy
    case crossEntropy = "cross_entropy"
    case allReduce = "all_reduce"
    case allGather = "all_gather"
    case reduceScatter = "reduce_scatter"
    case allToAll = "all_to_all"
    case broadcast
    case sendReceive = "send_receive"
    /// Empty kernels launched one after the other.
    case launch

    /// Kernels of one family have the same shape and the same formula.
    public enum Family: Int, Sendable, Hashable, CaseIterable { case product, attention, memory, collective, launch }

    public var family: Family {
        switch self {
        case .gemm, .groupedGEMM: .product
        case .attention: .attention
        case .elementwise, .layernorm, .rmsnorm, .softmax, .embedding, .optimizer, .quantise, .codec, .copy, .crossEntropy: .memory
        case .allReduce, .allGather, .reduceScatter, .allToAll, .broadcast, .sendReceive: .collective
        case .launch: .launch
        }
    }
}

/// The size of the work that was timed.
public enum KernelShape: Sendable, Hashable {
    case product(m: Int, n: Int, k: Int, count: Int)
    case attention(AttentionShape)
    /// Bytes read plus written, and the length of the rows that a norm or softmax reduces over (0: none); `extent` where a third size decides how
    /// fast they move: rows of an embedding's table, width of an image (0: none).
    case memory(bytes: Double, row: Int, extent: Int = 0)
    /// `bytes`: the full buffer, as in `Communication`; `perNode`: of the ranks those that share a node's fast links.
    case collective(bytes: Double, ranks: Int, perNode: Int)
    case launch(kernels: Int)

    public struct AttentionShape: Sendable, Hashable {
        public var batch: Int
        public var heads: Int
        public var kvHeads: Int
        public var queries: Int
        public var keys: Int
        public var headDim: Int
        public var valueDim: Int
        /// Share of the queries x keys rectangle that is computed: 1/2 causal.
        public var visible: Double
        public init(batch: Int, heads: Int, kvHeads: Int, queries: Int, keys: Int, headDim: Int, valueDim: Int, visible: Double) {
            self.batch = batch
            self.heads = heads
            self.kvHeads = kvHeads
            self.queries = queries
            self.keys = keys
            self.headDim = headDim
            self.valueDim = valueDim
            self.visible = visible
        }
        public init(_ core: AttentionCore) {
            self.init(
                batch: core.batch, heads: core.heads, kvHeads: core.kvHeads, queries: core.queries, keys: core.keys, headDim: core.headDim,
                valueDim: core.valueDim, visible: core.visible)
        }
        /// FLOPs of the forward pass that are executed.
        public var flops: Double {
            2 * Double(batch) * Double(heads) * Double(queries) * Double(keys) * Double(headDim + valueDim) * visible
        }
        /// Elements read and written once: queries and outputs, keys and values.
        public var elements: Double {
            Double(batch) * Double(headDim + valueDim)
                * (Double(heads) * Double(queries) + Double(kvHeads) * Double(keys))
        }
    }

    public var family: Kernel.Family {
        switch self {
        case .product: .product
        case .attention: .attention
        case .memory: .memory
        case .collective: .collective
        case .launch: .launch
        }
    }
}

extension KernelShape {
    /// `m=4096 n=4096 k=1024`; counts of one and rows of zero are left out.
    public var text: String {
        switch self {
        case .product(let m, let n, let k, let count): "m=\(m) n=\(n) k=\(k)" + (count == 1 ? "" : " count=\(count)")
        case .attention(let a):
            "batch=\(a.batch) heads=\(a.heads) kv_heads=\(a.kvHeads) queries=\(a.queries) keys=\(a.keys) head_dim=\(a.headDim)"
                + (a.valueDim == a.headDim ? "" : " value_dim=\(a.valueDim)") + " visible=\(Self.plain(a.visible))"
        case .memory(let bytes, let row, let extent):
            "bytes=\(Self.plain(bytes))" + (row == 0 ? "" : " row=\(row)") + (extent == 0 ? "" : " extent=\(extent)")
        case .collective(let bytes, let ranks, let perNode):
            "bytes=\(Self.plain(bytes)) ranks=\(ranks)" + (perNode == ranks ? "" : " per_node=\(perNode)")
        case .launch(let kernels): "kernels=\(kernels)"
        }
    }

    /// Whole numbers without a point.
    static func plain(_ value: Double) -> String { value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)" }

    /// Keys that a shape of the family may hold; those with a value are optional.
    private static func keys(of family: Kernel.Family) -> [(key: String, fallback: String?)] {
        switch family {
        case .product: [("m", nil), ("n", nil), ("k", nil), ("count", "1")]
        case .attention:
            [
                ("batch", nil), ("heads", nil), ("kv_heads", "heads"), ("queries", nil), ("keys", "queries"), ("head_dim", nil),
                ("value_dim", "head_dim"), ("visible", "1"),
            ]
        case .memory: [("bytes", nil), ("row", "0"), ("extent", "0")]
        case .collective: [("bytes", nil), ("ranks", nil), ("per_node", "ranks")]
        case .launch: [("kernels", nil)]
        }
    }

    /// Reads what `text` writes.
    /// - Throws: `ShapeError` with the fault and what would be right.
    public init(parsing text: String, family: Kernel.Family) throws(ShapeError) {
        let keys = Self.keys(of: family)
        let expected = keys.map { $0.fallback == nil ? "\($0.key)=..." : "[\($0.key)=...]" }.joined(separator: " ")
        var values: [String: Double] = [:]
        for word in text.split(separator: " ") {
            let parts = word.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2, keys.contains(where: { $0.key == parts[0] }) else {
                throw ShapeError(reason: "\"\(word)\" is no part of this shape", suggestion: "write \(expected)")
            }
            let key = String(parts[0])
            guard values[key] == nil else { throw ShapeError(reason: "\(key) stands twice", suggestion: "write \(expected)") }
            let least: Double = key == "row" || key == "extent" ? 0 : key == "visible" ? 1e-9 : 1
            let most: Double = key == "visible" ? 1 : key == "bytes" ? 1e18 : 1e12
            guard let value = decimalNumber(parts[1]), value >= least, value <= most else {
                throw ShapeError(
                    reason: "\(key) is \"\(parts[1])\"", suggestion: "a number from \(Self.plain(least)) to \(Self.plain(most)) is needed")
            }
            guard key == "visible" || key == "bytes" || value == value.rounded() else {
                throw ShapeError(reason: "\(key) is \"\(parts[1])\"", suggestion: "write a whole number")
            }
            values[key] = value
        }
        for (key, fallback) in keys where values[key] == nil {
            guard let fallback else { throw ShapeError(reason: "\(key) is missing", suggestion: "write \(expected)") }
            values[key] = Double(fallback) ?? values[fallback]
        }
        func number(_ key: String) -> Double { values[key] ?? 0 }
        func count(_ key: String) -> Int { Int(number(key)) }
        switch family {
        case .product: self = .product(m: count("m"), n: count("n"), k: count("k"), count: count("count"))
        case .attention:
            self = .attention(
                AttentionShape(
                    batch: count("batch"), heads: count("heads"), kvHeads: count("kv_heads"), queries: count("queries"),
                    keys: count("keys"),
                    headDim: count("head_dim"), valueDim: count("value_dim"), visible: number("visible")))
        case .memory: self = .memory(bytes: number("bytes"), row: count("row"), extent: count("extent"))
        case .collective:
            guard number("per_node") <= number("ranks") else {
                throw ShapeError(reason: "per_node exceeds ranks", suggestion: "per_node counts those of the ranks that share a node")
            }
            self = .collective(bytes: number("bytes"), ranks: count("ranks"), perNode: count("per_node"))
        case .launch: self = .launch(kernels: count("kernels"))
        }
    }
}

/// Why a shape cannot be read.
public struct ShapeError: Error, Sendable, Hashable {
    public let reason: String
    public let suggestion: String
}
