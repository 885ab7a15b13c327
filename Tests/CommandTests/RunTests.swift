import Foundation
import Testing

@Suite struct RunTests {
    @Test func jsonHoldsTheResultAndNothingElse() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let outcome = try Program.run("run", file, "--json")
        #expect(outcome.status == 0)
        let result = try object(outcome.output)
        let keys = [
            "assumptions", "bill", "breakdown_s", "evidence", "hash", "memory", "overlapped_comm_s", "run", "scenario", "seed", "step",
            "traffic_bytes", "valid", "version", "warnings",
        ]
        #expect(result.keys.sorted() == keys)
        #expect(result["valid"] as? Bool == true)
        #expect(result["scenario"] as? String == "job")
        let step = try #require((result["step"] as? [String: Any])?["time_s"] as? Double)
        let breakdown = try #require(result["breakdown_s"] as? [String: Double])
        // The parts are whole nanoseconds that sum to the step.
        #expect(abs(breakdown.values.reduce(0, +) - step) < 1e-9)
        // 100 steps on 8 GPUs at 2 USD an hour, by hand: 100 x step x 8 / 3600 x 2.
        let bill = try #require(result["bill"] as? [String: Double])
        #expect(abs(try #require(bill["total_usd"]) - 100 * step * 8 / 3600 * 2) < 1e-5)
    }

    @Test func jobThatDoesNotFitIsPrintedAndSaysWhatWould() throws {
        let folder = try Folder()
        let file = try folder.write(Files.replicated, as: "job.yaml")
        let json = try Program.run("run", file, "--json")
        #expect(json.status == 1)
        #expect(try object(json.output)["valid"] as? Bool == false)
        #expect(json.errors.contains("Does not fit: stage 0 needs"))
        #expect(json.errors.contains("more than the 85.1 GB"))
        #expect(json.errors.contains("What would fit:\n    - "))
        #expect(json.errors.contains("layout.zero: "))
        let text = try Program.run("run", file)
        #expect(text.status == 1)
        #expect(text.output.contains("Does not fit: stage 0"))
        #expect(text.output.contains("Step time"))
    }

    @Test func threadsAndRepetitionChangeNoByte() throws {
        let folder = try Folder()
        let file = try folder.write(Files.disturbed, as: "job.yaml")
        let first = try Program.run("run", file, "--json", "--jobs", "1")
        #expect(first.status == 0)
        #expect(first.output.contains("\"n\": 4\n"))
        #expect(try Program.run("run", file, "--json", "--jobs", "4").output == first.output)
        #expect(try Program.run("run", file, "--json", "--jobs", "1").output == first.output)
    }

    @Test func anotherSeedChangesOnlyWhatIsRandom() throws {
        let folder = try Folder()
        let calm = try folder.write(Files.sharded, as: "calm.yaml")
        let one = try Program.run("run", calm, "--json", "--seed", "1").output
        let two = try Program.run("run", calm, "--json", "--seed", "2").output
        // Nothing is random: only the line that tells the seed differs.
        let differing = zip(one.split(separator: "\n"), two.split(separator: "\n")).filter { $0 != $1 }
        #expect(differing.map { String($0.1).trimmingCharacters(in: .whitespaces) } == ["\"seed\": 2,"])

        let wild = try folder.write(Files.disturbed, as: "wild.yaml")
        let first = try object(try Program.run("run", wild, "--json", "--seed", "1").output)
        let second = try object(try Program.run("run", wild, "--json", "--seed", "2").output)
        for key in ["memory", "traffic_bytes", "hash", "warnings", "assumptions"] {
            #expect((first[key] as? NSObject) == (second[key] as? NSObject), "\(key)")
        }
        #expect((first["step"] as? NSObject) != (second["step"] as? NSObject))
    }

    @Test func settingsLieOverTheFile() throws {
        let folder = try Folder()
        let file = try folder.write(Files.replicated, as: "job.yaml")
        #expect(try Program.run("run", file, "--set", "layout.zero=3", "--json").status == 0)
        let wrong = try Program.run("run", file, "--set", "layout.zeroo=3")
        #expect(wrong.status == 2)
        #expect(wrong.errors.contains("did you mean \"layout.zero\"?"))
    }

    @Test func variedFileIsSentToCompare() throws {
        let folder = try Folder()
        let file = try folder.write(Files.varied, as: "job.yaml")
        let run = try Program.run("run", file)
        #expect(run.status == 2)
        #expect(run.output.isEmpty)
        #expect(run.errors.hasPrefix("\(file):7:1: training.micro_batch: "))
        #expect(run.errors.contains("use orrery compare"))
    }

    @Test func filesAreWrittenWhole() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let trace = folder.path("trace.json")
        let outcome = try Program.run("run", file, "--report", folder.path("a/b"), "--trace", trace, "--json")
        #expect(outcome.status == 0)
        #expect(folder.names == ["a", "job.yaml", "trace.json"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("a/b")) == ["report.html"])
        let events = try #require(try object(String(contentsOfFile: trace, encoding: .utf8))["traceEvents"] as? [[String: Any]])
        #expect(events.contains { $0["ph"] as? String == "X" })
        // The answer is the same with and without files, and remarks stay off standard output.
        #expect(try Program.run("run", file, "--json").output == outcome.output)
        #expect(outcome.errors == "report: \(folder.path("a/b"))/report.html\ntrace: \(trace)\n")
        #expect(try Program.run("run", file, "--json", "--trace", trace, "--quiet").errors.isEmpty)
    }

    @Test func csvHoldsAHeaderAndARow() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let lines = try Program.run("run", file, "--csv").output.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first?.hasPrefix("scenario,hash,version,seed,valid") == true)
    }
}

