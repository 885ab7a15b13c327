import Foundation

/// The text of a file; nil where it cannot be read, is no UTF-8 or has more than 64 MB.
public func readTextFile(_ path: String) -> String? {
    guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
    do {
        let data = try handle.read(upToCount: 64_000_001) ?? Data()
        return data.count <= 64_000_000 ? String(data: data, encoding: .utf8) : nil
    } catch { return nil }
}

/// `path` as seen from `folder`, both relative to the working folder or absolute.
func relativePath(_ path: String, from folder: String) -> String {
    if path.hasPrefix("/") { return path }
    let working = FileManager.default.currentDirectoryPath
    func parts(_ path: String) -> [String] {
        var result: [String] = []
        for part in (path.hasPrefix("/") ? path : "\(working)/\(path)").split(separator: "/").map(String.init) where part != "." {
            if part == "..", !result.isEmpty { result.removeLast() } else { result.append(part) }
        }
        return result
    }
    let (target, base) = (parts(path), parts(folder))
    let shared = zip(target, base).prefix { $0 == $1 }.count
    return (Array(repeating: "..", count: base.count - shared) + target[shared...]).joined(separator: "/")
}
