import Foundation
import Testing

@Suite struct ScheduleCommandTests {
    /// GPipe on 2 ranks with 2 micro-batches, F = 1 and B + W = 2: (m + p - 1)(F + B + W) = 9 long, of which each rank works 6.
    @Test func aScheduleByName() throws {
        let outcome = try Program.run("schedule", "gpipe", "--ranks", "2", "--micro-batches", "2")
        #expect(outcome.status == 0)
        #expect(outcome.output.hasPrefix("gpipe: 2 ranks, 2 micro-batches; valid\nlength 9 of passes"))
        #expect(outcome.output.contains("33.33 % idle"))
        #expect(outcome.output.contains("stage 0: F0 F1"))
        let document = try object(Program.run("schedule", "zb-v", "--ranks", "2", "--micro-batches", "4", "--json").output)
        #expect(document["virtual_stages"] as? [[Int]] == [[0, 3], [1, 2]])
        #expect(document["valid"] as? Bool == true)
        // A header, and F, B and W of 4 micro-batches in 4 stages.
        let rows = try Program.run("schedule", "zb-v", "--ranks", "2", "--micro-batches", "4", "--csv").output
        #expect(rows.split(separator: "\n").count == 1 + 3 * 4 * 4)
    }

    /// Written, read back and run: the scenario under its own order's file takes as long as under its name.
    @Test func aFileIsWrittenReadAndRun() throws {
        let folder = try Folder()
        let plain = Files.sharded.replacing("{zero: 3}", with: "{pipeline: 4, tensor: 2, schedule: gpipe}")
        let job = try folder.write(plain.replacing("global_batch: 64", with: "global_batch: 8"), as: "job.yaml")
        let own = try Program.run("schedule", job, "--write", folder.path("own.schedule"), "--svg", folder.path("own.svg"))
        #expect(own.status == 0 && own.output.contains("gpipe: 4 ranks, 8 micro-batches; valid"), "\(own.errors)")
        #expect(try String(contentsOfFile: folder.path("own.svg"), encoding: .utf8).hasPrefix("<svg"))
        let checked = try Program.run("schedule", folder.path("own.schedule"))
        #expect(checked.status == 0 && checked.output.contains("valid"))
        let listed = try folder.write(
            plain.replacing("global_batch: 64", with: "global_batch: 8").replacing("pipeline: 4, ", with: "")
                .replacing("schedule: gpipe", with: "schedule: {file: own.schedule}"), as: "listed.yaml")
        func seconds(_ file: String) throws -> Double {
            let outcome = try Program.run("run", file, "--json")
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try #require(((try object(outcome.output))["step"] as? [String: Any])?["time_s"] as? Double)
        }
        #expect(try seconds(listed) == seconds(job))
        // 1F1B holds fewer micro-batches, and takes as long under equal stages; the file's order is not the search's.
        #expect(try Program.run("search", listed, "--exhaustive", "0", "--quiet").status == 0)
    }

    @Test func badInput() throws {
        let folder = try Folder()
        func refused(_ arguments: String..., saying: String) throws {
            let outcome = try Program.run(["schedule"] + arguments)
            #expect(outcome.status == 2 && outcome.errors.contains(saying) && outcome.output.isEmpty, "\(arguments): \(outcome.errors)")
        }
        try refused("zb-v", saying: "--ranks 4 --micro-batches 8")
        try refused("zb-v", "--ranks", "0", "--micro-batches", "4", saying: "--ranks is 0")
        try refused("dualpipe", "--ranks", "3", "--micro-batches", "4", saying: "even")
        try refused("1f1b", "--ranks", "2", "--micro-batches", "4", "--chunks", "3", saying: "choose interleaved")
        try refused("1f1b", "--ranks", "2", "--micro-batches", "4", "--times", "1,x,2", saying: "--times is \"1,x,2\"")
        try refused("1f1b", "--ranks", "100000000", "--micro-batches", "100000000", saying: "2^28")
        try refused(folder.path("none.schedule"), saying: "cannot be read")
        try refused(folder.path("none.schedule"), "--ranks", "2", saying: "of its own")
        let text = "schedule mine\nmicro-batches 1\nchunks 1\nparts B\nrank 0 stages 0: F0 B0\nrank 1 stages 1: B0 F0\n"
        try refused(folder.write(text, as: "deadlock.schedule"), saying: "B0 comes before its input F0")
        try refused(folder.write(text.replacing("B0 F0", with: "F0"), as: "short.schedule"), saying: "is missing")
        try refused(folder.write(text.replacing("B0 F0", with: "F0 X1"), as: "word.schedule"), saying: "line 6: \"X1\" is no instruction")
        try refused(folder.write("\u{0}\u{1}garbage", as: "garbage.schedule"), saying: "unknown key")

        let right = try folder.write(text.replacing("B0 F0", with: "F0 B0"), as: "right.schedule")
        #expect(try Program.run("schedule", right).status == 0)
        func job(_ layout: String) throws -> String {
            try folder.write(Files.sharded.replacing("{zero: 3}", with: layout), as: "job.yaml")
        }
        // The file orders 2 ranks and 1 micro-batch; the job has 64 sequences on 4 replicas of 2 ranks.
        let batch = try Program.run("run", job("{schedule: {file: right.schedule}}"))
        #expect(batch.status == 2 && batch.errors.contains("layout.schedule") && batch.errors.contains("orders 1 micro-batches"))
        #expect(batch.errors.contains("choose a global batch of data x micro_batch x 1 = 4"), "\(batch.errors)")
        let ranks = try Program.run("run", job("{pipeline: 4, schedule: {file: right.schedule}}"))
        #expect(ranks.status == 2 && ranks.errors.contains("the file orders 2 ranks, pipeline is 4"), "\(ranks.errors)")
        let none = try Program.run("run", job("{schedule: {}}"))
        #expect(none.status == 2 && none.errors.contains("{file: my.schedule}"), "\(none.errors)")
        let gone = try Program.run("run", job("{schedule: {file: gone.schedule}}"))
        #expect(gone.status == 2 && gone.errors.contains("gone.schedule: cannot be read"), "\(gone.errors)")
        let odd = text.replacing("stages 0:", with: "stages 9:").replacing("stages 1:", with: "stages 0:").replacing(
            "stages 9:", with: "stages 1:")
        let turned = odd.replacing("rank 0 stages 1: F0 B0", with: "rank 0 stages 1: F0 B0").replacing("B0 F0", with: "F0 B0")
        _ = try folder.write(turned, as: "turned.schedule")
        let placed = try Program.run("run", job("{schedule: {file: turned.schedule}}"))
        #expect(placed.status == 2 && placed.errors.contains("stand on the ranks in a way that no layout has"), "\(placed.errors)")
    }
}
