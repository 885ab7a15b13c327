import Cluster
import Quantities
import Workload

/// A trace of PyTorch's profiler (Kineto, Chrome trace format) recorded with `record_shapes=True`: kernels are joined to the operator that launched
/// them, and the operator's "Input Dims" give the shape; collectives carry their size themselves.
public enum KinetoTrace {
    /// - Throws: `MeasurementFault` where the file is no such trace, or holds no kernel with a shape.
    public static func read(path: String, _ settings: ImportSettings = ImportSettings()) throws(MeasurementFault)
        -> PublishedTables.Imported
    {
        let bytes = try readBytes(path)
        guard bytes.prefix(2) != [0x1F, 0x8B] else {
            throw MeasurementFault(file: path, reason: "this is a packed trace", suggestion: "unpack it first: gunzip \(path)")
        }
        return try parse(bytes, file: path, settings)
    }

    static func parse(_ bytes: [UInt8], file: String, _ settings: ImportSettings) throws(MeasurementFault) -> PublishedTables.Imported {
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: bytes, repeatedKeys: true) } catch {
            throw MeasurementFault(
                file: file, [.init(line: error.line, column: error.column, reason: error.reason, suggestion: "name a trace in JSON")])
        }
        guard case .array(let events)? = json["traceEvents"] else {
            throw MeasurementFault(
                file: file, reason: "traceEvents is missing", suggestion: "export the trace by prof.export_chrome_trace(...)")
        }
        var device = settings.device
        if device == nil, case .array(let devices)? = json["deviceProperties"], case .string(let name)? = devices.first?["name"] {
            device = DeviceNames.canonical(name)
        }
        guard let device else {
            throw MeasurementFault(file: file, reason: "the trace does not name its device", suggestion: "give --device")
        }
        let operators = KinetoOperators(events)
        var timings = OperatorTimings()
        var seconds: [Int: Double] = [:]
        var order: [Int] = []
        var collectives = 0
        for event in events where isKernel(event) {
            guard case .number(let microseconds)? = event["dur"], microseconds > 0 else { continue }
            if event["args"]?["Collective name"] != nil {
                timings.add(collective(event, device: device, settings), seconds: microseconds * 1e-6)
                collectives += 1
            } else if let index = operators.launcher(of: event) {
                // An operator may launch several kernels (split-K and its reduction).
                if seconds[index] == nil { order.append(index) }
                seconds[index, default: 0] += microseconds * 1e-6
            } else {
                timings.add(nil, seconds: 0)
            }
        }
        for index in order {
            guard let time = seconds[index] else { continue }
            timings.add(key(events[index], device: device, settings), seconds: time)
        }
        var imported = timings.imported(settings, source: "Kineto")
        guard !imported.measurements.isEmpty else {
            throw MeasurementFault(
                file: file, reason: "no kernel of the trace has a shape (\(imported.skipped) without)",
                suggestion: "record with profile(activities=[CPU, CUDA], record_shapes=True)")
        }
        if collectives > 0 {
            imported.remarks.append(
                "\(collectives) collectives: a kernel of NCCL starts when its own rank is ready and also waits for the others, so its time is an upper bound; nccl-tests times them alone"
            )
        }
        if settings.device == nil, let remark = DeviceNames.remark(on: device) { imported.remarks.append(remark) }
        return imported
    }

    /// Profilers of PyTorch 1.8 wrote their categories with capitals.
    private static func isKernel(_ event: JSON) -> Bool { event["cat"] == .string("kernel") || event["cat"] == .string("Kernel") }

    private static func key(_ event: JSON, device: String, _ settings: ImportSettings) -> Measurement.Key? {
        guard case .string(let name)? = event["name"], let args = event["args"],
            case .array(let inputs)? = args["Input Dims"] ?? args["Input dims"]
        else {
            return nil
        }
        let dims = inputs.map(sizes)
        var dtype = settings.dtype
        if case .array(let types)? = args["Input type"] ?? args["Input Types"] {
            dtype =
                types.lazy.compactMap { type in if case .string(let text) = type { Precision.parsing(text) } else { nil } }.first ?? dtype
        }
        return dtype.flatMap { OperatorTimings.key(name, dims: dims, dtype: $0, device: device) }
    }

    private static func sizes(_ value: JSON) -> [Int] {
        guard case .array(let items) = value else { return [] }
        return items.map { if case .number(let size) = $0, size >= 0, size < 1e15 { Int(size) } else { -1 } }
    }

    private static func collective(_ event: JSON, device: String, _ settings: ImportSettings) -> Measurement.Key? {
        guard let args = event["args"], case .string(let name)? = args["Collective name"], case .number(let input)? = args["In msg nelems"],
            case .number(let output)? = args["Out msg nelems"], case .number(let ranks)? = args["Group size"], ranks >= 2, ranks < 1e7,
            case .string(let type)? = args["dtype"], let dtype = Precision.parsing(type), input > 0, output > 0
        else { return nil }
        let kernel: Kernel? =
            switch name.lowercased() {
            case "allreduce", "all_reduce", "allreduce_coalesced": .allReduce
            case "allgather", "all_gather", "_allgather_base", "allgather_into_tensor_coalesced": .allGather
            case "reduce_scatter", "_reduce_scatter_base", "reduce_scatter_tensor_coalesced": .reduceScatter
            case "all_to_all", "all_to_allv", "alltoall", "alltoall_base": .allToAll
            case "broadcast": .broadcast
            case "send", "recv": .sendReceive
            default: nil
            }
        guard let kernel else { return nil }
        // The full buffer is the larger side of a gather or scatter.
        let bytes = max(input, output) * dtype.bytes
        let perNode = min(Int(ranks), settings.perNode ?? Int(ranks))
        return Measurement.Key(kernel, device: device, dtype: dtype, shape: .collective(bytes: bytes, ranks: Int(ranks), perNode: perNode))
    }
}
