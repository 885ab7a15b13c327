import Foundation

/// Reference material that lies beside the repository and is not part of it; tests that read it are skipped where it is absent.
enum SharedFiles {
    static let folder =
        ProcessInfo.processInfo.environment["ORRERY_SHARED"]
        ?? URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
        .appending(path: "shared").path

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(path)") }
    static func text(_ path: String) throws -> String { try String(contentsOfFile: "\(folder)/\(path)", encoding: .utf8) }
}
