import Cluster
import Workload

/// What the reader of another tool's file is told beside it.
public struct ImportSettings: Sendable {
    /// In place of the device that the file names.
    public var device: String?
    /// Of collectives whose file does not say how many ranks took part.
    public var ranks: Int?
    public var perNode: Int?
    public var operation: Kernel?
    /// Of kernels whose file does not say it.
    public var dtype: Precision?
    public var library: String?
    public var date: String
    public init(date: String = "") { self.date = date }

    func measurement(_ key: Measurement.Key, samples: [Double], source: String) -> Measurement? {
        var result = Measurement(key, samples: samples, source: source, date: date)
        if let library { result?.conditions.library = library }
        return result
    }
}

/// Timings of operators as a framework's profiler names them, gathered by shape.
struct OperatorTimings {
    /// Seconds of each instance, by what it was.
    private(set) var samples: [Measurement.Key: [Double]] = [:]
    private(set) var order: [Measurement.Key] = []
    private(set) var skipped = 0

    mutating func add(_ key: Measurement.Key?, seconds: Double) {
        guard let key, seconds > 0, seconds.isFinite else {
            skipped += 1
            return
        }
        if samples[key] == nil { order.append(key) }
        samples[key, default: []].append(seconds)
    }

    func imported(_ settings: ImportSettings, source: String) -> PublishedTables.Imported {
        PublishedTables.Imported(
            measurements: order.compactMap { settings.measurement($0, samples: samples[$0] ?? [], source: source) }, skipped: skipped)
    }

    /// What an operator of PyTorch computes, from the sizes of its inputs; nil for one that has no place among the kernels.
    static func key(_ name: String, dims: [[Int]], dtype: Precision, device: String) -> Measurement.Key? {
        guard dims.allSatisfy({ $0.allSatisfy { $0 > 0 && $0 < 1 << 40 } }) else { return nil }
        let op = name.hasPrefix("aten::") ? String(name.dropFirst(6)) : name
        func elements(_ index: Int) -> Double { index < dims.count ? dims[index].reduce(1) { $0 * Double($1) } : 0 }
        func key(_ kernel: Kernel, _ variant: String = "", _ shape: KernelShape, pass: Pass = .forward) -> Measurement.Key {
            Measurement.Key(kernel, variant: variant, pass: pass, device: device, dtype: dtype, shape: shape)
        }
        func product(_ a: Int, _ b: Int) -> Measurement.Key? {
            guard a < dims.count, b < dims.count, dims[a].count == 2, dims[b].count == 2, dims[a][1] == dims[b][0] else { return nil }
            return key(.gemm, "", .product(m: dims[a][0], n: dims[b][1], k: dims[a][1], count: 1))
        }
        switch op {
        case "mm": return product(0, 1)
        case "addmm": return product(1, 2)
        case "bmm":
            guard dims.count >= 2, dims[0].count == 3, dims[1].count == 3, dims[0][2] == dims[1][1] else { return nil }
            return key(.gemm, "batched", .product(m: dims[0][1], n: dims[1][2], k: dims[0][2], count: dims[0][0]))
        case "_scaled_dot_product_flash_attention", "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention":
            return attention(Array(dims.prefix(3)), headsFirst: true).map { key(.attention, "", .attention($0)) }
        case "_flash_attention_forward":
            return attention(Array(dims.prefix(3)), headsFirst: false).map { key(.attention, "", .attention($0)) }
        case "_scaled_dot_product_flash_attention_backward":
            return attention(Array(dims.dropFirst().prefix(3)), headsFirst: true).map {
                key(.attention, "", .attention($0), pass: .inputGradient)
            }
        case "_flash_attention_backward":
            return attention(Array(dims.dropFirst().prefix(3)), headsFirst: false).map {
                key(.attention, "", .attention($0), pass: .inputGradient)
            }
        case "native_layer_norm", "rms_norm", "_fused_rms_norm", "_softmax":
            guard let row = dims.first?.last else { return nil }
            return key(
                op == "native_layer_norm" ? .layernorm : op == "_softmax" ? .softmax : .rmsnorm, "",
                .memory(bytes: 2 * elements(0) * dtype.bytes, row: row))
        case "add", "add_", "mul", "mul_", "sub", "div":
            // A scalar operand has no sizes.
            let second = dims.count > 1 ? elements(1) : 1
            let bytes = (2 * elements(0) + (second > 1 ? second : 0)) * dtype.bytes
            return bytes > 0 ? key(.elementwise, op, .memory(bytes: bytes, row: 0)) : nil
        case "gelu", "silu", "relu", "relu_", "tanh", "sigmoid":
            return elements(0) > 0 ? key(.elementwise, op, .memory(bytes: 2 * elements(0) * dtype.bytes, row: 0)) : nil
        case "copy_": return elements(0) > 0 ? key(.copy, "", .memory(bytes: 2 * elements(0) * dtype.bytes, row: 0)) : nil
        default: return nil
        }
    }

    /// Queries, keys, values as [batch, heads, sequence, width] or [batch, sequence, heads, width]; taken for causal, since profilers do not record flags.
    private static func attention(_ dims: [[Int]], headsFirst: Bool) -> KernelShape.AttentionShape? {
        guard dims.count == 3, dims.allSatisfy({ $0.count == 4 }) else { return nil }
        let (heads, sequence) = headsFirst ? (1, 2) : (2, 1)
        let (queries, keys) = (dims[0][sequence], dims[1][sequence])
        return KernelShape.AttentionShape(
            batch: dims[0][0], heads: dims[0][heads], kvHeads: dims[1][heads], queries: queries, keys: keys, headDim: dims[0][3],
            valueDim: dims[2][3], visible: queries == keys ? 0.5 : 1)
    }
}
