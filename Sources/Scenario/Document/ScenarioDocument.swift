/// A scenario file that is read and merged with the files it extends, and not yet understood: what a sweep lays its values over.
public struct ScenarioDocument: Sendable {
    /// The file's name without folder and ending.
    public let name: String
    let tree: Tree
    /// Whether the scenario may name files (`extends`, measurements, traces, published configurations).
    let mayReadFiles: Bool

    /// - Throws: `ScenarioErrors` where the file, or one that it extends, cannot be read or is no YAML.
    public init(path: String) throws(ScenarioErrors) {
        tree = try MergedDocument.load(path: path)
        mayReadFiles = true
        name = Self.stem(of: path)
    }

    /// As `init(path:)` for a text; `file` names it in messages, and relative paths in it start from the folder of `file`.
    /// - Throws: `ScenarioErrors`, as `init(path:)`.
    public init(yaml: String, file: String) throws(ScenarioErrors) {
        tree = try MergedDocument.load(yaml: yaml, file: file)
        mayReadFiles = true
        name = Self.stem(of: file)
    }

    /// A text from somebody who may not see this machine's files: whatever names one (`extends`, `huggingface`, measurements, traces, schedules) is
    /// a fault at its place.
    /// - Parameter name: what the scenario is called where it does not say; faults stand in a file of that name.
    /// - Throws: `ScenarioErrors`, as `init(path:)`.
    public init(confined yaml: String, name: String) throws(ScenarioErrors) {
        tree = try MergedDocument.load(yaml: yaml, file: "\(name).yaml", mayReadFiles: false)
        mayReadFiles = false
        self.name = name
    }

    init(name: String, tree: Tree, mayReadFiles: Bool) { (self.name, self.tree, self.mayReadFiles) = (name, tree, mayReadFiles) }

    static func stem(of path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return name }
        return String(name[..<dot])
    }
}
