import Foundation

/// The project's files as they lie on disk.
enum Checkout {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// Names directly in a folder, sorted.
    static func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path).sorted()
    }

    /// Paths from `base` of all files below `folder` with one of the endings, sorted.
    static func files(below folder: String, endings: [String], base: URL = root) -> [String] {
        let start = base.appending(path: folder)
        guard let walk = FileManager.default.enumerator(atPath: start.path) else { return [] }
        return walk.compactMap { $0 as? String }.filter { path in
            endings.contains { path.hasSuffix($0) } && !path.contains(".build")
        }.map { "\(folder)/\($0)" }.sorted()
    }

    /// Imports of each module below Sources: its folder's name to what its files import, with the place.
    static func importsByModule(below folder: String, base: URL = root) throws -> [(
        module: String, imports: [(module: String, place: String)]
    )] {
        let files = files(below: folder, endings: [".swift"], base: base)
        var result: [(module: String, imports: [(module: String, place: String)])] = []
        for file in files {
            let module = file.split(separator: "/").dropFirst().first.map(String.init) ?? ""
            let found = imports(in: try String(contentsOf: base.appending(path: file), encoding: .utf8)).map {
                ($0.module, "\(file):\($0.line)")
            }
            if result.last?.module != module { result.append((module, [])) }
            result[result.count - 1].imports += found
        }
        return result
    }
}
