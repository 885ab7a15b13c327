import Glibc
import Synchronization

/// Why a journal cannot be used.
public struct JournalError: Error, Sendable, CustomStringConvertible {
    public let path: String
    public let reason: String
    public var description: String { "\(path): \(reason)" }
}

/// Finished evaluations of a long piece of work, kept in a file so that a run that was killed is taken up again.
///
/// The first line names the work by a hash of everything that its answer depends on. Each finished evaluation is appended as one line
/// `place payload checksum` with one write(2), so that a process killed at any moment leaves whole lines and at most one torn one behind.
/// Reading stops at the first line that is torn or damaged and cuts the file there: what follows is computed again.
public final class Journal: Sendable {
    public let path: String
    /// Evaluations that an earlier run finished.
    public let recovered: Int
    private let finished: [Int: String]
    private struct State {
        var descriptor: Int32
        var failure: JournalError?
    }
    private let state: Mutex<State>

    /// Opens or makes a journal.
    /// - Parameters:
    ///   - work: what is being done, in one word.
    ///   - identity: everything that the evaluations depend on; hashed into the first line.
    /// - Throws: `JournalError` where the file cannot be opened, is in use by another process, or belongs to other work.
    public init(path: String, work: String, identity: String) throws(JournalError) {
        self.path = path
        let header = "orrery-journal 2 \(work) \(Self.checksum(identity))\n"
        let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw JournalError(path: path, reason: "cannot be opened: \(String(cString: strerror(errno)))") }
        var bytes: [UInt8] = []
        do throws(JournalError) {
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                throw JournalError(path: path, reason: "another run is writing this journal; wait for it, or name another file")
            }
            bytes = try Self.contents(descriptor, path: path)
            if Array(header.utf8).starts(with: bytes), bytes.count < header.utf8.count {
                // Nothing, or the torn first line of this very work.
                guard ftruncate(descriptor, 0) == 0, Self.write(header, to: descriptor) else {
                    throw JournalError(path: path, reason: "cannot be written: \(String(cString: strerror(errno)))")
                }
                bytes = Array(header.utf8)
            }
            guard bytes.starts(with: Array(header.utf8)) else { throw JournalError(path: path, reason: Self.mismatch(bytes, header)) }
            let (lines, end) = Self.parse(bytes, from: header.utf8.count)
            if end < bytes.count {
                guard ftruncate(descriptor, off_t(end)) == 0 else {
                    throw JournalError(path: path, reason: "cannot be written: \(String(cString: strerror(errno)))")
                }
            }
            finished = lines
        } catch {
            close(descriptor)
            throw error
        }
        recovered = finished.count
        state = Mutex(State(descriptor: descriptor))
    }

    deinit { _ = state.withLock { close($0.descriptor) } }

    /// What an earlier run found for a place; nil where it was not finished.
    public subscript(place: Int) -> String? { finished[place] }

    /// Why lines could not be written; the work goes on without them.
    public var failure: JournalError? { state.withLock { $0.failure } }

    /// Keeps a finished evaluation. Safe to call from several threads.
    /// - Parameter payload: one line of text.
    public func append(_ place: Int, _ payload: String) {
        let body = "\(place) \(payload)"
        let line = "\(body) \(Self.checksum(body))\n"
        state.withLock { state in
            guard state.failure == nil else { return }
            if !Self.write(line, to: state.descriptor) {
                state.failure = JournalError(path: path, reason: "cannot be written: \(String(cString: strerror(errno)))")
            }
        }
    }

    private static func mismatch(_ bytes: [UInt8], _ header: String) -> String {
        let isJournal = bytes.starts(with: Array("orrery-journal ".utf8))
        return isJournal
            ? "belongs to other work: the scenario, the space, the objective, the calibration or the program has changed; name another file, or delete this one"
            : "is no journal and is left as it is; name another file"
    }

    private static func contents(_ descriptor: Int32, path: String) throws(JournalError) -> [UInt8] {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw JournalError(path: path, reason: "is no regular file; name another file")
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                pread(descriptor, buffer.baseAddress.map { $0 + start }, buffer.count - start, off_t(start))
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw JournalError(path: path, reason: "cannot be read: \(String(cString: strerror(errno)))") }
            guard count > 0 else { break }
            start += count
        }
        bytes.removeLast(bytes.count - start)
        return bytes
    }

    /// The whole lines from `start` on, and the byte behind the last of them.
    private static func parse(_ bytes: [UInt8], from start: Int) -> (lines: [Int: String], end: Int) {
        var lines: [Int: String] = [:]
        var begin = start
        while let end = bytes[begin...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: bytes[begin..<end], as: UTF8.self)
            guard let last = line.lastIndex(of: " "), let first = line.firstIndex(of: " "), first < last,
                checksum(String(line[..<last])) == line[line.index(after: last)...], let place = Int(line[..<first])
            else { break }
            lines[place] = String(line[line.index(after: first)..<last])
            begin = end + 1
        }
        return (lines, begin)
    }

    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + start }, bytes.count - start) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { return false }
            start += written
        }
        return true
    }

    /// FNV-1a, 64 bits, as 16 hexadecimal digits.
    static func checksum(_ text: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
