import Foundation
import Testing

@Suite("orrery execute", .serialized) struct ExecuteTests {
    private let small = """
        name: small
        execute: {model: {kind: mlp, sizes: [64, 96, 32, 10]}, data: 2, batch: 32, codec: e4m3, steps: 6}
        """

    @Test func runsAndCompares() throws {
        let folder = try Folder()
        let file = try folder.write(small, as: "small.yaml")
        let done = try Program.run("execute", file, "--json", "--trial", "1", "--rounds", "1", "--output-none-such")
        #expect(done.status == 2)
        let outcome = try Program.run("execute", file, "--json", "--trial", "1", "--rounds", "2", "--table", folder.path("t.md"))
        #expect(outcome.status == 0, "\(outcome.errors)")
        let json = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        for side in ["predicted", "measured"] {
            let part = try #require(json[side] as? [String: Any])
            let step = try #require(part["step"] as? [String: Any])
            #expect(try #require(step["time_s"] as? Double) > 0)
            #expect(part["breakdown_s"] is [String: Any])
        }
        #expect(json["error"] is Double)
        #expect(try String(contentsOfFile: folder.path("t.md"), encoding: .utf8).contains("| small |"))
    }

    /// A worker that is killed ends the run with its name, and leaves no other behind.
    @Test func aKilledWorkerIsNamed() throws {
        let folder = try Folder()
        let file = try folder.write(small, as: "small.yaml")
        let process = Process()
        let errors = Pipe()
        process.executableURL = URL(fileURLWithPath: Program.path)
        process.arguments = ["execute", file, "--quiet", "--trial", "1", "--set", "execute.steps=100000"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = errors
        try process.run()
        let victim = try #require(waitForChild(of: process.processIdentifier, number: 1), "no worker appeared")
        let others = children(of: process.processIdentifier).map(\.process).filter { $0 != victim }
        kill(victim, SIGKILL)
        let start = Date()
        process.waitUntilExit()
        let text = String(decoding: try #require(try errors.fileHandleForReading.readToEnd()), as: UTF8.self)
        #expect(process.terminationStatus == 3)
        #expect(text.contains("worker 1 (replica 1, pipeline rank 0) was ended by signal 9"), "\(text)")
        #expect(Date().timeIntervalSince(start) < 20, "it hung")
        for other in others { #expect(kill(other, 0) != 0, "worker process \(other) is left") }
    }

    /// A calibration alone predicts, at once and the same each time; nothing is run.
    @Test func aCalibrationPredicts() throws {
        let folder = try Folder()
        let file = try folder.write(small, as: "small.yaml")
        let calibration = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
            .appendingPathComponent("reports/calibration/cpu-amd-epyc.csv").path
        let outcome = try Program.run("execute", file, "--json", "--predict-only", "--calibration", calibration)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let json = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        let predicted = try #require(json["predicted"] as? [String: Any])
        let step = try #require(predicted["step"] as? [String: Any])
        #expect(try #require(step["time_s"] as? Double) > 0)
        #expect(try #require(step["stated_error"] as? Double) > 0)
        #expect(json["measured"] == nil)
        #expect(try Program.run("execute", file, "--json", "--predict-only", "--calibration", calibration).output == outcome.output)
        // From its own kernels, timed now.
        let own = try Program.run("execute", file, "--predict-only", "--trial", "1", "--rounds", "1")
        #expect(own.status == 0 && own.output.contains("own kernels") && !own.output.contains("measured  "))
    }

    @Test func badCalibrationsAreRefused() throws {
        let folder = try Folder()
        let file = try folder.write(small, as: "small.yaml")
        let empty = try folder.write("kernel,device,dtype,shape,time_s\n", as: "empty.csv")
        let wrong = try folder.write("kernel,device,dtype,shape,time_s\ngemm,x,fp32,m=1,-1\n", as: "wrong.csv")
        for (arguments, text) in [
            (["--calibration", folder.path("none.csv")], "none.csv"), (["--calibration", empty], "empty.csv"),
            (["--calibration", wrong], "wrong.csv:2"), (["--predict-only", "--table", folder.path("t.md")], "--predict-only"),
            (["--predict-only", "--trial", "0"], "--calibration"),
        ] {
            let outcome = try Program.run(["execute", file] + arguments)
            #expect(outcome.status == 2 && !outcome.crashed, "\(arguments): \(outcome.status)")
            #expect(outcome.errors.contains(text), "\(arguments): \(outcome.errors)")
        }
    }

    /// A parent that is killed leaves no worker, whatever those are at.
    @Test func aKilledParentLeavesNobody() throws {
        let folder = try Folder()
        let file = try folder.write(small, as: "small.yaml")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Program.path)
        process.arguments = ["execute", file, "--quiet", "--trial", "2000", "--set", "execute.transport=socket"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        _ = try #require(waitForChild(of: process.processIdentifier, number: 1), "no worker appeared")
        let workers = children(of: process.processIdentifier).map(\.process)
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        var left = workers
        for _ in 0..<200 where !left.isEmpty {
            usleep(50_000)
            left = left.filter { FileManager.default.contents(atPath: "/proc/\($0)/cmdline")?.isEmpty == false }
        }
        #expect(left.isEmpty)
    }

    @Test func workersAreNotForPeople() throws {
        let outcome = try Program.run("execute-worker", "--memory", "0", "--number", "0")
        #expect(outcome.status == 2 && !outcome.crashed)
        #expect(outcome.errors.contains("no shared memory") || outcome.errors.contains("holds no run"))
        #expect(try Program.run("execute", "--rounds", "0", "x.yaml").status == 2)
        #expect(try Program.run("execute", "no-such.yaml").status == 2)
    }

    private func children(of parent: pid_t) -> [(process: pid_t, arguments: [String])] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.compactMap { process in
            guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
                let rest = status.split(separator: ")").last?.split(separator: " "), rest.count > 1, pid_t(rest[1]) == parent,
                let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline")
            else { return nil }
            return (process, line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
        }
    }

    private func waitForChild(of parent: pid_t, number: Int) -> pid_t? {
        for _ in 0..<400 {
            if let found = children(of: parent).first(where: { $0.arguments.suffix(2) == ["--number", "\(number)"] }) {
                return found.process
            }
            usleep(25_000)
        }
        return nil
    }
}
