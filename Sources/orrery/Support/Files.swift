import Glibc

/// A file that could not be written.
struct FileError: Error, CustomStringConvertible {
    let path: String
    /// As errno gives it.
    let code: Int32
    var description: String { "\(path): cannot be written: \(String(cString: strerror(code)))" }
}

/// Replaces a file as a whole: the content goes to a temporary name beside it, which then takes its place. What is no regular file (a pipe,
/// /dev/stdout) is written directly.
/// - Throws: `FileError` with the system's reason; the temporary file is then gone.
func writeFile(_ bytes: [UInt8], to path: String) throws(FileError) {
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
        return try write(bytes, to: path, flags: O_WRONLY, as: path)
    }
    let temporary = "\(path).\(getpid()).part"
    do throws(FileError) {
        try write(bytes, to: temporary, flags: O_WRONLY | O_CREAT | O_EXCL, as: path)
        guard rename(temporary, path) == 0 else { throw FileError(path: path, code: errno) }
    } catch {
        unlink(temporary)
        throw error
    }
}

/// Finds out before long work whether a file can be written: its folder must be there and writable, and so must the file if it is.
/// - Throws: `FileError` with the system's reason.
func checkWritable(_ path: String) throws(FileError) {
    var status = stat()
    if stat(path, &status) == 0 {
        guard status.st_mode & S_IFMT != S_IFDIR else { throw FileError(path: path, code: EISDIR) }
        guard access(path, W_OK) == 0 else { throw FileError(path: path, code: errno) }
    }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    guard access(folder, W_OK | X_OK) == 0 else { throw FileError(path: path, code: errno) }
}

/// Makes a folder and those above it.
/// - Throws: `FileError` where that fails, or where nothing may be written into it.
func makeFolder(_ path: String) throws(FileError) {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
        made += made.isEmpty || made.hasSuffix("/") ? part : "/\(part)"
        guard mkdir(made, 0o777) == 0 || errno == EEXIST else { throw FileError(path: path, code: errno) }
    }
    var status = stat()
    guard stat(path, &status) == 0 else { throw FileError(path: path, code: errno) }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw FileError(path: path, code: ENOTDIR) }
    guard access(path, W_OK | X_OK) == 0 else { throw FileError(path: path, code: errno) }
}

private func write(_ bytes: [UInt8], to path: String, flags: Int32, as name: String) throws(FileError) {
    let descriptor = open(path, flags, 0o666)
    guard descriptor >= 0 else { throw FileError(path: name, code: errno) }
    defer { close(descriptor) }
    try writeAll(bytes, to: descriptor, name: name)
}

func writeAll(_ bytes: [UInt8], to descriptor: Int32, name: String) throws(FileError) {
    var start = 0
    while start < bytes.count {
        let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + start }, bytes.count - start) }
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { throw FileError(path: name, code: errno) }
        start += written
    }
}

/// Ctrl-C and a request to end have to wait until `body` is done, so that no file stays half-written.
func uninterrupted<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) {
    let interrupt = signal(SIGINT, SIG_IGN)
    let terminate = signal(SIGTERM, SIG_IGN)
    defer {
        signal(SIGINT, interrupt)
        signal(SIGTERM, terminate)
    }
    try body()
}

/// The folder that relative paths of the command line start from.
func workingFolder() -> String {
    guard let path = getcwd(nil, 0) else { return "." }
    defer { free(path) }
    return String(cString: path)
}

func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }
