import Foundation
import Plan
import Testing
import Workload

@testable import Scenario

@Suite struct MeasuredRunsTests {
    private static let header =
        "id,hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,vocab,sequence,global_batch,step_time_s,tensor,activation,notes"
    private static let row = "a,h100-sxm-80gb,16,8,ib-ndr-400g-x8,8,512,8,32000,1024,64,1.5,2,gelu,"

    private func read(_ text: String) throws(ScenarioErrors) -> [MeasuredRun] {
        try MeasuredRuns.read(csv: text, file: "runs.csv", library: Fixture.library)
    }
    private func faults(_ text: String) -> [ScenarioError] {
        do {
            _ = try read(text)
            return []
        } catch { return error.errors }
    }

    @Test func readsARowAndSaysWhatItAssumed() throws {
        let run = try #require(try read("\(Self.header)\n\(Self.row)\"free, text\"\n").first)
        let job = try #require(run.job)
        #expect(run.id == "a" && run.line == 2 && run.stepTimeS == 1.5 && run.weight == 1 && run.memoryGB == nil && run.completeness == nil)
        #expect(job.layout.tensor == 2 && job.data == 8 && job.model.kvHeads == 8 && job.model.headDim == 64)
        #expect(job.model.ffn == 2048 && run.warnings.contains("ffn is unknown: 4 x hidden is taken"))
        #expect(run.warnings.contains("precision is unknown: bf16 is taken"))
        #expect(run.columns["notes"] == "free, text")
    }

    @Test func quotesLineEndsAndByteOrderMarks() throws {
        let text =
            "\(Self.header)\r\n\(Self.row)\"two\r\nlines, \"\"quoted\"\"\"\r\n\r\n\(Self.row.replacing("a,", with: "b,", maxReplacements: 1))x"
        let runs = try read(text)
        #expect(runs.map(\.id) == ["a", "b"] && runs.map(\.line) == [2, 5])
        #expect(runs[0].columns["notes"] == "two\r\nlines, \"quoted\"")
        try Fixture.withFolder { folder in
            let path = folder.appendingPathComponent("bom.csv")
            try Data([0xEF, 0xBB, 0xBF] + Array(text.utf8)).write(to: path)
            #expect(try MeasuredRuns.read(path: path.path, library: Fixture.library).count == 2)
        }
    }

    @Test func rowsThatCannotBeModelledKeepTheirReason() throws {
        let rows = [
            Self.row.replacing("h100-sxm-80gb", with: "h101"), Self.row.replacing(",16,8,", with: ",18,8,"),
            Self.row.replacing(",512,8,", with: ",512,,"),
        ]
        let runs = try read(([Self.header] + rows).joined(separator: "\n"))
        #expect(runs.count == 3 && runs.allSatisfy { $0.job == nil && $0.reason?.isEmpty == false })
        #expect(runs[0].reason?.contains("h101") == true)
        #expect(runs[2].reason == "heads is unknown")
    }

    @Test func faultsAreLocated() {
        let bad = faults(
            "\(Self.header)\n\n\(Self.row.replacing(",16,8,", with: ",many,8,"))\n\(Self.row.replacing("1.5,2", with: "-1,two"))"
        )
        #expect(bad.map(\.keyPath) == ["gpus", "step_time_s", "tensor"])
        #expect(bad.map(\.line) == [3, 4, 4] && bad.map(\.column) == [17, 59, 62])
        #expect(faults("").first?.reason == "the file is empty")
        #expect(faults("id,gpu\n").contains { $0.keyPath == "gpus" && $0.suggestion.contains("\"gpu\"") })
        #expect(faults("\(Self.header)\n\(Self.row)\"open").first?.reason == "this quote is never closed")
        #expect(faults("\(Self.header)\na,b\n").first?.reason == "the row has 2 fields, the header 15")
        #expect(faults("\(Self.header),id\n").first?.keyPath == "id")
        #expect(faults("\(Self.header)\n\(Self.row)a\"b\n").first?.reason == "a quote stands inside a field")
    }

    @Test(.enabled(if: Fixture.truth != nil, "shared/truth is not beside this checkout (set ORRERY_SHARED)"))
    func everyPublishedRowGivesAJob() throws {
        let folder = try #require(Fixture.truth)
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".csv") }.sorted()
        var count = 0
        for file in files {
            for run in try MeasuredRuns.read(path: folder.appendingPathComponent(file).path, library: Fixture.library) {
                count += 1
                #expect(run.job != nil, "\(file) \(run.id): \(run.reason ?? "")")
            }
        }
        #expect(count == 502)
    }
}
