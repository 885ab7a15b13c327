import Foundation
import Testing

/// Paths that comments and documents name, and docstrings of what other people build on.
@Suite("What is cited exists, and what is public is explained")
struct CitationTests {
    /// Paths of the repository's folders in a text, and of folders beside it. A pattern (`docs/*.md`, `reports/<name>`) stands for its folder.
    private static func paths(in text: Substring) -> [String] {
        text.matches(
            of: /(?:^|[\s(`"'])((?:docs|Sources|Tests|scenarios|reports|Benchmarks|design|prototypes|\.\.\/shared)\/[\w.\/*<>{}-]*)/
        )
        .map { match in
            var path = String(match.1)
            while path.last == "." { path.removeLast() }
            guard let pattern = path.firstIndex(where: { "*<>{}".contains($0) }) else { return path }
            return String(path[..<(path[..<pattern].lastIndex(of: "/") ?? pattern)])
        }
    }

    /// What stands behind // (in YAML #), line by line, where it can name a path.
    private static func comments(in text: String, mark: String = "//") -> [(line: Int, text: Substring)] {
        text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { number, line in
            guard line.utf8.contains(UInt8(ascii: "/")), let start = line.firstRange(of: mark) else { return nil }
            return (number + 1, line[start.upperBound...])
        }
    }

    private static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: Checkout.root.appending(path: path).path)
    }

    @Test("Comments name files that are there, and none outside the repository")
    func citationsOfComments() throws {
        #expect(Self.paths(in: "see `docs/a.md`, Sources/X/*.swift and (design/y.md).") == ["docs/a.md", "Sources/X", "design/y.md"])
        #expect(Self.comments(in: "let a = 1 // b\nc\n# d/e").map(\.text) == [" b"])
        var seen = 0
        let sources = Checkout.files(below: "Sources", endings: [".swift", ".yaml", ".c", ".h"])
        let others = ["Tests", "Benchmarks", "scenarios"].flatMap { Checkout.files(below: $0, endings: [".swift", ".yaml"]) }
        for file in sources + others {
            for (line, comment) in Self.comments(in: try Checkout.text(file), mark: file.hasSuffix(".yaml") ? "#" : "//") {
                for path in Self.paths(in: comment) {
                    // Tests may say which of other people's files they read, and are skipped where these are absent.
                    if path.hasPrefix("../shared"), file.hasPrefix("Tests/") || file.hasPrefix("Benchmarks/") { continue }
                    #expect(Self.exists(path) && !path.hasPrefix(".."), "\(file):\(line): \(path)")
                    seen += 1
                }
            }
        }
        #expect(seen > 20)
    }

    @Test("Documents name files that are there")
    func citationsOfDocuments() throws {
        // Stand for a file that the reader makes, or for tables of other people (docs/validation.md says which).
        let examples = ["scenarios/x.yaml", "scenarios/NAME.yaml", "scenarios/MINE.yaml"]
        var seen = 0
        for file in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"] + Checkout.files(below: "docs", endings: [".md"]) {
            for path in Self.paths(in: Substring(try Checkout.text(file))) where !examples.contains(path) && !path.hasPrefix("../shared") {
                #expect(Self.exists(path), "\(file): \(path)")
                seen += 1
            }
        }
        #expect(seen > 30)
    }

    /// Without a docstring and no witness of a protocol of the module, whose requirement has one. One docstring may stand over a run of stored
    /// properties; an initializer that cannot fail takes its type's.
    private static func bare(in text: String, requirements: Set<String>) -> [Int] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let declaration =
            /^\s*(?:@\w+(?:\([^)]*\))?\s+)*public\s+(?:(?:private|internal)\(set\)\s+)?(?:(?:static|final|mutating|nonmutating|override|convenience|indirect|nonisolated|class)\s+)*(func|var|let|struct|enum|class|protocol|init|subscript|typealias|actor)\b\s*([A-Za-z_]\w*|[^\s(<]+)?/
        let stored = /^\s*public\s+(?:(?:private|internal)\(set\)\s+)?(?:static )?(?:var|let)\b[^{]*$/
        let standard: Set<String> = ["description", "debugDescription", "==", "<", "+", "-", "*", "hash", "encode", "id", "rawValue"]
        func isExplained(_ index: Int) -> Bool {
            var above = index - 1
            while above >= 0, lines[above].wholeMatch(of: /\s*@\w+(?:\([^)]*\))?\s*/) != nil { above -= 1 }
            return above >= 0 && lines[above].firstMatch(of: /^\s*\/\/\//) != nil
        }
        return lines.indices.filter { index in
            guard let match = lines[index].firstMatch(of: declaration) else { return false }
            let name = match.2.map(String.init) ?? ""
            if standard.contains(name) || requirements.contains(name) || isExplained(index) { return false }
            if match.1 == "init", !lines[index].contains("throws") { return false }
            var first = index
            while first > 0, lines[first].firstMatch(of: stored) != nil, !isExplained(first) { first -= 1 }
            return !(first < index && lines[first].firstMatch(of: stored) != nil)
        }.map { $0 + 1 }
    }

    /// Names that the protocols of some files require.
    private static func requirements(in texts: [String]) -> Set<String> {
        var names: Set<String> = []
        for text in texts {
            var isInside = false
            for line in text.split(separator: "\n") {
                if line.firstMatch(of: /^(?:public |package )?protocol \w/) != nil { isInside = true }
                if isInside, let match = line.firstMatch(of: /^\s+(?:static |mutating )*(?:func|var|associatedtype)\s+(\w+)/) {
                    names.insert(String(match.1))
                }
                if line.hasPrefix("}") { isInside = false }
            }
        }
        return names
    }

    @Test("Public declarations have docstrings", arguments: ["Training", "Kernels", "Cluster"])
    func docstrings(module: String) throws {
        let example =
            "/// A.\npublic struct A {\n    /// B and c.\n    public var b = 1\n    public let c: Int\n\n    public var d: Int { 1 }\n}"
        #expect(Self.bare(in: example, requirements: []) == [7])
        #expect(Self.bare(in: example, requirements: ["d"]) == [])
        let files = Checkout.files(below: "Sources/\(module)", endings: [".swift"])
        let texts = try files.map { try Checkout.text($0) }
        #expect(files.count > 10)
        let requirements = Self.requirements(in: texts)
        for (file, text) in zip(files, texts) {
            for line in Self.bare(in: text, requirements: requirements) { Issue.record("\(file):\(line) has no docstring") }
        }
    }

    @Test("Every system has its row: code, simulated time, something to try, tests")
    func systemsAreComplete() throws {
        let rows = try Checkout.text("docs/systems.md").split(separator: "\n").filter { $0.firstMatch(of: /^\| [A-G][0-9]+ \|/) != nil }
        let counts = ["A": 16, "B": 7, "C": 7, "D": 6, "E": 8, "F": 2, "G": 1]
        for (letter, count) in counts { #expect(rows.count { $0.hasPrefix("| \(letter)") } == count, "\(letter)") }
        for row in rows { #expect(row.split(separator: "|").count == 6 && !row.contains("|  |"), "\(row.prefix(40))") }
    }
}
