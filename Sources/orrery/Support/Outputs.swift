import ArgumentParser
import Glibc
import Report

/// The files that a call writes beside its answer. None takes the place of a file that the same call reads, and one that cannot be written keeps
/// nothing from being printed: that is said as soon as it is known, and the call then ends with the status of bad input.
final class Outputs {
    /// An option of the command line and the file that it names.
    typealias File = (option: String, path: String)
    private var failed: Set<String> = []

    /// - Parameters:
    ///   - files: what will be written; a nil path is an option that was not given.
    ///   - inputs: every file that the call reads.
    /// - Throws: `InputError` where one of the files is an input.
    init(_ files: [(option: String, path: String?)], inputs: [String]) throws(InputError) {
        let given = files.compactMap { file in file.path.map { (option: file.option, path: $0) } }
        let read = inputs.compactMap(FileIdentity.init)
        for file in given {
            guard let identity = FileIdentity(file.path), read.contains(identity) else { continue }
            throw InputError("\(file.option) \(file.path) is a file that this call reads, and would replace it; name another")
        }
        for file in given where !failed.contains(file.option) { attempt(file.option) { try Self.check(file) } }
    }

    /// Writes something; nothing happens where the option has failed before.
    func attempt(_ option: String, _ body: () throws -> Void) {
        guard !failed.contains(option) else { return }
        do { try body() } catch {
            failed.insert(option)
            Console.error("\(option) \(error)")
        }
    }

    func write(_ file: File, _ bytes: @autoclosure () throws -> [UInt8], _ done: () -> Void) {
        attempt(file.option) {
            let bytes = try bytes()
            try uninterrupted { () throws(FileError) in try writeFile(bytes, to: file.path) }
            done()
        }
    }

    /// - Throws: `ExitCode.badInput` where something could not be written.
    func finish() throws { if !failed.isEmpty { throw ExitCode.badInput } }

    /// A page's folder is made, so that a wrong path is found before long work and not after it.
    private static func check(_ file: File) throws {
        if file.option == ReportOption.name, let slash = file.path.lastIndex(of: "/") { try makeFolder(String(file.path[..<slash])) }
        try checkWritable(file.path)
    }
}

/// What two paths of one file have in common.
private struct FileIdentity: Hashable {
    var device: dev_t
    var number: ino_t

    /// Nil where there is no regular file.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        (device, number) = (status.st_dev, status.st_ino)
    }
}
