import Foundation
import Testing

@Suite struct BadInputTests {
    @Test(arguments: [
        ["run"], ["run", "--json", "--csv", "x.yaml"], ["run", "--bogus", "x.yaml"], ["run", "--jobs", "0", "x.yaml"],
        ["run", "--seed", "-1", "x.yaml"], ["bogus"], ["validate"], ["catalogue", "cars"],
    ])
    func usageErrorsExitWith2(arguments: [String]) throws {
        let outcome = try Program.run(arguments)
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("Error: "))
    }

    @Test(arguments: [
        (["runn", "x.yaml"], "Error: there is no command \"runn\"; did you mean \"run\"?"),
        (["frobnicate"], "Error: there is no command \"frobnicate\"; commands are run, compare, "),
        (["run", "x.yaml", "--jobs", "-3"], "--jobs is -3; give 1 to 1024"),
        (["search", "x.yaml", "--memory", "-3"], "--memory is -3.0; give gigabytes above zero"),
        (["search", "x.yaml", "--memory", "1e400"], "--memory is inf; give gigabytes above zero"),
        (["search", "x.yaml", "--top", "3"], "Unknown option '--top'"),
        (["sweep", "--vary", "training.micro_batch=1,2", "x.yaml"], "--vary takes all words that follow it: write the file before it"),
    ])
    func usageErrorsSayWhatIsRight(arguments: [String], says: String) throws {
        let outcome = try Program.run(arguments)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains(says), "\(outcome.errors)")
    }

    @Test func settingWithoutAValue() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let outcome = try Program.run("run", file, "--set", "training.micro_batch=")
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("training.micro_batch: the setting has no value; write training.micro_batch=VALUE"))
    }

    /// The number of a closed standard output is not lent to the journal, in which the answer would then stand.
    @Test func closedOutputReachesNoOtherFile() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [
            "-c", "exec \"$0\" search \"$1\" --quiet --time-budget 1 --journal \"$2\" >&- 2>\"$3\"", Program.path, file,
            folder.path("j"), folder.path("errors"),
        ]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 2)
        #expect(try String(contentsOfFile: folder.path("errors"), encoding: .utf8).hasPrefix("standard output: cannot be written: "))
        let journal = try String(contentsOfFile: folder.path("j"), encoding: .utf8)
        #expect(!journal.contains("micro-batch"))
        #expect(journal.hasSuffix("\n"))
    }

    @Test(arguments: ["run", "compare", "validate", "explain"])
    func missingFileIsNamed(command: String) throws {
        let outcome = try Program.run(command, "no/such/file")
        #expect(outcome.status == 2)
        #expect(outcome.errors == "no/such/file:1:1: there is no such file; check the path\n")
    }

    /// Each fault has file, line and column, key and advice, all in one go.
    @Test func faultsOfAFile() throws {
        let folder = try Folder()
        let file = try folder.write(
            """
            model: {preset: llama2-7b}
            cluster:
              preset: a100-node
              gpuss: 8
            training:
              global_batch: 64
              sequence: many
            """, as: "bad.yaml")
        let outcome = try Program.run("run", file, "--json")
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first == "\(file):4:3: cluster.gpuss: unknown key \"gpuss\"; did you mean \"gpus\"?")
        #expect(lines.last?.hasPrefix("\(file):7:13: training.sequence: \"many\" ") == true)
    }

    /// A file stands where the folder should be, which stops root as well.
    @Test func reportFolderThatCannotBe() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        for command in ["run", "validate"] {
            let input = command == "run" ? file : try folder.write(ValidateTests.table, as: "runs.csv")
            let outcome = try Program.run(command, input, "--report", file + "/report")
            #expect(outcome.status == 2)
            // What was asked for is answered all the same.
            #expect(outcome.output.contains(command == "run" ? "Step time" : "all rows"))
            #expect(outcome.errors.contains("--report \(file)/report: cannot be written: Not a directory\n"))
        }
        try FileManager.default.createDirectory(atPath: folder.path("r/report.html"), withIntermediateDirectories: true)
        let taken = try Program.run("run", file, "--report", folder.path("r"))
        #expect(taken.status == 2)
        #expect(taken.output.contains("Step time"))
        #expect(taken.errors.contains("report.html: cannot be written: Is a directory"))
        let trace = try Program.run("run", file, "--trace", folder.path("no/trace.json"))
        #expect(trace.status == 2)
        #expect(trace.output.contains("Step time"))
        #expect(trace.errors.contains("--trace \(folder.path("no"))/trace.json: cannot be written: No such file or directory"))
    }

    @Test func readerThatGoesAwayIsNoCrash() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        for arguments in [["run", file, "--json"], ["catalogue"], ["--help"]] {
            let pipe = Pipe()
            try pipe.fileHandleForReading.close()
            let outcome = try Program.run(arguments, output: pipe.fileHandleForWriting)
            #expect(!outcome.crashed)
            #expect(outcome.status == 0)
            #expect(outcome.errors.isEmpty)
        }
    }

    /// The program is stopped while it writes its report again and again; what stands in the folder is one whole page.
    @Test func interruptedRunLeavesNoHalfFile() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        #expect(try Program.run("run", file, "--report", folder.path("page"), "--trace", folder.path("t.json")).status == 0)
        for delay in stride(from: 5_000, through: 200_000, by: 15_000) {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: Program.path)
            process.arguments = ["run", file, "--report", folder.path("page"), "--trace", folder.path("t.json")]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            usleep(UInt32(delay))
            process.interrupt()
            process.waitUntilExit()
            #expect(folder.names == ["job.yaml", "page", "t.json"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("page")) == ["report.html"])
            #expect(try String(contentsOfFile: folder.path("page/report.html"), encoding: .utf8).hasSuffix("</html>\n"))
            #expect(try object(String(contentsOfFile: folder.path("t.json"), encoding: .utf8))["traceEvents"] != nil)
        }
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "needs /dev/full"))
    func fullDiskIsTold() throws {
        let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
        for arguments in [["catalogue", "gpus"], ["--help"]] {
            let outcome = try Program.run(arguments, output: full)
            #expect(outcome.status == 2)
            #expect(outcome.errors == "standard output: cannot be written: No space left on device\n")
        }
    }

    @Test func helpAndVersionAreAnswers() throws {
        let help = try Program.run("--help")
        #expect(help.status == 0)
        #expect(help.errors.isEmpty)
        #expect(help.output.contains("SUBCOMMANDS"))
        let version = try Program.run("--version")
        #expect(version.status == 0)
        #expect(version.output.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil)
    }
}
