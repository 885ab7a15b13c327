import Cluster
import Glibc
import Quantities
import Workload

/// A table of measurements as CSV: format in docs/measurements.md.
public struct MeasurementFile: Sendable {
    public var measurements: [Measurement]
    /// The file ended inside a row (its writer was stopped); that row is left out.
    public var isTorn = false
    private var known: Set<String>

    public init(_ measurements: [Measurement] = []) {
        self.measurements = measurements
        known = Set(measurements.map { Self.identity($0.key, library: $0.conditions.library) })
    }

    /// Whether the same shape was timed already with the same library: what a calibration that resumes asks.
    public func contains(_ key: Measurement.Key, library: String) -> Bool { known.contains(Self.identity(key, library: library)) }

    private static func identity(_ key: Measurement.Key, library: String) -> String {
        "\(key.kernel.rawValue)|\(key.variant)|\(key.pass.word)|\(key.device)|\(key.dtype.rawValue)|\(key.layout.rawValue)|\(key.shape.text)|\(library)"
    }

    public static let header =
        "kernel,variant,pass,device,dtype,layout,shape,time_s,spread,p99_s,n,clock_hz,temperature_c,library,source,date"
    static let columns = header.split(separator: ",").map(String.init)
    private static let required: Set<String> = ["kernel", "device", "dtype", "shape", "time_s"]

    /// The header and a row each.
    public var csv: String { ([Self.header] + measurements.map(Self.row)).map { $0 + "\n" }.joined() }

    static func row(_ measurement: Measurement) -> String {
        func optional(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
        let key = measurement.key
        return [
            key.kernel.rawValue, key.variant, key.pass.word, key.device, key.dtype.rawValue, key.layout.rawValue, key.shape.text,
            "\(measurement.seconds)", optional(measurement.spread), optional(measurement.p99), "\(measurement.repeats)",
            optional(measurement.conditions.clockHz), optional(measurement.conditions.temperatureC), measurement.conditions.library,
            measurement.source, measurement.date,
        ].map(CSVRecords.quoted).joined(separator: ",")
    }

    // MARK: Reading

    /// - Throws: `MeasurementFault` with line, column and name of what is wrong.
    public static func read(path: String) throws(MeasurementFault) -> MeasurementFile {
        try parse(try readText(path), file: path)
    }

    /// - Parameter file: how messages call it
    /// - Throws: `MeasurementFault` with line, column and name of what is wrong, at most twenty of them.
    public static func parse(_ text: String, file: String) throws(MeasurementFault) -> MeasurementFile {
        var faults: [MeasurementFault.Fault] = []
        let isTorn = !text.isEmpty && text.unicodeScalars.last != "\n"
        var records = CSVRecords.split(text) { line, column, reason, advice in
            faults.append(.init(line: line, column: column, reason: reason, suggestion: advice))
        }
        records.removeAll { $0.fields.allSatisfy { $0.allSatisfy(\.isWhitespace) } || $0.fields.first?.hasPrefix("#") == true }
        guard faults.isEmpty || isTorn else { throw MeasurementFault(file: file, faults) }
        guard let first = records.first else {
            throw MeasurementFault(file: file, reason: "the file holds no measurements", suggestion: "the first line is \(header)")
        }
        faults = []
        let names = first.fields.map { $0.filter { !$0.isWhitespace } }
        for (name, column) in zip(names, first.columns) where !columns.contains(name) {
            faults.append(
                .init(line: first.line, column: column, name: name, reason: "unknown column \"\(name)\"", suggestion: advice(for: name)))
        }
        for name in columns where required.contains(name) && !names.contains(name) {
            faults.append(
                .init(line: first.line, name: name, reason: "the column is missing", suggestion: "the first line is \(header)"))
        }
        if Set(names).count < names.count {
            faults.append(.init(line: first.line, reason: "a column stands twice in the header", suggestion: "keep one of the two"))
        }
        guard faults.isEmpty else { throw MeasurementFault(file: file, faults) }
        records.removeFirst()
        // A torn row may look whole, with a time cut short.
        if isTorn { _ = records.popLast() }
        var measurements: [Measurement] = []
        measurements.reserveCapacity(records.count)
        for record in records {
            guard record.fields.count == names.count else {
                faults.append(
                    .init(
                        line: record.line, reason: "the row has \(record.fields.count) fields, the header \(names.count)",
                        suggestion: "separate every field by a comma, and put texts with commas in quotes"))
                continue
            }
            var row = MeasurementRow(record: record, names: names)
            if let measurement = row.measurement() { measurements.append(measurement) }
            faults += row.faults
            if faults.count >= 20 { break }
        }
        guard faults.isEmpty else { throw MeasurementFault(file: file, faults) }
        var table = MeasurementFile(measurements)
        table.isTorn = isTorn
        return table
    }

    private static func advice(for name: String) -> String {
        if let close = nearest(name, in: columns) { return "did you mean \"\(close)\"?" }
        return "columns are \(columns.joined(separator: ", "))"
    }

    // MARK: Appending

    /// Adds rows to a file, which is made where it is missing; a torn last row is cut off first. Every call leaves a whole file.
    /// - Throws: `MeasurementFault` where the file has another header, or cannot be written.
    public static func append(_ measurements: [Measurement], to path: String) throws(MeasurementFault) {
        func fault(_ reason: String, _ suggestion: String) -> MeasurementFault {
            MeasurementFault(file: path, reason: reason, suggestion: suggestion)
        }
        var bytes: [UInt8] = []
        var keep = 0
        if access(path, F_OK) == 0 {
            bytes = Array(try readText(path).utf8)
            keep = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            if keep > 0 {
                let first = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }, as: UTF8.self)
                guard first == header else { throw fault("the file has another header", "the first line is \(header)") }
            }
        }
        guard let handle = fopen(path, keep == 0 ? "w" : "r+") else {
            throw fault("the file cannot be written: \(String(cString: strerror(errno)))", "choose another path")
        }
        let text = (keep == 0 ? header + "\n" : "") + measurements.map { row($0) + "\n" }.joined()
        let isDone =
            ftruncate(fileno(handle), keep) == 0 && fseek(handle, keep, SEEK_SET) == 0
            && fwrite(text, 1, text.utf8.count, handle) == text.utf8.count
        guard fclose(handle) == 0, isDone else {
            throw fault("the file cannot be written: \(String(cString: strerror(errno)))", "check the space on the disk")
        }
    }
}

