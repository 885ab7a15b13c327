import Foundation

/// Something that was computed, as the archive keeps it.
public struct ArchiveEntry: Sendable, Hashable {
    /// 0 before it is kept.
    public var id: Int64 = 0
    /// Seconds since 1970; of an entry that was computed again, the last time.
    public var time = 0.0
    /// The command: `run`, `search`, `sweep`, `validate`.
    public var command: String
    /// The scenario's name, or the tables of measured runs.
    public var name: String
    /// Of what the scenario says; empty where there is none.
    public var hash = ""
    /// Of the program.
    public var version = ""
    /// Fingerprint of the calibration.
    public var calibration = ""
    public var seed: UInt64 = 0
    /// Seconds that it took.
    public var wall = 0.0
    /// How often it was computed with the same result.
    public var count: Int64 = 1
    /// The entry before it of the same command and name: what it was changed from.
    public var parent: Int64?
    /// Step time in seconds, MFU, dollars and whether it fits; nil where the command has no such figure.
    public var step: Double?
    public var mfu: Double?
    public var dollars: Double?
    public var fits: Bool?
    public var tags: [String] = []
    /// The scenario as YAML, with everything laid over it.
    public var scenario = ""
    /// The document that `--json` prints.
    public var result = ""

    public init(command: String, name: String) { (self.command, self.name) = (command, name) }
}

/// Every run, search, sweep and validation of a user, in one SQLite database that several processes may use at once.
public final class RunArchive {
    private let database: Database
    /// The database's file.
    public var path: String { database.path }

