import Foundation
import Scenario
import Testing

@Suite("Documents say what the program does")
struct DocumentationTests {
    /// `ORRERY_RECORD=1` writes the documents anew, and then the run fails.
    static let records = ProcessInfo.processInfo.environment["ORRERY_RECORD"] == "1"

    @Test("Every console block prints what it shows", arguments: ["README.md", "docs/tutorial.md"])
    func transcripts(document: String) throws {
        let file = Shell.root.appending(path: document)
        let text = try String(contentsOf: file, encoding: .utf8)
        var transcript = Transcript(markdown: text)
        #expect(transcript.markdown == text)
        try #require(!transcript.steps.isEmpty)
        let shell = try Shell()
        var found = transcript.steps
        for index in found.indices { found[index].output = try shell.run(found[index].command) }
        if DocumentationTests.records {
            transcript.steps = found
            try transcript.markdown.write(to: file, atomically: true, encoding: .utf8)
            Issue.record("recorded \(document); look at the difference, then run again without ORRERY_RECORD")
            return
        }
        for (shown, printed) in zip(transcript.steps, found) {
            #expect(shown.output == printed.output, "\(document): $ \(shown.command)")
        }
    }

    @Test("docs/scenario-keys.md lists the keys that the program knows")
    func keys() throws {
        let file = Shell.root.appending(path: "docs/scenario-keys.md")
        let text = KeyTable.markdown(Scenario.schema)
        if DocumentationTests.records {
            try text.write(to: file, atomically: true, encoding: .utf8)
            Issue.record("recorded docs/scenario-keys.md; look at the difference, then run again without ORRERY_RECORD")
            return
        }
        #expect(try String(contentsOf: file, encoding: .utf8) == text, "run make record")
    }

    @Test("A transcript is taken apart and put together again")
    func roundTrip() {
        let text = "a\n```console\n$ one x\nout\n\n$ two\n```\nb\n```sh\n$ not this\n```\n"
        var transcript = Transcript(markdown: text)
        #expect(transcript.markdown == text)
        #expect(transcript.steps == [.init(command: "one x", output: "out\n\n"), .init(command: "two", output: "")])
        transcript.steps[1].output = "new\n"
        #expect(transcript.markdown == "a\n```console\n$ one x\nout\n\n$ two\nnew\n```\nb\n```sh\n$ not this\n```\n")
    }

    @Test("A command that prints something else is noticed")
    func shell() throws {
        #expect(try Shell().run("echo a; echo b >&2; ls scenarios | grep -c llama3-405b-16k.yaml; exit 3") == "a\nb\n1\n")
    }
}

/// The page of scenario keys.
enum KeyTable {
    static func markdown(_ entries: [SchemaEntry]) -> String {
        var lines = [
            "# Scenario keys", "",
            "Made by `make record` from the schema that reads scenario files (`orrery scenario-keys` prints the same). Quantities carry a unit; "
                + "`b` is bits, `B` bytes, `G` 10^9, `Gi` 2^30. An unknown key is an error.", "",
        ]
        var section = ""
        for entry in entries {
            let top = entry.keyPath.split(separator: ".").first.map { String($0).replacing("[]", with: "") } ?? ""
            let isSection = entry.keyPath == top && entries.contains { $0.keyPath.hasPrefix(top + ".") }
            let group = entry.keyPath.contains(".") || isSection ? top : "top level"
            if group != section {
                section = group
                lines += lines.last == "" ? [] : [""]
                lines += ["## \(group)", "", "| key | value | left out | meaning |", "|---|---|---|---|"]
            }
            if isSection { continue }
            lines.append("| `\(entry.keyPath)` | \(cell(entry.type)) | \(cell(entry.defaultValue)) | \(cell(entry.meaning)) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func cell(_ text: String) -> String { text.replacing("|", with: "\\|").replacing("\n", with: " ") }
}
