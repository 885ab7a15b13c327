#if canImport(Glibc)
    import Glibc
#else
    import Foundation
#endif

/// The first `limit` bytes of a small system file, without Foundation; nil where it cannot be read.
func readText(_ path: String, limit: Int) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: limit)
    let count = fread(&bytes, 1, limit, file)
    return String(decoding: bytes[0..<count], as: UTF8.self)
}
