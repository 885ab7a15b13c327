import Foundation
import Testing

/// Runs that are killed and taken up again.
@Suite struct ResumeTests {
    /// Starts the program, kills it as soon as its journal holds more than `bytes`, and says whether it came to that.
    private func kill(_ arguments: [String], journal: String, beyond bytes: Int) throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Program.path)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        var status = stat()
        while process.isRunning {
            if stat(journal, &status) == 0, status.st_size > bytes {
                _ = Foundation.kill(process.processIdentifier, SIGKILL)
                break
            }
            usleep(200)
        }
        process.waitUntilExit()
        return process.terminationReason == .uncaughtSignal
    }

    @Test(arguments: ["search", "sweep"])
    func killedRunsAreTakenUp(command: String) throws {
        let folder = try Folder()
        let file = try folder.write(command == "search" ? Files.sharded : Files.disturbed, as: "job.yaml")
        let work =
            command == "search"
            ? ["search", file, "--json", "--exhaustive", "20000"]
            : ["sweep", file, "--json", "--vary", "training.micro_batch=1,2,4,8", "layout.zero=2,3,7", "training.sequence=1024,2048,4096"]
        let whole = try Program.run(work + ["--journal", folder.path("whole")])
        #expect(whole.status == 0)
        let journal = folder.path("killed")
        let arguments = work + ["--journal", journal]
        var kills = 0
        for bytes in [0, 60, 900, 5000] where try kill(arguments, journal: journal, beyond: bytes) { kills += 1 }
        #expect(kills > 0, "the program was never killed in time")
        let resumed = try Program.run(arguments)
        #expect(resumed.status == 0)
        #expect(resumed.output == whole.output)
        // Once more, with nothing left to do.
        #expect(try Program.run(arguments).output == whole.output)
    }

    @Test func aJournalOfOtherWorkIsRefused() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let journal = folder.path("journal")
        let sweep = ["sweep", file, "--vary", "training.micro_batch=1,2", "--journal", journal]
        #expect(try Program.run(sweep).status == 0)
        for arguments in [sweep + ["--seed", "9"], sweep + ["--set", "training.sequence=1024"], ["search", file, "--journal", journal]] {
            let outcome = try Program.run(arguments)
            #expect(outcome.status == 2)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errors.contains("belongs to other work"))
        }
        let notes = try folder.write("precious", as: "notes")
        #expect(try Program.run(["search", file, "--journal", notes]).status == 2)
        #expect(try String(contentsOfFile: notes, encoding: .utf8) == "precious")
        #expect(try Program.run(["search", file, "--journal", folder.path("no/such/folder")]).status == 2)
    }
}