@Suite struct CompareTests {
    @Test func valuesOfVaryStandSideBySide() throws {
        let folder = try Folder()
        let file = try folder.write(Files.varied, as: "job.yaml")
        let json = try Program.run("compare", file, "--json", "--jobs", "1")
        #expect(json.status == 0)
        let runs = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
        #expect(runs.map { $0["scenario"] as? String } == ["job micro_batch=1", "job micro_batch=2"])
        #expect(try Program.run("compare", file, "--json", "--jobs", "4").output == json.output)
        #expect(try Program.run("compare", file).output.contains("micro_batch=2"))
    }

    @Test func oneOfTwoThatFitsIsEnough() throws {
        let folder = try Folder()
        let fits = try folder.write(Files.sharded, as: "fits.yaml")
        let not = try folder.write(Files.replicated, as: "not.yaml")
        let both = try Program.run("compare", fits, not)
        #expect(both.status == 0)
        #expect(both.output.contains("✗"))
        #expect(try Program.run("compare", not, not).status == 1)
    }

    @Test func tracesGetNumbers() throws {
        let folder = try Folder()
        let file = try folder.write(Files.varied, as: "job.yaml")
        #expect(try Program.run("compare", file, "--trace", folder.path("t.json"), "-q").status == 0)
        #expect(folder.names == ["job.yaml", "t-1.json", "t-2.json"])
    }

    @Test func oneRunIsNoComparison() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let outcome = try Program.run("compare", file)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("nothing to compare"))
    }

    @Test func faultsOfAllFilesAreToldAtOnce() throws {
        let folder = try Folder()
        let first = try folder.write(Files.sharded.replacing("zero: 3", with: "zero: 7"), as: "a.yaml")
        let second = try folder.write(Files.sharded.replacing("layout", with: "layuot"), as: "b.yaml")
        let outcome = try Program.run("compare", first, second, "missing.yaml")
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.count == 3)
        for (line, start) in zip(lines, ["\(first):3:16: layout.zero: ", "\(second):3:1: layuot: ", "missing.yaml:1:1: "]) {
            #expect(line.hasPrefix(start))
        }
    }
}
