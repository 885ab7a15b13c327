import Cluster
import Quantities
import Workload

/// Measured efficiencies of SimuMax's system files (MooreThreads/SimuMax, Apache-2.0): shares of a stated peak, turned back into seconds.
enum SimuMaxTable {
    /// - Throws: `MeasurementFault` where the file is no such JSON.
    static func read(path: String) throws(MeasurementFault) -> PublishedTables.Imported {
        let json: JSON
        let bytes = try readBytes(path)
        do throws(JSONError) { json = try JSON(parsing: bytes) } catch {
            throw MeasurementFault(
                file: path, [.init(line: error.line, column: error.column, reason: error.reason, suggestion: "name a JSON file")])
        }
        guard let ops = json["accelerator"]?["op"], case .string(let name)? = json["sys_name"] else {
            throw MeasurementFault(
                file: path, reason: "this is no system file of SimuMax (accelerator.op and sys_name are missing)",
                suggestion: "give a CSV table, or use orrery import kineto for traces")
        }
        let device = DeviceNames.canonical(name.split(separator: "_").prefix(name.contains("pcie") ? 2 : 1).joined(separator: " "))
        var imported = PublishedTables.Imported()
        for section in ["matmul", "group_matmul", "sdp_fwd", "sdp_bwd"] {
            guard let op = ops[section], case .number(let peak)? = op["tflops"],
                case .object(let factors)? = op["accurate_efficient_factor"]
            else { continue }
            for factor in factors {
                guard case .number(let efficiency) = factor.value, efficiency > 0,
                    let (key, work) = key(section, fields(factor.key), device)
                else {
                    imported.skipped += 1
                    continue
                }
                imported.measurements.append(Measurement(key, seconds: work / (efficiency * peak * 1e12), source: "SimuMax"))
            }
        }
        return imported
    }

    private static func fields(_ text: String) -> [String: String] {
        var fields: [String: String] = [:]
        for part in text.split(separator: ",") {
            let pair = part.split(separator: "=").map { String($0.drop { $0 == " " }) }
            if pair.count == 2 { fields[pair[0]] = pair[1] }
        }
        return fields
    }

    /// The key of an entry and the FLOPs that its efficiency counts: of attention those of the full square.
    private static func key(_ section: String, _ fields: [String: String], _ device: String) -> (Measurement.Key, Double)? {
        func count(_ name: String) -> Int? { fields[name].flatMap(Int.init).flatMap { $0 > 0 ? $0 : nil } }
        func product(_ kernel: Kernel, _ sizes: (m: Int, n: Int, k: Int, count: Int)) -> (Measurement.Key, Double) {
            let key = Measurement.Key(
                kernel, device: device, dtype: .bf16, shape: .product(m: sizes.m, n: sizes.n, k: sizes.k, count: sizes.count))
            return (key, 2 * Double(sizes.m) * Double(sizes.n) * Double(sizes.k) * Double(sizes.count))
        }
        switch section {
        case "matmul":
            guard let m = count("m"), let n = count("n"), let k = count("k"), let batch = count("b") else { return nil }
            var (key, work) = product(.gemm, (m, n, k, batch))
            key.layout = Measurement.Layout(rawValue: fields["layout"] ?? "") ?? .unknown
            // Weight gradients are accumulated in fp32.
            if fields["accumulate"] == "True" { key.variant = "accumulate" }
            return (key, work)
        case "group_matmul":
            guard let m = count("M"), let n = count("N"), let k = count("K"), let groups = count("ng") else { return nil }
            var (key, work) = product(.groupedGEMM, (m, n, k, groups))
            key.pass = fields["stage"] == "fwd" ? .forward : fields["stage"] == "bwd_grad_act" ? .inputGradient : .weightGradient
            return (key, work)
        default:
            guard let batch = count("batch"), let sequence = count("seq_len"), let heads = count("head_num"), let kv = count("kv_head_num"),
                let width = count("qk_head_dim"), let value = count("v_head_dim")
            else { return nil }
            let shape = KernelShape.AttentionShape(
                batch: batch, heads: heads, kvHeads: kv, queries: sequence, keys: sequence, headDim: width, valueDim: value, visible: 0.5)
            let backward = section == "sdp_bwd"
            let key = Measurement.Key(
                .attention, pass: backward ? .inputGradient : .forward, device: device, dtype: .bf16, shape: .attention(shape))
            return (key, shape.flops * 2 * (backward ? 2.5 : 1))
        }
    }
}
