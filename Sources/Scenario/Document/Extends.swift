import Foundation

/// Reads a file and, through `extends`, the files it is laid over.
struct MergedDocument {
    /// Files from the one that was named down to its base.
    private var chain: [String] = []
    /// The same files as they were named.
    private var files: [String] = []
    private var mayReadFiles = true
    private static let chainLimit = 20

    /// - Throws: what is wrong with any file of the chain, at its place there or at the `extends` that names it.
    static func load(path: String) throws(ScenarioErrors) -> Tree {
        var document = MergedDocument()
        document.chain = [identity(path)]
        let source = try SourceText.read(path, limit: SourceText.scenarioLimit)
        document.files = [path]
        return try document.whole(YAMLDocument.parse(source.text, file: path))
    }

    /// - Parameter mayReadFiles: whether other files may be extended.
    static func load(yaml: String, file: String, mayReadFiles: Bool = true) throws(ScenarioErrors) -> Tree {
        var document = MergedDocument()
        document.mayReadFiles = mayReadFiles
        if mayReadFiles { document.chain = [identity(file)] }
        guard yaml.utf8.count <= SourceText.scenarioLimit else {
            throw ScenarioErrors([
                ScenarioError(
                    file: file, line: 1, column: 1, keyPath: "",
                    reason: "the text has \(yaml.utf8.count) bytes, more than the \(SourceText.scenarioLimit) that are read",
                    suggestion: "shorten it")
            ])
        }
        return try document.whole(YAMLDocument.parse(yaml, file: file))
    }

    private mutating func whole(_ upper: Tree) throws(ScenarioErrors) -> Tree {
        var tree = try resolve(upper)
        tree.files = files
        return tree
    }

    private static func identity(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }

    private mutating func resolve(_ upper: Tree) throws(ScenarioErrors) -> Tree {
        guard let entry = upper["extends"] else { return upper }
        let place = entry.value.place
        func fault(_ reason: String, _ advice: String) -> ScenarioErrors {
            ScenarioErrors([
                ScenarioError(
                    file: place.file, line: place.line, column: place.column, keyPath: "extends", reason: reason, suggestion: advice)
            ])
        }
        guard mayReadFiles else { throw fault("no file is read here", "write the keys of that file into this text") }
        guard case .scalar(let name, _) = entry.value.content, !name.isEmpty else {
            throw fault("the name of one file is expected", "write extends: base.yaml")
        }
        let base = sibling(name, of: place)
        let identity = Self.identity(base)
        guard !chain.contains(identity) else {
            let names = (chain + [identity]).map { URL(fileURLWithPath: $0).lastPathComponent }
            throw fault("the files extend each other in a circle: \(names.joined(separator: " -> "))", "remove one extends")
        }
        guard chain.count < Self.chainLimit else {
            throw fault("more than \(Self.chainLimit) files extend each other", "merge some of them")
        }
        chain.append(identity)
        files.append(base)
        let source: SourceText
        do { source = try SourceText.read(base, limit: SourceText.scenarioLimit) } catch {
            let first = error.errors.first
            throw fault("\(base): \(first?.reason ?? "cannot be read")", first?.suggestion ?? "check the path")
        }
        var lower = try resolve(YAMLDocument.parse(source.text, file: base))
        guard lower.entries != nil else { throw fault("\(base) holds no mapping", "name a scenario file") }
        lower.remove(["name"])
        var merged = upper.merged(over: lower)
        merged.remove(["extends"])
        return merged
    }
}

/// `name` beside the file in which it stands, written as that file is (relative stays relative), for messages; a name on the command line starts from
/// the working folder.
func sibling(_ name: String, of place: Place) -> String {
    guard !name.hasPrefix("/"), !place.isSetting, let slash = place.file.lastIndex(of: "/") else { return name }
    return place.file[...slash] + name
}
