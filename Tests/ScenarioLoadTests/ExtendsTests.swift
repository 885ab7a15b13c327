import Foundation
import Plan
import Testing

@testable import Scenario

@Suite struct ExtendsTests {
    private func write(_ files: [String: String], _ folder: URL) throws {
        for (name, text) in files { try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8) }
    }
    private func faults(_ files: [String: String], _ name: String) throws -> [ScenarioError] {
        try Fixture.withFolder { folder in
            try write(files, folder)
            do {
                _ = try Scenario.load(path: folder.appendingPathComponent(name).path, library: Fixture.library)
                return []
            } catch let error as ScenarioErrors { return error.errors }
        }
    }

    @Test func laysAFileOverItsBase() throws {
        try Fixture.withFolder { folder in
            try write(
                [
                    "base.yaml": Fixture.valid,
                    "middle.yaml": "extends: base.yaml\nname: middle\nlayout: {tensor: 4}\ntraining: {tokens: 1G}",
                    "top.yaml": "extends: middle.yaml\nlayout: {pipeline: 1}\n",
                ], folder)
            let scenario = try Scenario.load(path: folder.appendingPathComponent("top.yaml").path, library: Fixture.library)
            // tensor from the middle, pipeline from the top, the rest from the base; tokens take the place of the base's steps.
            #expect(scenario.name == "top" && scenario.job.layout.tensor == 4 && scenario.job.layout.pipeline == 1)
            #expect(scenario.job.training.globalBatch == 64 && scenario.job.training.length == .tokens(1_000_000_000))
        }
    }

    @Test func faultsNameTheFileTheyStandIn() throws {
        let found = try faults(
            ["base.yaml": Fixture.valid.replacing("tensor: 2", with: "tensr: 2"), "top.yaml": "extends: base.yaml\nsimulate: {sed: 1}"],
            "top.yaml")
        #expect(found.count == 2)
        #expect(found.contains { $0.file.hasSuffix("base.yaml") && $0.line == 8 && $0.column == 3 && $0.keyPath == "layout.tensr" })
        #expect(found.contains { $0.file.hasSuffix("top.yaml") && $0.line == 2 && $0.column == 12 && $0.keyPath == "simulate.sed" })
    }

    @Test func circlesMissingFilesAndWrongValuesAreFaults() throws {
        let circle = try faults(["a.yaml": "extends: b.yaml\nname: a", "b.yaml": "\nextends: a.yaml"], "a.yaml")
        #expect(circle.first?.reason.contains("circle: a.yaml -> b.yaml -> a.yaml") == true)
        #expect(circle.first.map { $0.file.hasSuffix("b.yaml") && $0.line == 2 && $0.column == 10 } == true)
        #expect(try faults(["a.yaml": "extends: a.yaml"], "a.yaml").first?.reason.contains("circle") == true)
        let missing = try faults(["a.yaml": "extends: bass.yaml", "base.yaml": ""], "a.yaml").first
        #expect(missing?.suggestion == "did you mean \"base.yaml\"?" && missing?.column == 10)
        #expect(try faults(["a.yaml": "extends: [b.yaml]"], "a.yaml").first?.keyPath == "extends")
        let long = Dictionary(uniqueKeysWithValues: (0..<30).map { ("f\($0).yaml", "extends: f\($0 + 1).yaml") })
        #expect(try faults(long, "f0.yaml").first?.reason.contains("more than 20 files") == true)
    }

    @Test func huggingFacePathsAreRelativeToTheFileThatNamesThem() throws {
        try Fixture.withFolder { folder in
            let inner = folder.appendingPathComponent("inner")
            try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: true)
            try write(
                [
                    "config.json": "{\"model_type\": \"llama\"}",
                    "base.yaml": Fixture.valid.replacing("preset: tiny", with: "huggingface: config.json"),
                ], inner)
            try write(["top.yaml": "extends: inner/base.yaml", "other.json": "{}"], folder)
            let path = folder.appendingPathComponent("top.yaml").path
            #expect(try Scenario.load(path: path, library: Fixture.library).job.model.hidden == 512)
            #expect(throws: ScenarioErrors.self) {
                try Scenario.load(path: path, overrides: ["model.huggingface=nowhere.json"], library: Fixture.library)
            }
        }
    }
}

@Suite struct ExpansionTests {
    private func expand(_ more: String, overrides: [String] = []) throws(ScenarioErrors) -> [Scenario.Point] {
        try Scenario.expand(yaml: Fixture.valid + "\n" + more, file: "test.yaml", overrides: overrides, library: Fixture.library)
    }
    private func faults(_ more: String) -> [ScenarioError] {
        do {
            _ = try expand(more)
            return []
        } catch { return error.errors }
    }

    @Test func productsTimesRows() throws {
        let points = try expand(
            "vary: {layout.tensor: [1, 2], training.micro_batch: [1, 2]}\nzip: {cluster.gpus: [16, 32], training.global_batch: [64, 128]}")
        // 2 x 2 x 2 rows, the last axis fastest.
        #expect(points.count == 8)
        #expect(
            points[1].point.map { "\($0.key)=\($0.value)" } == [
                "layout.tensor=1", "training.micro_batch=1", "cluster.gpus=32", "training.global_batch=128",
            ])
        #expect(points[7].scenario.job.layout.tensor == 2 && points[7].scenario.job.cluster.gpus == 32)
        #expect(Set(points.map(\.scenario.hash)).count == 8)
        #expect(try expand("").count == 1)
    }

    @Test func aPointEqualsTheScenarioWrittenOut() throws {
        let point = try expand("vary: {layout.tensor: [4]}")[0].scenario
        let written = try Fixture.load(Fixture.valid.replacing("tensor: 2", with: "tensor: 4"))
        #expect(point.hash == written.hash && point.job == written.job)
    }

    @Test func faultsStandAtTheValueThatCausesThem() throws {
        let unknown = try #require(faults("vary: {layout.tensr: [1, 2]}").first)
        #expect(
            unknown.line == 25 && unknown.column == 8 && unknown.keyPath == "vary.layout.tensr"
                && unknown.suggestion == "did you mean \"layout.tensor\"?")
        let value = try #require(faults("vary: {layout.tensor: [1, x]}").first)
        #expect(value.line == 25 && value.column == 27 && value.keyPath == "layout.tensor")
        let illegal = try #require(faults("vary: {layout.tensor: [1, 3]}").first)
        #expect(illegal.line == 25 && illegal.column == 27)
        #expect(faults("zip: {layout.tensor: [1, 2], layout.zero: [1]}").first?.reason.contains("1 values") == true)
        #expect(faults("vary: [1]").first?.keyPath == "vary")
        #expect(faults("vary: {layout.tensor: 4}").first?.suggestion == "write layout.tensor: [1, 2]")
    }

    @Test func runningAFileThatVariesUsesItsBaseAndSaysSo() throws {
        let scenario = try Fixture.load(Fixture.valid + "\nvary: {layout.tensor: [1, 2]}")
        #expect(scenario.warnings.contains { $0.contains("vary") })
        #expect(try scenario.hash == Fixture.load(Fixture.valid).hash)
    }
}