/// The text of a file of timings.
/// - Throws: `MeasurementFault` where it is missing, unreadable, longer than 1 GB or no UTF-8.
func readText(_ path: String) throws(MeasurementFault) -> String {
    let bytes = try readBytes(path)
    // Checking text byte by byte takes long: what is binary shows early.
    guard !bytes.prefix(1 << 16).contains(0), let text = String(validating: bytes, as: UTF8.self) else {
        throw MeasurementFault(file: path, reason: "the file is not UTF-8 text", suggestion: "name a file of text")
    }
    return text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text
}

/// - Throws: `MeasurementFault` where the file is missing, unreadable or longer than 1 GB.
func readBytes(_ path: String) throws(MeasurementFault) -> [UInt8] { try readHead(path, limit: nil) }

/// The first 100 bytes of a file, or all of it where the limit is nil.
func readHead(_ path: String, limit: Int? = 100) throws(MeasurementFault) -> [UInt8] {
    func fault(_ reason: String) -> MeasurementFault { MeasurementFault(file: path, reason: reason, suggestion: "check the path") }
    var status = stat()
    guard stat(path, &status) == 0 else { throw fault("there is no such file") }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw fault("this is a directory") }
    guard let handle = fopen(path, "r") else { throw fault("the file cannot be read: \(String(cString: strerror(errno)))") }
    defer { fclose(handle) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(max(0, min(1_000_000_000, Int(status.st_size))))
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&buffer, 1, buffer.count, handle)
        if count == 0 { break }
        bytes += buffer[..<count]
        if let limit, bytes.count >= limit { return Array(bytes[..<limit]) }
        guard bytes.count <= 1_000_000_000 else { throw fault("the file is longer than 1 GB") }
    }
    guard ferror(handle) == 0 else { throw fault("the file cannot be read") }
    return bytes
}
