import Cluster
import Quantities
import Workload

/// A CSV table of another project, read by the names of its columns.
struct TimingTable {
    let file: String
    let header: [String]
    private let index: [String: Int]
    let records: [CSVRecords.Record]

    /// - Throws: `MeasurementFault` where rows and header do not agree.
    init(_ text: String, file: String) throws(MeasurementFault) {
        self.file = file
        var faults: [MeasurementFault.Fault] = []
        var records = CSVRecords.split(text) { faults.append(.init(line: $0, column: $1, reason: $2, suggestion: $3)) }
        guard let first = records.first, faults.isEmpty else {
            throw faults.isEmpty
                ? MeasurementFault(file: file, reason: "the file is empty", suggestion: "name a table with a header")
                : MeasurementFault(file: file, faults)
        }
        records.removeFirst()
        records.removeAll { $0.fields.count == 1 }
        header = first.fields
        index = Dictionary(first.fields.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        for record in records where record.fields.count != header.count {
            faults.append(
                .init(
                    line: record.line, reason: "the row has \(record.fields.count) fields, the header \(header.count)",
                    suggestion: "check the commas of this row"))
        }
        guard faults.isEmpty else { throw MeasurementFault(file: file, faults) }
        self.records = records
    }

    func has(_ columns: String...) -> Bool { columns.allSatisfy { index[$0] != nil } }

    /// A row whose fields are looked up by name; a number that is none becomes a fault.
    struct Row {
        let table: TimingTable
        let record: CSVRecords.Record

        func text(_ column: String) -> String { table.index[column].map { record.fields[$0] } ?? "" }

        /// - Throws: `MeasurementFault` with line and column where the field is no positive number.
        func number(_ column: String) throws(MeasurementFault) -> Double {
            if let value = decimalNumber(text(column)), value > 0, value < 1e18 { return value }
            let place = table.index[column].map { record.columns[$0] } ?? 1
            throw MeasurementFault(
                file: table.file,
                [
                    .init(
                        line: record.line, column: place, name: column, reason: "\"\(text(column))\" is no positive number",
                        suggestion: "the table should hold one here")
                ])
        }
        func count(_ column: String) throws(MeasurementFault) -> Int { Int(try number(column)) }
        func optional(_ column: String) -> Double? { decimalNumber(text(column)).flatMap { $0 >= 0 && $0 < 1e18 ? $0 : nil } }
    }

    func rows() -> [Row] { records.map { Row(table: self, record: $0) } }
}

extension Precision {
    /// A dtype as other programs write it; nil for one that has no match (weight-only formats).
    static func parsing(_ text: String) -> Precision? {
        switch text.lowercased() {
        case "bfloat16", "bf16", "c10::bfloat16", "torch.bfloat16": .bf16
        case "half", "float16", "fp16", "c10::half", "torch.float16": .fp16
        case "float", "float32", "fp32", "torch.float32": .fp32
        case "tf32", "tfloat32": .tf32
        case "fp8", "float8_e4m3fn", "fp8_e4m3", "c10::float8_e4m3fn", "f8e4m3", "f8e5m2": .fp8
        case "mxfp8": .mxfp8
        case "nvfp4": .nvfp4
        case "int8", "uint8", "signed char": .int8
        default: nil
        }
    }
}