    /// Opens the archive, makes it where there is none, and brings an older one to the present form.
    /// - Parameter wait: milliseconds that somebody else may hold it.
    /// - Throws: `ArchiveError` where it cannot be opened, is damaged, or was written by a newer program.
    public init(path: String, wait: Int32 = 2000) throws(ArchiveError) {
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try? FileManager.default.createDirectory(atPath: String(path[..<slash]), withIntermediateDirectories: true)
        }
        database = try Database(path: path, wait: wait)
        try migrate()
    }

    /// Where the archive is: `ORRERY_ARCHIVE`, else the user's data (XDG Base Directory Specification); nil where it is switched off or nobody says.
    public static func path(environment: [String: String]) -> String? {
        if let named = environment["ORRERY_ARCHIVE"] { return named.isEmpty || named == "off" ? nil : named }
        if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") { return "\(data)/orrery/archive.db" }
        guard let home = environment["HOME"], home.hasPrefix("/") else { return nil }
        return "\(home)/.local/share/orrery/archive.db"
    }

    // MARK: Form

    /// What brings a database from each version to the next; `PRAGMA user_version` counts those done.
    static let migrations: [[String]] = [
        [
            """
            CREATE TABLE entry (id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, command TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL,
            version TEXT NOT NULL, seed INTEGER NOT NULL, wall REAL NOT NULL, step REAL, mfu REAL, dollars REAL, fits INTEGER,
            scenario TEXT NOT NULL, result TEXT NOT NULL)
            """,
            "CREATE INDEX entry_name ON entry (command, name, id)",
            "CREATE TABLE tag (entry INTEGER NOT NULL REFERENCES entry (id), tag TEXT NOT NULL, PRIMARY KEY (entry, tag)) WITHOUT ROWID",
        ],
        [
            "ALTER TABLE entry ADD COLUMN calibration TEXT NOT NULL DEFAULT ''", "ALTER TABLE entry ADD COLUMN parent INTEGER",
            "ALTER TABLE entry ADD COLUMN count INTEGER NOT NULL DEFAULT 1", "CREATE INDEX entry_hash ON entry (hash, command)",
        ],
    ]

    private func version() throws(ArchiveError) -> Int { Int(try database.rows("PRAGMA user_version").first?.first?.integer ?? 0) }

    private func migrate() throws(ArchiveError) {
        let newest = Self.migrations.count
        let found = try version()
        guard found <= newest else {
            throw ArchiveError(path: path, reason: "the archive was written by a newer orrery (form \(found), known up to \(newest))")
        }
        guard found < newest else { return }
        try database.transaction { () throws(ArchiveError) in
            // Another process may have done it meanwhile.
            for step in try version()..<max(try version(), newest) {
                for statement in Self.migrations[step] { try database.run(statement) }
            }
            try database.run("PRAGMA user_version = \(newest)")
        }
    }

    // MARK: Keeping

    /// Keeps an entry; one that is there already with the same result is counted instead.
    /// - Returns: its id.
    /// - Throws: `ArchiveError`; nothing is then kept, and nothing of it half.
    @discardableResult
    public func keep(_ entry: ArchiveEntry) throws(ArchiveError) -> Int64 {
        try database.transaction { () throws(ArchiveError) -> Int64 in
            let same = try database.rows(
                "SELECT id FROM entry WHERE hash = ? AND command = ? AND name = ? AND seed = ? AND version = ? AND calibration = ? AND result = ?",
                [
                    .text(entry.hash), .text(entry.command), .text(entry.name), .integer(Int64(bitPattern: entry.seed)),
                    .text(entry.version),
                    .text(entry.calibration), .text(entry.result),
                ])
            if let id = same.first?.first?.integer {
                try database.run(
                    "UPDATE entry SET count = count + 1, time = ?, wall = ? WHERE id = ?",
                    [.real(entry.time), .real(entry.wall), .integer(id)])
                return id
            }
            let parent = try database.rows(
                "SELECT id FROM entry WHERE command = ? AND name = ? ORDER BY id DESC LIMIT 1", [.text(entry.command), .text(entry.name)])
            try database.run(
                """
                INSERT INTO entry (time, command, name, hash, version, calibration, seed, wall, count, parent, step, mfu, dollars, fits, scenario, result)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    .real(entry.time), .text(entry.command), .text(entry.name), .text(entry.hash), .text(entry.version),
                    .text(entry.calibration), .integer(Int64(bitPattern: entry.seed)), .real(entry.wall), parent.first?.first ?? .null,
                    .init(entry.step), .init(entry.mfu), .init(entry.dollars), entry.fits.map { .integer($0 ? 1 : 0) } ?? .null,
                    .text(entry.scenario), .text(entry.result),
                ])
            let id = database.lastID
            for tag in entry.tags { try database.run("INSERT OR IGNORE INTO tag VALUES (?, ?)", [.integer(id), .text(tag)]) }
            return id
        }
    }

    /// - Returns: whether there is such an entry.
    public func tag(_ id: Int64, add: [String] = [], remove: [String] = []) throws(ArchiveError) -> Bool {
        try database.transaction { () throws(ArchiveError) -> Bool in
            guard !(try database.rows("SELECT 1 FROM entry WHERE id = ?", [.integer(id)]).isEmpty) else { return false }
            for tag in add { try database.run("INSERT OR IGNORE INTO tag VALUES (?, ?)", [.integer(id), .text(tag)]) }
            for tag in remove { try database.run("DELETE FROM tag WHERE entry = ? AND tag = ?", [.integer(id), .text(tag)]) }
            return true
        }
    }

    /// - Returns: whether there was such an entry.
    public func remove(_ id: Int64) throws(ArchiveError) -> Bool {
        try database.transaction { () throws(ArchiveError) -> Bool in
            try database.run("DELETE FROM tag WHERE entry = ?", [.integer(id)])
            try database.run("DELETE FROM entry WHERE id = ?", [.integer(id)])
            return database.changes > 0
        }
    }

    /// Most pages that the file may have, for tests of a full disk.
    func limit(pages: Int) throws(ArchiveError) { try database.run("PRAGMA max_page_count = \(pages)") }

    // MARK: Finding

    /// Which entries are wanted; nil: any.
    public struct Filter: Sendable {
        public var command: String?
        /// Part of the name.
        public var name: String?
        public var tag: String?
        public var limit = Int.max
        public init() {}
    }

    private static let columns =
        "id, time, command, name, hash, version, calibration, seed, wall, count, parent, step, mfu, dollars, fits"

    /// Entries without scenario and result, the newest first.
    public func list(_ filter: Filter = Filter()) throws(ArchiveError) -> [ArchiveEntry] {
        var conditions: [String] = []
        var values: [Database.Value] = []
        if let command = filter.command {
            conditions.append("command = ?")
            values.append(.text(command))
        }
        if let name = filter.name {
            conditions.append("instr(name, ?) > 0")
            values.append(.text(name))
        }
        if let tag = filter.tag {
            conditions.append("id IN (SELECT entry FROM tag WHERE tag = ?)")
            values.append(.text(tag))
        }
        let clause = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        let rows = try database.rows(
            "SELECT \(Self.columns) FROM entry\(clause) ORDER BY id DESC LIMIT ?", values + [.integer(Int64(clamping: filter.limit))])
        var entries = rows.map(Self.entry)
        for index in entries.indices { entries[index].tags = try tags(of: entries[index].id) }
        return entries
    }

    /// One entry with all it has; nil where there is none of this id.
    public func entry(_ id: Int64) throws(ArchiveError) -> ArchiveEntry? {
        guard let row = try database.rows("SELECT \(Self.columns), scenario, result FROM entry WHERE id = ?", [.integer(id)]).first else {
            return nil
        }
        var entry = Self.entry(row)
        (entry.scenario, entry.result, entry.tags) = (row[15].text, row[16].text, try tags(of: id))
        return entry
    }

    private func tags(of id: Int64) throws(ArchiveError) -> [String] {
        try database.rows("SELECT tag FROM tag WHERE entry = ? ORDER BY tag", [.integer(id)]).map { $0[0].text }
    }

    private static func entry(_ row: [Database.Value]) -> ArchiveEntry {
        var entry = ArchiveEntry(command: row[2].text, name: row[3].text)
        (entry.id, entry.time, entry.hash, entry.version) = (row[0].integer, row[1].number ?? 0, row[4].text, row[5].text)
        (entry.calibration, entry.seed, entry.wall, entry.count) = (
            row[6].text, UInt64(bitPattern: row[7].integer), row[8].number ?? 0, row[9].integer
        )
        entry.parent = row[10] == .null ? nil : row[10].integer
        (entry.step, entry.mfu, entry.dollars) = (row[11].number, row[12].number, row[13].number)
        entry.fits = row[14] == .null ? nil : row[14].integer != 0
        return entry
    }
}
