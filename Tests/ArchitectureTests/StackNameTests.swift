import Testing

/// What a software stack does stands in stacks.yaml. A switch on its name in the code would be a second table.
@Suite("Names of frameworks")
struct StackNameTests {
    /// The default of software.framework has to be some name.
    private static let allowed = ["Sources/Scenario/Sections/OtherSections.swift"]

    /// Texts of a line of Swift; what stands behind // is none.
    private static func texts(_ line: Substring) -> [Substring] {
        guard !line.drop(while: { $0 == " " }).hasPrefix("//") else { return [] }
        return line.matches(of: /"([^"\\]*)"/).map { $0.1 }
    }

    private static func names(in code: String, of frameworks: [String]) -> [String] {
        code.split(separator: "\n").flatMap(texts).map(String.init).filter { text in frameworks.contains { text == $0 } }
    }

    @Test("No framework is named in the code, but where its own files are read")
    func table() throws {
        let lines = try Checkout.text("Sources/Calibration/Resources/stacks.yaml").split(separator: "\n")
        let sections = ["names", "memory_of", "memory_families", "offers", "publishers", "generic"]
        let entries = lines.compactMap { $0.wholeMatch(of: /([a-z][a-z0-9_-]*):/).map { String($0.1) } }.filter { !sections.contains($0) }
        #expect(entries.count >= 10)
        let frameworks = entries + ["deepspeed", "megatron", "fsdp", "maxtext", "megascale"]
        #expect(
            Self.names(in: "if name.contains(\"deepspeed\") { } // \"fsdp\"\n// \"megatron\"", of: frameworks) == ["deepspeed", "fsdp"])
        for file in Checkout.files(below: "Sources", endings: [".swift"]) where !file.contains("Import") && !Self.allowed.contains(file) {
            #expect(Self.names(in: try Checkout.text(file), of: frameworks) == [], "\(file)")
        }
    }
}
