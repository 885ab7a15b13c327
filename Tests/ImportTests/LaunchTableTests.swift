import Foundation
import Import
import Testing

@Suite("The table of launch files in docs/import.md")
struct LaunchTableTests {
    private static let document = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
        .appendingPathComponent("docs/import.md")

    @Test("It has every file, with what became of its settings")
    func table() throws {
        var rows: [String] = []
        var sums = [0, 0, 0]
        for launch in LaunchCase.all {
            let made = try importLaunch(launch.request)
            let counts = [LaunchVerdict.Kind.taken, .harmless, .refused].map { kind in made.settings.count { $0.verdict.kind == kind } }
            sums = zip(sums, counts).map(+)
            rows.append(
                "| \(launch.format.rawValue)/\(launch.file) | \(counts.map(String.init).joined(separator: " | ")) | \(made.assumed.count) |"
            )
        }
        rows.append("| \(LaunchCase.all.count) files | \(sums.map(String.init).joined(separator: " | ")) | |")
        let text = try String(contentsOf: Self.document, encoding: .utf8)
        let head = try #require(text.range(of: "|---|---|---|---|---|\n"))
        let wanted = text[..<head.upperBound] + rows.joined(separator: "\n") + "\n"
        if ProcessInfo.processInfo.environment["ORRERY_RECORD"] != nil {
            try String(wanted).write(to: Self.document, atomically: true, encoding: .utf8)
            Issue.record("docs/import.md is written anew")
        }
        #expect(text == wanted)
    }
}
