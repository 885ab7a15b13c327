import Cluster
import Quantities
import Workload

/// Tables of measured kernels that other projects publish, told apart by their columns.
public enum PublishedTables {
    /// Measurements of a file, and how many of its rows have no place in the format (weight-only products, sliding windows, prefixes).
    public struct Imported: Sendable {
        public var measurements: [Measurement] = []
        public var skipped = 0
        /// What was assumed, and what of the file was left out.
        public var remarks: [String] = []
    }

    /// - Parameter device: of the tables that name none; nil: guessed from the path
    /// - Throws: `MeasurementFault` where the file cannot be read, or is none of the known tables.
    public static func read(path: String, device: String? = nil) throws(MeasurementFault) -> Imported {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        if path.hasSuffix(".parquet") || path.hasSuffix(".gz") {
            throw MeasurementFault(
                file: path, reason: "this is a packed table",
                suggestion:
                    "unpack it into CSV first (zcat FILE.gz > FILE.csv; pyarrow.csv.write_csv(pyarrow.parquet.read_table(FILE), ...))")
        }
        if path.hasSuffix(".json") { return try SimuMaxTable.read(path: path) }
        let text = try readText(path)
        let table = try TimingTable(text, file: path)
        if table.has("kernel", "shape", "time_s") {
            return Imported(measurements: try MeasurementFile.parse(text, file: path).measurements)
        }
        if table.has("gemm_dtype", "m", "n", "k", "latency") { return try gather(table, products) }
        if table.has("attn_dtype", "isl", "num_heads", "latency") { return try gather(table, attention) }
        if table.has("nccl_dtype", "num_gpus", "message_size", "latency") { return try gather(table, collectives) }
        if table.has("OPName", "Latency", "Device", "B") { return try gather(table, neuSight) }
        if table.has("size_B", "gpus", "nodes", "oop_us") { return try gather(table, multinode) }
        if table.has("impl", "pass", "seqlen", "tflops", "ms") { return try gather(table, flashAttention) }
        if table.has("num_tokens", "n_embd", "num_tensor_parallel_workers") {
            return try gather(table) { row throws(MeasurementFault) in try vidurLayers(row, device ?? guess(path)) }
        }
        if table.has("num_workers", "size", "devices_per_node") {
            return try gather(table) { row throws(MeasurementFault) in try vidurNetwork(row, device ?? guess(path)) }
        }
        throw MeasurementFault(
            file: path, reason: "\(name) is no table that is known here (columns \(table.header.prefix(6).joined(separator: ", ")))",
            suggestion: "give the format of docs/measurements.md, or a table of aiconfigurator, NeuSight, Vidur, SimuMax or nccl-tests")
    }

    private static func gather(
        _ table: TimingTable, _ read: (TimingTable.Row) throws(MeasurementFault) -> [Measurement]?
    ) throws(MeasurementFault) -> Imported {
        var imported = Imported()
        for row in table.rows() {
            if let found = try read(row) { imported.measurements += found } else { imported.skipped += 1 }
        }
        return imported
    }

    private static func guess(_ path: String) -> String {
        let parts = path.lowercased().split { $0 == "/" || $0 == "_" || $0 == "." || $0 == "-" }
        return DeviceNames.canonical(
            ["h100", "a100", "a40", "h200", "b200", "l40s"].first { name in parts.contains { $0 == name } } ?? "unknown")
    }

    private static func measurement(_ key: Measurement.Key, _ seconds: Double, source: String, library: String = "") -> Measurement {
        var measurement = Measurement(key, seconds: seconds, source: source)
        measurement.conditions.library = library
        return measurement
    }

    // MARK: aiconfigurator (ai-dynamo/aiconfigurator, Apache-2.0): latency in ms, timed in CUDA graphs

    private static func library(_ row: TimingTable.Row) -> String { "\(row.text("framework")) \(row.text("version"))" }

    private static func products(_ row: TimingTable.Row) throws(MeasurementFault) -> [Measurement]? {
        // Scales by blocks need kernels of their own and form their own curves.
        let word = row.text("gemm_dtype")
        guard let dtype = Precision.parsing(word == "fp8_block" ? "fp8" : word) else { return nil }
        let key = Measurement.Key(
            .gemm, variant: word == "fp8_block" ? "block-scales" : "", device: DeviceNames.canonical(row.text("device")), dtype: dtype,
            shape: .product(m: try row.count("m"), n: try row.count("n"), k: try row.count("k"), count: 1))
        return [measurement(key, try row.number("latency") * 1e-3, source: "aiconfigurator", library: library(row))]
    }

