import Foundation
import Quantities
import Testing

@testable import Archive

@Suite("The archive keeps what it was given, whoever else writes and whatever ends the process")
struct ArchiveTests {
    /// A temporary folder that goes when it is let go of.
    private final class Folder {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-archive-\(UUID().uuidString)")
        deinit { try? FileManager.default.removeItem(at: url) }
        var database: String { url.appendingPathComponent("deep/archive.db").path }
    }

    private func entry(_ name: String, step: Double = 1, scenario: String = "model:\n  preset: a\n") -> ArchiveEntry {
        var entry = ArchiveEntry(command: "run", name: name)
        (entry.hash, entry.version, entry.seed, entry.time) = ("h\(name)\(step)", "0.1.0", .max, 1_796_100_000)
        (entry.step, entry.fits, entry.scenario) = (step, true, scenario)
        entry.result = "{\"step\": {\"time_s\": \(step), \"mfu\": 0.5}, \"warnings\": [\"é \u{1F4A1}\"]}\n"
        return entry
    }

    @Test("an entry comes back as it was; the same again is counted; a changed one knows what it came from")
    func keeping() throws {
        let folder = Folder()
        let archive = try RunArchive(path: folder.database)
        let first = try archive.keep(entry("a"))
        #expect(try archive.keep(entry("a")) == first)
        let second = try archive.keep(entry("a", step: 2))
        let found = try #require(try archive.entry(second))
        #expect(found.parent == first)
        #expect(found.result == entry("a", step: 2).result && found.seed == .max && found.fits == true && found.step == 2)
        #expect(try archive.entry(first)?.count == 2)
        #expect(try archive.list().map(\.id) == [second, first])
        #expect(try archive.tag(first, add: ["base", "base", "x"]))
        #expect(try archive.tag(first, remove: ["x"]))
        #expect(try archive.tag(99) == false)
        var filter = RunArchive.Filter()
        filter.tag = "base"
        #expect(try archive.list(filter).map(\.tags) == [["base"]])
        #expect(try archive.remove(first))
        #expect(try !archive.remove(first))
        #expect(try archive.list().map(\.id) == [second])
        // Numbers are not given out twice, so that notes of them stay true.
        #expect(try archive.keep(entry("a")) > second)
    }

    @Test("figures that are no numbers are kept as none")
    func undefined() throws {
        let folder = Folder()
        let archive = try RunArchive(path: folder.database)
        var odd = entry("odd", step: .nan)
        odd.dollars = .infinity
        #expect(try archive.entry(archive.keep(odd))?.step == nil)
    }

    @Test("two connections write at once, and nothing is lost")
    func concurrency() throws {
        let folder = Folder()
        let path = folder.database
        _ = try RunArchive(path: path)
        DispatchQueue.concurrentPerform(iterations: 4) { worker in
            for index in 0..<25 {
                // A connection of its own each time, as processes have.
                do { try RunArchive(path: path, wait: 20_000).keep(self.entry("w\(worker)", step: Double(index))) } catch {
                    Issue.record("\(error)")
                }
            }
        }
        #expect(try RunArchive(path: path).list().count == 100)
    }

    /// A form of the archive that an earlier program wrote, with one entry in it.
    private func former(_ version: Int, at path: String) throws {
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let database = try Database(path: path, wait: 1000)
        for step in RunArchive.migrations.prefix(version) { for statement in step { try database.run(statement) } }
        try database.run("PRAGMA user_version = \(version)")
        if version > 0 {
            try database.run(
                "INSERT INTO entry (time, command, name, hash, version, seed, wall, step, scenario, result) VALUES (1, 'run', 'old', 'h', '0.0.1', 3, 0.5, 2.5, 'a: 1', '{}')"
            )
        }
    }

    @Test("every former form is brought to the present one with what it holds", arguments: 0..<RunArchive.migrations.count + 1)
    func migration(version: Int) throws {
        let folder = Folder()
        try former(version, at: folder.database)
        let archive = try RunArchive(path: folder.database)
        #expect(try archive.list().count == (version > 0 ? 1 : 0))
        if version > 0 {
            let old = try #require(try archive.entry(1))
            #expect(old.name == "old" && old.step == 2.5 && old.count == 1 && old.parent == nil && old.seed == 3)
        }
        #expect(try archive.keep(entry("new")) == (version > 0 ? 2 : 1))
    }

    @Test("a newer form and a damaged file are refused with the reason, and left as they are")
    func refusals() throws {
        let folder = Folder()
        try former(1, at: folder.database)
        try Database(path: folder.database, wait: 1000).run("PRAGMA user_version = 99")
        #expect(throws: ArchiveError.self) { try RunArchive(path: folder.database) }
        let other = folder.url.appendingPathComponent("text.db")
        try "this is no database, and longer than a header of a hundred bytes is, so that it is looked at .......................".write(
            to: other, atomically: true, encoding: .utf8)
        let before = try Data(contentsOf: other)
        #expect(throws: ArchiveError.self) { try RunArchive(path: other.path) }
        #expect(try Data(contentsOf: other) == before)
        #expect(throws: ArchiveError.self) { try RunArchive(path: "/proc/none/archive.db") }
    }

    @Test("a full disk keeps nothing of an entry and everything before it")
    func fullDisk() throws {
        let folder = Folder()
        let archive = try RunArchive(path: folder.database)
        let first = try archive.keep(entry("a"))
        var large = entry("large")
        large.result = String(repeating: "x", count: 1 << 20)
        // SQLite refuses to grow beyond this, as it does where the disk is full.
        try archive.limit(pages: 20)
        #expect(throws: ArchiveError.self) { try archive.keep(large) }
        #expect(try archive.list().map(\.id) == [first])
        try archive.limit(pages: 1_000_000)
        _ = try archive.keep(large)
        #expect(try archive.list().count == 2)
    }

    @Test("where the archive is")
    func places() {
        #expect(RunArchive.path(environment: ["ORRERY_ARCHIVE": "off", "HOME": "/h"]) == nil)
        #expect(RunArchive.path(environment: ["ORRERY_ARCHIVE": "", "HOME": "/h"]) == nil)
        #expect(RunArchive.path(environment: ["ORRERY_ARCHIVE": "/x.db", "HOME": "/h"]) == "/x.db")
        #expect(RunArchive.path(environment: ["HOME": "/h"]) == "/h/.local/share/orrery/archive.db")
        #expect(RunArchive.path(environment: ["XDG_DATA_HOME": "/d", "HOME": "/h"]) == "/d/orrery/archive.db")
        #expect(RunArchive.path(environment: [:]) == nil)
    }

    @Test("a difference names keys and figures that changed, with by how much")
    func difference() {
        let (a, b) = (entry("a", step: 2), entry("a", step: 3, scenario: "model:\n  preset: b\nextra: 1\n"))
        let lines = ArchiveDifference(a, b, least: 1e-4).lines
        #expect(lines.map(\.path) == ["hash", "scenario.model.preset", "scenario.extra", "result.step.time_s"])
        #expect(lines.last?.change == 0.5)
        #expect(ArchiveDifference(a, a, least: 0).lines.isEmpty)
        #expect(ArchiveDifference(a, entry("a", step: 2.0001), least: 1e-3).lines.map(\.path) == ["hash"])
    }
}
