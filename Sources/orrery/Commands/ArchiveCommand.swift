import Archive
import ArgumentParser
import Foundation
import Quantities
import Report
import Scenario

struct ArchiveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "archive", abstract: "List, show and compare what was computed before.",
        discussion: """
            run, search, sweep and validate keep their answers with scenario, hashes, version, seed and time in one SQLite database:
            ~/.local/share/orrery/archive.db, or the file that ORRERY_ARCHIVE names (off: none). The same question with the same answer is kept once
            and counted. --no-archive leaves an answer out.
            """,
        subcommands: [
            ArchiveList.self, ArchiveShow.self, ArchiveDiff.self, ArchiveTag.self, ArchiveExport.self, ArchiveRemove.self,
        ])
}

/// An archive's faults as those of the input: there is no other cause that a user could mend.
private func reading<Value>(_ body: (RunArchive) throws -> Value) throws -> Value {
    let archive = try openArchive()
    do { return try body(archive) } catch let error as ArchiveError { throw InputError("archive: \(error)") }
}

private func found(_ id: Int64, in archive: RunArchive) throws -> ArchiveEntry {
    guard let entry = try archive.entry(id) else { throw InputError("archive: there is no entry \(id); orrery archive list shows them") }
    return entry
}

struct ArchiveList: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "The newest first.")
    @Option(help: "Only of this command: run, search, sweep or validate.") var command: String?
    @Option(help: "Only those whose name holds this.") var name: String?
    @Option(help: "Only those with this tag.") var tag: String?
    @Option(parsing: .unconditional, help: "At most so many.") var limit = 50
    @OptionGroup var output: OutputOptions

    func run() throws {
        guard limit > 0 else { throw ValidationError("--limit is \(limit); give a number above zero") }
        var filter = RunArchive.Filter()
        (filter.command, filter.name, filter.tag, filter.limit) = (command, name, tag, limit)
        let entries = try reading { try $0.list(filter) }
        if output.json { return try Console.output(JSONValue.array(entries.map(\.json)).text() + "\n") }
        let header = ["id", "when", "command", "name", "step s", "MFU %", "USD", "fits", "times", "tags"]
        let rows = entries.map { entry in
            [
                "\(entry.id)", entry.when, entry.command, entry.name, entry.step.map { rounded($0, 4) } ?? "-",
                entry.mfu.map { rounded($0 * 100, 1) } ?? "-", entry.dollars.map { rounded($0, 2) } ?? "-",
                entry.fits.map { $0 ? "yes" : "no" } ?? "-", "\(entry.count)", entry.tags.joined(separator: " "),
            ]
        }
        if output.csv { return try Console.output(CSVRecords.text([header] + rows)) }
        guard !rows.isEmpty else { return output.note("archive: nothing is kept that answers to this") }
        try Console.output(columns([header] + rows))
    }
}

struct ArchiveShow: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "One entry with its scenario and its result.")
    @Argument(help: "As orrery archive list shows it.") var id: Int64
    @Flag(help: "Print the scenario only, as a file to run again.") var scenario = false
    @Flag(help: "Print the result only, as --json printed it.") var result = false

    func run() throws {
        let entry = try reading { try found(id, in: $0) }
        if scenario { return try Console.output(entry.scenario, isData: true) }
        if result { return try Console.output(entry.result, isData: true) }
        try Console.output(entry.document.text() + "\n", isData: true)
    }
}

struct ArchiveDiff: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "What differs between two entries: keys of the scenario, figures of the result.",
        discussion: "Figures that differ by less than a ten-thousandth are left out, unless --all asks for them.")
    @Argument(help: "The one before.") var before: Int64
    @Argument(help: "The one after.") var after: Int64
    @Flag(help: "Every figure that differs at all.") var all = false
    @OptionGroup var output: OutputOptions

    func run() throws {
        let (a, b) = try reading { (try found(before, in: $0), try found(after, in: $0)) }
        let difference = ArchiveDifference(a, b, least: all ? 0 : 1e-4)
        if output.json { return try Console.output(difference.json.text() + "\n") }
        let rows = [["what", "\(before)", "\(after)", "change"]] + difference.rows
        if output.csv { return try Console.output(CSVRecords.text(rows)) }
        try Console.output(difference.rows.isEmpty ? "no difference\n" : columns(rows))
    }
}

struct ArchiveTag: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "tag", abstract: "Give an entry tags, or take them away.")
    @Argument(help: "As orrery archive list shows it.") var id: Int64
    @Argument(help: "Words without blanks.") var tags: [String]
    @Flag(help: "Take them away.") var remove = false

    func run() throws {
        for tag in tags where tag.isEmpty || tag.count > 100 || tag.contains(where: \.isWhitespace) {
            throw ValidationError("\"\(tag)\" is no tag; give a word without blanks")
        }
        guard try reading({ try $0.tag(id, add: remove ? [] : tags, remove: remove ? tags : []) }) else {
            throw InputError("archive: there is no entry \(id); orrery archive list shows them")
        }
    }
}

struct ArchiveExport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "All entries as JSON lines, the oldest first, each with scenario and result.")
    @Option(help: ArgumentHelp("Into a file.", valueName: "file"), completion: .file()) var output: String?
    @Option(help: "Only those with this tag.") var tag: String?

    func run() throws {
        var filter = RunArchive.Filter()
        filter.tag = tag
        let lines = try reading { archive in
            try archive.list(filter).reversed().compactMap { try archive.entry($0.id)?.document.text(.compact) }.map { $0 + "\n" }.joined()
        }
        guard let output else { return try Console.output(lines, isData: true) }
        try uninterrupted { () throws(FileError) in try writeFile(Array(lines.utf8), to: output) }
    }
}

struct ArchiveRemove: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rm", abstract: "Remove entries for good.")
    @Argument(help: "As orrery archive list shows them.") var ids: [Int64]

    func run() throws {
        let missing = try reading { archive in try ids.filter { try !archive.remove($0) } }
        guard missing.isEmpty else {
            throw InputError("archive: there is no entry \(missing.map(String.init).joined(separator: ", ")); the others are removed")
        }
    }
}

/// Rows as columns, as wide as they need to be.
private func columns(_ rows: [[String]]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
        var line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        return line + "\n"
    }.joined()
}
