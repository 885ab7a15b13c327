import Foundation

/// A Markdown text whose `console` blocks are transcripts: `$ command`, then what it prints.
struct Transcript {
    struct Step: Equatable {
        var command: String
        var output: String
    }
    private enum Part {
        case text(String)
        case console([Step])
    }
    private var parts: [Part] = []

    /// - Parameter markdown: blocks open with ```` ```console ```` and close with ```` ``` ````, both at the start of a line.
    init(markdown: String) {
        var prose: [Substring] = []
        var block: [Substring]?
        for line in markdown.split(separator: "\n", omittingEmptySubsequences: false) {
            if let open = block {
                if line == "```" {
                    parts.append(.console(Transcript.steps(open)))
                    block = nil
                    prose = [line]
                } else {
                    block = open + [line]
                }
            } else {
                prose.append(line)
                guard line == "```console" else { continue }
                parts.append(.text(prose.joined(separator: "\n") + "\n"))
                prose = []
                block = []
            }
        }
        parts.append(.text((block.map { $0.joined(separator: "\n") } ?? "") + prose.joined(separator: "\n")))
    }

    private static func steps(_ lines: [Substring]) -> [Step] {
        var steps: [Step] = []
        for line in lines {
            if line.hasPrefix("$ ") {
                steps.append(Step(command: String(line.dropFirst(2)), output: ""))
            } else if !steps.isEmpty {
                steps[steps.count - 1].output += line + "\n"
            }
        }
        return steps
    }

    var steps: [Step] {
        get {
            parts.flatMap { part -> [Step] in
                guard case .console(let steps) = part else { return [] }
                return steps
            }
        }
        set {
            var rest = newValue[...]
            for index in parts.indices {
                guard case .console(let old) = parts[index] else { continue }
                parts[index] = .console(Array(rest.prefix(old.count)))
                rest = rest.dropFirst(old.count)
            }
        }
    }

    var markdown: String {
        parts.map { part -> String in
            switch part {
            case .text(let text): text
            case .console(let steps): steps.map { "$ \($0.command)\n\($0.output)" }.joined()
            }
        }.joined()
    }
}

/// Runs commands of documents in a folder of their own that sees the project's scenarios, with the built program on the search path.
final class Shell {
    private let folder: URL
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static let programs: URL = {
        let beside = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        if FileManager.default.isExecutableFile(atPath: beside.appending(path: "orrery").path) { return beside }
        return root.appending(path: ".build/debug")
    }()

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "orrery-documents-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            at: folder.appending(path: "scenarios"), withDestinationURL: Shell.root.appending(path: "scenarios"))
    }
    deinit { try? FileManager.default.removeItem(at: folder) }

    /// Standard output and errors of a command line, in the order in which they came.
    func run(_ command: String) throws -> String {
        let log = folder.appending(path: ".log")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let handle = try FileHandle(forWritingTo: log)
        let process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments = ["-c", command]
        process.currentDirectoryURL = folder
        var environment = ProcessInfo.processInfo.environment
        environment["PATH"] = "\(Shell.programs.path):\(environment["PATH"] ?? "/usr/bin:/bin")"
        environment["COLUMNS"] = nil
        environment["ORRERY_ARCHIVE"] = folder.appending(path: ".archive.db").path
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        process.waitUntilExit()
        return try String(contentsOf: log, encoding: .utf8)
    }
}