@Suite struct SampleTests {
    @Test func aSampleSaysWhatMattersMost() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        // The number of sequences drives the step; the price of an hour does not touch it at all.
        let arguments = [
            "sweep", file, "--vary", "training.global_batch=64,128,256,512", "prices.gpu_hour=1..3 USD/h", "--sample", "sobol", "--samples",
            "32",
        ]
        let document = try object(Program.run(arguments + ["--json", "--report", folder.path("page")]).output)
        #expect((document["runs"] as? [Any])?.count == 32 * 4)
        let indices = try #require((document["sensitivity"] as? [String: Any])?["indices"] as? [[String: Any]])
        #expect(indices.map { $0["key"] as? String } == ["training.global_batch", "prices.gpu_hour"])
        func first(_ index: Int) -> Double? { (indices[index]["first"] as? [String: Any])?["value"] as? Double }
        func total(_ index: Int) -> Double? { (indices[index]["total"] as? [String: Any])?["value"] as? Double }
        #expect(try #require(first(0)) == 1)
        #expect(try #require(total(1)) == 0)
        let page = try String(contentsOfFile: folder.path("page/sweep.html"), encoding: .utf8)
        #expect(page.contains("What matters most"))
        #expect(page.hasSuffix("</html>\n"))
        let latin = try Program.run(arguments.map { $0 == "sobol" ? "lhs" : $0 })
        #expect(latin.output.contains("training.global_batch matters most"))
    }

    @Test func zipsGoTogether() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let document = try object(
            Program.run(
                "sweep", file, "--vary", "training.micro_batch=1,2", "--zip", "layout.zero=2,3", "training.sequence=1024,2048", "--json"
            ).output)
        let runs = try #require(document["runs"] as? [[String: Any]])
        let points = runs.compactMap { $0["point"] as? [String: String] }
        #expect(points.map { $0["layout.zero"] } == ["2", "3", "2", "3"])
        #expect(points.map { $0["training.sequence"] } == ["1024", "2048", "1024", "2048"])
    }

    @Test(arguments: [
        ["--vary", "training.global_batch=64..512"], ["--vary", "training.global_batch=512..64", "--sample", "sobol"],
        ["--vary", "training.global_batch=a..b", "--sample", "lhs"], ["--vary", "prices.gpu_hour=log 0..3 USD/h", "--sample", "sobol"],
        ["--vary", "prices.gpu_hour=1 USD/h..3 EUR/h", "--sample", "sobol"], ["--sample", "sobol"], ["--samples", "8"],
        ["--vary", "training.global_batch=64..512", "--sample", "sobol", "--samples", "1"],
        ["--zip", "layout.zero=2,3", "training.sequence=1024"],
        ["--vary", "training.global_batch=64..512", "--sample", "halton"],
    ])
    func badSamplesAreRefused(arguments: [String]) throws {
        try expectRefusal("sweep", arguments)
    }

    @Test func twoScenariosUnderCommonRandomNumbers() throws {
        let folder = try Folder()
        let noise = "\nconditions: {jitter: {kernel: 3%}, slow_gpus: [{share: 12.5%, slowdown: 1.3}]}\n"
        let a = try folder.write(Files.sharded + noise, as: "a.yaml")
        let b = try folder.write((Files.sharded + noise).replacing("zero: 3", with: "zero: 2"), as: "b.yaml")
        let document = try object(Program.run("compare", a, b, "--samples", "20", "--json").output)
        let half = try #require(document["half_width_s"] as? Double)
        let unpaired = try #require(document["unpaired_half_width_s"] as? Double)
        #expect(half > 0 && half < unpaired / 2)
        #expect(document["significant"] as? Bool == true)
        // A scenario differs from itself by nothing at all.
        let same = try object(Program.run("compare", a, a, "--samples", "5", "--json").output)
        #expect((same["difference_s"] as? [String: Double]) == ["mean": 0, "low": 0, "high": 0])
        let calm = try folder.write(Files.sharded, as: "calm.yaml")
        for arguments in [
            ["compare", calm, calm, "--samples", "5"], ["compare", a, b, "--samples", "1"], ["compare", a, b, a, "--samples", "5"],
        ] {
            #expect(try Program.run(arguments).status == 2)
        }
    }
}

@Suite struct ConstraintTests {
    @Test func aFrontIsListed() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let document = try object(Program.run("search", file, "--objective", "pareto", "--json").output)
        let ranked = try #require(document["ranked"] as? [[String: Any]])
        #expect(ranked.count > 1)
        let memory = ranked.compactMap { ($0["memory"] as? [String: Any])?["peak_bytes"] as? Double }
        // The slowest of a front has something for it.
        #expect(try #require(memory.last) < (try #require(memory.first)))
    }

    @Test func whatCannotHoldIsExplained() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let late = try Program.run("search", file, "--deadline", "1 s")
        #expect(late.status == 1)
        #expect(late.errors.contains("take longer than --deadline (no layout takes less than"))
        let dear = try Program.run("search", file, "--budget", "0.01 USD")
        #expect(dear.status == 1)
        #expect(dear.errors.contains("cost more than --budget"))
        #expect(try Program.run("search", file, "--deadline", "1 h", "--budget", "100 USD").status == 0)
    }

    @Test(arguments: [
        ["--deadline", "soon"], ["--deadline", "-1 h"], ["--budget", "5"], ["--batch", "0"],
        ["--set", "training.steps=null", "--deadline", "1 h"],
    ])
    func badConstraintsAreRefused(arguments: [String]) throws {
        try expectRefusal("search", arguments)
    }
}
