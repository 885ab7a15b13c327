import CSQLite
import Cluster

/// A trace of Nsight Systems exported to SQLite (`nsys export --type sqlite`). Kernels have no shapes of their own: those come from the NVTX ranges
/// of `torch.autograd.profiler.emit_nvtx(record_shapes=True)` around their launches ("aten::mm, seq = 3, sizes = [[64, 32], [32, 16]]").
public enum NsightTrace {
    /// - Throws: `MeasurementFault` where the file is no such database, lacks a table, or holds no kernel with a shape.
    public static func read(path: String, _ settings: ImportSettings = ImportSettings()) throws(MeasurementFault)
        -> PublishedTables.Imported
    {
        let database = try Database(path)
        let device: String
        if let given = settings.device {
            device = given
        } else {
            guard let name = try? database.rows("SELECT name FROM TARGET_INFO_GPU LIMIT 1", width: 1).first?[0].text else {
                throw MeasurementFault(file: path, reason: "the trace does not name its device", suggestion: "give --device")
            }
            device = DeviceNames.canonical(name)
        }
        // Each process counts its correlations from one: the number of the process stands in the upper bits of globalPid and globalTid. Early exports
        // have no globalPid.
        let hasProcess = try database.rows("PRAGMA table_info(CUPTI_ACTIVITY_KIND_KERNEL)", width: 2).contains { $0[1].text == "globalPid" }
        let process = hasProcess ? "AND (r.globalTid >> 24) = (k.globalPid >> 24)" : ""
        // Launches by correlation, in order of thread and time, so that one sweep finds the ranges around them.
        let kernels = try database.rows(
            """
            SELECT r.globalTid, r.start, k.end - k.start, COALESCE(s.value, '')
            FROM CUPTI_ACTIVITY_KIND_KERNEL k JOIN CUPTI_ACTIVITY_KIND_RUNTIME r ON r.correlationId = k.correlationId \(process)
            LEFT JOIN StringIds s ON s.id = k.shortName ORDER BY r.globalTid, r.start
            """, width: 4)
        let ranges = try database.rows(
            """
            SELECT n.globalTid, n.start, n.end, COALESCE(n.text, s.value, '')
            FROM NVTX_EVENTS n LEFT JOIN StringIds s ON s.id = n.textId
            WHERE n.end IS NOT NULL ORDER BY n.globalTid, n.start, n.end DESC
            """, width: 4)
        var timings = OperatorTimings()
        var open: [Int] = []
        var next = 0
        var pending: (range: Int, seconds: Double, kernel: String)?
        func flush() {
            guard let done = pending else { return }
            let text = ranges[done.range][3].text
            timings.add(key(text, kernel: done.kernel, device: device, settings), seconds: done.seconds)
            pending = nil
        }
        for kernel in kernels {
            let (thread, start) = (kernel[0].integer, kernel[1].integer)
            while next < ranges.count, (ranges[next][0].integer, ranges[next][1].integer) <= (thread, start) {
                open.append(next)
                next += 1
            }
            open.removeAll { ranges[$0][0].integer != thread || ranges[$0][2].integer < start }
            // The innermost range that tells sizes; kernels of one range belong to one operator.
            guard let inner = open.last(where: { ranges[$0][3].text.contains("sizes = ") }) else {
                flush()
                timings.add(nil, seconds: 0)
                continue
            }
            let seconds = Double(kernel[2].integer) * 1e-9
            if pending?.range == inner {
                pending?.seconds += seconds
            } else {
                flush()
                pending = (inner, seconds, kernel[3].text)
            }
        }
        flush()
        var imported = timings.imported(settings, source: "nsys")
        imported.remarks += settings.device == nil ? [DeviceNames.remark(on: device)].compactMap(\.self) : []
        guard !imported.measurements.isEmpty else {
            throw MeasurementFault(
                file: path, reason: "no kernel of the trace has a shape (\(imported.skipped) without)",
                suggestion:
                    "record under torch.autograd.profiler.emit_nvtx(record_shapes=True), and give --dtype where kernel names do not tell it"
            )
        }
        return imported
    }

    private static func key(_ text: String, kernel: String, device: String, _ settings: ImportSettings) -> Measurement.Key? {
        guard let name = text.split(separator: ",").first, let start = text.firstRange(of: "sizes = ") else { return nil }
        guard let dtype = settings.dtype ?? dtype(of: kernel) else { return nil }
        return OperatorTimings.key(String(name), dims: sizes(text[start.upperBound...]), dtype: dtype, device: device)
    }

    /// Library kernels carry their format in their name.
    private static func dtype(of kernel: String) -> Precision? {
        let name = kernel.lowercased()
        if name.contains("bf16") || name.contains("bfloat16") { return .bf16 }
        if name.contains("tf32") { return .tf32 }
        if name.contains("f16") || name.contains("half") || name.contains("hgemm") || name.contains("h884") || name.contains("h16816") {
            return .fp16
        }
        return name.contains("sgemm") || name.contains("f32") || name.contains("float") ? .fp32 : nil
    }

    /// `[[64, 32], [32, 16], []]`, up to the bracket that closes the list.
    static func sizes(_ text: Substring) -> [[Int]] {
        var result: [[Int]] = []
        var (depth, number): (Int, Int?) = (0, nil)
        for character in text {
            if let digit = character.wholeNumberValue, character.isASCII {
                number = min((number ?? 0), 1 << 50) * 10 + digit
                continue
            }
            if let value = number, depth == 2 { result[result.count - 1].append(value) }
            number = nil
            switch character {
            case "[":
                depth += 1
                if depth == 2 { result.append([]) }
            case "]": depth -= 1
            default: break
            }
            if depth <= 0 { break }
        }
        return result
    }

    private struct Value {
        var integer: Int64
        var text: String
    }

    /// A database opened for reading.
    private final class Database {
        private var handle: OpaquePointer?
        private let path: String

        init(_ path: String) throws(MeasurementFault) {
            self.path = path
            let head = try readHead(path)
            guard head.starts(with: Array("SQLite format 3".utf8)) else {
                throw MeasurementFault(
                    file: path, reason: "this is no SQLite database", suggestion: "export it by nsys export --type sqlite REPORT.nsys-rep")
            }
            guard sqlite3_open_v2(path, &handle, SQLITE_OPEN_READONLY, nil) == SQLITE_OK else {
                throw MeasurementFault(file: path, reason: "the database cannot be opened", suggestion: "check the file")
            }
        }

        deinit { sqlite3_close_v2(handle) }

        /// - Throws: `MeasurementFault` with SQLite's message: a table that an export of nsys has and this file has not.
        func rows(_ query: String, width: Int) throws(MeasurementFault) -> [[Value]] {
            var statement: OpaquePointer?
            guard sqlite3_prepare_v2(handle, query, -1, &statement, nil) == SQLITE_OK else { throw fault() }
            defer { sqlite3_finalize(statement) }
            var rows: [[Value]] = []
            while true {
                let code = sqlite3_step(statement)
                if code == SQLITE_DONE { return rows }
                guard code == SQLITE_ROW else { throw fault() }
                rows.append(
                    (0..<Int32(width)).map { column in
                        let text = sqlite3_column_text(statement, column).map { String(cString: $0) } ?? ""
                        return Value(integer: sqlite3_column_int64(statement, column), text: text)
                    })
            }
        }

        private func fault() -> MeasurementFault {
            MeasurementFault(
                file: path, reason: "this is no export of nsys: \(String(cString: sqlite3_errmsg(handle)))",
                suggestion: "trace cuda and nvtx (nsys profile -t cuda,nvtx), then nsys export --type sqlite")
        }
    }
}
