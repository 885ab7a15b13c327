import CSQLite
import Glibc

/// Why the archive cannot be read or written.
public struct ArchiveError: Error, Sendable, Hashable, CustomStringConvertible {
    public let path: String
    public let reason: String
    public var description: String { "\(path): \(reason)" }
}

/// A connection to an SQLite database: statements with bound values, nothing else. Used by one thread at a time.
final class Database {
    enum Value: Hashable {
        case null
        case integer(Int64)
        case real(Double)
        case text(String)
    }
    let path: String
    private let handle: OpaquePointer
    private let wait: Int32

    /// Opens a database, or makes it. Writers go on while others read (write-ahead log), and a process that is killed loses nothing that was committed
    /// (sqlite.org/wal.html). Whoever finds it locked waits.
    /// - Parameter wait: milliseconds.
    init(path: String, readOnly: Bool = false, wait: Int32) throws(ArchiveError) {
        var opened: OpaquePointer?
        let flags = (readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX
        let status = sqlite3_open_v2(path, &opened, flags, nil)
        guard status == SQLITE_OK, let opened else {
            let reason = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "no memory"
            sqlite3_close_v2(opened)
            throw ArchiveError(path: path, reason: reason)
        }
        (self.path, handle, self.wait) = (path, opened, wait)
        sqlite3_busy_timeout(handle, wait)
        guard !readOnly else { return }
        try patiently("PRAGMA journal_mode = WAL", wait: wait)
        // The log is written at once and synchronised when it is copied into the database: a power failure may take the last entries, a kill none.
        try run("PRAGMA synchronous = NORMAL")
    }

    deinit { sqlite3_close_v2(handle) }

    private var fault: ArchiveError { ArchiveError(path: path, reason: String(cString: sqlite3_errmsg(handle))) }

    /// The identity of the row that was inserted last.
    var lastID: Int64 { sqlite3_last_insert_rowid(handle) }
    /// Rows that the last statement changed.
    var changes: Int { Int(sqlite3_changes(handle)) }

    /// Changing the form of the log, and taking it over from a process that was killed, are refused at once where others are at work, without the
    /// waiting that `sqlite3_busy_timeout` asks for.
    private func patiently(_ statement: String, wait: Int32) throws(ArchiveError) {
        var left = Int(wait)
        while true {
            do throws(ArchiveError) { return try run(statement) } catch {
                guard sqlite3_errcode(handle) & 0xFF == SQLITE_BUSY, left > 0 else { throw error }
            }
            usleep(5_000)
            left -= 5
        }
    }

    func run(_ statement: String, _ values: [Value] = []) throws(ArchiveError) { _ = try rows(statement, values) }

    /// [rows][columns]
    @discardableResult
    func rows(_ statement: String, _ values: [Value] = []) throws(ArchiveError) -> [[Value]] {
        var prepared: OpaquePointer?
        guard sqlite3_prepare_v2(handle, statement, -1, &prepared, nil) == SQLITE_OK, let prepared else { throw fault }
        defer { sqlite3_finalize(prepared) }
        for (index, value) in values.enumerated() {
            let status =
                switch value {
                case .null: sqlite3_bind_null(prepared, Int32(index + 1))
                case .integer(let number): sqlite3_bind_int64(prepared, Int32(index + 1), number)
                case .real(let number): sqlite3_bind_double(prepared, Int32(index + 1), number)
                case .text(let text): Self.bind(text, to: prepared, at: Int32(index + 1))
                }
            guard status == SQLITE_OK else { throw fault }
        }
        var result: [[Value]] = []
        while true {
            switch sqlite3_step(prepared) {
            case SQLITE_ROW: result.append((0..<sqlite3_column_count(prepared)).map { Self.column($0, of: prepared) })
            case SQLITE_DONE: return result
            default: throw fault
            }
        }
    }

    /// SQLite copies the text, as its bytes go when this returns.
    private static func bind(_ text: String, to statement: OpaquePointer, at index: Int32) -> Int32 {
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        var text = text
        return text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { sqlite3_bind_text(statement, index, $0.baseAddress, Int32($0.count), transient) }
        }
    }

    private static func column(_ index: Int32, of statement: OpaquePointer) -> Value {
        switch sqlite3_column_type(statement, index) {
        case SQLITE_INTEGER: .integer(sqlite3_column_int64(statement, index))
        case SQLITE_FLOAT: .real(sqlite3_column_double(statement, index))
        case SQLITE_NULL: .null
        default:
            sqlite3_column_text(statement, index).map {
                .text(String(decoding: UnsafeBufferPointer(start: $0, count: Int(sqlite3_column_bytes(statement, index))), as: UTF8.self))
            } ?? .null
        }
    }

    /// All of `body` or nothing of it.
    func transaction<Result>(_ body: () throws(ArchiveError) -> Result) throws(ArchiveError) -> Result {
        try patiently("BEGIN IMMEDIATE", wait: wait)
        do throws(ArchiveError) {
            let result = try body()
            try run("COMMIT")
            return result
        } catch {
            try? run("ROLLBACK")
            throw error
        }
    }
}

extension Database.Value {
    var text: String { if case .text(let text) = self { text } else { "" } }
    var integer: Int64 { if case .integer(let number) = self { number } else { 0 } }
    var number: Double? {
        switch self {
        case .real(let number): number
        case .integer(let number): Double(number)
        default: nil
        }
    }
    init(_ number: Double?) { self = number.map { $0.isFinite ? .real($0) : .null } ?? .null }
}
