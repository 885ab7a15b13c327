import Foundation
import Testing

/// The built program, run as a user runs it.
enum Program {
    struct Outcome {
        var status: Int32
        /// True where a signal ended it.
        var crashed: Bool
        var output: String
        var errors: String
    }

    /// Beside the test bundle, where the build puts it.
    static let path: String = {
        // No test writes into the archive of whoever runs it.
        setenv("ORRERY_ARCHIVE", "off", 1)
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("orrery").path
        if FileManager.default.isExecutableFile(atPath: bundle) { return bundle }
        return URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent(".build/debug/orrery").path
    }()

    static func run(_ arguments: String...) throws -> Outcome { try run(arguments) }

    static func run(_ arguments: [String], output: FileHandle? = nil, environment: [String: String] = [:]) throws -> Outcome {
        let folder = try Folder()
        let (out, err) = (folder.path("out"), folder.path("err"))
        _ = FileManager.default.createFile(atPath: out, contents: nil)
        _ = FileManager.default.createFile(atPath: err, contents: nil)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        if !environment.isEmpty { process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 } }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try output ?? FileHandle(forWritingTo: URL(fileURLWithPath: out))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: err))
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, crashed: process.terminationReason == .uncaughtSignal,
            output: try String(contentsOfFile: out, encoding: .utf8), errors: try String(contentsOfFile: err, encoding: .utf8))
    }
}

/// A temporary folder that goes when it is let go of.
final class Folder {
    private let url: URL
    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-commands-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
    func write(_ text: String, as name: String) throws -> String {
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
        return path(name)
    }
    var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: url.path).sorted()) ?? [] }
}

/// A job of `Files.sharded` that `command` refuses with `arguments`: status 2, something on standard error, and nothing where answers go.
func expectRefusal(_ command: String, _ arguments: [String], location: SourceLocation = #_sourceLocation) throws {
    let folder = try Folder()
    let outcome = try Program.run([command, try folder.write(Files.sharded, as: "job.yaml")] + arguments)
    #expect(outcome.status == 2, sourceLocation: location)
    #expect(outcome.output.isEmpty, sourceLocation: location)
    #expect(!outcome.errors.isEmpty, sourceLocation: location)
}

/// Scenario files.
enum Files {
    /// Llama-2 7B on eight A100 of 80 GB, sharded: it fits.
    static let sharded = """
        model: {preset: llama2-7b}
        cluster: {preset: a100-node}
        layout: {zero: 3}
        training: {global_batch: 64, micro_batch: 1, sequence: 2048, steps: 100}
        software: {framework: fms-fsdp}
        prices: {gpu_hour: 2.00 USD/h}
        """
    /// The same, replicated: 16 bytes for each of 6.74 G parameters are 108 GB, more than 80.
    static let replicated = sharded.replacing("zero: 3", with: "zero: 0")
    static let disturbed = sharded + "\nconditions: {jitter: {kernel: 2%}}\nsimulate: {samples: 4}\n"
    static let varied = sharded + "\nvary: {training.micro_batch: [1, 2]}\n"
}

func object(_ json: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
}
