import ArgumentParser
import CoSimulation
import Glibc
import Quantities
import Report
import Scenario
import Studies

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a small model for real while a simulated cluster supplies the clock: loss against seconds and dollars.",
        discussion: """
            Virtual workers hold real parameters and compute real gradients; synchronisation, compression and optimizer are those of the scenario
            (training.synchronization, training.compression, cosim). What a gradient and a message take comes from the file's target job, or from
            cosim.service. A file with vary or zip trains one run a point. --project carries the measured factor in samples to equal loss over to
            the target's own run. Nothing here predicts a large model's loss. See docs/co-simulation.md. Exit status 1 where a target loss is not
            reached or every seed diverges.
            """)
    @Argument(help: "Scenario files (YAML).", completion: .file(extensions: ["yaml", "yml"])) var files: [String]
    @OptionGroup var output: OutputOptions
    @OptionGroup var report: ReportOption
    @OptionGroup var jobs: JobsOption
    @Flag(help: "Days and dollars of the target job with this method and with tuned synchronous training.") var project = false
    @Option(
        help: ArgumentHelp("Keep states in this folder; the same command goes on from them after a kill.", valueName: "dir"),
        completion: .directory) var checkpoint: String?
    @Option(parsing: .unconditional, help: "Seed of the first replicate, in place of simulate.seed.") var seed: UInt64?
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Lay a setting over the files, for instance cosim.steps=500; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    func run() throws {
        let outputs = try Outputs([report.page("report.html")], inputs: files)
        var requests: [(request: CosimRequest, file: String)] = []
        var faults: [ScenarioError] = []
        for file in files {
            do throws(ScenarioErrors) { requests += try CosimRequest.loadAll(path: file, overrides: overrides).map { ($0, file) } } catch {
                faults += error.errors
            }
        }
        guard faults.isEmpty else { throw ScenarioErrors(faults) }
        var answers: [TrainAnswer] = []
        for (index, (asked, file)) in requests.enumerated() {
            var request = asked
            if let seed { request.spec.seed = seed }
            if project, request.target == nil {
                throw InputError("\(file): --project needs the sections model, cluster and training of a target job")
            }
            let store = try checkpoint.map {
                try FolderStore(folder: $0, identity: "\(programVersion) \(request.hash) \(request.spec.seed)")
            }
            let title = requests.count > 1 ? "training \(index + 1)/\(requests.count)" : "training"
            var isOver = false
            let answer: TrainAnswer? = try interruptible { isInterrupted in
                defer { isOver = isInterrupted() }
                do {
                    return try output.study(title, jobs: jobs.count) {
                        try $0.train(request, projects: project, store: store, until: isInterrupted)
                    }
                } catch {
                    guard isInterrupted() else { throw error }
                    return nil
                }
            }
            guard let answer else { break }
            for remark in answer.remarks { output.note("remark: \(remark)") }
            if !output.json, !output.csv { try Console.output(answer.text + (index + 1 < requests.count ? "\n" : "")) }
            answers.append(answer)
            if isOver { break }
        }
        if answers.count < requests.count { Console.error("interrupted: \(answers.count) of \(requests.count) runs were trained") }
        guard !answers.isEmpty else { throw ExitCode.doesNotHold }
        if output.json {
            try Console.output((answers.count == 1 ? answers[0].json : .array(answers.map(\.json))).text() + "\n")
        } else if output.csv {
            try Console.output(CSVRecords.text(TrainAnswer.cells(answers)))
        }
        report.write(outputs, output.note) { directory throws(ReportError) in
            try TrainPage(answers).write(to: directory, version: programVersion)
        }
        try outputs.finish()
        if answers.contains(where: { $0.result.diverged == $0.result.seeds }) { throw ExitCode.doesNotHold }
        if answers.contains(where: { $0.request.spec.stop.targetLoss != nil && $0.result.reached == 0 }) { throw ExitCode.doesNotHold }
    }
}

/// States in files of one folder. A name belongs to one work: what another one left is not read.
private struct FolderStore: StateStore {
    let folder: String
    let prefix: String

    init(folder: String, identity: String) throws(FileError) {
        try makeFolder(folder)
        self.folder = folder
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
        for byte in identity.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        prefix = String(hash, radix: 16)
    }

    private func path(_ name: String) -> String { "\(folder)/\(prefix)-\(name).state" }

    func load(_ name: String) -> [UInt8]? {
        guard let file = fopen(path(name), "rb") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return bytes
    }

    /// Whole or not at all: a temporary file takes the place of the old one.
    func save(_ state: [UInt8], as name: String) {
        do throws(FileError) { try writeFile(state, to: path(name)) } catch { Console.error("checkpoint: \(error)") }
    }
}
