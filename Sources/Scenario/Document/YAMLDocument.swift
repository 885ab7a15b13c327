import Quantities
import Yams

/// Text to a tree with places. Guards against what YAML permits and no scenario needs: expansion of aliases without end, deep nesting, tags.
struct YAMLDocument {
    private var file: String
    private var text: String
    private var isSetting = false
    private var nodes = 0
    private var errors: [ScenarioError] = []

    /// Nodes of a document after its aliases are expanded.
    private static let nodeLimit = 50_000
    private static let depthLimit = 40

    /// - Throws: the syntax error, or everything that makes the document no scenario.
    /// - Parameter isSetting: whether the text is a setting of the command line.
    static func parse(_ text: String, file: String, isSetting: Bool = false) throws(ScenarioErrors) -> Tree {
        var document = YAMLDocument(file: file, text: text)
        document.isSetting = isSetting
        return try document.parse()
    }

    private init(file: String, text: String) {
        self.file = file
        self.text = text
    }

    private mutating func parse() throws(ScenarioErrors) -> Tree {
        // Yams compares all keys of a mapping, and comparing keys that are aliases of aliases takes exponential time.
        if let line = lineOfComplexKey() {
            throw fault(line, 1, "a key is a list, a mapping or an alias", "write keys as plain words")
        }
        let root: Node?
        do { root = try Yams.compose(yaml: text, .basic) } catch { throw located(error) }
        guard let root else {
            throw fault(1, 1, "the file is empty", "a scenario needs the sections model, cluster and training")
        }
        let tree = convert(root, path: "", depth: 0)
        guard errors.isEmpty else { throw ScenarioErrors(errors) }
        return tree
    }

    private func fault(_ line: Int, _ column: Int, _ reason: String, _ suggestion: String, path: String? = nil) -> ScenarioErrors {
        ScenarioErrors([
            ScenarioError(
                file: file, line: max(1, line), column: max(1, column), keyPath: path ?? enclosingPath(line), reason: reason,
                suggestion: suggestion)
        ])
    }

    private func located(_ error: any Error) -> ScenarioErrors {
        switch error as? YamlError {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let detail = context.map { " (\($0.text))" } ?? ""
            if let open = context, problem.hasPrefix("did not find expected ',' or") {
                return fault(open.mark.line, open.mark.column, "this is not YAML: \(problem)\(detail)", "close the bracket that opens here")
            }
            return fault(
                mark.line, mark.column, "this is not YAML: \(problem)\(detail)", Self.advice(problem, line: lineText(mark.line)),
                path: problem.contains("another document") ? "" : nil)
        case .duplicatedKeysInMapping(let keys, let context):
            let key = keys.first ?? ""
            let parent = enclosingPath(context.mark.line).split(separator: ".").dropLast()
            let path = (parent.map(String.init) + [key]).joined(separator: ".")
            return fault(
                context.mark.line, context.mark.column, "the key \"\(key)\" stands twice in one section", "keep one of the two", path: path)
        case .reader(let problem, let offset, _, _):
            let before = text.unicodeScalars.prefix(offset ?? 0)
            let line = before.count { $0 == "\n" } + 1
            let column = before.reversed().prefix { $0 != "\n" }.count + 1
            return fault(line, column, "this is not YAML: \(problem)", "remove the control character")
        default:
            return fault(1, 1, "this is not YAML: \(error)", "check the file with a YAML tool")
        }
    }

    private static func advice(_ problem: String, line: String) -> String {
        if line.contains("\t") { return "indent with spaces, a tab is not allowed here" }
        if problem.contains("another document") { return "keep one document in a file: remove the \"---\"" }
        if problem.contains("undefined alias") { return "put \"*\" texts in quotes, or define the anchor first" }
        if problem.contains("mapping values") { return "check the indentation, or put a text with \": \" in quotes" }
        if problem.contains("Maximum nesting") { return "no scenario needs brackets this deep" }
        return "check indentation, quotes and brackets from here upwards"
    }

