#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A file of token numbers, little-endian, mapped into memory: only the pages that are read are loaded, and the system drops them again when memory
/// is short, so that a corpus may be larger than memory.
public final class MappedTokens: Sendable {
    /// Bytes a token in the file.
    public enum Width: Int, Sendable { case two = 2, four = 4 }
    /// Bytes of a token, and how many tokens the file holds.
    public let width: Width
    public let count: Int
    // The mapping is never written and lives as long as this object.
    private nonisolated(unsafe) let base: UnsafeRawPointer?

    /// Maps the file at `path`.
    /// - Throws: `TrainingError` where it cannot be opened or does not hold whole tokens.
    public init(path: String, width: Width = .two) throws(TrainingError) {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { throw TrainingError("\(path): \(String(cString: strerror(errno)))") }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw TrainingError("\(path) is no ordinary file") }
        let size = Int(status.st_size)
        guard size % width.rawValue == 0 else {
            throw TrainingError("\(path) has \(size) bytes, which are no whole tokens of \(width.rawValue)")
        }
        self.width = width
        count = size / width.rawValue
        guard size > 0 else {
            base = nil
            return
        }
        guard let mapped = mmap(nil, size, PROT_READ, MAP_PRIVATE, file, 0), mapped != MAP_FAILED else {
            throw TrainingError("\(path) cannot be mapped: \(String(cString: strerror(errno)))")
        }
        base = UnsafeRawPointer(mapped)
    }

    deinit {
        if let base { munmap(UnsafeMutableRawPointer(mutating: base), count * width.rawValue) }
    }

    /// The tokens in `range`.
    /// - Throws: `TrainingError` for a range outside the file.
    public func tokens(_ range: Range<Int>) throws(TrainingError) -> [Int] {
        guard range.lowerBound >= 0, range.upperBound <= count else {
            throw TrainingError("tokens \(range) of a file of \(count)")
        }
        guard let base else { return [] }
        return range.map { index in
            switch width {
            case .two: Int(UInt16(littleEndian: base.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
            case .four: Int(UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
            }
        }
    }

    /// Where documents lie that each end with the token `separator`, itself included; what follows the last one is a document too. Reads all once.
    public func documents(endingWith separator: Int) -> [Range<Int>] {
        var documents: [Range<Int>] = []
        var start = 0
        let chunk = 1 << 16
        for from in stride(from: 0, to: count, by: chunk) {
            guard let part = try? tokens(from..<min(from + chunk, count)) else { break }
            for (offset, token) in part.enumerated() where token == separator {
                documents.append(start..<from + offset + 1)
                start = from + offset + 1
            }
        }
        if start < count { documents.append(start..<count) }
        return documents
    }
}
