/// A scenario file that is read and merged with the files it extends, and not yet understood: what a sweep lays its values over.
public struct ScenarioDocument: Sendable {
    /// The file's name without folder and ending.
    public let name: String
    let tree: Tree

    /// - Throws: `ScenarioErrors` where the file, or one that it extends, cannot be read or is no YAML.
    public init(path: String) throws(ScenarioErrors) {
        tree = try MergedDocument.load(path: path)
        name = Self.stem(of: path)
    }

    /// As `init(path:)` for a text; `file` names it in messages, and relative paths in it start from the folder of `file`.
    /// - Throws: `ScenarioErrors`, as `init(path:)`.
    public init(yaml: String, file: String) throws(ScenarioErrors) {
        tree = try MergedDocument.load(yaml: yaml, file: file)
        name = Self.stem(of: file)
    }

    static func stem(of path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return name }
        return String(name[..<dot])
    }
}
