import Foundation
import Quantities

/// The text of a file of UTF-8, without its byte-order mark.
/// - Parameter limit: bytes; a longer file is refused.
/// - Throws: `ScenarioErrors` where there is no such file, or it is a folder, unreadable, too long, binary or in another encoding.
public func readInput(_ path: String, limit: Int) throws(ScenarioErrors) -> String { try SourceText.read(path, limit: limit).text }

/// The text of a file that somebody named, read with limits, so that no file can exhaust memory or stop the program.
struct SourceText {
    var file: String
    var text: String

    /// No scenario is longer than this.
    static let scenarioLimit = 1_000_000
    /// No table of measured runs is longer than this.
    static let tableLimit = 50_000_000

    /// - Parameter limit: bytes; a longer file is refused by its size, without being read.
    static func read(_ path: String, limit: Int) throws(ScenarioErrors) -> SourceText {
        func fault(_ reason: String, _ suggestion: String, line: Int = 1, column: Int = 1) -> ScenarioErrors {
            ScenarioErrors([ScenarioError(file: path, line: line, column: column, keyPath: "", reason: reason, suggestion: suggestion)])
        }
        var directory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &directory) else {
            throw fault("there is no such file", suggestion(forMissing: path))
        }
        guard !directory.boolValue else { throw fault("this is a directory", "name a file in it") }
        if let size = (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int, size > limit {
            throw fault("the file has \(size) bytes, more than the \(limit) that are read", "name a smaller file of text")
        }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw fault("the file cannot be read", "check its permissions")
        }
        defer { try? handle.close() }
        // The size of a pipe or a device is not known beforehand, so the limit holds here once more.
        var data = Data()
        while data.count <= limit {
            let chunk: Data?
            do { chunk = try handle.read(upToCount: min(1 << 16, limit + 1 - data.count)) } catch {
                throw fault("the file cannot be read", "check that it is a file of text and its permissions")
            }
            guard let chunk, !chunk.isEmpty else { break }
            data.append(chunk)
        }
        guard data.count <= limit else {
            throw fault("the file has more than the \(limit) bytes that are read", "name a smaller file of text")
        }
        if data.starts(with: [0xEF, 0xBB, 0xBF]) { data.removeFirst(3) }
        let bytes = [UInt8](data)
        if let zero = bytes.firstIndex(of: 0) {
            let (line, column) = position(of: zero, in: bytes)
            throw fault("this is a binary file (it holds a zero byte)", "name a file of UTF-8 text", line: line, column: column)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let (line, column) = position(of: validPrefix(bytes), in: bytes)
            throw fault("the text is not UTF-8 from here on", "save the file as UTF-8", line: line, column: column)
        }
        return SourceText(file: path, text: text)
    }

    private static func suggestion(forMissing path: String) -> String {
        let url = URL(fileURLWithPath: path)
        let siblings = ((try? FileManager.default.contentsOfDirectory(atPath: url.deletingLastPathComponent().path)) ?? []).sorted()
        guard let close = nearest(url.lastPathComponent, in: siblings) else { return "check the path" }
        return "did you mean \"\(close)\"?"
    }

    /// How many bytes from the start are valid UTF-8.
    private static func validPrefix(_ bytes: [UInt8]) -> Int {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var count = 0
        while case .scalarValue(let scalar) = decoder.decode(&iterator) { count += UTF8.width(scalar) }
        return count
    }

    private static func position(of offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        var line = 1
        var column = 1
        for byte in bytes.prefix(offset) {
            if byte == 0x0A {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return (line, column)
    }
}