    /// Causal forward passes; windows, prefixes and caches of another format are left out.
    private static func attention(_ row: TimingTable.Row) throws(MeasurementFault) -> [Measurement]? {
        guard let dtype = Precision.parsing(row.text("attn_dtype")), row.text("kv_cache_dtype") == row.text("attn_dtype"),
            ["", "0"].contains(row.text("window_size")), ["", "0"].contains(row.text("step"))
        else { return nil }
        let (sequence, heads, width) = (try row.count("isl"), try row.count("num_heads"), try row.count("head_dim"))
        let kvHeads = Int(row.optional("num_key_value_heads") ?? 0)
        let shape = KernelShape.AttentionShape(
            batch: try row.count("batch_size"), heads: heads, kvHeads: kvHeads == 0 ? heads : kvHeads, queries: sequence, keys: sequence,
            headDim: width, valueDim: width, visible: 0.5)
        let key = Measurement.Key(
            .attention, device: DeviceNames.canonical(row.text("device")), dtype: dtype, shape: .attention(shape))
        return [measurement(key, try row.number("latency") * 1e-3, source: "aiconfigurator", library: library(row))]
    }

    private static func collectives(_ row: TimingTable.Row) throws(MeasurementFault) -> [Measurement]? {
        let names: [String: Kernel] = [
            "all_reduce": .allReduce, "all_gather": .allGather, "reduce_scatter": .reduceScatter, "alltoall": .allToAll,
        ]
        // One version has the two columns exchanged.
        guard let kernel = names[row.text("op_name")] ?? names[row.text("kernel_source")],
            let dtype = Precision.parsing(row.text("nccl_dtype"))
        else { return nil }
        let ranks = try row.count("num_gpus")
        let key = Measurement.Key(
            kernel, device: DeviceNames.canonical(row.text("device")), dtype: dtype,
            shape: .collective(bytes: try row.number("message_size") * dtype.bytes, ranks: ranks, perNode: ranks))
        return [measurement(key, try row.number("latency") * 1e-3, source: "aiconfigurator", library: "NCCL \(row.text("version"))")]
    }

    // MARK: NeuSight (sitar-lab/NeuSight, MIT): fp32 without TF32, latency in ms

    private static func neuSight(_ row: TimingTable.Row) throws(MeasurementFault) -> [Measurement]? {
        let op = row.text("OPName")
        let device = DeviceNames.canonical(row.text("Device"))
        let time = try row.number("Latency") * 1e-3
        func key(_ kernel: Kernel, _ variant: String = "", _ shape: KernelShape) -> Measurement.Key {
            Measurement.Key(kernel, variant: variant, device: device, dtype: .fp32, shape: shape)
        }
        let found: Measurement.Key
        switch op {
        case "linear", "bmm":
            found = key(
                .gemm, op == "bmm" ? "batched" : "",
                .product(m: try row.count("M"), n: try row.count("N"), k: try row.count("K"), count: try row.count("B")))
        case "ln", "softmax":
            let width = try row.count("H")
            found = key(op == "ln" ? .layernorm : .softmax, "", .memory(bytes: 8 * (try row.number("B")) * Double(width), row: width))
        default:
            // Two operands and a result; of one operand where the name ends in u or is a function.
            let tensors: Double = ["add", "mul", "div", "pow"].contains(op) ? 3 : 2
            found = key(.elementwise, op, .memory(bytes: 4 * tensors * (try row.number("B")) * (try row.number("H")), row: 0))
        }
        return [measurement(found, time, source: "NeuSight")]
    }

    // MARK: Vidur (microsoft/vidur, MIT): fp16, statistics in ms

    private static func statistics(_ row: TimingTable.Row, _ op: String, _ key: Measurement.Key) -> Measurement? {
        guard let median = row.optional("time_stats.\(op).median"), median > 0 else { return nil }
        var result = measurement(key, median * 1e-3, source: "Vidur")
        if let deviation = row.optional("time_stats.\(op).std") { result.spread = deviation / median }
        return result
    }

