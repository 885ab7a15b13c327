import Foundation
import Scenario
import Testing

@Suite("Key paths that the code names")
struct KeyPathTests {
    /// Every text in the code that begins with a section and a point, `layout.tensor` or `conditions.slow_gpus[3].gpu`, is a key path that some fault or
    /// suggestion names.
    @Test("The schema knows every key path that a module may report")
    func known() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let keys = Set(Scenario.schema.map(\.keyPath))
        let sections = Set(keys.compactMap { $0.contains(".") ? $0.split(separator: ".").first.map(String.init) : nil })
        #expect(sections.isSuperset(of: ["model", "cluster", "layout", "training", "conditions", "software", "prices", "simulate"]))
        func isKnown(_ full: String) -> Bool {
            // An item of a list is named by the list.
            let path = full.hasSuffix("[]") ? String(full.dropLast(2)) : full
            return keys.contains(path) || keys.contains { $0.hasPrefix(path + ".") || $0.hasPrefix(path + "[") }
        }
        let sources = root.appending(path: "Sources").path
        let files = (FileManager.default.enumerator(atPath: sources)?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".swift") }
        var seen = 0
        // Readers of other programs' files name those programs' keys.
        for file in files.sorted() where !file.hasPrefix("Import/") {
            let text = try String(contentsOfFile: "\(sources)/\(file)", encoding: .utf8)
            for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                guard !line.drop(while: { $0 == " " }).hasPrefix("//") else { continue }
                for match in line.matches(of: /"([a-z]+)((?:\.[a-z][a-z_0-9]*(?:\[[^\]"]*\])?)+)/) where sections.contains(String(match.1))
                {
                    let path = "\(match.1)\(match.2.replacing(/\[[^\]]*\]/, with: "[]"))"
                    // Names of files, not of keys.
                    if path.hasSuffix(".yaml") || path.hasSuffix(".csv") { continue }
                    #expect(isKnown(path), "Sources/\(file):\(number + 1): \(path)")
                    seen += 1
                }
            }
        }
        #expect(seen > 150)
    }
}
