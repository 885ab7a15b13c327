import Calibration
import Plan
import Quantities

/// A training run that somebody measured.
public struct MeasuredRun: Sendable {
    public var id: String
    public var file: String
    /// Line of the file, from 1.
    public var line: Int
    /// Device, framework and source as the table names them; empty where it does not.
    public var hardware: String
    public var framework: String
    public var source: String
    /// What was run; nil where the row cannot be modelled, and then `reason` says why.
    public var job: Job?
    public var reason: String?
    /// Seconds of one optimizer step; 0 where the cell is no number.
    public var stepTimeS: Double
    /// Gigabytes (10^9 bytes) of device memory, where measured.
    public var memoryGB: Double?
    /// What that figure counts, where the table or its publisher says so; nil: what the stack prints.
    public var memoryMeasure: MemoryMeasure?
    /// Share of its configuration's weight: repeated configurations count once.
    public var weight: Double
    /// A: everything about the run is known; B: some of it is an assumption of the table.
    public var completeness: String?
    /// What the row leaves open and what was taken instead.
    public var warnings: [String]
    /// Columns that state no fact of the run: empty, or named in `assumed` as a guess of the table's author.
    public var open: Set<String> = []
    /// The table says that something else was measured than what the row describes (`outlier`): listed, and not scored.
    public var isExcluded = false
    /// Workers that average now and then; `job` is one of them.
    public var localUpdates: LocalUpdates?
    /// Every filled column as written.
    public var columns: [String: String]
    /// Equal for rows that share model and number of GPUs, for rank correlations.
    public var group: String
}

extension MeasuredRun {
    /// A job whose step nobody measured; its time stands as one second.
    public init(job: Job, id: String) {
        self.init(
            id: id, file: "", line: 0, hardware: job.cluster.accelerator.name, framework: job.software.framework, source: "", job: job,
            reason: nil, stepTimeS: 1, memoryGB: nil, weight: 1, completeness: nil, warnings: [], columns: [:], group: id)
    }
}

/// Reads tables of measured runs.
public enum MeasuredRuns {
    /// Columns of the contract, the required ones first.
    public static let columns = required + optional
    static let required = ["hardware", "gpus", "global_batch", "step_time_s"] + shape
    /// Needed where no column `model` names what was trained.
    private static let shape = ["layers", "hidden", "heads", "vocab", "sequence"]
    static let optional = [
        "id", "source", "gpus_per_node", "inter_node", "kv_heads", "head_dim", "ffn", "activation", "experts", "active_experts",
        "shared_experts", "expert_ffn", "dense_layers", "attention", "micro_batch", "tensor", "pipeline", "virtual", "context", "expert",
        "expert_tensor", "data", "sequence_parallel", "zero", "recompute", "precision", "schedule", "framework", "memory_gb",
        "memory_measure", "weight",
        "flash_attention", "tensor_overlap", "data_overlap", "scaling", "release", "launch_blocking", "stage_balance", "gradient_precision",
        "routing", "environment", "q_rank", "kv_rank", "rope_dim", "window", "mtp_layers", "tied_embeddings", "transformer_engine",
        "compiled", "model", "image", "intra_node", "algorithm", "inner_steps", "link_gbit_s", "link_gbit_s_measured", "optimizer",
        "causal",
        "head", "shard_group", "offload", "fused_step", "adapters", "loss_chunks", "packing", "outlier",
        "completeness", "assumed",
    ]

    /// Runs, and remarks on what the table leaves in doubt: columns that are misspelt, runs that stand in it twice.
    public struct Table: Sendable {
        public var runs: [MeasuredRun]
        public var remarks: [String]
    }

    /// Reads a CSV file with a header; extra columns are ignored.
    /// - Returns: a run for each row, in order; one that cannot be modelled, for a cell of the wrong type too, has no job but a reason.
    /// - Throws: `ScenarioErrors` where the file is no table, lacks a column that every run needs, or has no row without a fault.
    public static func read(path: String, library: Library = .standard) throws(ScenarioErrors) -> [MeasuredRun] {
        try table(path: path, library: library).runs
    }

    /// As `read(path:)`, with the remarks.
    /// - Throws: `ScenarioErrors`, as `read(path:)`.
    public static func table(path: String, library: Library = .standard) throws(ScenarioErrors) -> Table {
        try read(SourceText.read(path, limit: SourceText.tableLimit), library: library)
    }

    /// As `read(path:)` for a text; `file` names it in messages.
    /// - Throws: `ScenarioErrors`, as `read(path:)`.
    public static func read(csv text: String, file: String, library: Library = .standard) throws(ScenarioErrors) -> [MeasuredRun] {
        try read(SourceText(file: file, text: text), library: library).runs
    }