    private static func vidurLayers(_ row: TimingTable.Row, _ device: String) throws(MeasurementFault) -> [Measurement]? {
        let (tokens, width, inner) = (try row.count("num_tokens"), try row.count("n_embd"), try row.count("n_expanded_embd"))
        let (heads, kvHeads, ranks) = (try row.count("n_head"), try row.count("n_kv_head"), try row.count("num_tensor_parallel_workers"))
        let gates = row.text("use_gated_mlp").lowercased() == "true" ? 2 : 1
        func product(_ op: String, _ n: Int, _ k: Int) -> Measurement? {
            guard n > 0, k > 0 else { return nil }
            return statistics(
                row, op, Measurement.Key(.gemm, device: device, dtype: .fp16, shape: .product(m: tokens, n: n, k: k, count: 1)))
        }
        func memory(_ op: String, _ kernel: Kernel, _ elements: Double, row length: Int = 0) -> Measurement? {
            let shape = KernelShape.memory(bytes: 2 * elements * Double(tokens), row: length)
            return statistics(
                row, op, Measurement.Key(kernel, variant: length == 0 ? op : "", device: device, dtype: .fp16, shape: shape))
        }
        return [
            product("attn_pre_proj", (heads + 2 * kvHeads) * (width / max(1, heads)) / ranks, width),
            product("attn_post_proj", width, width / ranks), product("mlp_up_proj", gates * inner / ranks, width),
            product("mlp_down_proj", width, inner / ranks),
            memory("input_layernorm", .rmsnorm, 2 * Double(width), row: width),
            memory("mlp_act", .elementwise, Double((gates + 1) * inner / ranks)), memory("add", .elementwise, 3 * Double(width)),
        ].compactMap { $0 }
    }

    private static func vidurNetwork(_ row: TimingTable.Row, _ device: String) throws(MeasurementFault) -> [Measurement]? {
        let (ranks, bytes) = (try row.count("num_workers"), try row.number("size"))
        let perNode = min(ranks, try row.count("devices_per_node"))
        let isReduction = row.text("collective") == "all_reduce"
        let key = Measurement.Key(
            isReduction ? .allReduce : .sendReceive, device: device, dtype: .fp16,
            shape: .collective(bytes: bytes, ranks: ranks, perNode: perNode))
        return statistics(row, isReduction ? "all_reduce" : "send_recv", key).map { [$0] }
    }

    // MARK: Collections of posted figures

    private static func multinode(_ row: TimingTable.Row) throws(MeasurementFault) -> [Measurement]? {
        let (ranks, nodes) = (try row.count("gpus"), try row.count("nodes"))
        // Both in-place and out-of-place are runs of the same collective; one may be missing.
        let times = [row.optional("oop_us"), row.optional("ip_us")].compactMap { $0 }.filter { $0 > 0 }
        let key = Measurement.Key(
            .allReduce, variant: row.text("name"), device: DeviceNames.canonical(row.text("device")), dtype: .fp32,
            shape: .collective(bytes: try row.number("size_B"), ranks: ranks, perNode: max(1, ranks / nodes)))
        return times.map { measurement(key, $0 * 1e-6, source: row.text("source"), library: "NCCL \(row.text("nccl"))") }
    }

    /// FLOPs are 4 b h s^2 d, half of them causal, 2.5 times backward; the number of heads follows from them and the time.
    private static func flashAttention(_ row: TimingTable.Row) throws(MeasurementFault) -> [Measurement]? {
        guard let milliseconds = row.optional("ms"), milliseconds > 0 else { return nil }
        let (batch, sequence, width) = (try row.count("batch"), try row.count("seqlen"), try row.count("head_dim"))
        let visible = row.text("causal") == "1" || row.text("causal").lowercased() == "true" ? 0.5 : 1
        let backward = row.text("pass") == "bwd"
        let work = try row.number("tflops") * 1e9 * milliseconds / (backward ? 2.5 : 1)
        let heads = Int((work / (4 * Double(batch) * Double(sequence) * Double(sequence) * Double(width) * visible)).rounded())
        guard heads > 0 else { return nil }
        let shape = KernelShape.AttentionShape(
            batch: batch, heads: heads, kvHeads: heads, queries: sequence, keys: sequence, headDim: width, valueDim: width, visible: visible
        )
        let key = Measurement.Key(
            .attention, variant: row.text("impl"), pass: backward ? .inputGradient : .forward,
            device: DeviceNames.canonical(row.text("device")), dtype: .bf16, shape: .attention(shape))
        return [measurement(key, milliseconds * 1e-3, source: row.text("source"))]
    }
}
