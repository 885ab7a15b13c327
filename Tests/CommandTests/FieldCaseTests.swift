import Foundation
import Testing

/// Files of ../shared/cases, which are no part of the repository.
enum Cases {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("shared/cases").path
    static func path(_ name: String) -> String { "\(folder)/\(name)" }
    static func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
}

/// What users meet first, each with the right answer.
@Suite struct FieldCaseTests {
    /// Right values: bytes over the time column is the bandwidth beside it in every row, whichever release printed it.
    @Test(
        .enabled(if: Cases.exists("field/nccl-two-runs.txt"), "needs ../shared/cases/field/nccl-*.txt"),
        arguments: [
            (
                "nccl-old-all-reduce.txt",
                [["all_reduce", "4", "100", "102"], ["all_reduce", "4", "260", "262"], ["all_reduce", "4", "900", "902"]]
            ),
            ("nccl-srun-label.txt", [["all_gather", "2", "500", "490"]]),
            ("nccl-two-runs.txt", [["all_reduce", "2", "900", "890"], ["all_gather", "2", "500", "490"]]),
            ("nccl-per-iteration.txt", [["all_reduce", "2", "900", "890"]]),
        ])
    func tablesOfEveryReleaseOfNCCLTests(file: String, rows: [[String]]) throws {
        let outcome = try Program.run("import", "nccl-tests", Cases.path("field/\(file)"), "--operation", "all_reduce")
        #expect(outcome.status == 0, "\(outcome.errors)")
        var found: [[String]] = []
        let lines = outcome.output.split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        let header = try #require(lines.first { $0.first == "kernel" || $0.contains("time_s") })
        let (time, shape) = (try #require(header.firstIndex(of: "time_s")), try #require(header.firstIndex(of: "shape")))
        for line in lines where line.count == header.count && Double(line[time]) != nil {
            let ranks = line[shape].split(separator: " ").first { $0.hasPrefix("ranks=") }?.dropFirst(6) ?? ""
            found.append([
                line[try #require(header.firstIndex(of: "kernel"))], String(ranks), "\(Int(((Double(line[time]) ?? 0) * 1e6).rounded()))",
            ])
        }
        let expected = rows.flatMap { row in row[2...].map { [row[0], row[1], $0] } }
        #expect(found == expected)
    }

    @Test(.enabled(if: Cases.exists("field/nccl-device-names.txt"), "needs ../shared/cases/field/nccl-device-names.txt"))
    func driversThatLeaveOutTheMaker() throws {
        let outcome = try Program.run("import", "nccl-tests", Cases.path("field/nccl-device-names.txt"))
        #expect(outcome.output.contains("a100-sxm-80gb"))
        #expect(outcome.errors.isEmpty)
        let folder = try Folder()
        let text = try String(contentsOfFile: Cases.path("field/nccl-device-names.txt"), encoding: .utf8)
        let strange = try folder.write(text.replacing("A100-SXM4-80GB", with: "Quantum X1"), as: "n.txt")
        #expect(try Program.run("import", "nccl-tests", strange).errors.contains("the device \"quantum-x1\" is not in the catalogue"))
    }

    /// Two processes use one correlation id: 4096^3 takes 200 us, 64 x 32 x 16 5 us.
    @Test(.enabled(if: Cases.exists("field/nsys-two-processes.sqlite"), "needs ../shared/cases/field/nsys-two-processes.sqlite"))
    func launchesOfSeveralProcesses() throws {
        let outcome = try Program.run("import", "nsys", Cases.path("field/nsys-two-processes.sqlite"))
        #expect(outcome.status == 0, "\(outcome.errors)")
        let times = Set(
            outcome.output.split(separator: "\n").flatMap { $0.split(separator: ",").compactMap { Double($0) } }.filter { $0 < 1 && $0 > 0 }
        )
        #expect(times.contains { abs($0 - 200e-6) < 1e-9 } && times.contains { abs($0 - 5e-6) < 1e-9 })
    }

    @Test(.enabled(if: Cases.exists("field/kineto-on-demand.json"), "needs ../shared/cases/field/kineto-on-demand.json"))
    func tracesRecordedOnDemand() throws {
        let outcome = try Program.run("import", "kineto", Cases.path("field/kineto-on-demand.json"))
        #expect(outcome.status == 0, "\(outcome.errors)")
        let product = try #require(outcome.output.split(separator: "\n").first { $0.contains("gemm") })
        func seconds(_ line: Substring) -> Double { line.split(separator: ",").compactMap { Double($0) }.first { $0 > 0 && $0 < 1 } ?? 0 }
        #expect(product.contains("m=512 n=2048 k=1024") && product.contains("bf16"), "\(product)")
        #expect(abs(seconds(product) - 25e-6) < 1e-9)
        let activation = try #require(outcome.output.split(separator: "\n").first { $0.contains("silu") })
        #expect(abs(seconds(activation) - 6e-6) < 1e-9)
    }
}

@Suite struct ReliabilityCaseTests {
    private func fields(_ file: String, _ settings: String...) throws -> (hash: String, step: Double) {
        let outcome = try Program.run(["run", file, "--json", "--quiet"] + settings.flatMap { ["--set", $0] })
        let answer = try object(outcome.output)
        let step = (answer["step"] as? [String: Any])?["time_s"] as? Double
        return (try #require(answer["hash"] as? String), try #require(step))
    }

    /// The hash is of what a scenario says, not of how it is written.
    @Test(arguments: [
        ("cluster.inter_node.bandwidth", ["400 Gb/s", "50 GB/s", "50000 MB/s", "0.4Tbps"]),
        ("training.tokens", ["1B", "1e9", "1000000000", "1_000_000_000", "1G"]), ("prices.gpu_hour", ["2 USD/h", "2.00 USD/h"]),
        ("prices.pue", ["1.1", "110%", "110 %", "1.10"]),
        ("cluster.inter_node.latency", ["2.5 us", "2500 ns", "2.5 \u{B5}s", "2.5 \u{3BC}s"]),
        ("layout.sequence_parallel", ["true", "True"]), ("training.precision", ["bf16", "{compute: bf16}"]),
        ("training.optimizer", ["adamw", "{kind: adamw}"]),
    ])
    func equalMeaningEqualHash(key: String, values: [String]) throws {
        let folder = try Folder()
        let scenario = """
            model: {preset: llama2-7b}
            cluster: {gpu: a100-sxm-80gb, gpus: 16, inter_node: {link: ib-hdr-200g}}
            layout: {zero: 3}
            training: {global_batch: 64, micro_batch: 1, sequence: 2048}
            """
        let file = try folder.write(scenario, as: "job.yaml")
        let first = try fields(file, "\(key)=\(values[0])")
        for value in values.dropFirst() { #expect(try fields(file, "\(key)=\(value)") == first, "\(value)") }
        #expect(try fields(file, "training.micro_batch=2").hash != first.hash)
    }

    @Test func fractionsOfATokenAreNoCount() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded.replacing("steps: 100", with: "tokens: 1.5"), as: "job.yaml")
        let outcome = try Program.run("run", file)
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("\"1.5\" is 1.5, and a count is whole"))
        #expect(try Program.run("run", file, "--quiet", "--set", "training.tokens=15.6T").status == 0)
    }

    /// A job, a schedule, a table, an execution: none is replaced by what the same call writes.
    @Test func outputsReplaceNoInput() throws {
        let folder = try Folder()
        let base = try folder.write(Files.sharded, as: "base.yaml")
        let job = try folder.write("extends: base.yaml\n", as: "job.yaml")
        let runs = try folder.write(ValidateTests.table, as: "validation.html")
        let log = try folder.write(
            """
            #  Rank  0 Group  0 Pid     11 on    alpha device  0 [0x07] NVIDIA H100 80GB HBM3
            #  Rank  1 Group  0 Pid     12 on    alpha device  1 [0x0f] NVIDIA H100 80GB HBM3
            # Collective test starting: all_reduce_perf
               134217728      33554432     float     sum      -1   900.00  149.13  149.13       0   890.00  150.81  150.81       0

            """, as: "log.txt")
        let execution = try folder.write("execute: {model: {kind: mlp, sizes: [8, 8, 4]}, batch: 4, steps: 1}\n", as: "execute.yaml")
        try FileManager.default.createSymbolicLink(atPath: folder.path("link.yaml"), withDestinationPath: job)
        let calls: [([String], [String])] = [
            (["run", job, "--trace", job], [job]), (["run", job, "--trace", base], [base]),
            (["run", job, "--trace", folder.path("link.yaml")], [job]),
            (["compare", job, base, "--trace", folder.path("base.yaml")], [base]),
            (["import", "nccl-tests", log, "-o", log], [log]), (["import", "nccl-tests", log, "--append", "-o", log], [log]),
            (["execute", execution, "-t", execution], [execution]), (["validate", runs, "--report", folder.path(".")], [runs]),
            (["schedule", job, "--write", job], [job]),
        ]
        for (call, inputs) in calls {
            let before = try inputs.map { try String(contentsOfFile: $0, encoding: .utf8) }
            let outcome = try Program.run(call)
            if call[0] == "compare" { continue }
            #expect(outcome.status == 2, "\(call)")
            #expect(outcome.output.isEmpty, "\(call)")
            #expect(outcome.errors.contains("is a file that this call reads"), "\(call): \(outcome.errors)")
            #expect(try inputs.map { try String(contentsOfFile: $0, encoding: .utf8) } == before, "\(call)")
        }
    }

    /// A path of the command line starts from the working folder, one of a file from that file's.
    @Test func pathsOfSettings() throws {
        let folder = try Folder()
        try FileManager.default.createDirectory(atPath: folder.path("jobs"), withIntermediateDirectories: true)
        _ = try folder.write(
            """
            {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 100, "n_positions": 128}
            """, as: "config.json")
        let file = try folder.write(Files.sharded, as: "jobs/job.yaml")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Program.path)
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path("."))
        process.arguments = ["run", file, "--quiet", "--set", "model={huggingface: config.json}", "--set", "training.sequence=128"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    @Test(.enabled(if: Cases.exists("reliability/05-misspelt-column.csv"), "needs ../shared/cases/reliability"))
    func tablesOfRuns() throws {
        func validate(_ name: String) throws -> Program.Outcome { try Program.run("validate", Cases.path("reliability/\(name)"), "--csv") }
        let misspelt = try validate("05-misspelt-column.csv")
        #expect(misspelt.status == 0)
        #expect(misspelt.errors.contains("the column \"flash_atention\" is not known and not read; did you mean \"flash_attention\"?"))
        let hexadecimal = try validate("06-hex-time.csv")
        #expect(hexadecimal.status == 2 && hexadecimal.errors.contains("\"0x1p3\" is no number in decimal digits"))
        let huge = try validate("07-huge-time.csv")
        #expect(huge.status == 2 && huge.errors.contains("is not below 1e15"), "\(huge.errors)")
        let double = try validate("08-duplicate-id.csv")
        #expect(double.status == 0 && double.errors.contains("both rows count"))
        let empty = try validate("09-header-only.csv")
        #expect(empty.status == 2 && empty.output.isEmpty && empty.errors.contains("the table has a header and no rows"))
        let config = try Program.run("run", Cases.path("reliability/hf_dup.yaml"))
        #expect(config.status == 2 && config.errors.contains("the key \"hidden_size\" stands twice"), "\(config.errors)")
    }

    /// A spreadsheet takes a text that begins with = for a formula; numbers stay as they are.
    @Test func cellsAreNoFormulas() throws {
        let folder = try Folder()
        let file = try folder.write("name: '=1+1'\n" + Files.sharded, as: "job.yaml")
        #expect(try Program.run("run", file, "--csv", "--quiet").output.contains("'=1+1"))
    }

    /// Nothing multiplies matrices here, so no thread of OpenBLAS starts, which memory this small would not hold.
    @Test(.timeLimit(.minutes(1))) func littleMemoryIsEnough() throws {
        for limit in ["150000", "200000", "260000"] {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-c", "ulimit -v \(limit); exec timeout 20 \"$0\" --version", Program.path]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus != 124, "\(limit)")
        }
    }

    /// A file that outgrows `ulimit -f` is an error of that file, and the answer is printed.
    @Test func filesThatOutgrowTheLimit() throws {
        let folder = try Folder()
        let file = try folder.write(Files.sharded, as: "job.yaml")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = [
            "-c",
            "\"$0\" run \"$1\" --quiet >\"$2\" && ulimit -f 4 && \"$0\" run \"$1\" --quiet --trace \"$3\" | cmp - \"$2\"; exit ${PIPESTATUS[0]}",
            Program.path, file, folder.path("answer"), folder.path("trace.json"),
        ]
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 2)
        #expect(text.contains("--trace ") && text.contains("File too large") && !text.contains("differ"), "\(text)")
        #expect(!folder.names.contains("trace.json"))
    }
}