    private static func read(_ source: SourceText, library: Library) throws(ScenarioErrors) -> Table {
        let table = try CSVTable.parse(source)
        var errors: [ScenarioError] = []
        let needed = table.header.contains("model") ? required.filter { !shape.contains($0) } : required
        for name in needed where !table.header.contains(name) {
            let close = nearest(name, in: table.header.filter { !columns.contains($0) })
            errors.append(
                ScenarioError(
                    file: source.file, line: 1, column: 1, keyPath: name, reason: "the column is missing",
                    suggestion: close.map { "did you mean it by \"\($0)\"?" } ?? "add it to the header"))
        }
        if table.rows.isEmpty {
            errors.append(
                ScenarioError(
                    file: source.file, line: 1, column: 1, keyPath: "", reason: "the table has a header and no rows",
                    suggestion: "write one line for each measured run"))
        }
        guard errors.isEmpty else { throw ScenarioErrors(errors) }
        var runs: [MeasuredRun] = []
        var isSound = false
        for row in table.rows {
            var cells = MeasuredCells(table: table, row: row)
            runs.append(MeasuredRow.run(&cells, library: library))
            errors += cells.errors
            isSound = isSound || cells.errors.isEmpty
        }
        guard isSound || errors.isEmpty else { throw ScenarioErrors(errors) }
        return Table(runs: runs, remarks: misspelt(table) + repeated(runs))
    }

    /// Unknown columns that look like a known one.
    private static func misspelt(_ table: CSVTable) -> [String] {
        table.header.compactMap { name in
            guard !name.isEmpty, !columns.contains(name) else { return nil }
            // As far as two letters, or a case or hyphen; more than that is a column of the table's own ("notes" is no "nodes").
            guard let close = nearest(name, in: columns), isMisspelt(name, of: close) else { return nil }
            return "\(table.file): the column \"\(name)\" is not known and not read; did you mean \"\(close)\"?"
        }
    }

    private static func isMisspelt(_ name: String, of column: String) -> Bool {
        let distance = editDistance(of: name, column)
        return distance <= (column.count >= 8 ? 2 : column.count >= 4 ? 1 : 0)
    }

    /// Runs whose id stands in the tables before: each counts.
    public static func repeated(_ runs: [MeasuredRun]) -> [String] {
        var first: [String: MeasuredRun] = [:]
        return runs.compactMap { run in
            guard run.columns["id"] != nil else { return nil }
            guard let earlier = first[run.id] else {
                first[run.id] = run
                return nil
            }
            let there = earlier.file == run.file ? "line \(earlier.line)" : "\(earlier.file), line \(earlier.line)"
            return "\(run.file):\(run.line): id \"\(run.id)\" stands also on \(there); both rows count"
        }
    }
}

/// The cells of one row by the name of their column.
struct MeasuredCells {
    let file: String
    let line: Int
    private var fields: [String: (text: String, column: Int)] = [:]
    private(set) var errors: [ScenarioError] = []
    private(set) var warnings: [String] = []

    init(table: CSVTable, row: CSVTable.Row) {
        file = table.file
        line = row.line
        for (index, name) in table.header.enumerated() where index < row.fields.count {
            fields[name] = (row.fields[index].trimmingSpaces, index < row.columns.count ? row.columns[index] : 1)
        }
    }

    /// The filled cells.
    var all: [String: String] { fields.mapValues(\.text).filter { !$0.value.isEmpty } }

    /// Nil where the cell is empty or says "unknown".
    func text(_ name: String) -> String? {
        guard let text = fields[name]?.text, !text.isEmpty, text != "unknown" else { return nil }
        return text
    }

    mutating func remark(_ warning: String) { warnings.append(warning) }

    mutating func report(_ name: String, _ reason: String, _ advice: String) {
        errors.append(
            ScenarioError(file: file, line: line, column: fields[name]?.column ?? 1, keyPath: name, reason: reason, suggestion: advice))
    }

    mutating func integer(_ name: String, _ range: ClosedRange<Int> = 1...1_000_000_000) -> Int? {
        guard let text = text(name) else { return nil }
        if let value = Int(text), range.contains(value) { return value }
        report(
            name, "\"\(text)\" is not a whole number from \(range.lowerBound) to \(range.upperBound)",
            "write for instance \(max(1, range.lowerBound))")
        return nil
    }

    /// As `integer`, saying what is taken where the cell is empty.
    mutating func integer(_ name: String, _ range: ClosedRange<Int> = 1...1_000_000, default value: Int) -> Int {
        if let written = integer(name, range) { return written }
        if text(name) == nil { remark("\(name) is unknown: \(value) is taken") }
        return value
    }

    /// No second, gigabyte or weight of a step is larger.
    private static let largest = 1e15

    mutating func number(_ name: String, above floor: Double = 0) -> Double? {
        guard let text = text(name) else { return nil }
        guard let value = decimalNumber(text) else {
            report(name, "\"\(text)\" is no number in decimal digits", "write for instance 1.5")
            return nil
        }
        if value > floor, value < Self.largest { return value }
        report(
            name, "\"\(text)\" is not \(value > floor ? "below \(significant(Self.largest))" : "above \(significant(floor))")",
            "write for instance 1.5")
        return nil
    }

    mutating func flag(_ name: String) -> Bool? {
        switch text(name)?.lowercased() {
        case nil: return nil
        case "true": return true
        case "false": return false
        default:
            report(name, "\"\(text(name) ?? "")\" is neither true nor false", "write true, false or nothing")
            return nil
        }
    }

    mutating func choice<Word: RawRepresentable<String> & CaseIterable>(_ name: String, _: Word.Type) -> Word? {
        guard let text = text(name) else { return nil }
        if let word = Word(rawValue: text) { return word }
        let words = Word.allCases.map(\.rawValue)
        report(name, "\"\(text)\" is none of \(words.joined(separator: ", "))", suggestion(for: text, in: words))
        return nil
    }
}
