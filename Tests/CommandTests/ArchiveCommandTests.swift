import Foundation
import Testing

@Suite("The archive on the command line")
struct ArchiveCommandTests {
    @Test("runs are kept, listed, shown, compared, tagged, exported and removed")
    func journey() throws {
        let folder = try Folder()
        let (job, archive) = (try folder.write(Files.sharded, as: "job.yaml"), ["ORRERY_ARCHIVE": folder.path("deep/archive.db")])
        func orrery(_ arguments: String...) throws -> Program.Outcome { try Program.run(arguments, environment: archive) }
        let first = try orrery("run", job, "--json")
        #expect(first.status == 0)
        #expect(try orrery("run", job, "--json", "--quiet").output == first.output)
        #expect(try orrery("run", job, "--set", "training.micro_batch=2").status == 0)
        #expect(try orrery("run", job, "--set", "training.micro_batch=4", "--no-archive").status == 0)

        let list = try orrery("archive", "list", "--json")
        let entries = try #require(try JSONSerialization.jsonObject(with: Data(list.output.utf8)) as? [[String: Any]])
        #expect(entries.map { $0["id"] as? Int } == [2, 1])
        #expect(entries.map { $0["count"] as? Int } == [1, 2])
        #expect(entries.first?["parent"] as? Int == 1)
        #expect(try orrery("archive", "show", "1", "--result").output == first.output)
        // What is kept is enough to ask the same again.
        let again = try folder.write(orrery("archive", "show", "2", "--scenario").output, as: "again.yaml")
        let hash = try #require(object(orrery("run", again, "--json", "--no-archive").output)["hash"] as? String)
        #expect(hash == entries.first?["hash"] as? String)
        let difference = try orrery("archive", "diff", "1", "2").output
        #expect(difference.contains(/scenario\.training\.micro_batch +1 +2/))
        #expect(difference.contains("result.step.time_s"))
        #expect(try orrery("archive", "tag", "1", "base").status == 0)
        #expect(try orrery("archive", "list", "--tag", "base", "--csv").output.split(separator: "\n").count == 2)
        #expect(try orrery("archive", "export").output.split(separator: "\n").count == 2)
        #expect(try orrery("archive", "rm", "1").status == 0)
        #expect(try orrery("archive", "show", "1").status == 2)
        #expect(try orrery("archive", "diff", "1", "2").status == 2)
    }

    @Test("an archive that cannot be written is a remark, and the answer stands")
    func unwritable() throws {
        let folder = try Folder()
        let job = try folder.write(Files.sharded, as: "job.yaml")
        let text = try folder.write(
            "this is no database, but long enough to be looked at as one: " + String(repeating: ".", count: 100), as: "text.db")
        for path in ["/proc/none/archive.db", text, folder.path("")] {
            let outcome = try Program.run(["run", job, "--json"], environment: ["ORRERY_ARCHIVE": path])
            #expect(outcome.status == 0, "\(path): \(outcome.errors)")
            #expect(outcome.errors.contains("archive: not kept: "))
            #expect(try Program.run(["run", job, "--json"]).output == outcome.output)
        }
        #expect(try Program.run(["archive", "list"], environment: ["ORRERY_ARCHIVE": text]).status == 2)
        #expect(try Program.run(["archive", "list"]).status == 2, "it is switched off")
    }

    @Test("processes that are killed while they keep runs lose nothing that was kept, and several write at once")
    func killed() throws {
        let folder = try Folder()
        let (job, path) = (try folder.write(Files.sharded, as: "job.yaml"), folder.path("archive.db"))
        var kept = 0
        for round in 0..<6 {
            let processes = try (0..<2).map { worker in
                let process = Process()
                process.executableURL = URL(fileURLWithPath: Program.path)
                process.arguments = ["run", job, "--json", "--seed", "\(round * 2 + worker)"]
                process.environment = ProcessInfo.processInfo.environment.merging(["ORRERY_ARCHIVE": path]) { $1 }
                process.standardOutput = FileHandle.nullDevice
                process.standardError = FileHandle.nullDevice
                try process.run()
                return process
            }
            if round % 2 == 1 {
                usleep(UInt32(40_000 * round))
                for process in processes { kill(process.processIdentifier, SIGKILL) }
            }
            for process in processes {
                process.waitUntilExit()
                if process.terminationReason == .exit { kept += 1 }
            }
        }
        let list = try Program.run(["archive", "list", "--csv"], environment: ["ORRERY_ARCHIVE": path])
        #expect(list.status == 0, "\(list.errors)")
        let rows = list.output.split(separator: "\n").count - 1
        #expect(rows >= kept && kept >= 6, "\(rows) rows of \(kept) runs that ended")
    }
}

@Suite("The server's command")
struct ServeTests {
    @Test(
        "what is unsafe or cannot be is refused before anything is started",
        arguments: [
            (["--host", "0.0.0.0"], "add --token"), (["--port", "70000"], "is no port"), (["--token", "abc"], "at least 8 characters"),
        ])
    func refusals(arguments: [String], message: String) throws {
        let outcome = try Program.run(["serve"] + arguments)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }

    @Test("where the server is not built, what to do is said")
    func missing() throws {
        let outcome = try Program.run(["serve"], environment: ["ORRERY_SERVE": "/nowhere/orrery-serve"])
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("make serve"))
    }

    @Test("the server is started with what was asked, its token out of sight")
    func started() throws {
        let folder = try Folder()
        let program = try folder.write("#!/bin/sh\necho \"$@ [$ORRERY_TOKEN]\"\n", as: "orrery-serve")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        let outcome = try Program.run(
            ["serve", "--host", "0.0.0.0", "--port", "0", "--token", "abcdefgh", "--no-open"], environment: ["ORRERY_SERVE": program])
        #expect(outcome.status == 0)
        #expect(outcome.output == "--host 0.0.0.0 --port 0 --no-open [abcdefgh]\n")
    }
}
