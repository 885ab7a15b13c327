import Testing

@testable import Workload

@Suite struct PresetTests {
    /// Every preset's count equals the published one to 0.1%, or rounds to it where the source prints few digits ("22B"); the table is printed.
    @Test func countsMatchThePublishedOnes() throws {
        let presets = try Architecture.presetNames.map { try Architecture.preset($0) }
        var exact = 0
        for preset in presets {
            let count = preset.parameters.total
            let published = try #require(preset.publishedParameters)
            let error = Double(count) / published - 1
            if Double(count) == published { exact += 1 }
            let name = preset.name + String(repeating: " ", count: max(0, 18 - preset.name.count))
            print("\(name) \(count) published \(Int(published)) \((error * 1e6).rounded() / 1e4) %")
            #expect(abs(error) < 0.001 || roundsTo(Double(count), published), "\(preset.name): \(count) against \(published)")
            #expect(!preset.source.isEmpty)
        }
        #expect(exact >= 110)
    }

    /// Published active counts include the embedding (Mixtral) or not (GPT-OSS), and the output matrix or not (GLM): they lie between the two, to 2%.
    @Test func activeParameters() throws {
        let mixtures = try Architecture.presetNames.map { try Architecture.preset($0) }.filter { $0.moe != nil }
        #expect(mixtures.count == 19)
        for preset in mixtures {
            let count = preset.parameters
            let published = try #require(preset.publishedActive)
            print("\(preset.name) active \(count.active), without embedding \(count.active - count.embedding), published \(published)")
            let least = Double(count.active - count.embedding - count.head)
            #expect(Double(count.active) * 1.02 > published && least * 0.98 < published, "\(preset.name)")
        }
    }

    /// DeepSeek-V3's prediction module: 11.5 B parameters of its own (README_WEIGHTS of the checkpoint).
    @Test func predictionModule() throws {
        let mtp = try Architecture.preset("deepseek-v3").parameters.mtp
        #expect(abs(Double(mtp) / 11.5e9 - 1) < 0.01)
    }

    @Test func indexIsWhatTheFilesHold() throws {
        let parsed = try PresetCatalogue.files.flatMap { try $0.read().map(\.name) }
        #expect(parsed == Architecture.presetNames)
        #expect(Set(parsed).count == parsed.count)
        for file in PresetCatalogue.files { for model in try file.read() { #expect(try Architecture.preset(model.name) == model) } }
    }

    @Test func unknownNameSuggestsTheNearest() throws {
        #expect(throws: WorkloadError.unknownPreset(name: "llama3-405", suggestion: "llama3-405b")) {
            try Architecture.preset("llama3-405")
        }
        #expect(throws: WorkloadError.unknownPreset(name: "Bert-Larg", suggestion: "bert-large")) { try Architecture.preset("Bert-Larg") }
        #expect(throws: WorkloadError.unknownPreset(name: "zzzzzzzzzzzz", suggestion: nil)) { try Architecture.preset("zzzzzzzzzzzz") }
    }

    @Test(arguments: [
        ("models:\n  a: {layers: 1, hidden: 8, heads: 2, vocab: 10, hiden: 3}", "models.a.hiden: unknown key; did you mean \"hidden\"?"),
        ("models:\n  a: {hidden: 8, heads: 2, vocab: 10}", "models.a.layers: missing"),
        ("models:\n  a: {layers: x, hidden: 8, heads: 2, vocab: 10}", "models.a.layers"),
        ("models:\n  a: {layers: 1, hidden: 8, heads: 2, vocab: 10, biases: maybe}", "models.a.biases"),
        ("models:\n  a: {layers: 1, hidden: 8, heads: 2, vocab: 10, attention: {kind: mla}}", "models.a.attention.kv_rank: missing"),
        ("models:\n  a: {layers: 1, hidden: 8, heads: 3, kv_heads: 2, head_dim: 4, vocab: 10}", "kv_heads"),
        ("models: [1, 2", "test.yaml"),
        ("", "models: missing"),
    ])
    func faultsAreNamed(yaml: String, message: String) {
        let error = #expect(throws: WorkloadError.self) { try PresetFile(name: "test.yaml", text: yaml).read() }
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "none")")
    }

    /// Whether `count`, rounded to the significant digits of `published`, is `published`.
    private func roundsTo(_ count: Double, _ published: Double) -> Bool {
        var unit = 1.0
        while (published / (unit * 10)).truncatingRemainder(dividingBy: 1) == 0 { unit *= 10 }
        return (count / unit).rounded() * unit == published
    }
}
