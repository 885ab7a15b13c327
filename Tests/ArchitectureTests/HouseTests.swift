import Foundation
import Testing

@Suite("The house is in order")
struct HouseTests {
    @Test("No source file is longer than 600 lines, and half of them are shorter than 200")
    func lengths() throws {
        var lengths: [Int] = []
        for file in ["Sources", "Tests", "Benchmarks"].flatMap({ Checkout.files(below: $0, endings: [".swift"]) }) {
            let lines = try Checkout.text(file).split(separator: "\n", omittingEmptySubsequences: false).count
            #expect(lines <= 600, "\(file) has \(lines) lines")
            lengths.append(lines)
        }
        try #require(lengths.count > 100)
        #expect(lengths.sorted()[lengths.count / 2] < 200)
    }

    @Test("The top level holds what it should and nothing else")
    func topLevel() throws {
        let expected: Set<String> = [
            ".ci", ".gitignore", ".swift-format", "Benchmarks", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "Package.swift", "Python",
            "README.md",
            "Sources",
            "Tests", "Workbench",
            "docs", "reports", "scenarios",
        ]
        // Made by tools and kept out of the repository by .gitignore, or allowed where somebody adds them.
        let tolerated: Set<String> = [".git", ".build", ".swiftpm", ".github", "Package.resolved", "LICENSE", "out", "dist", ".vscode"]
        let found = try Checkout.names(in: ".").filter { !$0.hasPrefix(".build") && !$0.hasPrefix(".nfs") }
        for name in found { #expect(expected.contains(name) || tolerated.contains(name), "\(name) does not belong at the top") }
        for name in expected { #expect(found.contains(name), "\(name) is missing") }
    }

    @Test("Every scenario has its expected result, and every expected result its scenario")
    func scenarios() throws {
        // claims/ holds scenarios and cluster files, which FabricClaimTests computes; cosim/ what `orrery train` trains, minutes each; execute/ what
        // `orrery execute` really runs: times of a machine, which no file can foresee.
        let names = try Checkout.names(in: "scenarios").filter { !["claims", "execute", "cosim"].contains($0) }
        let files = names.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
        let expected = names.filter { $0.hasSuffix(".expected.json") }.map { String($0.dropLast(14)) }
        #expect(files.count >= 11)
        #expect(files == expected)
        #expect(names.count == files.count + expected.count, "scenarios/ holds other files")
        for file in files {
            #expect(
                try Checkout.text("scenarios/\(file).yaml").hasPrefix("#"), "\(file) does not begin by saying what it is and where from")
        }
        let claims = try Checkout.names(in: "scenarios/claims")
        for file in claims where file.hasSuffix(".yaml") {
            let text = try Checkout.text("scenarios/claims/\(file)")
            // What `orrery claims` measures is recorded in reports/claims.
            let isScenario = text.contains("\nmodel:") && !text.contains("# Measured by: orrery claims")
            #expect(claims.contains("\(file.dropLast(5)).expected.json") == isScenario, "\(file): expected result")
            #expect(
                try Checkout.text("scenarios/claims/\(file)").hasPrefix("# C"), "\(file) does not begin with the claim that it is about")
        }
    }

    /// The names of commands: what `commandName:` says, else the type's name in lower case with hyphens.
    private func commands() throws -> Set<String> {
        var commands: Set<String> = ["help"]
        for file in Checkout.files(below: "Sources/orrery", endings: [".swift"]) {
            let text = try Checkout.text(file)
            for match in text.matches(of: /struct (\w+): (?:ParsableCommand|LaterCommand|AsyncParsableCommand)/) {
                commands.insert(match.1.replacing(/([a-z])([A-Z])/) { "\($0.1)-\($0.2)" }.lowercased())
            }
            for match in text.matches(of: /commandName: "([^"]+)"/) { commands.insert(String(match.1)) }
        }
        return commands
    }

    /// Words behind `orrery` in code of a Markdown text: in spans between backticks, and at the start of a line of a block.
    static func mentioned(in markdown: String) -> [String] {
        let spans = markdown.matches(of: /`(?:\$ )?(?:out\/|\.build\/release\/)?orrery ([a-z][a-z-]*)/).map { String($0.1) }
        let lines = markdown.matches(of: /(?m)^(?:\$ )?(?:\.build\/release\/)?orrery ([a-z][a-z-]*)/).map { String($0.1) }
        return spans + lines
    }

    @Test("Documents name commands that exist")
    func commandsInDocuments() throws {
        #expect(
            HouseTests.mentioned(in: "`orrery fly` and\n```\n$ orrery swim x\norrery walk\n```\nan orrery turns") == [
                "fly", "swim", "walk",
            ])
        let commands = try commands()
        #expect(commands.isSuperset(of: ["run", "compare", "validate", "catalogue"]))
        var seen = 0
        for file in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"] + Checkout.files(below: "docs", endings: [".md"]) {
            for word in HouseTests.mentioned(in: try Checkout.text(file)) {
                #expect(commands.contains(word), "\(file): orrery \(word)")
                seen += 1
            }
        }
        #expect(seen > 5)
    }

    @Test("Documents point to files that exist")
    func links() throws {
        var seen = 0
        for file in ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"] + Checkout.files(below: "docs", endings: [".md"]) {
            let folder = Checkout.root.appending(path: file).deletingLastPathComponent()
            for match in try Checkout.text(file).matches(of: /\]\(([^)#:]+)(?:#[^)]*)?\)/) {
                let target = folder.appending(path: String(match.1)).standardizedFileURL.path
                #expect(FileManager.default.fileExists(atPath: target), "\(file): \(match.1)")
                seen += 1
            }
        }
        #expect(seen > 5)
    }

    @Test("Makefile lists system packages once, and the recipes use that list")
    func packages() throws {
        let makefile = try Checkout.text("Makefile")
        #expect(makefile.components(separatedBy: "libgsl-dev").count == 2)
        #expect(makefile.contains("$(PACKAGES)"))
    }
}