    private func lineText(_ line: Int) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return line >= 1 && line <= lines.count ? String(lines[line - 1]) : ""
    }

    /// The keys above a line by indentation: an approximation, for texts that YAML rejects.
    private func enclosingPath(_ line: Int) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard line >= 1, line <= lines.count else { return "" }
        var path: [String] = []
        var indentation = Int.max
        for index in stride(from: line - 1, through: max(0, line - 2000), by: -1) {
            let content = lines[index].drop { $0 == " " || $0 == "\t" }
            let width = lines[index].count - content.count
            guard width < indentation, let colon = content.firstIndex(of: ":"), !content.hasPrefix("#") else { continue }
            let key = content[..<colon]
            guard !key.isEmpty, key.count < 60, key.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." || $0 == "-" }) else {
                continue
            }
            path.insert(String(key), at: 0)
            indentation = width
            if width == 0 { break }
        }
        return path.joined(separator: ".")
    }

    /// A line whose key is no plain word, in a text that uses anchors.
    private func lineOfComplexKey() -> Int? {
        let bytes = Array(text.utf8)
        func opens(_ index: Int) -> Bool {
            index == 0 || [0x20, 0x0A, 0x0D, 0x09, 0x5B, 0x7B, 0x2C, 0x2D, 0x3A].contains(bytes[index - 1])
        }
        func marked(_ symbol: UInt8) -> Bool {
            bytes.indices.contains { bytes[$0] == symbol && opens($0) && $0 + 1 < bytes.count && bytes[$0 + 1] > 0x20 }
        }
        guard marked(UInt8(ascii: "&")), marked(UInt8(ascii: "*")) else { return nil }
        var line = 1
        var inAlias = false
        var closed = false
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "?") where opens(index) && (index + 1 == bytes.count || bytes[index + 1] <= 0x20): return line
            case UInt8(ascii: "*") where opens(index): inAlias = true
            case UInt8(ascii: ":") where closed || inAlias: return line
            case UInt8(ascii: "]"), UInt8(ascii: "}"): closed = true
            case 0x20: break
            case 0x0A:
                line += 1
                (inAlias, closed) = (false, false)
            case UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "{"): (inAlias, closed) = (false, false)
            default: closed = false
            }
        }
        return nil
    }

    private mutating func convert(_ node: Node, path: String, depth: Int) -> Tree {
        let place = Place(file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, isSetting: isSetting)
        nodes += 1
        guard nodes <= Self.nodeLimit, depth <= Self.depthLimit else {
            if errors.isEmpty {
                let deep = depth > Self.depthLimit
                report(
                    place, path, deep ? "nesting is deeper than \(Self.depthLimit)" : "the document has more than \(Self.nodeLimit) values",
                    deep ? "no scenario needs this" : "write fewer values or aliases")
            }
            return Tree(place: place, content: .null)
        }
        switch node {
        case .scalar(let scalar):
            let plain = scalar.style == .plain || scalar.style == .any
            if plain, ["", "~", "null", "Null", "NULL"].contains(scalar.string) { return Tree(place: place, content: .null) }
            return Tree(place: place, content: .scalar(scalar.string, quoted: !plain))
        case .sequence(let items):
            var trees: [Tree] = []
            for (index, item) in items.enumerated() where nodes <= Self.nodeLimit {
                trees.append(convert(item, path: "\(path)[\(index)]", depth: depth + 1))
            }
            return Tree(place: place, content: .sequence(trees))
        case .mapping(let pairs):
            var entries: [Tree.Entry] = []
            for (key, value) in pairs where nodes <= Self.nodeLimit {
                guard case .scalar(let name) = key else {
                    let at = Place(file: file, line: key.mark?.line ?? place.line, column: key.mark?.column ?? place.column)
                    report(at, path, "a key is a list or a mapping", "write keys as plain words")
                    continue
                }
                let at = Place(file: file, line: key.mark?.line ?? place.line, column: key.mark?.column ?? place.column)
                let inner = path.isEmpty ? name.string : "\(path).\(name.string)"
                entries.append(Tree.Entry(key: name.string, place: at, value: convert(value, path: inner, depth: depth + 1)))
            }
            return Tree(place: place, content: .mapping(entries))
        case .alias:
            report(place, path, "an alias is not resolved", "write the value itself")
            return Tree(place: place, content: .null)
        }
    }

    private mutating func report(_ place: Place, _ path: String, _ reason: String, _ suggestion: String) {
        errors.append(
            ScenarioError(file: place.file, line: place.line, column: place.column, keyPath: path, reason: reason, suggestion: suggestion))
    }
}
